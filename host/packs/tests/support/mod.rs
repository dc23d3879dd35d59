//! Small packs written by hand in WebAssembly text, encoded against the contract in `wit/`.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]

use std::path::Path;

use caveat_packs::{Manifest, PackFile};
use serde_json::Value;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A manifest with one rule, `house.disclosure`, that is asked about capture.
pub(crate) const MANIFEST: &str = r#"[pack]
name = "house-standard"
version = "1.0.0"
contract = "0.1.0"
title = "House standard"
aliases = ["house"]
stages = ["capture"]

[on-failure]
capture = "suspend"

[[rule]]
id = "house.disclosure"
citation = "Manual 3.1"

[[rule]]
id = "house.silent"
citation = "Manual 3.2"
"#;

/// What the pack does when it is asked.
pub(crate) enum Behavior {
    /// Answers with this outcome (0 allow, 1 suspend, 2 refuse) and one reason that names this rule.
    Says(u8, &'static str),
    /// The same when a call is offered; allows anything else without a word.
    #[allow(dead_code, reason = "not every file of tests needs it")]
    SaysWhenOffered(u8, &'static str),
    /// Traps.
    #[allow(dead_code, reason = "not every file of tests needs it")]
    Traps,
}

/// A component of the world `capture-pack`.
pub(crate) fn component(behavior: &Behavior) -> Vec<u8> {
    component_with(behavior, "")
}

/// The same with more in its module, written in WebAssembly text.
pub(crate) fn component_with(behavior: &Behavior, more: &str) -> Vec<u8> {
    // An event begins with the number of its case, of which `offered` is the first. At 5120 nothing is ever written: the
    // ruling there allows.
    let when_offered = "(select (i32.const 5120) (i32.const 1024) (i32.load8_u (local.get 0)))";
    let (outcome, rule, body) = match behavior {
        Behavior::Says(outcome, rule) => (*outcome, *rule, "i32.const 1024"),
        Behavior::SaysWhenOffered(outcome, rule) => (*outcome, *rule, when_offered),
        Behavior::Traps => (0, "", "unreachable"),
    };
    // At 1024 the ruling: outcome, then pointer and length of five lists, the last being reasons, at 1024 + 36.
    // At 2048 the one reason: rule, citation, message. At 3072 their text.
    let list = |address: usize, length: usize| -> String {
        let bytes = (address as u32).to_le_bytes().into_iter().chain((length as u32).to_le_bytes());
        bytes.map(|b| format!("\\{b:02x}")).collect()
    };
    let (reasons, rule_at) = (list(2048, 1), list(3072, rule.len()));
    let text = list(3072, 0);
    let wat = format!(
        r#"(module
            {more}
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 8192))
            (data (i32.const 1024) "\{outcome:02x}")
            (data (i32.const 1060) "{reasons}")
            (data (i32.const 2048) "{rule_at}{text}{text}")
            (data (i32.const 3072) "{rule}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32) i32.const 4096)
            (func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) {body}))"#
    );
    encode(wat::parse_str(wat).unwrap(), "capture-pack")
}

/// A core module as a component of a world of the contract.
pub(crate) fn encode(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// A whole pack; its name can be changed so that several can stand side by side.
pub(crate) fn pack(name: &str, behavior: &Behavior, schema: Option<Value>) -> PackFile {
    let text = MANIFEST.replace("house-standard", name);
    let manifest = Manifest::parse(Path::new("pack.toml"), &text).unwrap();
    PackFile::assemble(manifest, schema, &component(behavior)).unwrap()
}
