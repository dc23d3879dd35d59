//! `caveat pack check` on small packs: each lint has a fixture that it finds, and a good pack has no finding at all.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, path::Path};

use caveat_engine::{Engine, Limits};
use caveat_packs::{CheckReport, Language, Lint, Severity, check, scaffold};
use support::{Behavior, component, component_with, pack};

/// A folder in which nothing is wrong.
const FILES: [(&str, &str); 6] = [
    (
        "pack.toml",
        r#"[pack]
name = "house"
version = "1.0.0"
contract = "0.1.0"
title = "House"
summary = "No call is recorded when it is offered."
stages = ["capture"]
settings = "settings.schema.json"
license = "Apache-2.0"

[on-failure]
capture = "suspend"

[[rule]]
id = "house.disclosure"
title = "Disclosure"
citation = "Manual 3.1"
summary = "The disclosure comes first."

[[fact]]
name = "call.kind"
type = "text"
summary = "What kind of call it is."

[[action]]
name = "read-it"
summary = "Read the disclosure."
"#,
    ),
    ("README.md", "# House\n"),
    (
        "settings.schema.json",
        r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "pause-s": {
      "description": "Seconds.",
      "type": "integer",
      "default": 5
    }
  }
}
"#,
    ),
    (
        "cases/disclosure.toml",
        r#"[[case]]
name = "offered"
rules = ["house.disclosure"]
event = "offered"
expect = { outcome = "refuse", rules = ["house.disclosure"] }

[[case]]
name = "ended"
rules = ["house.disclosure"]
facts = { attributes = { call.kind = "sales" } }
event = "ended"
expect = { outcome = "allow", rules = [] }
"#,
    ),
    (
        "src/lib.rs",
        "// call.kind pause_s read-it house.rs limits.toml, and for each row: most\nconst ID: &str = \"house.disclosure\";\n",
    ),
    ("data/limits.toml", "[[limit]]\nmost = 3\n"),
];

const GOOD: Behavior = Behavior::SaysWhenOffered(2, "house.disclosure");

/// A file, a text in it, and what stands there instead. An empty text: the whole file; nothing instead of it: no file.
type Edit = (&'static str, &'static str, &'static str);

fn report(engine: &Engine, edits: &[Edit], component: Vec<u8>, allow: &[String]) -> CheckReport {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    fs::write(dir.path().join("Cargo.toml"), "").unwrap();
    for (name, from, to) in edits {
        let path = dir.path().join(name);
        match (*from, *to) {
            ("", "") => fs::remove_file(path).unwrap(),
            ("", text) => fs::write(path, text).unwrap(),
            (from, to) => {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(from), "{name}: {from}");
                fs::write(path, text.replace(from, to)).unwrap();
            }
        }
    }
    check(engine, dir.path(), allow, |_| Ok(component)).unwrap()
}

fn engine() -> Engine {
    Engine::new(Limits::default(), None).unwrap()
}

#[test]
fn a_pack_in_which_nothing_is_wrong_has_no_finding() {
    let report = report(&engine(), &[], component(&GOOD), &[]);
    assert!(report.findings.is_empty() && report.passed(true), "{}", report.to_text(false));
    assert!(report.to_text(false).contains("house: 0 errors, 0 warnings, 0 notes"));
}

#[test]
fn each_lint_finds_its_fixture() {
    let engine = engine();
    let good = || component(&GOOD);
    let with = |more: &str| component_with(&GOOD, more);
    let says = |rule| component(&Behavior::Says(2, rule));
    let log = r#"(import "caveat:policy/log@0.1.0" "write" (func $log (param i32 i32 i32)))
        (func (call $log (i32.const 0) (i32.const 0) (i32.const 0)))"#;
    let large = || {
        // An empty custom section of 2 MiB: its id, its size in LEB128, an empty name, zeros.
        let mut bytes = good();
        bytes.extend([0, 0x80, 0x80, 0x80, 0x01, 0]);
        bytes.extend(std::iter::repeat_n(0, (2 << 20) - 1));
        bytes
    };
    let other = || pack("house", &GOOD, None).bytes().to_vec();
    let toml = "pack.toml";
    let schema = "settings.schema.json";
    let cases = "cases/disclosure.toml";
    // The check, what is edited, the component, and where it is found.
    type Fixture = (&'static str, Vec<Edit>, Vec<u8>, Option<(&'static str, usize)>);
    let fixtures: Vec<Fixture> = vec![
        ("manifest", vec![(toml, "license", "licence")], good(), Some((toml, 9))),
        ("manifest", vec![(toml, "1.0.0", "1.0")], good(), Some((toml, 3))),
        ("contract", vec![(toml, "\"0.1.0\"", "\"0.9.0\"")], good(), Some((toml, 4))),
        ("component", vec![], b"no component".to_vec(), None),
        ("component", vec![], component(&Behavior::Traps)[..90].to_vec(), None),
        ("stale", vec![], other(), None),
        ("size", vec![], large(), None),
        (
            "stage-exports",
            vec![
                (toml, "[\"capture\"]", "[\"capture\", \"access\"]"),
                (toml, "[on-failure]", "[on-failure]\naccess = \"refuse\""),
            ],
            good(),
            Some((toml, 7)),
        ),
        ("import-undeclared", vec![], with(log), Some((toml, 1))),
        ("import-unused", vec![(toml, "license", "imports = [\"log\"]\nlicense")], good(), Some((toml, 9))),
        (
            "needs-unused",
            vec![(toml, "[on-failure]", "[needs]\nfuel-per-ruling = 20_000_000\n[on-failure]")],
            good(),
            Some((toml, 12)),
        ),
        (
            "float-nan",
            vec![],
            with("(func $sum (param f64) (result f64) (f64.add (local.get 0) (local.get 0)))"),
            None,
        ),
        ("rule-citation", vec![(toml, "Manual 3.1", " ")], good(), Some((toml, 17))),
        ("rule-title", vec![(toml, "title = \"Disclosure\"\n", "")], good(), Some((toml, 15))),
        (
            "rule-summary",
            vec![(toml, "summary = \"The disclosure comes first.\"", "")],
            good(),
            Some((toml, 15)),
        ),
        ("rule-confidence", vec![(toml, "Manual 3.1", "18 U.S.C. 2511(2)(d)")], good(), Some((toml, 15))),
        ("rule-undeclared", vec![], says("house.invented"), Some((cases, 1))),
        (
            "rule-literal",
            vec![("src/lib.rs", "\"house.disclosure\"", "\"house.disclosed\"")],
            good(),
            Some(("src/lib.rs", 2)),
        ),
        ("rule-literal", vec![], says("house.invented"), None),
        (
            "rule-case-for",
            vec![(cases, "rules = [\"house.disclosure\"]\nevent", "event")],
            good(),
            Some((toml, 15)),
        ),
        (
            "rule-case-against",
            vec![(cases, "rules = [\"house.disclosure\"]\nfacts", "facts")],
            good(),
            Some((toml, 15)),
        ),
        // Silence at a stage that the pack is not asked about shows nothing.
        (
            "rule-case-against",
            vec![(
                cases,
                "event = \"ended\"\nexpect = { outcome = \"allow\", rules = [] }",
                "stage = \"storage\"\nevent = \"breach-found\"\nexpect = { rules = [] }",
            )],
            good(),
            Some((toml, 15)),
        ),
        ("no-cases", vec![(cases, "", "")], good(), Some(("cases", 0))),
        (
            "case-fails",
            vec![(cases, "outcome = \"allow\"", "outcome = \"refuse\"")],
            good(),
            Some((cases, 7)),
        ),
        ("case-fails", vec![(cases, "\"ended\"\nexpect", "\"endded\"\nexpect")], good(), Some((cases, 11))),
        (
            "case-expects-nothing",
            vec![(cases, "expect = { outcome = \"allow\", rules = [] }\n", "")],
            good(),
            Some((cases, 7)),
        ),
        ("action-unused", vec![("src/lib.rs", "read-it", "")], good(), Some((toml, 26))),
        ("fact-undeclared", vec![(cases, "call.kind", "call.sort")], good(), Some((cases, 7))),
        ("fact-unused", vec![("src/lib.rs", "call.kind", "")], good(), Some((toml, 21))),
        ("readme", vec![("README.md", "", "")], good(), Some(("README.md", 0))),
        (
            "pack-summary",
            vec![(toml, "summary = \"No call is recorded when it is offered.\"\n", "")],
            good(),
            Some((toml, 1)),
        ),
        ("license", vec![(toml, "license = \"Apache-2.0\"\n", "")], good(), Some((toml, 1))),
        ("word-summary", vec![(toml, "Read the disclosure.", "")], good(), Some((toml, 26))),
        (
            "settings-schema",
            vec![(schema, "\"integer\"", "\"number of seconds\"")],
            good(),
            Some((schema, 0)),
        ),
        ("settings-schema", vec![(schema, "\"integer\",", "\"integer\"")], good(), Some((schema, 8))),
        ("settings-default", vec![(schema, "5", "\"five\"")], good(), Some((schema, 5))),
        (
            "settings-description",
            vec![(schema, "      \"description\": \"Seconds.\",\n", "")],
            good(),
            Some((schema, 5)),
        ),
        ("settings-open", vec![(schema, "false", "true")], good(), Some((schema, 4))),
        ("setting-unused", vec![("src/lib.rs", "pause_s", "")], good(), Some((schema, 5))),
        ("data-unused", vec![("src/lib.rs", "limits.toml", "")], good(), Some(("data/limits.toml", 0))),
        ("data-key-unused", vec![("src/lib.rs", "most", "")], good(), Some(("data/limits.toml", 2))),
    ];
    for (lint, edits, component, place) in &fixtures {
        let report = report(&engine, edits, component.clone(), &[]);
        let found = report.findings.iter().find(|f| f.lint == *lint);
        let found = found.unwrap_or_else(|| panic!("{lint} was not found:\n{}", report.to_text(false)));
        let at = found.file.as_deref().map(|file| (file, found.line.unwrap_or(0)));
        // A second fixture of a lint may be found elsewhere first.
        if let Some(wanted) = place {
            assert_eq!(at, Some(*wanted), "{lint}: {}", found.message);
        }
        assert!(!found.mend.is_empty() && !found.message.is_empty());
        let silenced = self::report(&engine, edits, component.clone(), &[(*lint).to_owned()]);
        assert!(silenced.allowed > 0 && silenced.findings.iter().all(|f| f.lint != *lint), "{lint}");
    }
    // These three need an instruction that no engine here runs, a file of 64 MiB, or a ruling with a remedy: they are
    // shown beside the code that finds them, and on the shipped packs.
    let elsewhere = ["relaxed-simd", "threads", "size-limit", "action-undeclared"];
    for lint in Lint::ALL {
        let shown = fixtures.iter().any(|(id, ..)| *id == lint.id) || elsewhere.contains(&lint.id);
        assert!(shown, "no fixture shows {}", lint.id);
    }
}

#[test]
fn warnings_fail_only_when_they_are_denied_and_notes_never() {
    let engine = engine();
    let warned = report(&engine, &[("pack.toml", "license = \"Apache-2.0\"\n", "")], component(&GOOD), &[]);
    assert!(warned.passed(false) && !warned.passed(true), "{}", warned.to_text(false));
    let float = component_with(&GOOD, "(func (param f32) (result f32) (f32.sqrt (local.get 0)))");
    let noted = report(&engine, &[], float, &[]);
    assert_eq!(noted.count(Severity::Note), 1);
    assert!(noted.passed(true));
}

#[test]
fn a_finding_says_where_what_and_how_to_mend_it() {
    let edits = [("pack.toml", "title = \"Disclosure\"\n", "")];
    let report = report(&engine(), &edits, component(&GOOD), &[]);
    let text = report.to_text(false);
    for wanted in
        ["error[rule-title]: rule `house.disclosure` has no title", "/pack.toml:15", "mend: add `title`"]
    {
        assert!(text.contains(wanted), "{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["findings"][0]["line"], 15);
    assert_eq!(json["findings"][0]["severity"], "error");
}

/// The built packs of these folders are checked by the program's own tests; here, all that needs no compiler.
#[test]
fn what_pack_new_writes_and_what_is_shipped_is_declared_in_full() {
    let folders = tempfile::tempdir().unwrap();
    let mut dirs: Vec<_> = Language::ALL
        .iter()
        .map(|language| {
            let dir = folders.path().join(language.to_string());
            scaffold(&dir, "new-rules", *language).unwrap();
            dir
        })
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    dirs.extend(["hipaa-hitech", "pci-dss", "state-consent"].map(|p| root.join("policies").join(p)));
    dirs.extend(
        ["rust", "python", "javascript"].map(|l| root.join("examples").join(format!("house-standard-{l}"))),
    );
    for dir in dirs {
        let report = check(&engine(), &dir, &["component".to_owned()], |_| Ok(Vec::new())).unwrap();
        assert!(report.passed(true), "{}", report.to_text(false));
    }
}
