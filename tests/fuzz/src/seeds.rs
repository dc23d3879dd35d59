//! Where each target begins: files of this repository, and small things made here. None lies in the repository as bytes.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{guests::RULING_AT, packs, telephony};

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "case-file" => files("policies/state-consent/cases", "toml"),
        "event-line" => events(),
        "ledger-bundle" => vec![bundle()],
        "lock-file" => vec![lock()],
        "manifest" => packs_of_ours().iter().map(|dir| read(&format!("{dir}/pack.toml"))).collect(),
        "note" => notes(),
        "pack-file" => vec![
            [&[0], packs::good_file()].concat(),
            vec![1, 40, 1, 0, 0xff],
            vec![1, 0, 9, 1, 3, 7, 0, 2, 5],
        ],
        "pack-load" => loads(),
        "ruling" => rulings(),
        "settings" => settings(),
        "vault" => parts(),
        "wav" => vec![wav(7, 8, 1, &[0xff; 80]), wav(1, 16, 2, &[0; 160])],
        target => telephony::seeds(target),
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &str) -> Vec<u8> {
    fs::read(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file of a folder, by name.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(root().join(folder))
        .unwrap_or_else(|e| panic!("{folder}: {e}"))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).collect()
}

fn packs_of_ours() -> [&'static str; 5] {
    [
        "policies/state-consent",
        "policies/pci-dss",
        "policies/hipaa-hitech",
        "examples/house-standard-rust",
        "examples/house-standard-python",
    ]
}

fn events() -> Vec<Vec<u8>> {
    let plain: Value = serde_json::from_slice(&read("examples/quickstart/florida.json")).expect("JSON");
    let events = [
        json!({ "capture": "offered" }),
        json!({ "capture": { "keys": { "pressed": { "leg": 1, "start": 0, "end": 200, "symbol": "4" } } } }),
        json!({ "capture": { "words": { "heard": [{ "leg": 1, "start": 0, "end": 9, "text": "hello" }] } } }),
        json!({ "storage": { "seal": { "region": "@DE", "cipher": "aes-256-gcm", "key": "active" } } }),
        json!({ "storage": { "dispose": { "what": "recording", "basis": "schedule" } } }),
        json!({ "access": { "act": "play", "purpose": "quality", "person": {
            "role": "agent", "factors": [{ "kind": "totp", "at": "2026-01-05T15:00:00Z" }] } } }),
    ];
    let facts = json!({
        "now": "2026-01-05T15:00:05Z", "began": "2026-01-05T15:00:00Z", "direction": "inbound",
        "purposes": ["quality"], "recorder-region": "TX", "traits": { "can-pause": true },
        "parties": [{ "id": 0, "role": "agent", "traits": { "present": true } },
            { "id": 1, "role": "customer", "leg": 1, "regions": [{ "region": "CA", "source": "number" }] }],
        "notices": [{ "kind": "spoken", "at": 900, "heard-by": [0, 1] }],
        "consents": [{ "party": 1, "form": "express", "at": 1200, "given": true }],
        "labels": [{ "kind": "card-number", "where": { "start": 1, "end": 2 }, "confidence": 90 }],
        "attributes": [{ "name": "a.b", "value": { "whole": -1 } }],
    });
    let lines = events.into_iter().map(|event| json!({ "event": event, "facts": facts, "recording": "r1" }));
    std::iter::once(plain).chain(lines).map(|line| line.to_string().into_bytes()).collect()
}

/// A log of one recording that was opened, ruled on, listened to and destroyed.
fn bundle() -> Vec<u8> {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let recording = "r1";
    let events = [
        json!({ "kind": "host-started", "version": "0.1.0" }),
        json!({ "kind": "recording-opened", "recording": recording }),
        json!({ "kind": "verdict", "recording": recording, "stage": "access", "event": "play", "outcome": "allow",
            "packs": [{ "name": "p", "version": "1.0.0", "digest": digest, "settings": digest, "mode": "active",
                "outcome": "allow", "rules": ["a.b"], "fuel": 7, "failed": false }],
            "conflicts": ["erase-against-hold"], "obligations": [{ "code": "log-access", "pack": "p", "rule": "a.b" }],
            "detail": digest }),
        json!({ "kind": "access-intent", "recording": recording, "person": "p1", "act": "play", "purpose": "quality",
            "verdict": 2, "grant": true }),
        json!({ "kind": "access-result", "intent": 3, "ok": true, "bytes": 9 }),
        json!({ "kind": "sealed", "recording": recording, "frames": 2, "duration-ms": 1900, "root": digest,
            "object-digest": digest, "reason": "ended" }),
        json!({ "kind": "hold-set", "recording": recording, "hold": "h1" }),
        json!({ "kind": "disposal-intent", "recording": recording, "what": "recording", "basis": "schedule",
            "verdict": 2 }),
        json!({ "kind": "disposal-result", "intent": 7, "ok": true }),
    ];
    let mut bytes = vec![];
    for (seq, event) in (1..).zip(events) {
        let entry =
            json!({ "v": 1, "at": "2026-01-05T15:00:00.000Z", "host": "h", "seq": seq, "event": event })
                .to_string();
        bytes.extend((entry.len() as u16).to_be_bytes());
        bytes.extend(entry.as_bytes());
    }
    bytes
}

fn lock() -> Vec<u8> {
    let pin = |pack: &str, byte: &str| {
        format!(
            "[[pin]]\nclient = \"acme\"\npack = \"{pack}\"\nversion = \"1.0.0\"\ndigest = \"sha256:{}\"\n",
            byte.repeat(32)
        )
    };
    [pin("pci-dss", "0a"), pin("state-consent", "f3")].concat().into_bytes()
}

fn notes() -> Vec<Vec<u8>> {
    // The example of C2SP signed-note, and its key.
    let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let with = |mode: u8, text: &str| [&[mode], text.as_bytes()].concat();
    vec![with(0, note), with(1, "a text\n"), vec![2, 3, 0, 0, b'x', 60, 0, 1, 2], with(3, key)]
}

fn loads() -> Vec<Vec<u8>> {
    let of = |mode: u8, rest: &[u8]| [&[mode], rest].concat();
    let random = (0..4_u8)
        .map(|n| (0..600_u32).map(|i| (i * 7 + i * i * u32::from(n + 3)) as u8).collect::<Vec<u8>>());
    let mut seeds =
        vec![of(0, b"\0asm\x0d\0\x01\0"), of(1, &[]), of(1, &[9, 2, 0, 4]), of(1, &[0, 3, 3, 0, 1, 1, 2, 7])];
    seeds.extend(random.map(|bytes| of(2, &bytes)));
    seeds
}

/// Rulings with every duty of their stage (`wit/`), laid out as the canonical ABI has them.
fn rulings() -> Vec<Vec<u8>> {
    // Where obligations, other entries and texts of a ruling come to lie, counted from it.
    const OBLIGATIONS: u32 = 64;
    const ENTRIES: u32 = 1_024;
    const TEXT: u32 = 1_536;
    let pointer = |at: u32, length: u32| [(RULING_AT + at).to_le_bytes(), length.to_le_bytes()].concat();
    let ruling = |stage: u8, outcome: u8, duties: u32, reasons_at: usize| {
        let mut bytes = vec![0; 1_600];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, &[outcome]);
        put(4, &pointer(OBLIGATIONS, duties));
        for case in 0..duties {
            let at = (OBLIGATIONS + case * 40) as usize;
            put(at, &[case as u8]);
            put(at + 8, &pointer(TEXT, 1));
            put(at + 16, &[1]);
            put(at + 32, &pointer(TEXT, 6));
        }
        put(12, &pointer(ENTRIES, 1));
        put(reasons_at, &pointer(ENTRIES, 1));
        if stage == 0 {
            put(20, &pointer(ENTRIES + 64, 1));
            put(28, &pointer(ENTRIES + 128, 1));
        }
        for part in 0..3 {
            put(ENTRIES as usize + part * 8, &pointer(TEXT, 6));
        }
        put(ENTRIES as usize + 128, &pointer(TEXT, 6));
        put(TEXT as usize, b"rule-1");
        packs::told(stage, &bytes)
    };
    let nothing = packs::told(0, &[0; 64]);
    vec![nothing, ruling(0, 1, 14, 36), ruling(1, 2, 12, 20), ruling(2, 1, 7, 20)]
}

fn settings() -> Vec<Vec<u8>> {
    let odd = json!({
        "$defs": { "a": { "enum": ["b", 1] } },
        "properties": { "a": { "$ref": "#/$defs/a" }, "b": { "type": "array", "items": { "pattern": "^(a|b)+$" } } },
        "oneOf": [{ "required": ["a"] }, { "not": { "required": ["b"] } }],
    });
    let mut seeds = vec![[odd.to_string().as_bytes(), b"\0", br#"{"a":"b","b":["ab"]}"#].concat()];
    for dir in &packs_of_ours()[..4] {
        seeds.push([&read(&format!("{dir}/settings.schema.json"))[..], b"\0{}"].concat());
    }
    seeds
}

/// Every part of a sealed recording that the target [`crate::vault`] knows.
fn parts() -> Vec<Vec<u8>> {
    let header = [&[0][..], &[0; 8], &[2], &[0, 0, 0, 0, 0x1f, 0x40], &[1, 0, 0, 0, 0x1f, 0x40]].concat();
    let frame = [&[1, 0, 0, 0, 0, 7, 1, 0, 0, 0, 60][..], &[0; 60]].concat();
    let cover = [&[2, 0, 0, 0, 9][..], &[1, 0, 0, 0, 0], &[3; 32], &[1, 0, 0, 0, 1], &[4; 32]].concat();
    let record = [&[3, 4][..], b"acme", &[7; 16], &[0, 0, 0, 1], b"frame"].concat();
    let object =
        [&[4, 2, 18, 2, 20, 0, 120][..], &[0, 0, 0, 0, 0, 1, 80], &[0, 0, 0, 0, 1, 1, 80], &[0; 18]].concat();
    vec![header, frame, cover, record, object]
}

fn wav(format: u16, bits: u16, channels: u16, audio: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let chunk = |id: &[u8], body: &[u8]| [id, &(body.len() as u32).to_le_bytes(), body].concat();
    let rate = 8_000_u32;
    let about = [
        &format.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat();
    let body = [&b"WAVE"[..], &chunk(b"fmt ", &about), &chunk(b"data", audio)].concat();
    chunk(b"RIFF", &body)
}
