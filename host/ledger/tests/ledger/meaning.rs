//! Logs that are whole and tell of something that must not happen.

use caveat_ledger::{EntryKind, KeyAct, ProblemKind, ProblemKind::*, Report, keys_before};
use caveat_model::{Act, Basis, Digest, Element, Outcome, Purpose, Stage};

use crate::house::{House, client, note};

const R1: &str = "r1";

fn verdict(recording: &str, stage: Stage, outcome: Outcome) -> EntryKind {
    EntryKind::Verdict {
        recording: Some(recording.into()),
        stage,
        event: "any".into(),
        outcome,
        packs: vec![],
        conflicts: vec![],
        obligations: vec![],
        detail: None,
    }
}

fn access(verdict: u64, grant: bool) -> EntryKind {
    access_to(Act::Search, verdict, grant)
}

fn access_to(act: Act, verdict: u64, grant: bool) -> EntryKind {
    EntryKind::AccessIntent {
        recording: Some(R1.into()),
        person: "p1".into(),
        act,
        purpose: Purpose::Training,
        verdict,
        grant,
    }
}

fn served(intent: u64, ok: bool) -> EntryKind {
    EntryKind::AccessResult { intent, ok, bytes: 1, digest: None }
}

fn dispose(what: Element, basis: Basis, verdict: u64) -> EntryKind {
    EntryKind::DisposalIntent { recording: R1.into(), what, basis, verdict, agreed: None }
}

fn disposed(intent: u64, ok: bool) -> EntryKind {
    EntryKind::DisposalResult { intent, ok }
}

fn hold(recording: &str) -> EntryKind {
    EntryKind::HoldSet { recording: recording.into(), hold: "m1".into() }
}

fn lift(recording: &str) -> EntryKind {
    EntryKind::HoldLifted { recording: recording.into(), hold: "m1".into(), agreed: Some(0) }
}

fn agreed(act: &str, subject: &str) -> EntryKind {
    let (asked, confirmed) = ("p1".into(), "p2".into());
    EntryKind::Agreed { act: act.into(), subject: Some(subject.into()), asked, confirmed }
}

fn mask(lift: bool, basis: Basis, verdict: u64, agreed: Option<u64>) -> EntryKind {
    EntryKind::MaskIntent { recording: R1.into(), lift, number: None, basis, verdict, agreed }
}

fn masked(intent: u64, ok: bool) -> EntryKind {
    EntryKind::MaskResult { intent, ok, number: Some(1) }
}

fn opened() -> EntryKind {
    EntryKind::RecordingOpened { recording: R1.into() }
}

fn interim(frames: u64) -> EntryKind {
    EntryKind::InterimRoot { recording: R1.into(), frames, root: Digest([1; 32]) }
}

fn sealed(frames: u64, root: u8) -> EntryKind {
    EntryKind::Sealed {
        recording: R1.into(),
        frames,
        duration_ms: 1000,
        root: Digest([root; 32]),
        object_digest: Digest([2; 32]),
        reason: "ended".into(),
    }
}

fn discarded() -> EntryKind {
    EntryKind::Discarded { recording: R1.into(), why: "refused".into() }
}

async fn report_on(events: Vec<EntryKind>) -> Report {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    for event in events {
        ledger.append(&acme, event).await.unwrap();
    }
    house.verify(&ledger, &acme).await
}

async fn check(events: Vec<EntryKind>, expected: &[(ProblemKind, u64)]) {
    let told = format!("{events:?}");
    let report = report_on(events).await;
    let found: Vec<_> = report.problems.iter().map(|p| (p.kind, p.index.unwrap())).collect();
    assert_eq!(found, expected, "{told}\n{report}");
}

#[tokio::test]
async fn no_access_without_a_grant_and_no_grant_without_a_verdict() {
    use Outcome::{Allow, Refuse, Restrain};
    use Stage::{Access, Storage};
    check(vec![verdict(R1, Access, Allow), access(0, true), served(1, true)], &[]).await;
    check(vec![verdict(R1, Access, Refuse), access(0, false), served(1, false)], &[]).await;
    check(vec![verdict(R1, Access, Refuse), access(0, false), served(1, true)], &[(AccessWithoutGrant, 2)])
        .await;
    check(vec![verdict(R1, Access, Refuse), access(0, true)], &[(AccessWithoutGrant, 1)]).await;
    check(vec![verdict(R1, Access, Restrain), access(0, true)], &[(AccessWithoutGrant, 1)]).await;
    check(vec![verdict(R1, Storage, Allow), access(0, true)], &[(AccessWithoutGrant, 1)]).await;
    check(vec![verdict("r2", Access, Allow), access(0, true)], &[(AccessWithoutGrant, 1)]).await;
    check(vec![note("no verdict"), access(0, true)], &[(AccessWithoutGrant, 1)]).await;
    check(vec![access(1, true), verdict(R1, Access, Allow)], &[(AccessWithoutGrant, 0)]).await;
    check(
        vec![verdict(R1, Access, Refuse), access(0, true), served(1, true)],
        &[(AccessWithoutGrant, 1), (AccessWithoutGrant, 2)],
    )
    .await;
    check(vec![verdict(R1, Access, Allow), served(0, true)], &[(AccessWithoutGrant, 1)]).await;
    check(vec![served(9, true)], &[(AccessWithoutGrant, 0)]).await;
}

#[tokio::test]
async fn no_disposal_under_hold_or_without_a_verdict() {
    use Outcome::{Allow, Refuse};
    use Stage::{Capture, Storage};
    let schedule = |verdict| dispose(Element::Recording, Basis::Schedule, verdict);
    let allowed = || verdict(R1, Storage, Allow);
    check(vec![allowed(), schedule(0), disposed(1, true)], &[]).await;
    check(vec![hold(R1), allowed(), schedule(1), disposed(2, true)], &[(DisposalUnderHold, 3)]).await;
    check(vec![allowed(), schedule(0), hold(R1), disposed(1, true)], &[(DisposalUnderHold, 3)]).await;
    check(vec![hold(R1), allowed(), schedule(1), disposed(2, false)], &[]).await;
    let lifting = || agreed("lift-hold", "m1");
    check(vec![lifting(), hold(R1), lift(R1), allowed(), schedule(3), disposed(4, true)], &[]).await;
    check(vec![lifting(), hold(R1), hold("r2"), lift(R1), lift("r2")], &[]).await;
    check(vec![agreed("lift-hold", "m2"), hold(R1), lift(R1)], &[(TwoPeople, 2)]).await;
    check(vec![hold("r2"), allowed(), schedule(1), disposed(2, true)], &[]).await;
    check(vec![lifting(), lift(R1)], &[(Hold, 1)]).await;
    check(vec![hold(R1), lift(R1)], &[(TwoPeople, 1)]).await;

    let by_rules = |what| dispose(what, Basis::Rules, 1);
    let purge = || verdict(R1, Capture, Refuse);
    check(vec![hold(R1), purge(), by_rules(Element::Segment), disposed(2, true)], &[]).await;
    let whole = vec![hold(R1), purge(), by_rules(Element::Recording), disposed(2, true)];
    check(whole, &[(DisposalUnderHold, 3)]).await;

    let refused = vec![verdict(R1, Storage, Refuse), schedule(0)];
    check(refused, &[(DisposalWithoutVerdict, 1)]).await;
    check(vec![note("none"), schedule(0)], &[(DisposalWithoutVerdict, 1)]).await;
    check(vec![disposed(0, true)], &[(DisposalWithoutVerdict, 0)]).await;
}

#[tokio::test]
async fn what_a_person_destroys_takes_two_and_what_rules_leave_open_takes_a_decision() {
    use Outcome::{Allow, Restrain};
    use Stage::Storage;
    let by = |what, agreed| EntryKind::DisposalIntent {
        recording: R1.into(),
        what,
        basis: Basis::PersonAsks,
        verdict: 0,
        agreed,
    };
    let allowed = || verdict(R1, Storage, Allow);
    let two = |act| agreed(act, R1);
    let whole = |agreed| by(Element::Recording, agreed);
    check(vec![allowed(), two("dispose-recording"), whole(Some(1)), disposed(2, true)], &[]).await;
    check(vec![allowed(), two("shred-recording"), by(Element::Segment, Some(1)), disposed(2, true)], &[])
        .await;
    check(vec![allowed(), two("shred-recording"), whole(Some(1))], &[(TwoPeople, 2)]).await;
    check(vec![allowed(), two("dispose-recording"), whole(None)], &[(TwoPeople, 2)]).await;
    check(vec![allowed(), whole(Some(2)), two("dispose-recording")], &[(TwoPeople, 1)]).await;
    let twice = vec![allowed(), two("dispose-recording"), whole(Some(1)), whole(Some(1))];
    check(twice, &[(TwoPeople, 3)]).await;
    let alone = EntryKind::Agreed {
        act: "dispose-recording".into(),
        subject: Some(R1.into()),
        asked: "p1".into(),
        confirmed: "p1".into(),
    };
    check(vec![allowed(), alone, whole(Some(1))], &[(TwoPeople, 1), (TwoPeople, 2)]).await;

    let schedule = |verdict| dispose(Element::Recording, Basis::Schedule, verdict);
    let decided = |recording: &str, destroy| EntryKind::Decided {
        recording: recording.into(),
        person: "p1".into(),
        destroy,
    };
    let asks = || verdict(R1, Storage, Restrain);
    check(vec![decided(R1, true), asks(), schedule(1), disposed(2, true)], &[]).await;
    check(vec![decided(R1, false), asks(), schedule(1)], &[(DisposalWithoutVerdict, 2)]).await;
    check(vec![decided("r2", true), asks(), schedule(1)], &[(DisposalWithoutVerdict, 2)]).await;
    check(vec![asks(), schedule(0), decided(R1, true)], &[(DisposalWithoutVerdict, 1)]).await;
    check(vec![decided(R1, true), decided(R1, false), asks(), schedule(2)], &[(DisposalWithoutVerdict, 3)])
        .await;
}

#[tokio::test]
async fn no_mask_without_an_intent_and_none_is_lifted_by_one_person() {
    use Outcome::{Allow, Refuse};
    use Stage::{Access, Capture};
    let allowed = || verdict(R1, Access, Allow);
    let person = Basis::PersonAsks;
    check(vec![allowed(), mask(false, person, 0, None), masked(1, true)], &[]).await;
    check(vec![verdict(R1, Capture, Refuse), mask(false, Basis::Rules, 0, None), masked(1, true)], &[]).await;
    check(vec![masked(0, true)], &[(MaskWithoutIntent, 0)]).await;
    check(vec![masked(0, false)], &[]).await;
    let twice = vec![allowed(), mask(false, person, 0, None), masked(1, true), masked(1, true)];
    check(twice, &[(MaskWithoutIntent, 3)]).await;
    check(vec![verdict(R1, Access, Refuse), mask(false, person, 0, None)], &[(MaskWithoutIntent, 1)]).await;
    check(vec![verdict("r2", Access, Allow), mask(false, Basis::Rules, 0, None)], &[(MaskWithoutIntent, 1)])
        .await;

    let two = || agreed("unmask-recording", R1);
    check(vec![allowed(), two(), mask(true, person, 0, Some(1)), masked(2, true)], &[]).await;
    check(vec![allowed(), two(), mask(true, person, 0, None), masked(2, true)], &[(TwoPeople, 2)]).await;
    check(
        vec![allowed(), agreed("unmask-recording", "r2"), mask(true, person, 0, Some(1))],
        &[(TwoPeople, 2)],
    )
    .await;
    check(vec![allowed(), note("n"), mask(true, person, 0, Some(1))], &[(TwoPeople, 2)]).await;
}

#[tokio::test]
async fn a_recording_is_opened_and_closed_once() {
    check(vec![opened(), interim(1), interim(5), sealed(9, 1)], &[]).await;
    check(vec![opened(), discarded()], &[]).await;
    check(vec![sealed(9, 1)], &[(Recording, 0)]).await;
    check(vec![discarded()], &[(Recording, 0)]).await;
    check(vec![opened(), opened()], &[(Recording, 1)]).await;
    check(vec![opened(), sealed(9, 1), discarded()], &[(Recording, 2)]).await;
    check(vec![opened(), sealed(9, 1), sealed(9, 1)], &[(Recording, 2)]).await;
    check(vec![opened(), sealed(9, 1), interim(10)], &[(Recording, 2)]).await;
    check(vec![opened(), interim(5), sealed(4, 1)], &[(Recording, 2)]).await;
    check(vec![opened(), sealed(9, 0)], &[(Recording, 1)]).await;
    assert_eq!(report_on(vec![opened()]).await.open_recordings, 1);
}

#[tokio::test]
async fn nothing_is_handed_over_whose_sealed_root_is_missing() {
    let allowed = || verdict(R1, Stage::Access, Outcome::Allow);
    for act in [Act::Play, Act::Export, Act::Share, Act::Disclose] {
        check(vec![opened(), sealed(9, 1), allowed(), access_to(act, 2, true)], &[]).await;
        check(vec![opened(), allowed(), access_to(act, 1, true)], &[(Recording, 2)]).await;
        check(vec![opened(), discarded(), allowed(), access_to(act, 2, true)], &[(Recording, 3)]).await;
        check(vec![allowed(), access_to(act, 0, true)], &[(Recording, 1)]).await;
        check(vec![allowed(), access_to(act, 0, false)], &[]).await;
    }
}

#[tokio::test]
async fn two_people_destroy_a_key() {
    let keys = |act, agreed| EntryKind::Keys { act, version: 2, person: Some("p2".into()), agreed };
    use KeyAct::{Destroy, Destroyed, Rotate};
    let agreed = |act: &str, version| agreed(act, &keys_before(version));
    let (rotated, done) = (|| keys(Rotate, None), || keys(Destroyed, None));
    let both = || agreed("destroy-keys", 2);
    check(vec![rotated(), both(), keys(Destroy, Some(1)), done()], &[]).await;
    check(vec![rotated(), both(), keys(Destroy, None), done()], &[(TwoPeople, 2)]).await;
    check(vec![rotated(), keys(Destroy, Some(0)), done()], &[(TwoPeople, 1)]).await;
    check(vec![both(), keys(Destroy, Some(0)), done(), keys(Destroy, Some(0))], &[(TwoPeople, 3)]).await;
    check(vec![agreed("destroy-keys", 3), keys(Destroy, Some(0))], &[(TwoPeople, 1)]).await;
    check(vec![agreed("lift-hold", 2), keys(Destroy, Some(0))], &[(TwoPeople, 1)]).await;
}

#[tokio::test]
async fn a_gap_and_a_repeat_in_a_hosts_own_count_are_found() {
    // As if the count had been lost, or set by hand, before the third entry.
    for set in ["UPDATE ledger_seq SET next = next + 1", "UPDATE ledger_seq SET next = next - 1"] {
        let house = House::new().await;
        let acme = client("acme");
        for n in 0..4 {
            if n == 2 {
                sqlx::query(set).execute(house.db.of(&acme)).await.unwrap();
            }
            house.ledger("h1").await.append(&acme, note("n")).await.unwrap();
        }
        let report = house.verify(&house.ledger("h1").await, &acme).await;
        let found: Vec<_> = report.problems.iter().map(|p| (p.kind, p.index)).collect();
        assert_eq!(found, [(Sequence, Some(2))], "{set}: {report}");
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_is_a_warning() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let began = caveat_model::Clock::now(&*house.clock);
    for ms in [10_000, 8_000, 7_999, 20_000] {
        house.clock.set(began.plus_millis(ms));
        ledger.append(&acme, note("n")).await.unwrap();
    }
    let report = house.verify(&ledger, &acme).await;
    let found: Vec<_> = report.problems.iter().map(|p| (p.kind, p.index)).collect();
    assert_eq!(found, [(Clock, Some(2))], "{report}");
    assert!(report.is_good());
}
