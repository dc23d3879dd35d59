//! Packs in every language, through the built program and the tools that a machine has: what is begun with `pack new`
//! passes its own cases at once, and one rule set in three languages passes the same cases. None fails on random events, nor
//! gets laxer when a fact gets worse.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use caveat_tests::host::program;
use serde_json::Value;

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

fn caveat(args: &[&str]) -> Output {
    let mut command = Command::new(program().unwrap());
    command.args(["--log", "warn"]).args(args).env("CAVEAT_TOOLS", root().join("target/tools"));
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

/// Where what is built from a folder lies. Packs begun in different languages have the same name.
fn packs_of(dir: &Path) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packs").join(dir.file_name().unwrap())
}

/// Builds the pack and gives the report on its cases and on some random events. An interpreter takes its time: it is put
/// fewer.
fn tested(dir: &Path) -> Value {
    let packs = packs_of(dir);
    let events = if dir.join("Cargo.toml").exists() { "3000" } else { "200" };
    let run = caveat(&[
        "pack",
        "test",
        "--json",
        "--properties",
        events,
        "--packs",
        packs.to_str().unwrap(),
        dir.to_str().unwrap(),
    ]);
    assert!(
        run.status.success(),
        "{}:\n{}{}",
        dir.display(),
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    // Its settings are in memory already when it is asked.
    assert!(!String::from_utf8_lossy(&run.stderr).contains("no snapshot"), "{}", dir.display());
    serde_json::from_slice(&run.stdout).unwrap()
}

/// Nothing is wrong with what was just built, not even a little.
fn assert_checks_out(dir: &Path) {
    let packs = packs_of(dir);
    let packs = packs.to_str().unwrap();
    let run =
        caveat(&["pack", "check", "--no-build", "--deny-warnings", "--packs", packs, dir.to_str().unwrap()]);
    assert!(
        run.status.success(),
        "{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
}

fn assert_each_rule_is_shown_both_ways(report: &Value) {
    let coverage = report["coverage"].as_array().unwrap();
    assert!(!coverage.is_empty());
    for rule in coverage {
        assert!(rule["cases-for"] != 0 && rule["cases-against"] != 0, "{rule}");
    }
}

fn passes_at_once(language: &str) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("begun").join(language);
    let _ = fs::remove_dir_all(&dir);
    let begin = || caveat(&["pack", "new", "my-rules", "--lang", language, "--dir", dir.to_str().unwrap()]);
    let run = begin();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(!begin().status.success(), "a folder in use is left alone");
    if language == "rust" {
        // What a first build brings from a registry is the same as here, and kept for the next run of this test.
        fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("begun-target");
        fs::create_dir_all(&target).unwrap();
        symlink(target, dir.join("target")).unwrap();
    }
    let report = tested(&dir);
    assert_eq!((&report["passed"], &report["failed"]), (&2.into(), &0.into()));
    assert_each_rule_is_shown_both_ways(&report);
    assert_checks_out(&dir);
}

#[test]
fn a_new_pack_in_rust_passes_at_once() {
    passes_at_once("rust");
}

#[test]
fn a_new_pack_in_python_passes_at_once() {
    passes_at_once("python");
}

#[test]
fn a_new_pack_in_javascript_passes_at_once() {
    passes_at_once("javascript");
}

#[test]
fn one_rule_set_in_three_languages_passes_the_same_cases() {
    let examples = root().join("examples");
    let names = |report: &Value| -> Vec<Value> {
        report["cases"].as_array().unwrap().iter().map(|case| case["name"].clone()).collect()
    };
    let folders = ["rust", "python", "javascript"].map(|l| examples.join(format!("house-standard-{l}")));
    let reports = folders.each_ref().map(|dir| tested(dir));
    assert!(names(&reports[0]).len() >= 13);
    for (report, dir) in reports.iter().zip(&folders) {
        assert_each_rule_is_shown_both_ways(report);
        assert_checks_out(dir);
        assert_eq!(names(report), names(&reports[0]));
        let schema = |dir: &Path| fs::read_to_string(dir.join("settings.schema.json")).unwrap();
        assert_eq!(schema(dir), schema(&folders[0]), "the settings are the same too");
    }
}

#[test]
fn a_pack_that_wants_the_clock_is_told_that_it_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("curious");
    let path = path.to_str().unwrap();
    assert!(caveat(&["pack", "new", "curious", "--lang", "javascript", "--dir", path]).status.success());
    let source = Path::new(path).join("pack.js");
    let text = fs::read_to_string(&source).unwrap();
    let asking = text.replacen("rule(event, facts) {", "rule(event, facts) { Date.now();", 1);
    assert_ne!(asking, text);
    fs::write(&source, asking).unwrap();
    let run = caveat(&["pack", "test", "--packs", path, path]);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(!run.status.success() && said.contains("it called what no pack has: a clock"), "{said}");
}

#[test]
fn what_is_wrong_with_a_source_is_said_in_the_tools_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let pack = dir.path().join("odd");
    let path = pack.to_str().unwrap();
    assert!(caveat(&["pack", "new", "odd", "--lang", "javascript", "--dir", path]).status.success());
    fs::write(pack.join("pack.js"), "export const settings = {;").unwrap();
    let run = caveat(&["pack", "build", path, "--out", path]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("pack.js:1"), "{said}");
    fs::remove_file(pack.join("pack.js")).unwrap();
    let run = caveat(&["pack", "build", path, "--out", path]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("app.py (Python)"), "{said}");
}
