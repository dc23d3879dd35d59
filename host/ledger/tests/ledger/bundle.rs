//! Exported logs: any change to any byte of any file is found.

use std::{
    fs,
    path::{Path, PathBuf},
};

use caveat_ledger::{LogSigner, ProblemKind, Report, verify_bundle};
use futures::future::join_all;

use crate::house::{House, client, note};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn kinds(report: &Report) -> Vec<ProblemKind> {
    report.problems.iter().map(|p| p.kind).collect()
}

/// Writes `bytes` in place of the file while `check` runs.
fn with_bytes(path: &Path, bytes: &[u8], check: impl FnOnce()) {
    let good = fs::read(path).unwrap();
    fs::write(path, bytes).unwrap();
    check();
    fs::write(path, good).unwrap();
}

#[tokio::test]
async fn every_flipped_byte_is_found() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    for n in 0..5 {
        ledger.append(&acme, note(format!("{n}"))).await.unwrap();
    }
    let (dir, vkey) = (house.export(&ledger, &acme).await, ledger.vkey(&acme));
    let all = files(&dir);
    let names: Vec<_> = all.iter().map(|p| p.strip_prefix(&dir).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["checkpoint", "tile/0/000.p/5", "tile/entries/000.p/5", "vkey.txt"]);
    for path in &all {
        let good = fs::read(path).unwrap();
        for at in 0..good.len() {
            // 0x20 turns an upper-case letter into a lower-case one.
            for bit in [0x01, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                with_bytes(path, &bad, || {
                    let report = verify_bundle(&dir, &vkey).unwrap();
                    assert!(!report.is_good(), "{} byte {at} ^ {bit:#x} went unnoticed", path.display());
                });
            }
        }
    }
    assert!(verify_bundle(&dir, &vkey).unwrap().problems.is_empty());
}

#[tokio::test]
async fn every_cut_missing_longer_or_strange_file_is_found() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    join_all((0..600).map(|n| ledger.append(&acme, note(format!("{n}"))))).await;
    let (dir, vkey) = (house.export(&ledger, &acme).await, ledger.vkey(&acme));
    let all = files(&dir);
    assert_eq!(all.len(), 2 + 3 + 3 + 1, "three tiles and bundles, and one tile above");
    for path in &all {
        let good = fs::read(path).unwrap();
        let mut longer = good.clone();
        longer.push(0);
        let mut changed = good.clone();
        changed[good.len() / 2] ^= 1;
        let cuts = [0, 1, good.len() / 2, good.len() - 1].map(|end| good[..end].to_vec());
        for bad in cuts.into_iter().chain([longer, changed]) {
            with_bytes(path, &bad, || {
                let report = verify_bundle(&dir, &vkey).unwrap();
                assert!(!report.is_good(), "{} with {} bytes", path.display(), bad.len());
            });
        }
        fs::remove_file(path).unwrap();
        let report = verify_bundle(&dir, &vkey).unwrap();
        assert!(kinds(&report).contains(&ProblemKind::MissingFile), "{}: {report}", path.display());
        fs::write(path, good).unwrap();
    }
    fs::write(dir.join("tile/0/003"), "more").unwrap();
    let report = verify_bundle(&dir, &vkey).unwrap();
    assert_eq!(kinds(&report), [ProblemKind::StrayFile]);
    assert!(report.is_good(), "what is no part of the log is told, and harms nothing");
}

#[tokio::test]
async fn a_checkpoint_of_another_log_or_key_is_refused() {
    let house = House::new().await;
    let ledger = house.ledger("h1").await;
    let (acme, bolt) = (client("acme"), client("bolt"));
    for to in [&acme, &bolt] {
        ledger.append(to, note("same")).await.unwrap();
    }
    let (dir, other) = (house.export(&ledger, &acme).await, house.export(&ledger, &bolt).await);
    let vkey = ledger.vkey(&acme);

    // Both trees are equal to the byte; only the signed name tells them apart.
    let theirs = fs::read(other.join("checkpoint")).unwrap();
    with_bytes(&dir.join("checkpoint"), &theirs, || {
        assert_eq!(kinds(&verify_bundle(&dir, &vkey).unwrap()), [ProblemKind::Checkpoint]);
    });

    let stranger = LogSigner::open(&house.dir.path().join("other.key"), "caveat.example").unwrap();
    let report = verify_bundle(&dir, &stranger.vkey(&acme)).unwrap();
    assert_eq!(kinds(&report), [ProblemKind::Key, ProblemKind::Checkpoint]);
    assert!(report.log.is_none(), "nothing is said about a log that nobody vouches for");

    let report = verify_bundle(&dir, "no key at all").unwrap();
    assert_eq!(kinds(&report), [ProblemKind::Key, ProblemKind::Checkpoint]);
    assert!(verify_bundle(&house.dir.path().join("nowhere"), &vkey).is_err());
}

#[tokio::test]
async fn an_older_checkpoint_does_not_cover_newer_entries() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    ledger.append(&acme, note("1")).await.unwrap();
    let older = ledger.checkpoint(&acme).await.unwrap();
    ledger.append(&acme, note("2")).await.unwrap();
    let dir = house.export(&ledger, &acme).await;
    with_bytes(&dir.join("checkpoint"), older.as_bytes(), || {
        let report = verify_bundle(&dir, &ledger.vkey(&acme)).unwrap();
        assert!(kinds(&report).contains(&ProblemKind::MissingFile), "{report}");
        assert_eq!(report.entries, 0);
    });
}
