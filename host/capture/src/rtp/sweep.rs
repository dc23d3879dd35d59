//! Threads that receive. Nobody is woken for a packet: every m-line is looked at ten times a second, and what has come
//! since is taken at once. The kernel keeps it meanwhile, with the time at which it came.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    Media, counts,
    fetch::{Fetcher, Now},
    receiver::Receiver,
};

/// The m-lines of a thread are looked at in so many groups, one after the other, so that its work is spread over time.
const SLICES: usize = 4;
/// Decoders are built on the stack, and one of Opus is large.
const STACK_BYTES: usize = 4 << 20;

/// Starts the thread with this number. It ends when nothing can be sent to it any more and its m-lines are over.
pub(super) fn start(number: usize, settings: Arc<Media>) -> std::io::Result<mpsc::Sender<Receiver>> {
    let (sender, inbox) = mpsc::channel();
    let thread = thread::Builder::new().name(format!("rtp-{number}")).stack_size(STACK_BYTES);
    thread.spawn(move || run(&inbox, &settings))?;
    Ok(sender)
}

fn run(inbox: &mpsc::Receiver<Receiver>, settings: &Media) {
    let mut fetcher = Fetcher::new(settings.packet_bytes_max);
    let mut slices: [Vec<Receiver>; SLICES] = std::array::from_fn(|_| vec![]);
    let pause = Duration::from_millis(settings.fetch_every_ms) / SLICES as u32;
    let mut next = Instant::now();
    for turn in (0..SLICES).cycle() {
        if slices.iter().all(Vec::is_empty) {
            let Ok(first) = inbox.recv() else { return };
            add(&mut slices, first);
        }
        inbox.try_iter().for_each(|receiver| add(&mut slices, receiver));
        if let Some(slice) = slices.get_mut(turn) {
            slice.retain_mut(|receiver| sweep(receiver, &mut fetcher));
        }
        // A thread that is behind goes on at once, and does not try to catch up.
        next = (next + pause).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn add(slices: &mut [Vec<Receiver>; SLICES], receiver: Receiver) {
    counts::began();
    if let Some(slice) = slices.get_mut(receiver.hash / 7 % SLICES) {
        slice.push(receiver);
    }
}

/// False when the m-line is over. A fault in one ends it, and no other.
fn sweep(receiver: &mut Receiver, fetcher: &mut Fetcher) -> bool {
    catch_unwind(AssertUnwindSafe(|| receiver.sweep(fetcher, Now::read()))).unwrap_or_else(|_| {
        tracing::error!("a media stream was given up because of a fault in the host");
        false
    })
}
