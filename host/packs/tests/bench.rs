//! What a bench counts, on small packs in the real engine. Times are looked at by people, never by tests.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{path::Path, time::Duration};

use caveat_engine::Limits;
use caveat_packs::{BenchOptions, BenchReport, CaseText, FAILURE_RULE, Manifest, PackError, PackFile, bench};
use support::{Behavior, MANIFEST, component};

const CASES: &str = r#"
[[case]]
name = "one event"
event = "offered"

[[case]]
name = "two more"
[[case.steps]]
event = "offered"
[[case.steps]]
event = "notice-played"
"#;

fn pack(behavior: &Behavior, cases: &str) -> PackFile {
    let manifest = Manifest::parse(Path::new("pack.toml"), MANIFEST).unwrap();
    let cases = [CaseText { name: "cases.toml".into(), text: cases.into() }];
    PackFile::assemble_with(manifest, None, &cases, &component(behavior)).unwrap()
}

fn briefly(file: &PackFile, other: Option<&PackFile>) -> Result<BenchReport, PackError> {
    let limits = Limits { instances_max: 4, ..Limits::default() };
    bench(&limits, file, None, BenchOptions { time: Duration::ZERO, other, progress: None })
}

#[test]
fn every_event_of_the_cases_is_ruled_on_and_counted_under_its_rule() {
    let report = briefly(&pack(&Behavior::Says(2, "house.disclosure"), CASES), None).unwrap();
    assert_eq!((report.events, report.stages.len(), report.rules.len()), (3, 1, 1));
    let rule = &report.rules[0];
    assert_eq!(rule.rule.as_deref(), Some("house.disclosure"));
    assert_eq!(rule.figures.events, 3);
    assert!(rule.figures.rulings >= 60 && rule.figures.rulings.is_multiple_of(3), "{rule:?}");
    assert!(rule.figures.fuel_p50 > 0 && rule.figures.fuel_max >= rule.figures.fuel_p50);
    assert_eq!(rule.figures.memory_bytes_max, 2 * 65_536, "the two pages that the component declares");
    assert!(report.load.is_snapshotted && report.load.resident_bytes > 0);
    let text = report.to_text(false);
    assert!(text.contains("house.disclosure") && text.contains("capture"), "{text}");
}

#[test]
fn a_pack_that_fails_is_counted_as_such() {
    let report = briefly(&pack(&Behavior::Traps, CASES), None).unwrap();
    assert_eq!(report.rules[0].rule.as_deref(), Some(FAILURE_RULE));
}

#[test]
fn another_pack_is_asked_the_same() {
    let (strict, lax) = (Behavior::Says(2, "house.disclosure"), Behavior::Says(0, "house.silent"));
    let report = briefly(&pack(&strict, CASES), Some(&pack(&lax, CASES))).unwrap();
    let other = report.other.as_ref().unwrap();
    assert_eq!(other.other_answers, 3);
    assert_eq!(other.rules[0].rule.as_deref(), Some("house.disclosure"), "the first pack's rule");
    assert_eq!(other.rules[0].figures.rulings, report.rules[0].figures.rulings);
}

#[test]
fn without_cases_there_is_nothing_to_measure() {
    let refused = briefly(&pack(&Behavior::Traps, ""), None).unwrap_err().to_string();
    assert!(refused.contains("`house-standard`") && refused.contains("cases"), "{refused}");
}
