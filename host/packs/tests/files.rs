//! Packs as files: what is refused before anything is compiled, and what the builder says.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, path::Path};

use caveat_packs::{CaseText, FileLimits, Library, Manifest, PackError, PackFile, build};
use support::{Behavior, MANIFEST, component, pack};

fn refused(bytes: Vec<u8>) -> String {
    PackFile::read("x.wasm", bytes, &FileLimits::default()).unwrap_err().to_string()
}

#[test]
fn one_file_is_a_whole_pack() {
    let made = pack(
        "house-standard",
        &Behavior::Says(0, "house.disclosure"),
        Some(serde_json::json!({ "type": "object" })),
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("house.wasm"), made.bytes()).unwrap();
    let library = Library::open(dir.path()).unwrap();
    let read = library.get("house-standard").unwrap();
    assert_eq!(read.manifest(), made.manifest());
    assert_eq!((read.digest(), read.schema()), (made.digest(), made.schema()));
}

#[test]
fn a_pack_carries_its_cases() {
    let manifest = || Manifest::parse(Path::new("pack.toml"), MANIFEST).unwrap();
    let case = CaseText { name: "offered.toml".into(), text: "[[case]]\nname = \"é\"\n".into() };
    let bare = component(&Behavior::Traps);
    let made = PackFile::assemble_with(manifest(), None, std::slice::from_ref(&case), &bare).unwrap();
    let read = PackFile::read("x.wasm", made.bytes().to_vec(), &FileLimits::default()).unwrap();
    assert_eq!(read.cases().unwrap(), [case]);
    let without = PackFile::assemble(manifest(), None, &bare).unwrap();
    assert_eq!(without.cases().unwrap(), []);
    assert_ne!(without.digest(), made.digest(), "the digest covers the cases");
    let limits = FileLimits { cases_bytes: 10, ..FileLimits::default() };
    let error = PackFile::read("x.wasm", made.bytes().to_vec(), &limits).unwrap_err().to_string();
    assert!(error.contains("its cases have more than 10 bytes"), "{error}");
}

#[test]
fn what_is_no_pack_is_refused_with_the_reason() {
    let good = pack("house-standard", &Behavior::Traps, None).bytes().to_vec();
    let check = |bytes: Vec<u8>, wanted: &str| {
        let error = refused(bytes);
        assert!(error.contains(wanted), "{error}\n(wanted: {wanted})");
    };
    check(b"not wasm at all".to_vec(), "damaged");
    check(b"\0asm\x01\0\0\0".to_vec(), "a core module, not a component");
    check(component(&Behavior::Traps), "it holds no manifest");
    let section = &good[component(&Behavior::Traps).len()..];
    check([&good, section].concat(), "more than one manifest");
    let limits = FileLimits { file_bytes: 10, ..FileLimits::default() };
    assert!(
        PackFile::read("x.wasm", good.clone(), &limits)
            .unwrap_err()
            .to_string()
            .contains("more than 10 bytes")
    );
    for length in 0..good.len() {
        assert!(
            PackFile::read("x.wasm", good[..length].to_vec(), &FileLimits::default()).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn manifest_and_component_have_to_agree() {
    let check = |stages: &str, on_failure: &str, wanted: &str| {
        let text = MANIFEST.replace("[\"capture\"]", stages).replace("capture = \"suspend\"", on_failure);
        let manifest = Manifest::parse(Path::new("pack.toml"), &text).unwrap();
        let error = PackFile::assemble(manifest, None, &component(&Behavior::Traps)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    check(
        "[\"storage\"]",
        "storage = \"ask\"",
        "exports `caveat:policy/capture@0.1.0`, but its manifest does not name",
    );
    let both = "capture = \"suspend\"
access = \"refuse\"";
    check("[\"capture\", \"access\"]", both, "names the stage `access`");
    let mut manifest = Manifest::parse(Path::new("pack.toml"), MANIFEST).unwrap();
    manifest.pack.contract = "9.0.0".parse().unwrap();
    let error = PackFile::assemble(manifest, None, &component(&Behavior::Traps)).unwrap_err().to_string();
    assert!(error.contains("serves caveat:policy 0.1.0, not 9.0.0"), "{error}");
}

#[test]
fn an_import_nobody_asked_for_is_refused() {
    let module = r#"(module
        (import "caveat:policy/log@0.1.0" "write" (func (param i32 i32 i32)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "caveat:policy/settings@0.1.0#configure") (param i32 i32) (result i32) unreachable)
        (func (export "caveat:policy/capture@0.1.0#rule") (param i32) (result i32) unreachable))"#;
    let component = support::encode(wat::parse_str(module).unwrap(), "capture-pack");
    let with = |text: &str| {
        let manifest = Manifest::parse(Path::new("pack.toml"), text).unwrap();
        PackFile::assemble(manifest, None, &component)
    };
    let error = with(MANIFEST).unwrap_err().to_string();
    assert!(error.contains("imports `caveat:policy/log@0.1.0`"), "{error}");
    assert!(with(&MANIFEST.replacen("stages", "imports = [\"log\"]\nstages", 1)).is_ok());
}

#[test]
fn the_builder_says_what_is_wrong_before_it_compiles() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    let mut run = || build(dir.path(), None, &mut |line| said.push(line.to_owned())).unwrap_err();
    assert!(matches!(run(), PackError::Io { .. }), "no pack.toml");
    let with_schema = MANIFEST.replacen("stages", "settings = \"settings.json\"\nstages", 1);
    fs::write(dir.path().join("pack.toml"), with_schema).unwrap();
    assert!(matches!(run(), PackError::Io { .. }), "no schema");
    fs::write(dir.path().join("settings.json"), "{\n\"type\": }").unwrap();
    assert!(run().to_string().contains("line 2"));
    fs::write(dir.path().join("settings.json"), r#"{ "type": "nonsense" }"#).unwrap();
    assert!(run().to_string().contains("nonsense"));
    assert!(said.is_empty(), "nothing was built: {said:?}");
}
