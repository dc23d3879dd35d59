//! A call of two legs as it comes over a network: clicks at known times on both, and where they are found.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use rtp_types::RtpPacketBuilder;

use super::*;
use crate::rtp::{Encoding, Format};

const PCMU: Format = Format { payload_type: 0, encoding: Encoding::Pcmu, clock_hz: 8_000, channels: 1 };
const CLICK: u8 = 0x80;
const QUIET: u8 = 0xff;

fn plan(format: Format) -> Plan {
    let keys = Format { payload_type: 101, encoding: Encoding::TelephoneEvent, ..PCMU };
    Plan { leg: 0, formats: vec![format, keys], srtp: None, receiving: true, rtcp_to: None, rtcp_mux: false }
}

fn line() -> Line {
    Line::new(plan(PCMU), Arc::default())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn packet(number: u16, stamp: u32, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let builder = RtpPacketBuilder::<&[u8], &[u8]>::new();
    builder
        .ssrc(7)
        .payload_type(payload_type)
        .sequence_number(number)
        .timestamp(stamp)
        .payload(payload)
        .write_vec()
        .unwrap()
}

/// The same numbers every time.
fn random(state: &mut u32) -> f64 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    f64::from(*state >> 8) / f64::from(1u32 << 24)
}

/// A leg whose phone, path and accidents are known. All times are seconds on the clock of the call.
struct Leg {
    ppm: f64,
    /// The least time on the way.
    path: f64,
    /// What the way adds at most.
    jitter: f64,
    /// One of so many packets is lost.
    loses_one_of: u32,
    /// From when to when nothing is sent; whether timestamps go on meanwhile.
    pauses: Vec<(f64, f64, bool)>,
    /// From when to when nothing gets through; then all of it at once.
    stalls: Vec<(f64, f64)>,
    /// Sender reports come, from a clock that is this far off.
    reports: Option<f64>,
    seed: u32,
}

impl Default for Leg {
    fn default() -> Self {
        Self {
            ppm: 0.0,
            path: 0.01,
            jitter: 0.0,
            loses_one_of: 0,
            pauses: vec![],
            stalls: vec![],
            reports: None,
            seed: 1,
        }
    }
}

/// When both legs hear a click: every 1.25 seconds.
fn clicks(seconds: f64) -> impl Iterator<Item = f64> {
    (1..).map(|n| f64::from(n) * 1.25).take_while(move |t| *t < seconds)
}

enum Sent {
    Sound(Vec<u8>),
    Report(Vec<u8>),
}

impl Leg {
    /// What arrives of this leg, in order.
    fn arrivals(&self, seconds: f64) -> Vec<(f64, Sent)> {
        let mut state = self.seed;
        let second = 8_000.0 / (1.0 + self.ppm * 1e-6);
        let marked: std::collections::HashSet<u64> =
            clicks(seconds).map(|t| (t * second).round() as u64).collect();
        let mut arrivals = vec![];
        let (mut stamp, mut number, mut next_report) = (0xffff_f000u32, 65_000u16, 1.0);
        for n in 0..(seconds * second / 160.0) as u64 {
            let sent = (n + 1) as f64 * 160.0 / second;
            let pause = self.pauses.iter().find(|(from, to, _)| (*from..*to).contains(&sent));
            if let Some((.., goes_on)) = pause {
                stamp = if *goes_on { stamp.wrapping_add(160) } else { stamp };
                continue;
            }
            let stall = self.stalls.iter().find(|(from, to)| (*from..*to).contains(&sent));
            let way = self.path + self.jitter * random(&mut state);
            let arrival = stall.map_or(sent + way, |(_, to)| to + way);
            let payload: Vec<u8> =
                (0..160).map(|i| if marked.contains(&(n * 160 + i)) { CLICK } else { QUIET }).collect();
            let lost = self.loses_one_of > 0 && random(&mut state) < 1.0 / f64::from(self.loses_one_of);
            if !lost {
                arrivals.push((arrival, Sent::Sound(packet(number, stamp, 0, &payload))));
            }
            (stamp, number) = (stamp.wrapping_add(160), number.wrapping_add(1));
            if let Some(off) = self.reports.filter(|_| sent >= next_report) {
                next_report += 5.0;
                arrivals.push((sent + self.path, Sent::Report(report(sent + off, stamp))));
            }
        }
        arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        arrivals
    }

    /// Where the clicks are found, in samples, and how many samples were heard.
    fn found(&self, seconds: f64, alignment: &Alignment) -> (BTreeMap<i64, i64>, u64) {
        let mut line = line();
        let mut found = BTreeMap::new();
        let mut heard = 0;
        let mut swept = 0.0;
        for (arrival, sent) in self.arrivals(seconds) {
            while arrival > swept + 0.1 {
                swept += 0.1;
                line.tick(swept);
                line.align(alignment);
                heard += take_clicks(&mut line, &mut found);
            }
            match sent {
                Sent::Sound(bytes) => line.datagram(&bytes, address(4_000), arrival),
                Sent::Report(bytes) => line.control_datagram(&bytes, address(4_001), arrival),
            }
        }
        line.finish(seconds + 1.0);
        heard += take_clicks(&mut line, &mut found);
        assert_eq!((line.stats.bad, line.stats.stray), (0, 0));
        (found, heard)
    }
}

fn report(ntp: f64, stamp: u32) -> Vec<u8> {
    use rtcp_types::{RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem, SenderReport};
    let ntp = ((3.9e9 + ntp) * 4_294_967_296.0) as u64;
    let name = SdesChunk::builder(7).add_item(SdesItem::builder(SdesItem::CNAME, "recorder@192.0.2.1"));
    let compound = rtcp_types::CompoundBuilder::default()
        .add_packet(SenderReport::builder(7).ntp_timestamp(ntp).rtp_timestamp(stamp))
        .add_packet(Sdes::builder().add_chunk(name));
    let mut bytes = vec![0; 200];
    let written = compound.write_into(&mut bytes).unwrap();
    bytes.truncate(written);
    bytes
}

/// Which click is where: by the number of the click that is closest.
fn take_clicks(line: &mut Line, found: &mut BTreeMap<i64, i64>) -> u64 {
    let mut heard = 0;
    for piece in line.heard.pieces.drain(..) {
        heard += piece.samples.len() as u64;
        for (i, _) in piece.samples.iter().enumerate().filter(|(_, s)| s.unsigned_abs() > 20_000) {
            let at = piece.at as i64 + i as i64;
            found.insert((at + 5_000) / 10_000, at);
        }
    }
    heard
}

/// How far apart the same click is on two legs at most, in samples, and how many clicks both have; from `after` on.
fn apart(a: &Leg, b: &Leg, seconds: f64, after: f64) -> (i64, usize) {
    let alignment = Alignment::default();
    let other = alignment.downgrade().upgrade().unwrap();
    let ((a, _), (b, _)) = (a.found(seconds, &alignment), b.found(seconds, &other));
    let both = a
        .iter()
        .filter(|(n, _)| **n as f64 * 1.25 >= after)
        .filter_map(|(n, at)| Some((at - b.get(n)?).abs()));
    let both: Vec<i64> = both.collect();
    (both.iter().copied().max().unwrap_or(0), both.len())
}

#[test]
fn legs_without_accidents_are_aligned_to_the_sample() {
    assert_eq!(apart(&Leg::default(), &Leg::default(), 60.0, 0.0), (0, 47));
}

#[test]
fn legs_stay_aligned_over_an_hour_of_drift_jitter_loss_and_pauses() {
    let a = Leg {
        ppm: 60.0,
        jitter: 0.020,
        loses_one_of: 50,
        pauses: vec![(600.0, 607.3, false), (1_200.0, 1_260.0, true)],
        stalls: vec![(900.0, 900.5), (2_000.0, 2_000.3)],
        seed: 5,
        ..Leg::default()
    };
    let b = Leg {
        ppm: -40.0,
        jitter: 0.030,
        loses_one_of: 100,
        pauses: vec![(1_800.0, 1_830.0, false)],
        seed: 9,
        ..Leg::default()
    };
    let (samples, clicks) = apart(&a, &b, 3_600.0, 0.0);
    println!("{samples} samples apart at most, over {clicks} clicks");
    assert!(clicks > 2_600 && samples <= 16, "{samples} samples apart, {clicks} clicks");
    let (samples, _) = apart(&a, &b, 3_600.0, 2_000.0);
    println!("{samples} samples apart at most at the end");
    assert!(samples <= 2, "{samples} samples apart after the last pause");
}

#[test]
fn paths_of_different_length_are_told_apart_by_sender_reports() {
    let near = Leg { path: 0.010, jitter: 0.004, reports: Some(5.5), ppm: 20.0, ..Leg::default() };
    let far = Leg { path: 0.055, jitter: 0.010, reports: Some(5.5), ppm: -30.0, seed: 2, ..Leg::default() };
    let (samples, clicks) = apart(&near, &far, 300.0, 60.0);
    println!("{samples} samples apart at most, over {clicks} clicks, with reports");
    assert!(clicks > 180 && samples <= 2, "{samples} samples apart");
    let silent = |leg: Leg| Leg { reports: None, ..leg };
    let (samples, _) = apart(&silent(near), &silent(far), 300.0, 60.0);
    assert!(
        (340..380).contains(&samples),
        "{samples}: 45 ms are 360 samples, which arrival alone cannot tell"
    );
}

#[test]
fn what_is_lost_or_not_sent_is_a_gap_of_its_true_length() {
    let whole = Leg { jitter: 0.005, ..Leg::default() }.found(30.0, &Alignment::default()).1;
    let paused =
        Leg { jitter: 0.005, pauses: vec![(10.0, 14.0, false), (20.0, 21.0, true)], ..Leg::default() };
    let (found, heard) = paused.found(30.0, &Alignment::default());
    // But for the samples by which clocks were drawn together.
    assert!((whole - heard).abs_diff(5 * 8_000) < 10, "{} samples are missing", whole - heard);
    for (n, at) in found {
        assert!((at - n * 10_000 - 80).abs() <= 8, "click {n} is at {at}");
    }
}

/// What was heard, as (start, samples).
fn heard(line: &mut Line) -> Vec<(u64, usize)> {
    line.heard.pieces.drain(..).map(|p| (p.at, p.samples.len())).collect()
}

/// Sends `count` packets of 20 ms; the first is packet `n` of the call.
fn send(line: &mut Line, n: u32, count: u32, from: u16) {
    for n in n..n + count {
        let bytes = packet(n as u16, n * 160, 0, &[CLICK; 160]);
        line.datagram(&bytes, address(from), f64::from(n + 1) * 0.02);
        line.tick(f64::from(n + 1) * 0.02);
    }
}

/// A second of sound, and then whatever a case has: numbers, timestamps in packets, payload types and payloads.
fn quiet_in(format: Format, sound: &[u8], then: &[(u16, u32, u8, &[u8])]) -> Vec<(u64, u64)> {
    let mut line = Line::new(plan(format), Arc::default());
    let first = (0..50).map(|n| (n, u32::from(n), format.payload_type, sound));
    for (number, place, payload_type, payload) in first.chain(then.iter().copied()) {
        let bytes = packet(number, place * format.clock_hz / 50, payload_type, payload);
        let arrival = f64::from(place + 1) * 0.02;
        line.datagram(&bytes, address(4_000), arrival);
        line.tick(arrival);
    }
    line.finish(10.0);
    line.heard.quiet.drain(..).map(|stretch| (stretch.start, stretch.end)).collect()
}

#[test]
fn where_nobody_speaks_it_is_quiet_and_where_packets_are_missing_it_is_not() {
    const OPEN: u64 = u64::MAX;
    let (sound, noise): (&[u8], &[u8]) = (&[CLICK; 160], &[60]);
    let of = |then: &[(u16, u32, u8, &[u8])]| quiet_in(PCMU, sound, then);
    // Packets follow by their numbers, and their timestamps leave two seconds out.
    assert_eq!(of(&[(50, 150, 0, sound)]), [(8_000, 24_000)]);
    // The same with three that never came: nobody knows what was in them.
    assert_eq!(of(&[(53, 150, 0, sound)]), []);
    // Comfort noise, at once and later again, and what is said then.
    let said = [(50, 50, 13, noise), (51, 80, 13, noise), (52, 100, 0, sound)];
    assert_eq!(of(&said), [(8_000, OPEN), (8_000, 16_000)]);
    // The first words are lost: that is no quiet.
    assert_eq!(of(&[(50, 50, 13, noise), (54, 103, 0, sound)]), [(8_000, OPEN), (8_000, 16_000)]);
    // Comfort noise that came before any sound, or behind a loss, says nothing of the time before it.
    assert_eq!(of(&[(52, 52, 13, noise), (53, 100, 0, sound)]), [(8_000, 16_000)]);

    // Opus says it by packets of one byte.
    let opus = Format { payload_type: 96, encoding: Encoding::Opus, clock_hz: 48_000, channels: 2 };
    let mut encoder = opus_rs::OpusEncoder::new(48_000, 1, opus_rs::Application::Voip).unwrap();
    let mut room = [0; 1_276];
    let length = encoder.encode(&[0.1; 960], 960, &mut room).unwrap();
    let sound = &room[..length];
    let said = [(50, 50, 96, &sound[..1]), (51, 70, 96, &sound[..1]), (52, 100, 96, sound)];
    let found = quiet_in(opus, sound, &said);
    assert!(
        matches!(found[..], [(from, OPEN), (again, until)]
        if from == again && from.abs_diff(8_000) <= 60 && until.abs_diff(16_000) <= 60),
        "{found:?}"
    );
}

#[test]
fn a_stranger_is_not_heard_until_the_stream_has_been_silent() {
    let mut line = line();
    send(&mut line, 0, 50, 4_000);
    send(&mut line, 50, 10, 6_666);
    assert_eq!((line.stats.packets, line.stats.stray), (50, 10));
    assert_eq!(heard(&mut line), [(0, 50 * 160)]);
    // Two seconds later it is a phone that has moved.
    send(&mut line, 160, 50, 6_666);
    assert_eq!((line.stats.packets, line.stats.stray), (100, 10));
    assert_eq!(heard(&mut line), [(160 * 160, 50 * 160)]);
}

#[test]
fn what_comes_while_inactive_is_dropped_and_time_goes_on() {
    let mut line = line();
    send(&mut line, 0, 50, 4_000);
    line.update(Plan { receiving: false, ..plan(PCMU) });
    send(&mut line, 50, 50, 4_000);
    line.update(plan(PCMU));
    send(&mut line, 100, 50, 4_000);
    assert_eq!(heard(&mut line), [(0, 50 * 160), (100 * 160, 50 * 160)]);
    assert_eq!((line.stats.packets, line.stats.inactive), (150, 50));
}

#[test]
fn order_copies_and_late_packets_do_not_matter() {
    let mut line = line();
    send(&mut line, 0, 40, 4_000);
    for n in [41u32, 40, 40, 44, 42, 45, 43] {
        line.datagram(&packet(n as u16, n * 160, 0, &[CLICK; 160]), address(4_000), 0.92);
    }
    line.tick(1.0);
    let mut covered: Vec<(u64, usize)> = heard(&mut line);
    covered.sort_unstable();
    assert!(covered.windows(2).all(|w| w[0].0 + w[0].1 as u64 == w[1].0), "{covered:?}");
    assert_eq!(covered.iter().map(|(_, n)| n).sum::<usize>(), 46 * 160);
    assert_eq!((line.stats.duplicate, line.stats.reordered, line.stats.lost), (1, 3, 0));
}

/// Packet `n` of a second source, from the same address, as it comes on time.
fn other(line: &mut Line, n: u32) {
    let builder = RtpPacketBuilder::<&[u8], &[u8]>::new().ssrc(99).payload_type(0);
    let builder = builder.sequence_number(n as u16).timestamp(n * 160 + 77).payload(&[CLICK; 160]);
    line.datagram(&builder.write_vec().unwrap(), address(4_000), f64::from(n + 1) * 0.02);
    line.tick(f64::from(n + 1) * 0.02);
}

/// What each voice said, as (start, samples).
fn voices(line: &mut Line) -> BTreeMap<u8, Vec<(u64, usize)>> {
    let mut voices = BTreeMap::<u8, Vec<(u64, usize)>>::new();
    for piece in line.heard.pieces.drain(..) {
        voices.entry(piece.voice).or_default().push((piece.at, piece.samples.len()));
    }
    voices
}

#[test]
fn another_source_takes_over_when_the_first_is_silent() {
    let mut line = line();
    send(&mut line, 0, 50, 4_000);
    (50..100).for_each(|n| other(&mut line, n));
    let want = [(0, vec![(0, 50 * 160)]), (1, vec![(50 * 160, 50 * 160)])];
    assert_eq!(voices(&mut line), want.into());
    assert_eq!((line.stats.stray, line.stats.lost), (0, 0));
}

#[test]
fn sources_that_sound_at_once_are_all_heard_and_whole() {
    let mut line = line();
    send(&mut line, 0, 50, 4_000);
    for n in 50..150 {
        send(&mut line, n, 1, 4_000);
        other(&mut line, n);
        if n == 53 {
            // Somebody says goodbye for it while it waits: what it said up to then is not heard, and it goes on.
            line.control_datagram(&[0x81, 203, 0, 1, 0, 0, 0, 99], address(4_001), 1.08);
        }
    }
    (150..200).for_each(|n| other(&mut line, n));
    let want = [(0, vec![(0, 150 * 160)]), (1, vec![(54 * 160, 146 * 160)])];
    assert_eq!(voices(&mut line), want.into());
    assert_eq!((line.stats.stray, line.stats.lost, line.stats.bad), (4, 0, 0));
}

#[test]
fn keys_are_told_once_with_their_place() {
    let mut line = line();
    send(&mut line, 0, 50, 4_000);
    // A key of 100 ms at one second: packets every 20 ms, the end three times, the first end lost.
    for (n, (duration, end)) in
        [(160, 0), (320, 0), (480, 0), (640, 0), (800, 0x80), (800, 0x80)].into_iter().enumerate()
    {
        let payload = [5, end | 10, (duration >> 8) as u8, duration as u8];
        let bytes = packet(50 + n as u16, 50 * 160, 101, &payload);
        line.datagram(&bytes, address(4_000), 1.02 + n as f64 * 0.02);
    }
    line.tick(1.2);
    let keys: Vec<_> = line.heard.keys.drain(..).map(|k| (k.symbol, k.start, k.end)).collect();
    assert_eq!(keys, [('5', 8_000, 8_800)]);
}

#[test]
fn a_flood_is_cut_off_and_forgotten() {
    let mut line = line();
    for n in 0..10_000u32 {
        line.datagram(&packet(n as u16, n * 160, 0, &[CLICK; 160]), address(4_000), 0.5);
    }
    // The first of them was nobody's yet.
    assert_eq!((line.stats.packets, line.stats.bad), (501, 9_499));
    send(&mut line, 10_000, 50, 4_000);
    assert_eq!(line.stats.packets, 551);
}

#[test]
fn sources_that_are_made_up_cost_the_one_that_is_heard_nothing() {
    let mut line = line();
    send(&mut line, 0, 50, 4_000);
    for n in 50..250u16 {
        let at = f64::from(n + 1) * 0.02;
        // More of them than the line takes in a second, from the very same address, each once; and a forged goodbye.
        for made_up in 0..40u32 {
            let mut bytes = packet(made_up as u16, 0, 0, &[0x10; 160]);
            bytes[8..12].copy_from_slice(&(1_000 + u32::from(n) * 40 + made_up).to_be_bytes());
            line.datagram(&bytes, address(4_000), at);
        }
        line.control_datagram(
            &[0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 7],
            address(4_001),
            at,
        );
        line.datagram(&packet(n, u32::from(n) * 160, 0, &[CLICK; 160]), address(4_000), at);
        line.tick(at);
    }
    line.finish(6.0);
    assert_eq!(heard(&mut line), [(0, 250 * 160)]);
}

#[test]
fn any_bytes_at_all_are_no_fault() {
    let mut state = 3u32;
    for format in [PCMU, Format { encoding: Encoding::Opus, clock_hz: 48_000, channels: 2, ..PCMU }] {
        let mut line = Line::new(
            plan(format),
            Arc::new(Media { packets_per_second_max: 1_000_000, ..Media::default() }),
        );
        for n in 0..50_000u32 {
            let mut bytes: Vec<u8> = (0..n % 70).map(|_| (random(&mut state) * 256.0) as u8).collect();
            // Most of it looks like RTP of few sources.
            if let Some([first, kind, .., ssrc]) = bytes.first_chunk_mut::<12>() {
                (*first, *kind, *ssrc) =
                    (0x80 | *first & 0x3f, [0, 101, 200, *kind][n as usize % 4], *ssrc & 7);
            }
            line.datagram(&bytes, address(4_000), f64::from(n) * 0.001);
            line.control_datagram(&bytes, address(4_000), f64::from(n) * 0.001);
            if n % 100 == 0 {
                line.tick(f64::from(n) * 0.001);
                let ahead = line.heard.pieces.drain(..).map(|p| p.at).max().unwrap_or(0);
                assert!(ahead < 8 * u64::from(n) + 16_000, "placed at {ahead}, at {n} ms");
                line.heard.keys.clear();
            }
        }
        line.finish(60.0);
    }
}
