//! How long, and in how much memory, a long log is checked. Not part of a run of all tests:
//! `cargo test --workspace --test ledger million -- --ignored --nocapture`, with `CAVEAT_ENTRIES` for another length.

use std::{fs, sync::Arc, time::Instant};

use caveat_ledger::{EntryKind, Limits, PackEntry, verify_bundle};
use caveat_model::{Act, Digest, Mode, Outcome, Purpose, Stage};
use futures::future::join_all;
use object_store::local::LocalFileSystem;

use crate::house::{House, client};

/// Entries of one call, as a call leaves them.
const PER_CALL: u64 = 20;

fn pseudonym(call: u64) -> String {
    format!("sha256:{call:064x}")
}

fn verdict(call: u64, stage: Stage, event: &str) -> EntryKind {
    let pack = |name: &str| PackEntry {
        name: name.into(),
        version: "0.1.0".into(),
        digest: Digest([7; 32]),
        settings: Digest([8; 32]),
        mode: Mode::Active,
        outcome: Outcome::Allow,
        rules: vec!["consent.one-party".into()],
        fuel: 9_049,
        failed: false,
    };
    EntryKind::Verdict {
        recording: Some(pseudonym(call)),
        stage,
        event: event.into(),
        outcome: Outcome::Allow,
        packs: vec![pack("state-consent"), pack("pci-dss")],
        conflicts: vec![],
        obligations: vec![],
        detail: None,
    }
}

/// The entry at this place of the log.
fn entry(index: u64) -> EntryKind {
    let (call, recording, root) = (index / PER_CALL, pseudonym(index / PER_CALL), Digest([1; 32]));
    match index % PER_CALL {
        0 => verdict(call, Stage::Capture, "offered"),
        1 => EntryKind::RecordingOpened { recording },
        12 => EntryKind::InterimRoot { recording, frames: 60, root },
        16 => {
            let (reason, object_digest) = ("ended".into(), Digest([2; 32]));
            EntryKind::Sealed { recording, frames: 120, duration_ms: 120_000, root, object_digest, reason }
        }
        17 => verdict(call, Stage::Access, "play"),
        18 => EntryKind::AccessIntent {
            recording: Some(recording),
            person: pseudonym(call % 50),
            act: Act::Play,
            purpose: Purpose::Quality,
            verdict: index - 1,
            grant: true,
        },
        19 => EntryKind::AccessResult { intent: index - 1, ok: true, bytes: 1_000_000, digest: None },
        _ => verdict(call, Stage::Capture, "words"),
    }
}

/// Most memory that this process has held since it was last asked to forget, in MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes"]
async fn a_million_entries() {
    let entries: u64 = std::env::var("CAVEAT_ENTRIES").map_or(1_000_000, |n| n.parse().unwrap());
    let store = tempfile::tempdir().unwrap();
    let house = House::on(Arc::new(LocalFileSystem::new_with_prefix(store.path()).unwrap())).await;
    let limits = Limits { batch_entries: 4_096, queue_entries: 8_192, ..Limits::default() };
    let (ledger, acme) = (house.ledger_within("h1", limits).await, client("acme"));
    let began = Instant::now();
    for from in (0..entries).step_by(4_096) {
        let batch = (from..entries.min(from + 4_096)).map(|index| ledger.append(&acme, entry(index)));
        // In this order: a task that has done much would otherwise make room for others, and come back in another.
        for done in tokio::task::unconstrained(join_all(batch)).await {
            done.unwrap();
        }
    }
    let dir = house.export(&ledger, &acme).await;
    println!("{entries} entries written and exported in {:?}", began.elapsed());

    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, began) = (peak_mib(), Instant::now());
    let report = verify_bundle(&dir, &ledger.vkey(&acme)).unwrap();
    let (took, peak) = (began.elapsed(), peak_mib());
    assert!(report.is_good() && report.entries == entries, "{report}");
    println!(
        "{entries} entries checked in {took:?}, {:.0} a second; {} MiB more than the {before} before",
        entries as f64 / took.as_secs_f64(),
        peak.saturating_sub(before)
    );
}
