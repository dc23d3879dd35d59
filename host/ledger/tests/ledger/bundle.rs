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

/// Two logs of the same length, and every way to put parts of one in the place of another part, of either.
#[tokio::test]
async fn every_swapped_or_spliced_part_is_found() {
    let house = House::new().await;
    let ledger = house.ledger("h1").await;
    let [acme, bolt] = ["acme", "bolt"].map(client);
    for to in [&acme, &bolt] {
        join_all((0..600).map(|n| ledger.append(to, note(format!("{n:3} of {to}"))))).await;
    }
    let (ours, theirs) = (house.export(&ledger, &acme).await, house.export(&ledger, &bolt).await);
    let vkey = ledger.vkey(&acme);
    assert!(verify_bundle(&ours, &vkey).unwrap().problems.is_empty());
    let all: Vec<PathBuf> = files(&ours).iter().map(|p| p.strip_prefix(&ours).unwrap().to_owned()).collect();
    assert_eq!(all, files(&theirs).iter().map(|p| p.strip_prefix(&theirs).unwrap()).collect::<Vec<_>>());
    let parts: Vec<&PathBuf> = all.iter().filter(|p| p.starts_with("tile")).collect();
    assert_eq!(parts.len(), 7);
    let (read_ours, read_theirs) =
        (|p: &Path| fs::read(ours.join(p)).unwrap(), |p: &Path| fs::read(theirs.join(p)).unwrap());
    let check = |what: &str, replaced: &[(&Path, Vec<u8>)]| {
        let good: Vec<_> = replaced.iter().map(|(path, _)| read_ours(path)).collect();
        for (path, bytes) in replaced {
            fs::write(ours.join(path), bytes).unwrap();
        }
        let report = verify_bundle(&ours, &vkey).unwrap();
        assert!(!report.is_good(), "{what} went unnoticed");
        for ((path, _), bytes) in replaced.iter().zip(good) {
            fs::write(ours.join(path), bytes).unwrap();
        }
    };
    // Any part in any other place, from this log and from that one.
    for (i, to) in parts.iter().enumerate() {
        for (j, from) in parts.iter().enumerate() {
            let (to_name, from_name) = (to.display(), from.display());
            check(&format!("their {from_name} as {to_name}"), &[(to, read_theirs(from))]);
            if i < j {
                let swapped = [(to.as_path(), read_ours(from)), (from.as_path(), read_ours(to))];
                check(&format!("{from_name} and {to_name} swapped"), &swapped);
            }
        }
    }
    // Hashes and the entries that they are of, together; all of another log but what is signed; entries in another order.
    for n in ["000", "001", "002.p/88"] {
        let pair = [format!("tile/0/{n}"), format!("tile/entries/{n}")].map(PathBuf::from);
        check(n, &pair.each_ref().map(|path| (path.as_path(), read_theirs(path))));
    }
    let whole: Vec<_> = parts.iter().map(|path| (path.as_path(), read_theirs(path))).collect();
    check("another log under this checkpoint", &whole);
    let (first, second) = (Path::new("tile/entries/000"), Path::new("tile/entries/001"));
    let (a, b) = (read_ours(first), read_ours(second));
    let mut spliced = a[..a.len() / 2].to_vec();
    spliced.extend_from_slice(&b[b.len() / 2..]);
    check("half of each", &[(first, spliced)]);
    assert!(verify_bundle(&ours, &vkey).unwrap().problems.is_empty());
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
