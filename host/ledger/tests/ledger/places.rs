//! The entries about one recording, found among those of all the others.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use caveat_ledger::{EntryKind, Ledger, NewEntry};
use caveat_model::{Basis, ClientId, Element};

use crate::{
    faults::Faulty,
    house::{House, client, note},
};

fn opened(recording: &str) -> EntryKind {
    EntryKind::RecordingOpened { recording: recording.into() }
}

async fn others(ledger: &Ledger, client: &ClientId, count: usize) {
    for some in (0..count).collect::<Vec<_>>().chunks(500) {
        let entries = some.iter().map(|n| NewEntry::new(opened(&format!("other-{n}")))).collect();
        ledger.append_all(client, entries, vec![]).await.unwrap();
    }
}

async fn places(ledger: &Ledger, client: &ClientId, about: &str) -> Vec<u64> {
    let found = ledger.entries_about(client, about, 0, u64::MAX).await.unwrap();
    found.into_iter().map(|(index, ..)| index).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_for_one_recording_does_not_grow_with_the_log() {
    let store = Arc::new(Faulty::new(false));
    let house = House::on(store.clone()).await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let mut ours = vec![];
    for _ in 0..5 {
        others(&ledger, &acme, 1_000).await;
        ours.push(ledger.append(&acme, opened("ours")).await.unwrap().index);
    }
    let read = async || {
        let before = store.reads.load(SeqCst);
        assert_eq!(places(&ledger, &acme, "ours").await, ours);
        store.reads.load(SeqCst) - before
    };
    // What is still being put into the store is read there, too: so it is read until nothing else is.
    let settled = async || {
        let (mut last, mut now) = (0, read().await);
        while last != now {
            (last, now) = (now, read().await);
        }
        now
    };
    let few = settled().await;
    others(&ledger, &acme, 20_000).await;
    let many = settled().await;
    let before = store.reads.load(SeqCst);
    let all = ledger.entries(&acme, 0..4_096).await.unwrap();
    let of_all = store.reads.load(SeqCst) - before;
    println!("5 of 5,005 entries: {few} objects; of 25,005: {many}; the first 4,096 entries: {of_all}");
    assert_eq!(all.len(), 4_096);
    // Of each entry its bundle and its tile of hashes, and those above it.
    assert!(few <= 13 && many <= few + 2, "{few}, then {many}");
    // From an index on, and no more than wanted.
    let some = ledger.entries_about(&acme, "ours", ours[1], 2).await.unwrap();
    assert_eq!(some.iter().map(|(index, ..)| *index).collect::<Vec<_>>(), ours[1..3]);
    let last = ledger.entries_about_before(&acme, "ours", ours[4], 3).await.unwrap();
    assert_eq!(last.iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [ours[3], ours[2], ours[1]]);
}

#[tokio::test]
async fn results_are_found_by_what_their_intent_is_about_and_lists_by_their_name() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let verdict = ledger.append(&acme, note("a verdict")).await.unwrap().index;
    let intent = EntryKind::DisposalIntent {
        recording: "ours".into(),
        what: Element::Recording,
        basis: Basis::Schedule,
        verdict,
        agreed: None,
    };
    let intent = ledger.append(&acme, intent).await.unwrap().index;
    others(&ledger, &acme, 3).await;
    let result = EntryKind::DisposalResult { intent, ok: true };
    let result = ledger.append(&acme, result).await.unwrap().index;
    let listed = NewEntry::new(opened("theirs")).listed("scored");
    let listed = ledger.append_all(&acme, vec![NewEntry::new(note("one")), listed], vec![]).await.unwrap();
    assert_eq!(places(&ledger, &acme, "ours").await, [intent, result]);
    assert_eq!(places(&ledger, &acme, "scored").await, [listed[1].index]);
    assert_eq!(places(&ledger, &acme, "theirs").await, [listed[1].index]);
    assert_eq!(places(&ledger, &client("rival"), "ours").await, Vec::<u64>::new());
}

#[tokio::test]
async fn a_log_of_before_says_since_when_places_are_noted() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    others(&ledger, &acme, 7).await;
    assert_eq!(ledger.listed_since(&acme).await.unwrap(), 0);
    drop(ledger);
    for undo in ["ledger_place", "ledger_placed"] {
        let undo = format!("DROP TABLE {undo}");
        sqlx::query(sqlx::AssertSqlSafe(undo)).execute(house.whole().await.common()).await.unwrap();
    }
    let undo = "DELETE FROM migration WHERE room = 'ledger-places'";
    sqlx::query(undo).execute(house.whole().await.common()).await.unwrap();

    let ledger = house.ledger("h2").await;
    assert_eq!(ledger.listed_since(&acme).await.unwrap(), 7);
    assert_eq!(places(&ledger, &acme, "other-3").await, Vec::<u64>::new());
    let new = ledger.append(&acme, opened("other-3")).await.unwrap().index;
    assert_eq!(places(&ledger, &acme, "other-3").await, [new]);
    assert_eq!(ledger.listed_since(&client("new")).await.unwrap(), 0);
}
