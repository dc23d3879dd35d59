//! How recordings come to their end: by schedule, at a rate, under holds, with a clock that may have jumped, and with
//! people who decide what the rules leave open.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../stores/tests/faulty/mod.rs"]
mod faulty;
#[allow(dead_code, reason = "not every test needs all of it")]
mod house;
#[path = "../../packs/tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use caveat_ledger::EntryKind;
use caveat_model::{Attribute, AttributeValue, Clock, ManualClock, Moment, RecordingId};
use caveat_packs::PackFile;
use caveat_recorder::{Frame, NewCall, NewParty, Practice, Swept};
use caveat_retention::{Decision, Limits, NewHold, Scope};
use caveat_vault::{SealReason, Vault, VaultError};
use faulty::{Fault, Faulty};
use house::{House, Open};
use object_store::{ObjectStoreExt, path::Path};
use support::{Behavior, pack};

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

fn allows() -> PackFile {
    pack("house", &Behavior::Says(0, "house.disclosure"), None)
}

/// A pack as it is shipped.
fn shipped(name: &str) -> PackFile {
    let packs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/packs");
    PackFile::open(&packs.join(format!("{name}-0.1.0.wasm"))).expect("run `cargo xtask packs` first")
}

/// A house whose time is the test's, and whose client wants recordings gone after so many days.
fn house(dispose_after_days: Option<u32>, keeping: Limits) -> (House, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Moment::from_millis(1_795_000_000_000)));
    let practice = Practice { dispose_after_days, ..Practice::default() };
    let keeping = Limits { sweep_every_ms: u64::MAX, ..keeping };
    (House { clock: clock.clone(), practice, keeping, ..House::new() }, clock)
}

/// A call of two seconds that is over, and its recording.
async fn recorded(house: &House, open: &Open, id: &str, call: NewCall) -> RecordingId {
    let party = |leg| NewParty { leg: Some(leg), ..NewParty::default() };
    let parties = if call.parties.is_empty() { vec![party(0)] } else { call.parties };
    let began = Some(house.clock.now());
    let call = NewCall { external_id: id.to_owned(), began, parties, ..call };
    let (call, answer) = open.recorder.open(&house.client, call).await.unwrap();
    for second in 0..2 {
        call.feed(Frame::at_ms(0, second * 1_000, vec![5_000; 8_000])).await.unwrap();
    }
    call.passed(2_000).await.unwrap();
    call.end(SealReason::Ended).await.unwrap();
    call.sealed().await;
    assert_eq!(open.recorder.state_of(&house.client, answer.recording).await.unwrap(), "sealed");
    answer.recording
}

async fn is_gone(house: &House, open: &Open, id: RecordingId) -> bool {
    let gone = matches!(open.vault.reader(&house.client, id).await, Err(VaultError::Gone { .. }));
    let state = open.recorder.state_of(&house.client, id).await.unwrap();
    assert_eq!(state, if gone { "destroyed" } else { "sealed" });
    gone
}

async fn sweep(open: &Open) -> (u32, u32) {
    let swept = open.recorder.sweep().await.unwrap();
    assert_eq!(swept.untrusted, 0, "{swept:?}");
    (swept.destroyed, swept.kept)
}

/// Names of the entries about destroying, in the order of the ledger.
async fn destroying(house: &House, open: &Open) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (_, entry, _) in open.ledger.entries(&house.client, 0..u64::MAX).await.unwrap() {
        names.push(match entry.event {
            EntryKind::Verdict { event, .. } if event == "dispose" => "dispose",
            EntryKind::DisposalIntent { .. } => "intent",
            EntryKind::DisposalResult { ok, .. } => {
                if ok {
                    "done"
                } else {
                    "not done"
                }
            }
            EntryKind::HoldSet { .. } => "hold",
            EntryKind::HoldLifted { .. } => "lift",
            _ => continue,
        });
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_goes_at_a_rate_and_a_receipt_says_so() {
    let (house, clock) = house(Some(30), Limits { disposals_per_sweep_max: 2, ..Limits::default() });
    let open = house.open(&[&allows()]).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(recorded(&house, &open, &format!("CA{n}"), NewCall::default()).await);
    }
    let until = |days| clock.now().plus_days(days);
    assert!(open.recorder.retention_plan(&house.client, until(29), 100).await.unwrap().is_empty());
    let plan = open.recorder.retention_plan(&house.client, until(31), 100).await.unwrap();
    let mut planned: Vec<_> = plan.iter().map(|p| p.recording).collect();
    planned.sort();
    ids.sort();
    assert_eq!(planned, ids);
    assert!(plan.iter().all(|p| p.why.contains("dispose-after-days") && p.held_by.is_empty()), "{plan:?}");
    assert_eq!(sweep(&open).await, (0, 0));
    clock.advance_millis(30 * DAY_MS + HOUR_MS);
    assert_eq!(sweep(&open).await, (2, 0));
    assert_eq!(sweep(&open).await, (1, 0));
    assert_eq!(sweep(&open).await, (0, 0));
    for id in &ids {
        assert!(is_gone(&house, &open, *id).await);
    }
    assert_eq!(destroying(&house, &open).await, ["dispose", "intent", "done"].repeat(3));
    let receipts = open.recorder.receipts(&house.client, 100).await.unwrap();
    assert_eq!(receipts.len(), 3);
    let newest = &receipts[0];
    assert_eq!(
        (newest.basis.as_str(), newest.what.as_str(), newest.object_gone),
        ("schedule", "recording", true)
    );
    assert!(newest.verdict < newest.intent && newest.intent < newest.result, "{newest:?}");
    assert!(open.recorder.retention_plan(&house.client, until(999), 100).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_deletes_nothing_keeps_noise_and_is_asked_again() {
    let (house, clock) = house(Some(30), Limits::default());
    let store = Faulty::default();
    let house = House { store: Arc::new(store.clone()), ..house };
    let open = house.open(&[&allows()]).await;
    let id = recorded(&house, &open, "CA1", NewCall::default()).await;
    let object = Path::from(Vault::object_name(&house.client, id));
    store.set(Fault::Keeps);
    clock.advance_millis(30 * DAY_MS + HOUR_MS);
    assert_eq!(sweep(&open).await, (1, 0));
    // The keys go all the same, and with them what was known of its call.
    assert!(is_gone(&house, &open, id).await);
    let receipts = async |open: &Open| open.recorder.receipts(&house.client, 10).await.unwrap();
    let first = receipts(&open).await;
    assert_eq!((first.len(), first[0].object_gone), (1, false), "{first:?}");
    assert!(store.inner.head(&object).await.is_ok(), "what is left is noise");
    // Another start remembers, and so does the store for now.
    drop(open);
    let open = house.open(&[&allows()]).await;
    assert_eq!(sweep(&open).await, (0, 0));
    assert_eq!(receipts(&open).await, first);
    store.set(Fault::None);
    assert_eq!(sweep(&open).await, (0, 0));
    assert!(store.inner.head(&object).await.is_err(), "it was asked again");
    let last = receipts(&open).await;
    assert_eq!((last.len(), last[0].object_gone), (1, true), "{last:?}");
    assert_eq!(destroying(&house, &open).await, ["dispose", "intent", "done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_takes_in_what_there_is_and_what_comes_and_nothing_goes_until_it_is_lifted() {
    let (house, clock) = house(Some(1), Limits::default());
    let open = house.open(&[&allows()]).await;
    let of_smith = || NewCall {
        parties: vec![NewParty {
            leg: Some(0),
            number: Some("+1 212 555 0100".into()),
            ..NewParty::default()
        }],
        ..NewCall::default()
    };
    let of_case = || NewCall {
        attributes: vec![Attribute { name: "case.id".into(), value: AttributeValue::Text("C-7".into()) }],
        ..NewCall::default()
    };
    let smith = recorded(&house, &open, "CA1", of_smith()).await;
    let case = recorded(&house, &open, "CA2", of_case()).await;
    let call = recorded(&house, &open, "CA3", NewCall::default()).await;
    let free = recorded(&house, &open, "CA4", NewCall::default()).await;
    let by = "ann".parse().unwrap();
    let set = async |matter: &str, scope| {
        let hold = NewHold { matter: matter.into(), scope, reason: String::new() };
        open.recorder.set_hold(&house.client, &hold, &by).await.unwrap()
    };
    let person = set("Smith", Scope::Person("12125550100".into())).await;
    set("case", Scope::Case("c-7".into())).await;
    set("call", Scope::Call("CA3".into())).await;
    assert_eq!(person.recordings, 1);
    clock.advance_millis(HOUR_MS);
    let later = recorded(&house, &open, "CA5", of_smith()).await;
    let dates = Scope::Dates { from: clock.now().plus_millis(HOUR_MS), until: None };
    assert_eq!(set("from now", dates).await.recordings, 0);
    clock.advance_millis(2 * HOUR_MS);
    let dated = recorded(&house, &open, "CA6", NewCall::default()).await;
    let orders = open.recorder.holds(&house.client, false, 10).await.unwrap();
    let held: Vec<_> = orders.iter().rev().map(|o| (o.hold.matter.as_str(), o.recordings)).collect();
    assert_eq!(held, [("Smith", 2), ("case", 1), ("call", 1), ("from now", 1)]);

    clock.advance_millis(2 * DAY_MS);
    assert_eq!(sweep(&open).await, (1, 0));
    assert!(is_gone(&house, &open, free).await);
    for id in [smith, later, case, call, dated] {
        assert!(!is_gone(&house, &open, id).await);
    }
    let plan = open.recorder.retention_plan(&house.client, clock.now(), 100).await.unwrap();
    assert_eq!(plan.len(), 5);
    assert!(plan.iter().all(|p| p.held_by.len() == 1), "{plan:?}");

    assert_eq!(open.retention.lift_hold(&house.client, person.id, 0).await.unwrap(), [smith, later]);
    assert!(open.retention.lift_hold(&house.client, person.id, 0).await.is_err(), "it is lifted already");
    assert_eq!(sweep(&open).await, (2, 0));
    assert!(is_gone(&house, &open, smith).await && is_gone(&house, &open, later).await);
    assert!(!is_gone(&house, &open, case).await);
    let told = destroying(&house, &open).await;
    assert_eq!(told.iter().filter(|t| **t == "hold").count(), 5);
    assert_eq!(told.iter().filter(|t| **t == "lift").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_by_a_clock_that_jumped() {
    let (house, clock) = house(Some(30), Limits { clock_wait_ms: 24 * HOUR_MS, ..Limits::default() });
    let open = house.open(&[&allows()]).await;
    let first = recorded(&house, &open, "CA1", NewCall::default()).await;
    sweep(&open).await;
    let right = clock.now();
    let untrusted = Swept { untrusted: 1, ..Swept::default() };

    // Set forward, and back again: nothing has happened.
    clock.set(right.plus_days(365));
    assert_eq!(open.recorder.sweep().await.unwrap(), untrusted);
    let alerts = open.recorder.alerts(&house.client, 10).await.unwrap();
    assert!(alerts.iter().any(|a| a.kind == "clock-jumped"), "{alerts:?}");
    clock.set(right);
    assert_eq!(sweep(&open).await, (0, 0));

    // Set forward for good: waited for while the host runs, across a restart too.
    clock.set(right.plus_days(365));
    assert_eq!(open.recorder.sweep().await.unwrap(), untrusted);
    clock.advance_millis(20 * HOUR_MS);
    assert_eq!(open.recorder.sweep().await.unwrap(), untrusted);
    drop(open);
    let open = house.open(&[&allows()]).await;
    assert_eq!(open.recorder.sweep().await.unwrap(), untrusted);
    clock.advance_millis(3 * HOUR_MS);
    assert_eq!(open.recorder.sweep().await.unwrap(), untrusted);
    assert!(!is_gone(&house, &open, first).await);
    clock.advance_millis(2 * HOUR_MS);
    assert_eq!(sweep(&open).await, (1, 0), "it has been so for a day");
    assert!(is_gone(&house, &open, first).await);

    // A person who knows better need not wait.
    let second = recorded(&house, &open, "CA2", NewCall::default()).await;
    clock.set(clock.now().plus_days(31));
    assert_eq!(open.recorder.sweep().await.unwrap(), untrusted);
    open.recorder.confirm_clock(&house.client).await.unwrap();
    assert_eq!(sweep(&open).await, (1, 0));
    assert!(is_gone(&house, &open, second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_off_for_days_catches_up_and_one_that_was_off_for_longer_asks() {
    let (house, clock) = house(Some(2), Limits { off_days_max: 7, ..Limits::default() });
    let open = house.open(&[&allows()]).await;
    let first = recorded(&house, &open, "CA1", NewCall::default()).await;
    sweep(&open).await;
    drop(open);
    clock.set(clock.now().plus_days(5));
    let open = house.open(&[&allows()]).await;
    assert_eq!(sweep(&open).await, (1, 0));
    assert!(is_gone(&house, &open, first).await);
    let second = recorded(&house, &open, "CA2", NewCall::default()).await;
    drop(open);
    clock.set(clock.now().plus_days(8));
    let open = house.open(&[&allows()]).await;
    assert_eq!(open.recorder.sweep().await.unwrap().untrusted, 1);
    assert!(!is_gone(&house, &open, second).await);
    // A clock that is behind makes nothing due.
    clock.set(Moment::from_millis(1_700_000_000_000));
    assert_eq!(sweep(&open).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_leave_to_a_person_waits_for_one() {
    let (house, clock) = house(Some(10), Limits::default());
    // It asks whether a recording is part of a medical record, which nobody has said.
    let open = house.open(&[&allows(), &shipped("hipaa-hitech")]).await;
    let (gone, kept, left) = (
        recorded(&house, &open, "CA1", NewCall::default()).await,
        recorded(&house, &open, "CA2", NewCall::default()).await,
        recorded(&house, &open, "CA3", NewCall::default()).await,
    );
    clock.advance_millis(11 * DAY_MS);
    assert_eq!(sweep(&open).await, (0, 3));
    assert_eq!(sweep(&open).await, (0, 0), "it is asked again in a day, not each time");
    let reviews = open.recorder.reviews(&house.client, false, 10).await.unwrap();
    assert_eq!(reviews.len(), 3);
    assert!(reviews.iter().all(|r| r.kind == "asks-a-person" && r.rule.starts_with("hipaa.")), "{reviews:?}");
    let alerts = open.recorder.alerts(&house.client, 10).await.unwrap();
    assert_eq!(alerts.iter().filter(|a| a.kind == "review").count(), 3, "{alerts:?}");

    let by = "ann".parse().unwrap();
    let decide = async |of: RecordingId, decision| {
        let id = reviews.iter().find(|r| r.recording == of.to_string()).unwrap().id;
        open.recorder.decide_review(&house.client, id, decision, &by).await.unwrap();
        let again = open.recorder.decide_review(&house.client, id, decision, &by).await;
        assert!(again.is_err(), "it is decided once");
    };
    decide(gone, Decision::Destroy).await;
    decide(kept, Decision::KeepUntil(clock.now().plus_days(400))).await;
    decide(left, Decision::LeaveAsIs).await;
    assert_eq!(sweep(&open).await, (1, 0));
    clock.advance_millis(2 * DAY_MS);
    assert_eq!(sweep(&open).await, (0, 1), "what was left as it is is asked about again, and kept");
    assert!(is_gone(&house, &open, gone).await);
    assert!(!is_gone(&house, &open, kept).await && !is_gone(&house, &open, left).await);
    assert!(open.recorder.reviews(&house.client, false, 10).await.unwrap().is_empty());
    assert_eq!(open.recorder.reviews(&house.client, true, 10).await.unwrap().len(), 3);
    assert_eq!(open.retention.schedule(&house.client, kept).await.unwrap().why(), "decided by ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_is_never_moved_forward_by_anything_and_odds_are_shown_to_a_person() {
    let (house, clock) = house(None, Limits::default());
    let open = house.open(&[&allows()]).await;
    let (kept, held) = (
        recorded(&house, &open, "CA1", NewCall::default()).await,
        recorded(&house, &open, "CA2", NewCall::default()).await,
    );
    let at = |days| clock.now().plus_days(days);
    let tighten = async |id, retain: Option<u64>, destroy: Option<u64>| {
        let rule = |days| (at(days), format!("rule.{days}"));
        open.retention.tighten(&house.client, id, retain.map(rule), destroy.map(rule)).await.unwrap();
    };
    for (retain, destroy) in [(Some(20), Some(8)), (Some(3), Some(9)), (None, Some(30)), (Some(19), None)] {
        tighten(kept, retain, destroy).await;
    }
    let schedule = open.retention.schedule(&house.client, kept).await.unwrap();
    assert_eq!((schedule.retain_until, schedule.destroy_by), (Some(at(20)), Some(at(8))));
    assert_eq!((schedule.due(), schedule.why(), schedule.is_at_odds()), (Some(at(20)), "rule.20", true));

    tighten(held, None, Some(8)).await;
    let hold = NewHold { matter: "m".into(), scope: Scope::Recording(held), reason: String::new() };
    open.recorder.set_hold(&house.client, &hold, &"ann".parse().unwrap()).await.unwrap();
    clock.advance_millis(9 * DAY_MS);
    assert_eq!(sweep(&open).await, (0, 0));
    assert_eq!(sweep(&open).await, (0, 0));
    let reviews = open.recorder.reviews(&house.client, false, 10).await.unwrap();
    let mut odds: Vec<_> =
        reviews.iter().map(|r| (r.recording.clone(), r.kind.as_str(), r.rule.as_str())).collect();
    odds.sort();
    let mut expected = [
        (kept.to_string(), "retain-past-destroy", "rule.8"),
        (held.to_string(), "destroy-under-hold", "rule.8"),
    ];
    expected.sort();
    assert_eq!(odds, expected);
    clock.advance_millis(12 * DAY_MS);
    assert_eq!(sweep(&open).await, (1, 0));
    assert!(is_gone(&house, &open, kept).await && !is_gone(&house, &open, held).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_look_again_at_what_is_kept_and_their_limit_is_obeyed() {
    let (house, clock) = house(None, Limits { review_every_days: 5, ..Limits::default() });
    let open = house.open(&[&allows()]).await;
    let id = recorded(&house, &open, "CA1", NewCall::default()).await;
    let reviews = async || {
        let entries = open.ledger.entries(&house.client, 0..u64::MAX).await.unwrap();
        let is_review = |e: &EntryKind| matches!(e, EntryKind::Verdict { event, .. } if event == "review");
        entries.iter().filter(|(_, e, _)| is_review(&e.event)).count()
    };
    assert_eq!(reviews().await, 1, "right after the call");
    for days in [4, 2, 4, 2] {
        clock.advance_millis(days * DAY_MS);
        sweep(&open).await;
    }
    assert_eq!(reviews().await, 3);
    assert!(!is_gone(&house, &open, id).await);
}
