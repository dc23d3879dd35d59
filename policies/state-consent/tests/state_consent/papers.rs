//! Manifest, data, cases and code say the same.

use std::{collections::BTreeMap, fs, path::Path};

use caveat_sdk::{
    CaptureRules,
    capture::{Event, Outcome},
    facts::*,
};

use crate::scene::*;

fn read(path: impl AsRef<Path>) -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn declared() -> BTreeMap<String, String> {
    let text = |rule: &toml::Value, key: &str| rule[key].as_str().unwrap().to_owned();
    read("pack.toml")["rule"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (text(r, "id"), text(r, "citation")))
        .collect()
}

/// `rule("id", "citation")` in the source, on one line or two.
fn in_code() -> BTreeMap<String, String> {
    let source = include_str!("../../src/rules.rs");
    let quoted: Vec<&str> = source.split('"').skip(1).step_by(2).collect();
    quoted.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

fn in_options() -> BTreeMap<String, String> {
    let text = |row: &toml::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let options = read("data/options.toml");
    options["relief"].as_array().unwrap().iter().map(|r| (text(r, "rule"), text(r, "citation"))).collect()
}

#[test]
fn every_rule_is_declared_as_it_is_cited() {
    let mut used = in_code();
    used.extend(in_options());
    assert_eq!(used, declared());
}

#[test]
fn every_rule_has_cases_for_and_against() {
    let mut seen: BTreeMap<String, (bool, bool)> =
        declared().into_keys().map(|id| (id, (false, false))).collect();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    for file in fs::read_dir(dir).unwrap() {
        let cases = read(file.unwrap().path());
        for case in cases["case"].as_array().unwrap() {
            let words = |value: Option<&toml::Value>| -> Vec<String> {
                let items = value.and_then(toml::Value::as_array).into_iter().flatten();
                items.map(|v| v.as_str().unwrap().to_owned()).collect()
            };
            let steps = case.get("steps").and_then(toml::Value::as_array).into_iter().flatten();
            let expects = steps.chain([case]).filter_map(|step| step.get("expect")?.get("rules"));
            let spoke: Vec<String> = expects.flat_map(|rules| words(Some(rules))).collect();
            assert!(!spoke.is_empty(), "{case}: which rules are expected?");
            for rule in words(case.get("rules")) {
                let sides = seen.get_mut(&rule).unwrap_or_else(|| panic!("{rule} is not declared"));
                if spoke.contains(&rule) { sides.0 = true } else { sides.1 = true }
            }
        }
    }
    seen.retain(|_, sides| *sides != (true, true));
    assert!(seen.is_empty(), "(for, against): {seen:?}");
}

#[test]
fn every_action_is_declared() {
    let declared: Vec<String> = read("pack.toml")["action"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["name"].as_str().unwrap().to_owned())
        .collect();
    let source = [include_str!("../../src/consent.rs"), include_str!("../../data/options.toml")].concat();
    for action in &declared {
        assert!(source.contains(&format!("\"{action}\"")), "{action} is declared and never used");
    }
}

/// Where the law is unsure: refused without everybody's consent, with the doubt in the reason; and what counsel can switch is in the
/// options, for that place.
#[test]
fn an_unsure_jurisdiction_is_strict_says_so_and_can_be_switched() {
    let law = read("data/us-recording-consent.toml");
    let unsure =
        |row: &&toml::Value| row["confidence"].as_str() != Some("high") || row.get("doubt").is_some();
    let rows: Vec<&toml::Value> = law["jurisdiction"].as_array().unwrap().iter().filter(unsure).collect();
    assert!(rows.len() >= 5);
    let options = read("data/options.toml");
    for row in rows {
        let text =
            |key: &str| row.get(key).and_then(toml::Value::as_str).unwrap_or_else(|| panic!("{row}: {key}"));
        let (code, doubt) = (text("code"), text("doubt"));
        assert_eq!(text("engine_class"), "all-party", "{code}");
        let mut facts = call(&[at(Role::Agent, "TX"), by_number(Role::Customer, code)]);
        let ruling = rule(&facts);
        assert_eq!(ruling.outcome, Outcome::Refuse, "{code}");
        assert!(ruling.reasons.iter().any(|r| r.message.contains(doubt)), "{code}: {ruling:?}");
        let reliefs = options["relief"].as_array().unwrap();
        let relief = reliefs.iter().find(|relief| relief["place"].as_str() == Some(code)).unwrap();
        let option = relief["option"].as_str().unwrap();
        assert!(doubt.contains(option), "{code}: what counsel can switch is in the doubt");
        // A notice that is not in the recording: what the laxest of the options still asks for.
        facts.notices.push(notice(false, &[0, 1]));
        let switched = pack(&format!("{{\"options\": [\"{option}\"]}}")).capture(&Event::Offered, &facts);
        assert_eq!(switched.outcome, Outcome::Allow, "{code} with {option}: {switched:?}");
        facts.notices.clear();
        let told_only = relief.get("told").is_some();
        let switched = pack(&format!("{{\"options\": [\"{option}\"]}}")).capture(&Event::Offered, &facts);
        assert_eq!(switched.outcome == Outcome::Allow, !told_only, "{code} with {option}: {switched:?}");
    }
}
