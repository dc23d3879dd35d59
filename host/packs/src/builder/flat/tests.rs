#![allow(clippy::unwrap_used, reason = "tests")]

use wasmtime::{
    Engine, Store,
    component::{Component, Linker},
};

use super::{flatten, is_nested};

/// Two parts, in one of which is a third. The last does what it is asked to, in types from around it, and with a resource
/// of the first, which is a stub.
const PARTS: &str = r#"
(component
  (type $number u32)
  (component $stub
    (alias outer 1 $number (type $n))
    (type $hidden (resource (rep i32)))
    (export $error "error" (type $hidden))
    (core module $code
      (func (export "make") (param i32) (result i32) (unreachable))
      (func (export "count") (result i32) (unreachable)))
    (core instance $running (instantiate $code))
    (func $make (param "n" $n) (result (own $error)) (canon lift (core func $running "make")))
    (func $count (result u32) (canon lift (core func $running "count")))
    (export "make" (func $make))
    (export "count" (func $count)))
  (component $main
    (alias outer 1 $number (type $n))
    (type $io (instance
      (alias outer 2 $number (type $n))
      (export "error" (type $e (sub resource)))
      (export "make" (func (param "n" $n) (result (own $e))))
      (export "count" (func (result u32)))))
    (import "io" (instance $io (type $io)))
    (component $inner
      (alias outer 2 $number (type $n))
      (import "error" (type $e (sub resource)))
      (import "make" (func $make (param "n" $n) (result (own $e))))
      (core func $drop (canon resource.drop $e))
      (core func $made (canon lower (func $make)))
      (core module $code
        (import "" "drop" (func $drop (param i32)))
        (import "" "make" (func $make (param i32) (result i32)))
        (global $times (mut i32) (i32.const 0))
        (func (export "ask") (param i32) (result i32)
          (if (i32.gt_u (local.get 0) (i32.const 9)) (then (call $drop (call $make (local.get 0)))))
          (global.set $times (i32.add (global.get $times) (i32.const 1)))
          (i32.add (local.get 0) (global.get $times))))
      (core instance $running (instantiate $code
        (with "" (instance (export "drop" (func $drop)) (export "make" (func $made))))))
      (func $ask (param "n" $n) (result $n) (canon lift (core func $running "ask")))
      (export "ask" (func $ask)))
    (alias export $io "error" (type $e))
    (instance $asked (instantiate $inner (with "error" (type $e)) (with "make" (func $io "make"))))
    (export "ask" (func $asked "ask")))
  (instance $stubs (instantiate $stub))
  (instance $whole (instantiate $main (with "io" (instance $stubs))))
  (export "ask" (func $whole "ask")))
"#;

/// What it says when it is asked twice within reason, and whether it says something to what needs the stub.
fn run(component: &[u8]) -> (u32, u32, bool) {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, component).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
    let ask = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "ask").unwrap();
    let mut ask = |n| ask.call(&mut store, (n,));
    (ask(5).unwrap().0, ask(5).unwrap().0, ask(10).is_ok())
}

#[test]
fn the_whole_does_what_its_parts_did() {
    let parts = wat::parse_str(PARTS).unwrap();
    assert!(is_nested(&parts));
    let whole = flatten(&parts).unwrap();
    assert!(!is_nested(&whole));
    assert_eq!((run(&parts), run(&whole)), ((6, 7, false), (6, 7, false)));
    assert_eq!(flatten(&whole).unwrap(), whole, "what is flat stays as it is");
}

#[test]
fn parts_that_call_each_other_stay_parts() {
    let acting = PARTS.replace("(result i32) (unreachable)", "(result i32) (i32.const 0)");
    let parts = wat::parse_str(&acting).unwrap();
    assert_eq!(flatten(&parts).unwrap_err(), "its parts may call each other");
}

#[test]
fn what_is_given_a_component_stays_in_parts() {
    let given = r#"(component
        (component $code (core module))
        (component $main (import "part" (component $part)) (core module) (instance (instantiate $part)))
        (instance (instantiate $main (with "part" (component $code)))))"#;
    let parts = wat::parse_str(given).unwrap();
    assert!(is_nested(&parts));
    assert_eq!(flatten(&parts).unwrap_err(), "it names what is not there");
}

#[test]
fn what_is_cut_off_is_no_component() {
    let parts = wat::parse_str(PARTS).unwrap();
    for end in [3, 40, parts.len() / 2, parts.len() - 1] {
        assert!(flatten(&parts[..end]).is_err(), "{end}");
    }
}
