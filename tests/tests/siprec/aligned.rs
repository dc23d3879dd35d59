//! A known signal on two legs whose clocks differ, through loss, hold and pause: what is left lies where it was.

use std::{
    net::{SocketAddr, UdpSocket},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use caveat_tests::{
    phone::Phone,
    sip::{MIXED, Session, with_metadata},
    siprec::{heard, metadata},
};
use serde_json::{Value, json};

use crate::{
    dialogs::offer,
    recorder::{ONE_PARTY, Recorder, played},
};

const FRAME: usize = 160;
/// How long the signal is.
const SECONDS: usize = 24;
/// By how much the clocks of the legs go too fast: without correction they are 38 samples apart in the end.
const PPM: [f64; 2] = [-100.0, 100.0];
/// When packets of the second leg are lost, in seconds.
const LOST: (f64, f64) = (6.2, 6.8);
/// When the second leg is on hold, and sends nothing.
const HELD: (f64, f64) = (9.0, 11.0);
/// When nobody speaks on the first leg, which is not sent then: no packet is missing.
const QUIET: (f64, f64) = (12.2, 12.8);
/// When an agent asks for a pause, and for its end.
const PAUSED: (f64, f64) = (14.0, 16.0);
/// How far a click may lie from its place, in samples: 1.5 ms. A clock that is slow is not told from packets that are late
/// before some seconds have passed.
const NEAR: f64 = 12.0;
/// The same where the drift is known.
const NEARER: f64 = 3.0;
const KNOWN_FROM_S: f64 = 16.0;

fn is_in((from, until): (f64, f64), at: f64) -> bool {
    (from..until).contains(&at)
}

/// Clicks in the middle of each second of true time, by a clock that is off.
fn signal(ppm: f64) -> Vec<i16> {
    let rate = 8_000.0 * (1.0 + ppm * 1e-6);
    let mut samples = vec![0; (SECONDS as f64 * rate) as usize / FRAME * FRAME];
    for at in clicks() {
        let place = (at * rate).round() as usize;
        samples[place..place + 8].fill(20_000);
    }
    samples
}

fn clicks() -> impl Iterator<Item = f64> {
    (0..SECONDS).map(|second| second as f64 + 0.5)
}

/// Sends a leg packet by packet, each when its last sample has been spoken: the kernel's clock is nearer to that than a
/// timer that counts milliseconds.
fn sends(
    mut phone: Phone,
    to: SocketAddr,
    began: Instant,
    ppm: f64,
    is_silent: fn(f64) -> Silence,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (n, frame) in signal(ppm).chunks_exact(FRAME).enumerate() {
            let spoken = (n + 1) as f64 * 0.02 / (1.0 + ppm * 1e-6);
            thread::sleep(
                (began + Duration::from_secs_f64(spoken)).saturating_duration_since(Instant::now()),
            );
            match is_silent(spoken) {
                Silence::None => drop(socket.send_to(&phone.packet(frame), to)),
                Silence::Lost => drop(phone.packet(frame)),
                Silence::Unsent => phone.skips(frame.len()),
            }
        }
    })
}

enum Silence {
    None,
    /// Sent, and lost.
    Lost,
    Unsent,
}

/// Where the clicks of a leg begin, in samples.
fn heard_at(leg: &[i16]) -> Vec<f64> {
    let mut found = vec![];
    let mut place = 0;
    while let Some(next) = leg[place..].iter().position(|sample| *sample > 10_000) {
        found.push((place + next) as f64);
        place = (place + next + 400).min(leg.len());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_two_legs_lies_where_it_was_after_loss_hold_and_pause() {
    let mut recorder = Recorder::start("", "", "pause-at-client = false");
    let mut live = recorder.live().await;
    let lines = offer(&[("1", "sendonly"), ("2", "sendonly")]);
    let mut session =
        Session::begin(recorder.udp, MIXED, &with_metadata(&lines, &metadata(ONE_PARTY))).await.unwrap();
    let id = live.next_on("offered").await.unwrap()["recording"].as_str().unwrap().to_owned();
    let media = session.media();
    let began = Instant::now();
    let [first, second] = [Phone::new(1).await.unwrap(), Phone::new(2).await.unwrap()];
    let threads = [
        sends(first, media[0].unwrap(), began, PPM[0], |at| match at {
            at if is_in(QUIET, at) => Silence::Unsent,
            _ => Silence::None,
        }),
        sends(second, media[1].unwrap(), began, PPM[1], |at| match at {
            at if is_in(LOST, at) => Silence::Lost,
            at if is_in(HELD, at) => Silence::Unsent,
            _ => Silence::None,
        }),
    ];
    let at = async |seconds: f64| {
        tokio::time::sleep_until((began + Duration::from_secs_f64(seconds)).into()).await;
    };
    const METADATA: &str = "Content-Type: application/rs-metadata+xml\r\n";
    for (when, customer) in [(HELD.0, false), (HELD.1, true)] {
        at(when).await;
        let (status, text) = session.asks("UPDATE", METADATA, &heard(true, customer)).await.unwrap();
        assert_eq!(status, 200, "{text}");
    }
    for (when, event) in [(PAUSED.0, "pause-asked"), (PAUSED.1, "resume-asked")] {
        at(when).await;
        recorder.tell(json!({event: "person"})).await;
    }
    for thread in threads {
        tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    }
    session.ends().await.unwrap();

    let kim = recorder.supervisor().await;
    let legs = played(&kim, &id).await;
    let first = heard_at(&legs[0])[0];
    let mut farthest = [0.0f64; 2];
    for (leg, sound) in legs.iter().enumerate() {
        // While one of two is on hold, nobody is there to talk to: the rules suspend both legs.
        let is_there = |at: &f64| !is_in(HELD, *at) && !is_in(PAUSED, *at) && !is_in([QUIET, LOST][leg], *at);
        let wanted: Vec<f64> = clicks().filter(is_there).collect();
        let found = heard_at(sound);
        assert_eq!(found.len(), wanted.len(), "leg {leg}: {found:?}");
        for (at, found) in wanted.iter().zip(found) {
            let off = found - first - (at - 0.5) * 8_000.0;
            let near = if *at > KNOWN_FROM_S { NEARER } else { NEAR };
            farthest[leg] = farthest[leg].max(off.abs());
            assert!(off.abs() <= near, "leg {leg}: the click of {at} s is {off} samples off");
        }
    }
    println!("the farthest of both legs: {farthest:?} samples");

    // Each gap is of its kind, by its rule, and as long as it was, to a packet and what asking takes.
    let answer = kim.get(&format!("/v1/recordings/{id}/waveform?purpose=quality")).await.unwrap();
    let drawn: Value = answer.json().await.unwrap();
    // The call began a little before the signal.
    let late = first / 8.0 - 500.0;
    for (leg, reason, rule, (from, until)) in [
        (0, "pause", "consent.party-exit", HELD),
        (0, "quiet", "", QUIET),
        (0, "pause", "pause", PAUSED),
        (1, "loss", "", LOST),
        (1, "pause", "consent.party-exit", HELD),
        (1, "pause", "pause", PAUSED),
    ] {
        let within = if rule.is_empty() { 40.0 } else { 450.0 };
        let near =
            |ms: &Value, seconds: f64| (ms.as_f64().unwrap() - late - seconds * 1_000.0).abs() < within;
        let fits = |gap: &&Value| {
            (&gap["leg"], &gap["reason"], &gap["rule"]) == (&leg.into(), &reason.into(), &rule.into())
                && near(&gap["from-ms"], from)
                && near(&gap["to-ms"], until)
        };
        let found = drawn["gaps"].as_array().unwrap().iter().filter(fits).count();
        assert_eq!(found, 1, "leg {leg}, {reason} of {rule:?}: {}", drawn["gaps"]);
    }
    recorder.host.audit("acme", "bundle").unwrap();
    assert_eq!(recorder.host.stop().unwrap(), 0);
}
