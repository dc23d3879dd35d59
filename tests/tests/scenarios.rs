//! Worked scenarios, written from the law files alone, put to the built packs by the built program.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, process::Command};

use caveat_tests::host::{packs, program};
use serde_json::Value;

/// Runs a file; what disagrees, one line each.
fn disagreements(file: &str, at_least: usize) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(file);
    let run = Command::new(program().unwrap())
        .args(["--log", "error", "pack", "scenarios", "--json", "--packs"])
        .args([&packs().unwrap(), &path])
        .output()
        .unwrap();
    assert!(run.status.success(), "{file}: {}", String::from_utf8_lossy(&run.stderr));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let scenarios = report["scenarios"].as_array().unwrap();
    assert!(scenarios.len() >= at_least, "{file} has only {} scenarios", scenarios.len());
    scenarios.iter().filter_map(disagreement).collect()
}

/// The same decision, everything expected asked for, and every expected remedy named.
fn disagreement(scenario: &Value) -> Option<String> {
    let (expected, got) = (&scenario["expected"], &scenario["got"]);
    let asked = words(&got["obligations"]);
    let missing: Vec<_> =
        words(&expected["obligations"]).into_iter().filter(|o| !asked.contains(o)).collect();
    let missing_remedies: Vec<_> =
        words(&expected["remedy"]).into_iter().filter(|r| !words(&got["remedies"]).contains(r)).collect();
    let agrees = expected["decision"] == got["decision"] && missing.is_empty() && missing_remedies.is_empty();
    (!agrees || scenario["status"] != "agreed").then(|| {
        format!(
            "{} ({}), {}: expected {expected}, got {got}",
            scenario["id"], scenario["title"], scenario["citation"]
        )
    })
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn agree(file: &str, at_least: usize) {
    let wrong = disagreements(file, at_least);
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
}

#[test]
fn consent() {
    agree("consent.toml", 60);
    agree("consent-states.toml", 70);
    agree("consent-people.toml", 59);
}

#[test]
fn card_data() {
    agree("pci.toml", 40);
    agree("pci-kept-and-heard.toml", 69);
}

#[test]
fn health_information() {
    agree("hipaa.toml", 40);
    agree("hipaa-disclosure.toml", 52);
    agree("hipaa-kept.toml", 50);
}

#[test]
fn industries() {
    agree("industries.toml", 30);
}

/// Written a second time, with other words; how many agreed when they were first put is in the commit that added them.
#[test]
fn written_a_second_time() {
    agree("second-consent.toml", 41);
    agree("second-pci.toml", 32);
    agree("second-hipaa.toml", 32);
    agree("second-industries.toml", 32);
}

/// A third time: corners that were left out. How many agreed at first is in the commit too.
#[test]
fn written_a_third_time() {
    agree("third.toml", 52);
}

/// A fourth time, over all packs. How many agreed at first is in the commit as before.
#[test]
fn written_a_fourth_time() {
    agree("fourth.toml", 40);
}

#[test]
fn several_packs_together() {
    agree("together.toml", 7);
    agree("together-conflicts.toml", 14);
}
