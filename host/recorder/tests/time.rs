//! The time of a call is what passes, whatever the machine's clock is set to meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "not every test needs all of it")]
mod house;
#[path = "../../packs/tests/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use caveat_audio::{GapKind, Segment};
use caveat_ledger::EntryKind;
use caveat_model::{Asker, Clock, Moment, SystemClock};
use caveat_packs::PackFile;
use caveat_recorder::{Frame, Happening, Limits, NewCall, NewParty, RecordingState, Who};
use caveat_vault::{Kind, SealReason};
use house::House;
use support::{Behavior, pack};

/// A machine whose clock somebody sets.
#[derive(Default)]
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Moment {
        Moment::from_millis(
            SystemClock.now().as_millis().saturating_add_signed(self.0.load(Ordering::SeqCst)),
        )
    }
    fn ticks_ms(&self) -> u64 {
        SystemClock.ticks_ms()
    }
}

fn allows() -> PackFile {
    pack("house", &Behavior::Says(0, "house.disclosure"), None)
}

fn two_legs() -> NewCall {
    let party = |leg| NewParty { leg: Some(leg), ..NewParty::default() };
    NewCall { external_id: "CA1".into(), parties: vec![party(0), party(1)], ..NewCall::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_in_the_middle_of_a_call_loses_nothing_of_it() {
    const SECONDS: u32 = 4;
    for (what, by_ms) in [("forward", 2 * 3_600_000), ("back", -2 * 3_600_000)] {
        let clock = Arc::new(Set::default());
        let limits = Limits { late_window_ms: 300, ..Limits::default() };
        let house = House { clock: clock.clone(), limits, ..House::new() };
        let open = house.open(&[&allows()]).await;
        let (call, answer) = open.recorder.open(&house.client, two_legs()).await.unwrap();
        assert_eq!(answer.state, RecordingState::Recording);
        let began = tokio::time::Instant::now();
        for frame in 0..SECONDS * 50 {
            tokio::time::sleep_until(began + Duration::from_millis(u64::from(frame) * 20)).await;
            if frame == 75 {
                clock.0.store(by_ms, Ordering::SeqCst);
            }
            assert!(call.hear(Frame::at_ms(0, frame * 20, vec![5_000; 160])));
        }
        call.end(SealReason::Ended).await.unwrap();
        call.sealed().await;
        let reader = open.vault.reader(&house.client, answer.recording).await.unwrap();
        let (mut kept, mut lost) = (0, 0);
        for second in 0..SECONDS {
            let plain = reader.read(0, second, Kind::Audio).await.unwrap();
            let segment = Segment::decode(&plain).unwrap();
            kept += segment.samples.iter().filter(|s| **s != 0).count();
            let gaps = segment.gaps.iter().filter(|g| g.kind == GapKind::Loss);
            lost += gaps.map(|g| usize::from(g.end - g.start)).sum::<usize>();
        }
        // The call may be a frame or two shorter by the host's ticks than by the test's.
        assert!(kept > (SECONDS as usize * 1_000 - 100) * 8, "set {what}: {kept} samples kept, {lost} lost");
        assert!(reader.seal().duration_ms < 6_000, "set {what}: {} ms", reader.seal().duration_ms);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_nobody_ends_is_ended_with_a_record_of_who_and_why() {
    let limits = Limits { late_window_ms: 300, pause_max_ms: 700, ..Limits::default() };
    let house = House { limits, ..House::new() };
    let open = house.open(&[&allows()]).await;
    let mut watch = open.recorder.watch().watch();
    let (call, _) = open.recorder.open(&house.client, two_legs()).await.unwrap();
    let asked = Happening::PauseAsked(Asker::CardEntry);
    let answer = call.happened_by(asked, Who::new("token desktop", "card")).await.unwrap();
    assert_eq!(answer.state, RecordingState::Suspended);
    assert!(answer.reasons.iter().any(|r| r.contains("token desktop: card")), "{answer:?}");
    let running = call.look().await.unwrap();
    let pause = running.pause.unwrap();
    assert_eq!((pause.who.by.as_str(), pause.who.why.as_str()), ("token desktop", "card"));
    assert_eq!(running.not_recording[0].rule, "pause");
    let resumed = loop {
        let live = tokio::time::timeout(Duration::from_secs(20), watch.recv()).await.unwrap().unwrap();
        if live.event == "resume-asked" {
            break live;
        }
    };
    assert_eq!(resumed.state, Some(RecordingState::Recording));
    let who = resumed.who.unwrap();
    assert!(who.by == "host" && who.why.contains("pause_max_ms = 700"), "{who:?}");
    assert_eq!(call.look().await.unwrap().pause, None);
    call.end(SealReason::Ended).await.unwrap();
    call.sealed().await;

    // Beside the ledger, sealed, it stands who asked.
    let mut asked = Vec::new();
    for (_, entry, _) in open.ledger.entries(&house.client, 0..u64::MAX).await.unwrap() {
        let EntryKind::Verdict { event, detail: Some(digest), .. } = entry.event else { continue };
        let sealed = open.ledger.get_detail(&house.client, digest).await.unwrap().unwrap();
        let plain = open.vault.open_detail(&house.client, "verdict", &sealed).await.unwrap();
        let detail: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        if event.ends_with("-asked") {
            asked.push((event, detail["who"]["by"].as_str().unwrap_or_default().to_owned()));
        }
    }
    let asked: Vec<(&str, &str)> = asked.iter().map(|(e, w)| (e.as_str(), w.as_str())).collect();
    assert_eq!(asked, [("pause-asked", "token desktop"), ("resume-asked", "host")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_waits_for_what_is_heard_late_no_longer_than_it_is_told_to() {
    let limits = Limits { late_window_ms: 3_600_000, drain_wait_ms: 100, ..Limits::default() };
    let house = House { limits, ..House::new() };
    let open = house.open(&[&allows()]).await;
    let (call, answer) = open.recorder.open(&house.client, two_legs()).await.unwrap();
    // One that is over already waits for the end of its window.
    let over = NewCall { external_id: "CA2".into(), ..two_legs() };
    let (other, _) = open.recorder.open(&house.client, over).await.unwrap();
    assert!(call.hear(Frame::at_ms(0, 0, vec![5_000; 8_000])));
    other.end(SealReason::Ended).await.unwrap();
    while call.look().await.unwrap().at < 300 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let drained = async {
        open.recorder.drain().await;
        // A call that is sealed is struck off the list a moment later.
        while open.recorder.calls_running() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), drained).await.unwrap();
    let reader = open.vault.reader(&house.client, answer.recording).await.unwrap();
    assert_eq!(reader.seal().end, SealReason::Interrupted);
    let first = Segment::decode(&reader.read(0, 0, Kind::Audio).await.unwrap()).unwrap();
    assert!(first.samples.iter().any(|s| *s != 0), "what was in memory is sealed");
}
