//! `FORMAT.md` is enough: a page of Python opens what the vault sealed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;

use std::{fmt::Write, process::Command};

use caveat_vault::{Cut, Edge, Header, Kind, SealReason, Suite, Taken};
use house::{House, client, second, two_legs};

#[tokio::test]
async fn a_page_of_python_opens_a_recording_of_either_suite() {
    for suite in Suite::ALL {
        python_opens(suite).await;
    }
}

async fn python_opens(suite: Suite) {
    let has = Command::new("python3").args(["-c", "import cryptography"]).output();
    if !has.is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: python3 with the `cryptography` package is not here; FORMAT.md was not tried");
        return;
    }
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = (client("acme"), house.id());
    vault.prefer(&acme, suite);
    let header = Header { suite, ..two_legs() };
    let writer = vault.begin(&acme, id, header).await.unwrap();
    let mut expected = String::new();
    for (leg, index, kind) in [
        (0, 0, Kind::Audio),
        (1, 0, Kind::Audio),
        (1, 3, Kind::Audio),
        (1, 3, Kind::Waveform),
        (1, 4, Kind::Transcript),
        (0, 131_071, Kind::Transcript),
    ] {
        let plain = second(leg, index);
        writer.append(leg, index, kind, &plain).await.unwrap();
        if (leg, index) != (1, 3) {
            let hex: String = plain.iter().map(|b| format!("{b:02x}")).collect();
            let left: String = b"the rest".iter().map(|b| format!("{b:02x}")).collect();
            let shown = if (leg, index) == (1, 4) { left } else { hex };
            writeln!(expected, "{leg} {index} {kind} {shown}").unwrap();
        }
    }
    writer.seal(SealReason::Ended).await.unwrap();
    let reader = vault.reader(&acme, id).await.unwrap();
    let edge = Edge { second: 4, kind: Kind::Transcript, plain: b"the rest".to_vec().into() };
    let cuts = [Cut { leg: 1, seconds: 3..5, edges: vec![edge] }];
    vault.redact(&reader, &cuts, Taken::ForEver).await.unwrap();
    // The script takes a keyring of several versions as well.
    if suite == Suite::Aes256Gcm {
        vault.opener().rotate_key(&acme).await.unwrap();
        assert!(vault.opener().rewrap(&acme, 100).await.unwrap() > 0);
    }

    let out = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/open_recording.py"))
        .args([house.path("state.db"), house.path("keyring.json"), house.path("objects")])
        .args(["acme", &id.to_string()])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8(out.stdout).unwrap() == expected, "the plaintext differs");
}
