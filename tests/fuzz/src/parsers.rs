//! Texts: manifests, settings, cases, events, locks, notes; uploaded files.

use std::{path::Path, sync::OnceLock};

use caveat_notes::{SigningKey, VerifierKey};
use caveat_packs::{Manifest, fuzz as packs};
use serde_json::Value;

use crate::edits::edited;

/// A pack's `pack.toml`.
pub fn manifest(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let path = Path::new("pack.toml");
    match Manifest::parse(path, text) {
        Ok(manifest) => {
            let again = toml::to_string(&manifest).expect("a manifest can be written");
            assert_eq!(Manifest::parse(path, &again).expect("and read"), manifest);
        }
        Err(refused) => assert!(refused.to_string().contains("pack.toml"), "{refused}"),
    }
}

/// A JSON Schema, a zero byte, and settings in JSON.
pub fn settings(data: &[u8]) {
    let Some(at) = data.iter().position(|b| *b == 0) else { return };
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let (Some(schema), Some(given)) = (json(&data[..at]), json(&data[at + 1..])) else { return };
    if let Ok(whole) = packs::settings(&schema, &given) {
        let again = serde_json::from_str(&whole).expect("settings are JSON");
        assert_eq!(packs::settings(&schema, &again).expect("what is complete stays right"), whole);
    }
}

/// A file of cases, for the pack of state consent.
pub fn case_file(data: &[u8]) {
    static MANIFEST: OnceLock<Manifest> = OnceLock::new();
    let manifest = MANIFEST.get_or_init(|| {
        let text = include_str!("../../../policies/state-consent/pack.toml");
        Manifest::parse(Path::new("pack.toml"), text).expect("a manifest")
    });
    let Ok(text) = str::from_utf8(data) else { return };
    if let Err(refused) = packs::cases(text, manifest) {
        assert!(refused.to_string().contains("cases.toml"), "{refused}");
    }
}

/// One line of a file of events.
pub fn event_line(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok((event, facts, recording)) = caveat_packs::event_from_line(text) {
        let again = serde_json::json!({ "event": event, "facts": facts, "recording": recording }).to_string();
        assert_eq!(
            caveat_packs::event_from_line(&again).expect("it was read before"),
            (event, facts, recording)
        );
    }
}

/// A `caveat.lock`.
pub fn lock_file(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(lock) = packs::lock(text) {
        let again = toml::to_string(&lock).expect("a lock can be written");
        assert_eq!(packs::lock(&again).expect("and read"), lock);
    }
}

/// Signed notes. By the first byte: a note of any bytes, any text signed, a good note changed, a verifier key.
pub fn note(data: &[u8]) {
    const TEXT: &str = "caveat-pack/v1\nhouse-standard 1.0.0\n";
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        SigningKey::create(&dir.path().join("key"), "fuzz.example").expect("a key")
    });
    let trusted = [key.verifier_key()];
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 4 {
        0 => {
            let _ = caveat_notes::signers(rest);
            assert!(caveat_notes::open(rest, &trusted).is_err(), "nobody else has the key");
            let _ = caveat_notes::add_signature(rest, key);
        }
        1 => {
            let Ok(text) = str::from_utf8(rest) else { return };
            let Ok(note) = caveat_notes::sign(text, key) else { return };
            assert_eq!(caveat_notes::open(note.as_bytes(), &trusted).expect("a note of ours").text, text);
            assert_eq!(caveat_notes::add_signature(note.as_bytes(), key).expect("signed again"), note);
        }
        2 => {
            let note = caveat_notes::sign(TEXT, key).expect("a note");
            if let Ok(opened) = caveat_notes::open(&edited(note.as_bytes(), rest), &trusted) {
                assert_eq!(opened.text, TEXT, "forged");
            }
        }
        _ => {
            let Ok(text) = str::from_utf8(rest) else { return };
            if let Ok(key) = text.parse::<VerifierKey>() {
                assert_eq!(key.to_string().parse::<VerifierKey>().expect("it was read before"), key);
            }
        }
    }
}

/// An uploaded WAV file.
pub fn wav(data: &[u8]) {
    if let Err(refused) = caveat_capture::fuzz::wav(data.to_vec()) {
        assert!(!refused.is_empty());
    }
}
