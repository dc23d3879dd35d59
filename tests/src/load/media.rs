//! Sound for very many legs: a G.711 packet for each every 20 ms, many in one system call.

use std::{
    io::IoSlice,
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

/// Packets of one system call.
const BATCH: usize = 64;
/// The legs send in so many groups, a millisecond apart.
const GROUPS: usize = 20;
const HEADER: usize = 12;
const PAYLOAD: usize = 160;

/// Sends to every leg for this long, and counts packets in `sent` meanwhile. Gives back the furthest that it was behind its
/// own schedule: on a machine that has not the power for this load, that grows.
pub fn send(legs: &[SocketAddr], seconds: f64, sent: &AtomicU64) -> anyhow::Result<Duration> {
    let from = legs.first().context("nobody to send to")?;
    let socket = UdpSocket::bind((from.ip(), 0))?;
    let sound = sound();
    let addresses: Vec<Option<SockaddrStorage>> =
        legs.iter().map(|leg| Some(SockaddrStorage::from(*leg))).collect();
    let mut headers: MultiHeaders<SockaddrStorage> = MultiHeaders::preallocate(BATCH, None);
    let mut late_max = Duration::ZERO;
    let began = Instant::now();
    for tick in 0..(seconds * 1_000.0) as u32 {
        let due = began + Duration::from_millis(tick.into());
        match due.checked_duration_since(Instant::now()) {
            Some(early) => std::thread::sleep(early),
            None => late_max = late_max.max(due.elapsed()),
        }
        let (group, round) = (tick as usize % GROUPS, tick / GROUPS as u32);
        let members: Vec<usize> = (group..legs.len()).step_by(GROUPS).collect();
        for batch in members.chunks(BATCH) {
            let fixed: Vec<[u8; HEADER]> = batch.iter().map(|leg| header(*leg as u32, round)).collect();
            let payload = |leg: usize| {
                let start = (round as usize * PAYLOAD + leg * 97) % (sound.len() - PAYLOAD);
                &sound[start..start + PAYLOAD]
            };
            let slices: Vec<[IoSlice<'_>; 2]> = batch
                .iter()
                .zip(&fixed)
                .map(|(leg, head)| [IoSlice::new(head), IoSlice::new(payload(*leg))])
                .collect();
            let to: Vec<Option<SockaddrStorage>> = batch.iter().map(|leg| addresses[*leg]).collect();
            let gone = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, to, [], MsgFlags::empty())?;
            sent.fetch_add(gone.count() as u64, Ordering::Relaxed);
        }
    }
    Ok(late_max)
}

/// RFC 3550 5.1: PCMU, a source of its own for each leg.
fn header(leg: u32, round: u32) -> [u8; HEADER] {
    let mut header = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&(round as u16).to_be_bytes());
    header[4..8].copy_from_slice(&(round * PAYLOAD as u32).to_be_bytes());
    header[8..].copy_from_slice(&(0x10ad_0000 + leg).to_be_bytes());
    header
}

/// Ten seconds of noise that comes and goes like speech, as mu-law.
fn sound() -> Vec<u8> {
    let mut state = 1u32;
    let sample = |n: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let swell = (f64::from(n) / 8_000.0 * 4.0).sin().abs();
        (f64::from((state >> 16) as i16) * 0.2 * swell) as i16
    };
    caveat_audio::g711::to_mu_law(&(0..80_000).map(sample).collect::<Vec<i16>>())
}
