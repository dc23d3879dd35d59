//! Components of the contract, made here: one that says whatever bytes it is told to say, and random code behind the right
//! exports.

use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where the ruling's bytes come to lie in the guest's memory.
pub(crate) const RULING_AT: u32 = 1 << 16;

/// Answers every event with the bytes that the longest text of the facts spells: two letters a byte, `a` to `p` for four bits
/// each, the high ones first. The first four bytes are the address of the ruling, the rest lies at [`RULING_AT`].
const SAYS: &str = r#"(module
    (import "caveat:policy/log@0.1.0" "write" (func (param i32 i32 i32)))
    (memory (export "memory") 8)
    (global $heap (mut i32) (i32.const 131072))
    (global $text (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    (func (export "cabi_realloc") (param $old i32) (param $old_len i32) (param $align i32) (param $len i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
        (global.set $heap (i32.add (local.get $at) (local.get $len)))
        (if (i32.and (i32.eq (local.get $align) (i32.const 1)) (i32.gt_u (local.get $len) (global.get $length)))
            (then (global.set $text (local.get $at)) (global.set $length (local.get $len))))
        (local.get $at))
    (func $nibble (param $at i32) (result i32) (i32.sub (i32.load8_u (local.get $at)) (i32.const 97)))
    (func $say (param i32) (result i32)
        (local $n i32)
        (local $from i32)
        (block $done
            (loop $next
                (br_if $done (i32.ge_u (local.get $n) (i32.shr_u (global.get $length) (i32.const 1))))
                (local.set $from (i32.add (global.get $text) (i32.shl (local.get $n) (i32.const 1))))
                (i32.store8 (i32.add (i32.const 65532) (local.get $n))
                    (i32.or (i32.shl (call $nibble (local.get $from)) (i32.const 4))
                        (call $nibble (i32.add (local.get $from) (i32.const 1)))))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br $next)))
        (i32.load (i32.const 65532)))
    (export "caveat:policy/capture@0.1.0#rule" (func $say))
    (export "caveat:policy/storage@0.1.0#rule" (func $say))
    (export "caveat:policy/access@0.1.0#rule" (func $say))
    (func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32) (i32.const 1024)))"#;

/// What random code lies behind: every function of the contract calls `$code`.
const BEHIND: &str = r#"(module
    (import "caveat:policy/log@0.1.0" "write" (func $log (param i32 i32 i32)))
    (memory (export "memory") 2)
    (table $table 4 funcref)
    (elem (i32.const 0) $code $rule)
    (global $heap (mut i32) (i32.const 65536))
    (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.set $heap (i32.add (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)) (local.get 3)))
        (i32.sub (global.get $heap) (local.get 3)))
    (func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32) CONFIGURE)
    (func $rule (param i32) (result i32) (call $code (local.get 0)))
    (export "caveat:policy/capture@0.1.0#rule" (func $rule))
    (export "caveat:policy/storage@0.1.0#rule" (func $rule))
    (export "caveat:policy/access@0.1.0#rule" (func $rule))
    START
    (func $code (param $in i32) (result i32)
        (local $a i32) (local $b i32)
        CODE
        (local.get $a)))"#;

/// One step for each byte, with the byte after it for a number. Each leaves the stack as it was.
const STEPS: [&str; 20] = [
    "(local.set $a (i32.const NUMBER))",
    "(local.set $a (i32.add (local.get $a) (local.get $b)))",
    "(local.set $b (i32.shl (local.get $a) (i32.const NUMBER)))",
    "(local.set $b (i32.load8_u offset=NUMBER (local.get $in)))",
    "(local.set $b (i32.load (local.get $a)))",
    "(i32.store offset=NUMBER (local.get $a) (local.get $b))",
    "(i32.store8 offset=NUMBER (local.get $in) (local.get $a))",
    "(i64.store (local.get $b) (i64.const -NUMBER))",
    "(memory.fill (local.get $a) (i32.const NUMBER) (local.get $b))",
    "(memory.copy (local.get $a) (local.get $in) (i32.const NUMBER))",
    "(local.set $a (memory.grow (i32.const NUMBER)))",
    "(local.set $b (table.grow $table (ref.null func) (i32.const NUMBER)))",
    "(call $log (i32.const NUMBER) (local.get $a) (local.get $b))",
    "(local.set $a (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const NUMBER)))",
    "(local.set $a (call_indirect (param i32) (result i32) (local.get $b) (i32.const NUMBER)))",
    "(local.set $b (i32.div_s (local.get $a) (i32.sub (local.get $b) (i32.const NUMBER))))",
    "(if (i32.eqz (local.get $a)) (then (unreachable)))",
    "(loop $again (local.set $b (i32.sub (local.get $b) (i32.const 1))) (br_if $again (local.get $b)))",
    "(loop $again (br_if $again (i32.lt_u (memory.grow (i32.const NUMBER)) (i32.const 65536))))",
    "(local.set $a (i32.const 1024))",
];

/// The component that says what it is told.
pub(crate) fn says() -> Vec<u8> {
    encode(module(SAYS)).expect("a module of the world")
}

/// The text that makes it say `bytes` (after the address).
pub(crate) fn spelled(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|half| char::from(b'a' + half)).collect()
}

/// A component of random code: the first byte says whether it runs in `configure` and at the start too.
pub(crate) fn random(bytes: &[u8]) -> Option<Vec<u8>> {
    let (when, rest) = bytes.split_first()?;
    let steps = rest.as_chunks::<2>().0.iter().take(256);
    let code: String = steps
        .map(|[step, number]| STEPS[usize::from(*step) % STEPS.len()].replace("NUMBER", &number.to_string()))
        .collect();
    let configure = if when & 1 == 0 { "(i32.const 1024)" } else { "(call $code (local.get 0))" };
    let start =
        if when & 2 == 0 { "" } else { "(func $begin (drop (call $code (i32.const 0)))) (start $begin)" };
    let text = BEHIND.replace("CONFIGURE", configure).replace("START", start).replace("CODE", &code);
    encode(module(&text))
}

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a module in text")
}

/// A core module as a component of the world `full-pack`.
fn encode(mut module: Vec<u8>) -> Option<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")))
        .expect("wit/ is valid");
    let world = resolve.select_world(&[package], Some("full-pack")).expect("a world of wit/");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).ok()?;
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}
