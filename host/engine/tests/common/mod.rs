//! Guests from `tests/guests`, made into components, and events to put to them.
#![allow(dead_code, reason = "not every test uses all")]

use std::path::{Path, PathBuf};

use caveat_engine::{Engine, Limits};
use caveat_model::{CaptureEvent, Event, Facts};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The component made from `tests/guests/NAME.wat`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = here("tests/guests").join(name).with_extension("wat");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if text.starts_with("(component") {
        return wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let mut module = wat::parse_str(whole_module(&text)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(here("../../wit")).expect("wit/ is valid");
    let world = ["capture", "storage", "access"].map(|stage| text.contains(&format!("policy/{stage}@")));
    let world = match world {
        [true, false, false] => "capture-pack",
        [true, true, true] => "full-pack",
        _ => "pack",
    };
    let world = resolve.select_world(&[package], Some(world)).expect("a world of wit/");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).expect("a module that fits its world");
    encoder.validate(true).encode().unwrap_or_else(|e| panic!("{name}: {e:#}"))
}

/// With the parts of the prelude that the guest does not bring itself.
fn whole_module(guest: &str) -> String {
    let mut prelude = include_str!("../guests/prelude.wat").to_owned();
    for (part, sign) in [
        // It takes a second module, and only of one is it believed.
        ("text", "caveat:frees-nothing"),
        ("memory", "(memory "),
        ("configure", "#configure\""),
        ("allocator", "\"cabi_realloc\""),
    ] {
        if guest.contains(sign) {
            let from = prelude.find(&format!(";; {part}\n")).expect("the part begins");
            let end = prelude.find(&format!(";; end {part}\n")).expect("the part ends");
            prelude.replace_range(from..end, "");
        }
    }
    format!("(module\n{prelude}\n{guest}\n)")
}

/// An engine without a cache. Few instances, because many engines run at once here.
pub(crate) fn engine(limits: Limits) -> Engine {
    Engine::new(Limits { instances_max: 4, ..limits }, None).expect("an engine")
}

/// Limits of which none is in the way of a test that is about another.
pub(crate) fn generous() -> Limits {
    Limits {
        fuel_per_ruling: u64::MAX >> 1,
        deadline_ms: 120_000,
        stack_bytes_max: 1 << 20,
        memory_bytes_max: 16 << 20,
        result_bytes_max: 16 << 20,
        obligations_max: 1 << 20,
        entries_max: 1 << 20,
        text_bytes_max: 1 << 20,
        ..Limits::default()
    }
}

/// The simplest event.
pub(crate) fn offered() -> Event {
    Event::Capture(CaptureEvent::Offered)
}

/// Facts with something in them.
pub(crate) fn facts() -> Facts {
    serde_json::from_value(serde_json::json!({
        "now": "2026-11-23T09:30:05.000Z", "began": "2026-11-23T09:30:00.000Z",
        "direction": "inbound", "traits": {"can-pause": true}, "recorder-region": "CA",
        "purposes": ["quality", "training"],
        "parties": [
            {"id": 0, "role": "agent", "leg": 0, "regions": [{"region": "FL", "source": "on-file"}],
             "traits": {"present": true}},
            {"id": 1, "role": "customer", "leg": 1, "number": "geographic", "language": "en",
             "regions": [{"region": "CA", "source": "number"}], "traits": {"present": true}}
        ],
        "notices": [{"kind": "spoken", "at": 900, "heard-by": [0, 1]}],
        "consents": [{"party": 1, "form": "express", "at": 1200, "given": true}],
        "labels": [{"kind": "card-number", "where": {"start": 1, "end": 2}, "confidence": 90}],
        "placements": [{"region": "@DE", "cipher": "aes-256-gcm", "key": "active"}],
        "holds": [{"matter": "Smith", "since": "2026-01-01"}],
        "attributes": [{"name": "retention.provider", "value": {"text": "hospital"}}]
    }))
    .expect("facts")
}
