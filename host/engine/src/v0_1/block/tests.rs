#![allow(clippy::unwrap_used, reason = "tests")]
use std::path::Path;

use caveat_model as model;
use serde_json::json;
use wasmtime::{
    Config, Engine, Store,
    component::{Component, ComponentNamedList, Func, Linker, Lower, TypedFunc, Val},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;
use crate::v0_1::{Event, Question, facts::Facts};

/// Keeps the parameters of `put`, and gives them back.
const ECHO: &str = r#"(module
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 1024))
    (global $kept (mut i32) (i32.const 0))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $next (i32.and
            (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get 2))))
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "put") (param i32) (global.set $kept (local.get 0)))
    (func (export "get") (result i32) (global.get $kept)))"#;

fn echo(engine: &Engine, event: &str) -> Component {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let world = format!(
        "package caveat:echo; world echo {{
            use caveat:policy/{event};
            use caveat:policy/facts@0.1.0.{{facts}};
            export put: func(event: event, facts: facts);
            export get: func() -> tuple<event, facts>;
        }}"
    );
    let package = resolve.push_str("echo.wit", &world).unwrap();
    let world = resolve.select_world(&[package], Some("echo")).unwrap();
    let mut module = wat::parse_str(ECHO).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).unwrap();
    Component::new(engine, encoder.validate(true).encode().unwrap()).unwrap()
}

/// What a guest sees.
fn seen<P: ComponentNamedList + Lower>(
    component: &Component,
    params: impl FnOnce(&Store<()>, Func) -> (TypedFunc<P, ()>, P),
) -> Vec<Val> {
    let mut store = Store::new(component.engine(), ());
    let linker = Linker::new(component.engine());
    let instance = linker.instantiate(&mut store, component).unwrap();
    let put = instance.get_func(&mut store, "put").unwrap();
    let (put, params) = params(&store, put);
    put.call(&mut store, params).unwrap();
    let get = instance.get_func(&mut store, "get").unwrap();
    let mut results = vec![Val::Bool(false)];
    get.call(&mut store, &[], &mut results).unwrap();
    results
}

fn alike<E: Write + Lower>(event: &E, facts: &Facts<'_>, component: &Component) {
    assert!(<(&E, &Facts<'_>)>::flatten_count() > 16, "parameters that few go in by the stack");
    let plainly = seen(component, |store, put| (put.typed(store).unwrap(), (event, facts)));
    #[allow(unsafe_code, reason = "as in `v0_1::call`")]
    // SAFETY: the line before has compared the types.
    let as_block = |put| unsafe { TypedFunc::new_unchecked(put) };
    let in_block = seen(component, |_, put| (as_block(put), InBlock(Block::of(event, facts))));
    assert_eq!(in_block, plainly);
}

fn known() -> model::Facts {
    let party = |id: u8| {
        json!({"id": id, "role": "customer", "leg": 1, "number": "toll-free", "language": "es-US",
            "regions": [{"region": "CA", "source": "number", "learned": 7}, {"region": "@CA-ON", "source": "stated"}],
            "joined": 5, "left": 9, "traits": {"present": true, "minor": true}})
    };
    let attributes = json!([
        {"name": "call.kind", "value": {"text": "billing"}}, {"name": "call.threats", "value": {"flag": true}},
        {"name": "tenant.agents", "value": {"whole": -240}},
        {"name": "campaign.until", "value": {"when": "2026-12-31T00:00:00Z"}}
    ]);
    serde_json::from_value(json!({
        "now": "2026-11-23T09:30:05.000Z", "began": "2026-11-23T09:30:00.000Z", "direction": "outbound",
        "traits": {"can-pause": true, "medical-record": true}, "recorder-region": "TX",
        "purposes": ["quality", "vendor-use"], "parties": [party(1), party(2), {"id": 3, "role": "agent"}],
        "notices": [{"kind": "beep", "at": 900, "recorded": true, "heard-by": [1, 2, 3], "language": "en", "every-s": 15}],
        "consents": [{"party": 1, "form": "written", "at": 1200, "given": true, "recorded": true}],
        "labels": [{"kind": "card-number", "where": {"leg": 1, "start": 1, "end": 2}, "confidence": 90},
            {"kind": "privileged", "where": {"start": 3, "end": 4}, "confidence": 1}],
        "paused": {"since": 77, "cause": "protocol"},
        "placements": [{"kind": "backup", "region": "@DE", "cipher": "aes-256-gcm", "key": "active",
            "traits": {"immutable": true, "validated-module": true}}],
        "holds": [{"matter": "Smith", "since": "2026-01-01"}], "attributes": attributes
    }))
    .unwrap()
}

fn events() -> Vec<model::Event> {
    let word = |text: &str| json!({"leg": 1, "start": 10, "end": 20, "text": text});
    let key = |symbol: &str| json!({"leg": 0, "start": 1, "end": 2, "symbol": symbol});
    let words = json!({"heard": [word("four"), word("ünf")], "before": [word("")]});
    let keys = json!({"pressed": key("#"), "before": [key("1"), key("2")], "words": [word("pin")]});
    let placement = json!({"region": "CA", "kind": "exported", "cipher": "weak", "key": "compromised"});
    let capture = [
        json!("offered"),
        json!({"party-joined": 3}),
        json!({ "words": words }),
        json!({ "keys": keys }),
        json!({"resume-asked": "timer"}),
        json!("ended"),
    ];
    let storage = [
        json!({ "seal": placement }),
        json!({"review": "template"}),
        json!({"dispose": {"what": "segment", "basis": "contract-end"}}),
        json!({"hold-set": {"matter": "Smith v. Acme", "since": "2026-01-01"}}),
        json!("breach-found"),
    ];
    let person = json!({"role": "trainer", "function": "coaching", "idle-s": 8, "unused-days": 3,
        "factors": [{"kind": "totp", "at": "2026-01-01"}, {"kind": "password", "at": "2026-01-02"}],
        "account": "shared", "standing": "suspended", "traits": {"break-glass": true, "remote": true}});
    let request = json!({"act": "play", "purpose": "training", "form": "redacted",
        "span": {"leg": 1, "start": 5, "end": 6}, "person": person});
    let capture = capture.map(|event| model::Event::Capture(serde_json::from_value(event).unwrap()));
    let storage = storage.map(|event| model::Event::Storage(serde_json::from_value(event).unwrap()));
    let access = [model::Event::Access(serde_json::from_value(request).unwrap())];
    capture.into_iter().chain(storage).chain(access).collect()
}

#[test]
fn a_block_says_what_wasmtime_says() {
    let engine = Engine::new(&Config::new()).unwrap();
    let capture = echo(&engine, "capture@0.1.0.{event}");
    let storage = echo(&engine, "storage@0.1.0.{event}");
    let access = echo(&engine, "access@0.1.0.{request as event}");
    let empty = serde_json::json!({"now": "2026-11-23T09:30:05Z", "began": "2026-11-23T09:30:00Z"});
    for known in [known(), serde_json::from_value(empty).unwrap()] {
        let attributes: Vec<_> = known.attributes.iter().collect();
        let facts = &Facts::new(&known, &attributes);
        for event in events() {
            match Question::new(&event, &known).event {
                Event::Capture(event) => alike(&event, facts, &capture),
                Event::Storage(event) => alike(&event, facts, &storage),
                Event::Access(request) => alike(&request, facts, &access),
            }
        }
    }
}

#[test]
fn only_a_guest_of_one_module_that_says_so_is_taken_at_its_word() {
    let check = |text: &str, wanted: bool| {
        let component = wat::parse_str(format!("(component {text})")).unwrap();
        assert_eq!(frees_nothing(&component), wanted, "{text}");
    };
    let says = r#"(core module (@custom "caveat:frees-nothing" "\01"))"#;
    check(says, true);
    check("(core module)", false);
    check(r#"(core module (@custom "caveat:frees" "\01"))"#, false);
    check(&format!("{says} (core module)"), false);
    check(&format!("{says} (component {says})"), false);
    assert!(!frees_nothing(b"\0asm\x0d\0\x01\0\xff"));
}
