//! A long past, ruled on again. How long a million decisions take is not part of a run of all tests:
//! `cargo test --workspace --test history million -- --ignored --nocapture`, with `CAVEAT_DECISIONS` for another length.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "not every test needs all of it")]
mod house;

use std::{fs, path::Path, sync::Arc, time::Instant};

use caveat_engine::Engine;
use caveat_ledger::EntryKind;
use caveat_model::{CaptureEvent, Event, Facts, Mode, Verdict};
use caveat_packs::{ActiveSet, PackFile, load};
use caveat_recorder::{History, Impact, ImpactReport, Swap, Window};
use futures::future::join_all;
use house::{House, Open};
use object_store::local::LocalFileSystem;
use serde_json::{Value, json};

const STATES: [&str; 12] = ["CA", "CT", "DE", "FL", "GA", "IL", "MA", "NV", "NY", "PA", "TX", "WA"];
/// Decisions on their way into the ledger at the same time.
const AT_ONCE: u64 = 2_048;

/// A call between two of the states; every second one with a notice.
fn facts(n: u64) -> Facts {
    let party = |id: u8, role: &str, state: u64| {
        json!({"id": id, "role": role, "leg": id, "number": "geographic", "language": "en",
            "regions": [{"region": STATES[state as usize % STATES.len()], "source": "on-file"}],
            "traits": {"present": true}})
    };
    let notice = json!({"kind": "spoken", "at": 900, "recorded": true, "heard-by": [0, 1], "language": "en"});
    let notices = if n.is_multiple_of(2) { json!([notice]) } else { json!([]) };
    serde_json::from_value(json!({
        "now": "2026-11-23T09:30:05.000Z", "began": "2026-11-23T09:30:00.000Z", "direction": "inbound",
        "recorder-region": "GA", "purposes": ["quality"], "notices": notices,
        "parties": [party(0, "agent", n), party(1, "customer", n / 12)],
    }))
    .unwrap()
}

fn state_consent() -> PackFile {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/packs");
    PackFile::open(&packs.join("state-consent-0.1.0.wasm")).unwrap()
}

/// Decisions on offered calls, as the recorder enters them.
async fn decide(open: &Open, house: &House, set: &ActiveSet, engine: &Engine, decisions: u64) {
    let one = async |n: u64| {
        let (event, facts) = (Event::Capture(CaptureEvent::Offered), facts(n));
        let verdict = Verdict::merge(&event, &facts, set.ask(engine, &event, &facts));
        let detail =
            json!({"event": event, "facts": facts, "verdict": verdict, "words-in-transcript": false});
        let plain = serde_json::to_vec(&detail).unwrap();
        let sealed = open.vault.seal_detail(&house.client, "verdict", &plain).await.unwrap();
        let entry = |digest| EntryKind::of_verdict(None, event.name(), &verdict, Some(digest));
        open.ledger.append_with_detail(&house.client, sealed.into(), entry).await.unwrap();
    };
    for from in (0..decisions).step_by(AT_ONCE as usize) {
        join_all((from..decisions.min(from + AT_ONCE)).map(one)).await;
    }
}

/// What another pack would have changed in so many decisions of state-consent, all of which were made before.
async fn impact_on(decisions: u64) -> ImpactReport {
    let mut house = House::new();
    let store = house.dir.path().join("store");
    fs::create_dir(&store).unwrap();
    house.store = Arc::new(LocalFileSystem::new_with_prefix(store).unwrap());
    let open = house.open(&[&state_consent()]).await;
    let engine = Arc::new(Engine::new(Default::default(), None).unwrap());
    let pack = Arc::new(load(&engine, &state_consent(), &Value::Null).unwrap());
    let set = ActiveSet::obeying([pack.clone()]);
    let began = Instant::now();
    decide(&open, &house, &set, &engine, decisions).await;
    println!("{decisions} decisions made and entered in {:?}", began.elapsed());

    let began = Instant::now();
    let swap = Swap { name: "state-consent".into(), with: Some(pack), mode: Mode::Active };
    let impact = Impact::new(engine, &house.client, &set, &[swap]);
    let opener = open.vault.opener().clone();
    let history = History::open(open.ledger, opener, &house.client, Window::default()).await.unwrap();
    let report = impact.take_history(history, |_, _| {}).await.unwrap().report();
    println!(
        "{decisions} decisions ruled on again in {:?}; load average {}",
        began.elapsed(),
        fs::read_to_string("/proc/loadavg").unwrap().trim()
    );
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_comes_back_whole() {
    let report = impact_on(500).await;
    assert_eq!((report.events, report.events_changed, report.failures), (500, 0, 0));
    assert!(report.gone.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes"]
async fn a_million_decisions() {
    let decisions = std::env::var("CAVEAT_DECISIONS").map_or(1_000_000, |n| n.parse().unwrap());
    let report = impact_on(decisions).await;
    assert_eq!((report.events, report.events_changed), (decisions, 0));
}
