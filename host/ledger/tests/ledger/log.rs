//! Append, read, prove, restart.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use caveat_ledger::{ENTRY_BYTES_MAX, EntryKind, LedgerError, Limits};
use caveat_model::{Digest, Outcome, Stage};
use futures::{TryStreamExt, future::join_all};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};

use crate::house::{House, client, note};

#[tokio::test]
async fn what_is_appended_can_be_read_and_proven() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let vkey = ledger.vkey(&acme);
    let mut checkpoints = vec![];
    for n in 0..20 {
        let position = ledger.append(&acme, note(format!("entry {n}"))).await.unwrap();
        assert_eq!(position.index, n);
        checkpoints.push(ledger.checkpoint(&acme).await.unwrap());
    }
    let entries = ledger.entries(&acme, 0..u64::MAX).await.unwrap();
    assert_eq!(entries.len(), 20);
    for (index, entry, bytes) in &entries {
        assert_eq!((entry.seq, entry.host.as_str()), (index + 1, "h1"));
        assert_eq!(entry.event, note(format!("entry {index}")));
        let proof = ledger.prove(&acme, *index).await.unwrap();
        proof.check(&vkey, bytes).unwrap();
        assert!(proof.check(&vkey, b"another").is_err());
        assert!(proof.check(&ledger.vkey(&client("other")), bytes).is_err());
    }
    for (from, to) in [(1, 20), (7, 20), (7, 13), (20, 20)] {
        let proof = ledger.prove_consistency(&acme, from, to).await.unwrap();
        let (earlier, later) = (&checkpoints[from as usize - 1], &checkpoints[to as usize - 1]);
        proof.check(&vkey, earlier, later).unwrap();
        assert!(proof.check(&vkey, &checkpoints[2], later).is_err());
    }
    assert!(matches!(ledger.prove(&acme, 20).await, Err(LedgerError::Range { size: 20, .. })));
    assert!(matches!(ledger.prove_consistency(&acme, 0, 5).await, Err(LedgerError::Range { .. })));
    assert!(house.verify(&ledger, &acme).await.problems.is_empty());
}

#[tokio::test]
async fn an_empty_log_is_a_log() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let checkpoint = ledger.checkpoint(&acme).await.unwrap();
    let lines: Vec<_> = checkpoint.lines().collect();
    assert_eq!(lines[..2], ["caveat.example/acme", "0"]);
    assert_eq!(ledger.entries(&acme, 0..10).await.unwrap(), vec![]);
    let report = house.verify(&ledger, &acme).await;
    assert!(report.problems.is_empty() && report.checkpoint_size == 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_appends_on_two_clients() {
    let house = House::new().await;
    let ledger = house.ledger("h1").await;
    let clients = [client("acme"), client("bolt")];
    let appends = (0..1000).map(|n| {
        let (ledger, to) = (ledger.clone(), clients[n % 2].clone());
        tokio::spawn(async move { ledger.append(&to, note(format!("{n}"))).await.unwrap() })
    });
    let positions = join_all(appends).await;
    for (which, to) in clients.iter().enumerate() {
        let mine = positions.iter().skip(which).step_by(2).map(|p| p.as_ref().unwrap());
        let indices: BTreeSet<_> = mine.clone().map(|p| p.index).collect();
        assert_eq!(indices, (0..500).collect(), "each place is given once");
        let entries = ledger.entries(to, 0..500).await.unwrap();
        for (n, position) in (which..1000).step_by(2).zip(mine) {
            let (_, entry, bytes) = &entries[position.index as usize];
            assert_eq!(entry.event, note(format!("{n}")), "each entry is where its caller was told");
            ledger.prove(to, position.index).await.unwrap().check(&ledger.vkey(to), bytes).unwrap();
        }
        let report = house.verify(&ledger, to).await;
        assert!(report.problems.is_empty() && report.entries == 500, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_append_to_one_log() {
    let house = House::new().await;
    let acme = client("acme");
    let limits = Limits { batch_entries: 3, append_attempts: 1000, ..Limits::default() };
    let hosts = [house.ledger_within("h1", limits).await, house.ledger_within("h2", limits).await];
    let appends = (0..300).map(|n| {
        let (ledger, acme) = (hosts[n % 2].clone(), acme.clone());
        tokio::spawn(async move { ledger.append(&acme, note(format!("{n}"))).await.unwrap().index })
    });
    let indices: BTreeSet<u64> = join_all(appends).await.into_iter().map(|r| r.unwrap()).collect();
    assert_eq!(indices, (0..300).collect());
    let report = house.verify(&hosts[0], &acme).await;
    assert!(report.problems.is_empty() && report.entries == 300, "{report}");
}

#[tokio::test]
async fn a_restart_goes_on_where_the_log_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    let house = House::on(store).await;
    let acme = client("acme");
    let mut written = 0;
    // Sizes around a full tile, where the right edge changes its shape.
    for until in [1, 2, 254, 255, 256, 257, 511, 512, 513] {
        let ledger = house.ledger("h1").await;
        let appends = (written..until).map(|n| ledger.append(&acme, note(format!("{n}"))));
        assert!(join_all(appends).await.iter().all(Result::is_ok));
        written = until;
        drop(ledger);
        let report = house.verify(&house.ledger("h2").await, &acme).await;
        assert!(report.problems.is_empty() && report.entries == until, "at {until}: {report}");
    }
    let ledger = house.ledger("h1").await;
    assert_eq!(ledger.append(&acme, note("last")).await.unwrap().index, 513);
    assert_eq!(ledger.entries(&acme, 513..514).await.unwrap()[0].1.seq, 514);
    let partial = Path::from("ledger/acme/tile/entries/000.p");
    let left: Vec<_> = house.store.list(Some(&partial)).try_collect().await.unwrap();
    assert!(left.is_empty(), "partial tiles of a complete tile are gone: {left:?}");
}

#[tokio::test]
async fn an_entry_that_does_not_fit_is_refused_before_it_is_written() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let refused = ledger.append(&acme, note("x".repeat(ENTRY_BYTES_MAX))).await.unwrap_err();
    assert!(matches!(refused, LedgerError::TooLarge { .. }), "{refused}");
    ledger.append(&acme, note("x".repeat(65_000))).await.unwrap();
    assert_eq!(ledger.size(&acme).await.unwrap(), 1);
}

#[tokio::test]
async fn a_detail_is_durable_before_its_entry_and_can_be_erased_after() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    let verdict = |detail| EntryKind::Verdict {
        recording: Some("r1".into()),
        stage: Stage::Capture,
        event: "offered".into(),
        outcome: Outcome::Allow,
        packs: vec![],
        conflicts: vec![],
        obligations: vec![],
        detail: Some(detail),
    };
    let refused = ledger.append(&acme, verdict(Digest([1; 32]))).await.unwrap_err();
    assert!(matches!(refused, LedgerError::NoDetail { .. }), "{refused}");

    let sealed = Bytes::from_static(b"sealed");
    let digest = ledger.put_detail(&acme, sealed.clone()).await.unwrap();
    assert_eq!(ledger.put_detail(&acme, sealed.clone()).await.unwrap(), digest);
    let at = ledger.append(&acme, verdict(digest)).await.unwrap();
    assert_eq!(ledger.get_detail(&acme, digest).await.unwrap(), Some(sealed));
    assert_eq!(ledger.get_detail(&client("bolt"), digest).await.unwrap(), None);

    let both = ledger.append_with_detail(&acme, Bytes::from_static(b"with it"), verdict).await.unwrap();
    let entry = ledger.entries(&acme, both.index..both.index + 1).await.unwrap()[0].1.event.clone();
    let with_it = ledger.get_detail(&acme, entry.detail().unwrap()).await.unwrap();
    assert_eq!(with_it.as_deref(), Some(&b"with it"[..]));

    ledger.erase_detail(&acme, digest).await.unwrap();
    ledger.erase_detail(&acme, digest).await.unwrap();
    assert_eq!(ledger.get_detail(&acme, digest).await.unwrap(), None);

    // With a recording goes what lies beside decisions on it, but for those on access to it.
    let about = |recording: &str, stage| {
        let recording = Some(recording.to_owned());
        move |detail| match verdict(detail) {
            EntryKind::Verdict { event, outcome, packs, conflicts, obligations, detail, .. } => {
                EntryKind::Verdict { recording, stage, event, outcome, packs, conflicts, obligations, detail }
            }
            other => other,
        }
    };
    let others = [("r1", Stage::Access), ("r2", Stage::Capture)].map(|(r, stage)| (r, about(r, stage)));
    let mut kept = vec![];
    for (recording, entry) in others {
        let at = ledger.append_with_detail(&acme, Bytes::copy_from_slice(recording.as_bytes()), entry).await;
        let index = at.unwrap().index;
        kept.push(ledger.entries(&acme, index..index + 1).await.unwrap()[0].1.event.detail().unwrap());
    }
    ledger.erase_details_of(&acme, "r1").await.unwrap();
    assert_eq!(ledger.get_detail(&acme, entry.detail().unwrap()).await.unwrap(), None);
    for digest in kept {
        assert!(ledger.get_detail(&acme, digest).await.unwrap().is_some());
    }
    let (_, _, bytes) = &ledger.entries(&acme, 0..1).await.unwrap()[0];
    ledger.prove(&acme, at.index).await.unwrap().check(&ledger.vkey(&acme), bytes).unwrap();
    assert!(house.verify(&ledger, &acme).await.problems.is_empty());
}

#[tokio::test]
async fn a_damaged_store_is_noticed_on_reading_and_stops_appending() {
    for name in ["tile/0/000.p/5", "tile/entries/000.p/5"] {
        let house = House::new().await;
        let (ledger, acme) = (house.ledger("h1").await, client("acme"));
        for n in 0..5 {
            ledger.append(&acme, note(format!("{n}"))).await.unwrap();
        }
        house.export(&ledger, &acme).await;
        let path = Path::from(format!("ledger/acme/{name}"));
        let good = house.store.get(&path).await.unwrap().bytes().await.unwrap();
        let mut bad = good.to_vec();
        *bad.last_mut().unwrap() ^= 1;
        house.store.put(&path, bad.into()).await.unwrap();

        let ledger = house.ledger("h1").await;
        let read = ledger.entries(&acme, 0..5).await.unwrap_err();
        assert!(matches!(read, LedgerError::Damaged { .. }), "{name}: {read}");
        let appended = ledger.append(&acme, note("on top")).await.unwrap_err().to_string();
        assert!(appended.contains("damaged"), "{name}: {appended}");

        house.store.put(&path, good.into()).await.unwrap();
        assert_eq!(ledger.append(&acme, note("on top")).await.unwrap().index, 5);
    }
}
