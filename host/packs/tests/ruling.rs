//! Packs in the real engine: who is asked, what stands in for one that fails, and the reports of cases and scenarios.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, path::Path, sync::Arc};

use caveat_engine::{Engine, Limits};
use caveat_model::{CaptureEvent, Decision, Event, Facts, Mode, Outcome, PackRuling, Verdict};
use caveat_packs::{
    Active, ActiveSet, ActiveSets, CaseText, FAILURE_RULE, Library, LoadedPack, Manifest, PackError,
    PackFile, Status, decide, load, run_cases, run_own_cases, run_scenarios,
};
use serde_json::{Value, json};
use support::{Behavior, pack};

const OFFERED: Event = Event::Capture(CaptureEvent::Offered);

fn engine() -> Engine {
    Engine::new(Limits::default(), None).unwrap()
}

fn loaded(engine: &Engine, name: &str, behavior: &Behavior) -> Arc<LoadedPack> {
    Arc::new(load(engine, &pack(name, behavior, None), &Value::Null).unwrap())
}

fn ask_one(behavior: &Behavior) -> PackRuling {
    let engine = engine();
    let set = ActiveSet::obeying([loaded(&engine, "one", behavior)]);
    set.ask(&engine, &OFFERED, &Facts::default()).remove(0)
}

#[test]
fn a_pack_that_answers_is_heard() {
    let answer = ask_one(&Behavior::Says(2, "house.disclosure"));
    assert_eq!((answer.ruling.outcome, answer.failure), (Outcome::Refuse, None));
    assert_eq!(answer.ruling.reasons[0].rule, "house.disclosure");
    assert!(answer.fuel > 0);
}

#[test]
fn a_pack_that_traps_is_stood_in_for() {
    let answer = ask_one(&Behavior::Traps);
    assert_eq!(answer.ruling.outcome, Outcome::Restrain, "the declared `suspend`");
    assert_eq!(answer.ruling.reasons[0].rule, FAILURE_RULE);
    assert!(answer.failure.unwrap().contains("broke off"));
}

#[test]
fn an_undeclared_rule_is_nonsense() {
    let answer = ask_one(&Behavior::Says(0, "house.invented"));
    assert_eq!(answer.ruling.outcome, Outcome::Restrain, "not the `allow` that it said");
    assert!(answer.failure.unwrap().contains("`house.invented`"));
}

#[test]
fn a_monitored_pack_that_traps_blocks_nothing_and_is_recorded() {
    let engine = engine();
    let active = |name, behavior: &Behavior, mode| Active { loaded: loaded(&engine, name, behavior), mode };
    let set = ActiveSet {
        packs: vec![
            active("good", &Behavior::Says(0, "house.disclosure"), Mode::Active),
            active("bad", &Behavior::Traps, Mode::Monitor),
        ],
    };
    let facts = Facts::default();
    let verdict = Verdict::merge(&OFFERED, &facts, set.ask(&engine, &OFFERED, &facts));
    assert_eq!(verdict.decision(), Decision::Allow);
    assert!(verdict.rulings.iter().any(|r| r.mode == Mode::Monitor && r.failure.is_some()));
}

#[test]
fn a_pack_without_the_stage_is_not_asked() {
    let engine = engine();
    let set = ActiveSet::obeying([loaded(&engine, "one", &Behavior::Traps)]);
    let event = Event::Storage(caveat_model::StorageEvent::BreachFound);
    assert!(set.ask(&engine, &event, &Facts::default()).is_empty());
}

#[test]
fn whoever_took_a_set_keeps_it() {
    let engine = engine();
    let sets = ActiveSets::default();
    let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
    assert!(sets.snapshot(&acme).is_none());
    sets.replace(&acme, ActiveSet::obeying([loaded(&engine, "old", &Behavior::Says(0, "house.disclosure"))]));
    let taken = sets.snapshot(&acme).unwrap();
    sets.replace(&acme, ActiveSet::obeying([loaded(&engine, "new", &Behavior::Says(0, "house.disclosure"))]));
    assert_eq!(taken.packs[0].loaded.reference.name, "old");
    assert_eq!(sets.snapshot(&acme).unwrap().packs[0].loaded.reference.name, "new");
    assert!(sets.snapshot(&other).is_none());
}

#[test]
fn settings_are_part_of_which_pack_it_is() {
    let engine = engine();
    let schema = json!({ "type": "object", "additionalProperties": false,
        "properties": { "options": { "type": "array", "items": { "type": "string" }, "default": [] } } });
    let file = pack("one", &Behavior::Says(0, "house.disclosure"), Some(schema));
    let with = |settings: Value| load(&engine, &file, &settings);
    let plain = with(json!({})).unwrap().reference;
    assert_eq!(plain.digest, file.digest());
    assert_eq!(
        plain,
        with(json!({ "options": [] })).unwrap().reference,
        "a default is the same as saying it"
    );
    assert_ne!(plain.settings, with(json!({ "options": ["a"] })).unwrap().reference.settings);
    let Err(PackError::Settings { problems, .. }) = with(json!({ "options": [1] })) else {
        unreachable!("accepted")
    };
    assert_eq!(problems[0].at, "/options/0");
}

#[test]
fn cases_pass_fail_and_cover() {
    let dir = tempfile::tempdir().unwrap();
    let file = pack("one", &Behavior::Says(2, "house.disclosure"), None);
    let run = |text: &str| {
        fs::write(dir.path().join("a.toml"), text).unwrap();
        run_cases(&engine(), &file, dir.path())
    };
    let report = run(r#"
        [facts]
        parties = [{ role = "customer", number = "+13055550113" }]
        [[case]]
        name = "refused"
        rules = ["house.disclosure", "house.silent"]
        event = "offered"
        expect = { decision = "deny", rules = ["house.disclosure"], obligations = [] }
        [[case]]
        name = "in steps"
        [[case.steps]]
        event = "offered"
        expect = { outcome = "refuse" }
        [[case.steps]]
        at-s = 9
        event = { party-joined = 0 }
        expect = { decision = "allow", remedies = ["announce"] }
        "#)
    .unwrap();
    assert_eq!((report.passed, report.failed), (1, 1));
    let problems = &report.cases[1].problems;
    assert!(problems[0].to_string() == "step 2 (party-joined): decision: - allow, + deny", "{problems:?}");
    assert!(problems[1].to_string().contains("- announce"), "{problems:?}");
    let sides: Vec<_> =
        report.coverage.iter().map(|c| (c.rule.as_str(), c.cases_for, c.cases_against)).collect();
    assert_eq!(sides, [("house.disclosure", 1, 0), ("house.silent", 0, 1)]);
    assert!(report.to_text(false).contains("1 passed, 1 failed"));

    let wrong = |text: &str, wanted: &str| {
        let error = run(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    wrong("[[case]]\nname = \"a\"\nrules = [\"house.disclosur\"]\nevent = \"offered\"\n", "line 3");
    wrong(
        "[[case]]\nname = \"a\"\nrules = [\"house.disclosur\"]\nevent = \"offered\"\n",
        "did you mean `house.disclosure`?",
    );
    wrong("[[case]]\nname = \"a\"\nevent = \"offred\"\n", "did you mean `offered`?");
    wrong("[[case]]\nname = \"a\"\nevent = { party-joined = 4 }\n", "party 4");
    wrong("[[case]]\nname = \"a\"\nevnt = \"offered\"\n", "did you mean `event`?");
}

#[test]
fn a_pack_that_fails_fails_its_case() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), "[[case]]\nname = \"a\"\nevent = \"offered\"\n").unwrap();
    let report = run_cases(&engine(), &pack("one", &Behavior::Traps, None), dir.path()).unwrap();
    assert!(report.cases[0].problems[0].to_string().contains("the pack failed"));
    let nothing = tempfile::tempdir().unwrap();
    let error = run_cases(&engine(), &pack("one", &Behavior::Traps, None), nothing.path()).unwrap_err();
    assert!(matches!(error, PackError::NoCases { .. }));
}

#[test]
fn scenarios_are_reported_and_none_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scenarios.toml");
    fs::write(
        &path,
        r#"
        [[scenario]]
        id = "A"
        title = "by its alias"
        packs = ["house"]
        kind = "capture"
        events = ["0s recording starts", "5s customer: hello"]
        expected = { decision = "deny", obligations = ["stop-recording"], remedy = [] }
        [[scenario]]
        id = "B"
        packs = ["nobody", "house"]
        kind = "capture"
        expected = { decision = "allow" }
        [[scenario]]
        id = "C"
        packs = ["nobody"]
        kind = "retention"
        retention = { action = "delete" }
        expected = { decision = "deny" }
        [[scenario]]
        id = "D"
        packs = ["house"]
        kind = "astrology"
        expected = { decision = "deny" }
        "#,
    )
    .unwrap();
    let mut library = Library::default();
    library.add(pack("house-standard", &Behavior::Says(2, "house.disclosure"), None));
    let report = run_scenarios(&engine(), &library, &path).unwrap();
    let statuses: Vec<_> = report.scenarios.iter().map(|s| s.status).collect();
    assert_eq!(statuses, [Status::Agreed, Status::Disagreed, Status::PackMissing, Status::NotUnderstood]);
    assert_eq!(report.scenarios[1].missing_packs, ["nobody"]);
    assert_eq!(
        (report.totals.all.scenarios, report.totals.all.agreed, report.totals.all.pack_missing),
        (4, 1, 1)
    );
    assert_eq!(report.totals.by_decision["deny"].agreed, 1);
    assert_eq!(report.totals.by_pack["nobody"].scenarios, 2);

    let json = serde_json::to_value(&report).unwrap();
    let first = &json["scenarios"][0];
    assert_eq!(first["expected"]["decision"], "deny");
    assert_eq!(first["got"]["decision"], "deny");
    assert_eq!(first["got"]["obligations"], json!(["stop-recording"]));
    assert_eq!(first["got"]["rules"], json!(["house.disclosure"]));
    assert!(report.to_text(false).contains("not there: nobody"));
}

#[test]
fn the_sample_format_is_read_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scenarios.toml");
    fs::write(
        &path,
        "[[scenario]]\nid = \"A\"\npacks = []\nkind = \"capture\"\nexpected = { decision = \"maybe\" }\n",
    )
    .unwrap();
    let error = run_scenarios(&engine(), &Library::default(), &path).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("maybe"), "{error}");
}

#[test]
fn one_event_is_decided() {
    let engine = engine();
    let pack = loaded(&engine, "one", &Behavior::Says(2, "house.disclosure"));
    let text = r#"{"event": {"capture": "offered"}, "facts": {"now": "2026-01-05", "parties": [{"role": "agent"}]}}"#;
    let (verdict, traces) = decide(&engine, std::slice::from_ref(&pack), "event.json", text).unwrap();
    assert_eq!((verdict.decision(), traces), (Decision::Deny, vec![]));
    let traps = loaded(&engine, "two", &Behavior::Traps);
    let (_, traces) = decide(&engine, &[traps], "event.json", text).unwrap();
    assert!(traces[0].to_string().starts_with("in two, innermost first:\n    0: "), "{traces:?}");
    let error = decide(&engine, &[pack], "event.json", r#"{"event": {"capture": "offered"}}"#).unwrap_err();
    assert_eq!(error.to_string(), "event.json: `facts`: missing: a pack knows nothing by itself");
}

#[test]
fn an_unknown_pack_is_named_with_the_nearest() {
    let mut library = Library::default();
    library.add(pack("house-standard", &Behavior::Traps, None));
    assert!(library.get("house").is_ok());
    let error = library.get("hose-standard").unwrap_err().to_string();
    assert!(error.contains("did you mean `house-standard`?"), "{error}");
    assert!(Library::open(Path::new("/nowhere")).is_err());
}

#[test]
fn a_pack_is_held_to_the_cases_that_it_carries() {
    let case = |outcome: &str| CaseText {
        name: "offered.toml".into(),
        text: format!(
            "[[case]]\nname = \"a call\"\nevent = \"offered\"\nexpect = {{ outcome = \"{outcome}\" }}\n"
        ),
    };
    let made = |outcome: &str| {
        let manifest = Manifest::parse(Path::new("pack.toml"), support::MANIFEST).unwrap();
        let component = support::component(&Behavior::Says(2, "house.disclosure"));
        PackFile::assemble_with(manifest, None, &[case(outcome)], &component).unwrap()
    };
    let engine = engine();
    assert!(run_own_cases(&engine, &made("refuse")).unwrap().passed());
    let report = run_own_cases(&engine, &made("allow")).unwrap();
    assert_eq!((report.failed, report.cases[0].file.as_str()), (1, "offered.toml"));
    let none = run_own_cases(&engine, &pack("one", &Behavior::Traps, None)).unwrap();
    assert!(none.passed() && none.cases.is_empty());
}
