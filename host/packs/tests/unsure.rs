//! Where the law is unsure the packs take the strict side, say so, and let the client's counsel switch: for every rule and period of
//! less than high confidence in every pack, on the packs' own cases.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use caveat_engine::{Engine, Limits};
use caveat_packs::{CaseOptions, CaseReport, Confidence, Library, Manifest, PackFile, play_cases};
use toml::{Table, Value};

/// What reasons add where counsel has not confirmed.
const DOUBT: [&str; 3] = ["should confirm", "uncertain:", "until counsel confirms"];

/// A pack's folder, and the file built of it.
struct Pack {
    dir: PathBuf,
    manifest: Manifest,
    file: PackFile,
}

/// A period of less than high confidence.
struct Period {
    name: String,
    why: String,
    has_strict: bool,
}

/// The built packs: `cargo xtask packs` puts them there.
fn all() -> Vec<Pack> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let library = Library::open(&root.join("target/packs")).unwrap();
    let policies = root.join("policies");
    let dirs = fs::read_dir(policies).unwrap().map(|entry| entry.unwrap().path());
    let packs = dirs.filter(|dir| dir.join("pack.toml").exists()).map(|dir| {
        let manifest = Manifest::open(&dir).unwrap();
        let file = library.find(&manifest.pack.name).unwrap().clone();
        Pack { dir, manifest, file }
    });
    let packs: Vec<Pack> = packs.collect();
    assert!(packs.len() >= 13);
    packs
}

impl Pack {
    fn unsure_rules(&self) -> Vec<String> {
        let unsure = self.manifest.rules.iter().filter(|rule| rule.confidence != Some(Confidence::High));
        unsure.map(|rule| rule.id.clone()).collect()
    }

    fn unsure_periods(&self) -> Vec<Period> {
        let Ok(text) = fs::read_to_string(self.dir.join("data/periods.toml")) else { return vec![] };
        let table: Table = text.parse().unwrap();
        let rows = table.get("period").and_then(Value::as_array).cloned().unwrap_or_default();
        let unsure = rows.iter().filter(|row| row["confidence"].as_str() != Some("high"));
        let period = |row: &Value| Period {
            name: row["name"].as_str().unwrap().into(),
            why: row["why"].as_str().unwrap().into(),
            has_strict: row.get("strict-years").or(row.get("strict-months")).is_some(),
        };
        unsure.map(period).collect()
    }

    /// What it says to its own cases when counsel has confirmed this; cases about what counsel has confirmed are left out.
    fn answers(
        &self,
        engine: &Engine,
        confirmed: &[String],
        only: Option<&BTreeSet<(String, String)>>,
    ) -> Answers {
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.dir.join("cases")).unwrap() {
            let path = entry.unwrap().path();
            let mut file: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
            let cases = file["case"].as_array_mut().unwrap();
            cases.retain(|case| case.get("settings").and_then(|s| s.get("counsel-confirmed")).is_none());
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if let Some(only) = only {
                cases
                    .retain(|case| only.contains(&(name.clone(), case["name"].as_str().unwrap().to_owned())));
            }
            if cases.is_empty() {
                continue;
            }
            cases.iter_mut().for_each(|case| ask(case, confirmed));
            fs::write(dir.path().join(path.file_name().unwrap()), file.to_string()).unwrap();
        }
        Answers::of(play_cases(engine, &self.file, dir.path(), CaseOptions::default()).unwrap())
    }
}

/// Expects what no pack says, so that everything that it said is in the report.
fn ask(case: &mut Value, confirmed: &[String]) {
    let case = case.as_table_mut().unwrap();
    let settings = case.entry("settings").or_insert_with(|| Value::Table(Table::new()));
    if !confirmed.is_empty() {
        let names = confirmed.iter().map(|name| Value::String(name.clone())).collect();
        settings.as_table_mut().unwrap().insert("counsel-confirmed".into(), Value::Array(names));
    }
    let mut expect = Table::new();
    expect.insert("obligations".into(), Value::Array(vec![Value::String("nothing-of-the-kind".into())]));
    let steps = case.get_mut("steps").and_then(Value::as_array_mut);
    match steps {
        Some(steps) => steps.iter_mut().for_each(|step| {
            step.as_table_mut().unwrap().insert("expect".into(), Value::Table(expect.clone()));
        }),
        None => {
            case.insert("expect".into(), Value::Table(expect));
        }
    }
}

/// By case: what was said.
struct Answers(BTreeMap<(String, String), (Vec<String>, BTreeSet<String>)>);

impl Answers {
    fn of(report: CaseReport) -> Self {
        let cases = report.cases.into_iter().map(|case| {
            let codes = case.problems.into_iter().flat_map(|problem| problem.unexpected).collect();
            ((case.file, case.name), (case.reasons, codes))
        });
        Self(cases.collect())
    }

    /// Cases in which any of these had a say.
    fn about(&self, rules: &[String], periods: &[Period]) -> BTreeSet<(String, String)> {
        let has = |reason: &String| {
            rules.iter().any(|rule| is_of(reason, rule))
                || periods.iter().any(|period| reason.contains(&period.why))
        };
        let about = self.0.iter().filter(|(_, (reasons, _))| reasons.iter().any(has));
        about.map(|(case, _)| case.clone()).collect()
    }

    fn reasons(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(|(reasons, _)| reasons)
    }
}

/// Whether a reason, as reports have it, is this rule's: `message (rule, citation)`.
fn is_of(reason: &str, rule: &str) -> bool {
    reason.contains(&format!(" ({rule}, ")) || reason.ends_with(&format!(" ({rule})"))
}

/// The last day that anything is kept until, of those who also name this task.
fn kept_until(codes: &BTreeSet<String>, task: &str) -> Option<String> {
    codes
        .contains(task)
        .then(|| codes.iter().filter(|code| code.starts_with("retain-until-")).max().cloned())
        .flatten()
}

/// What is wrong with how a pack tells of what it is unsure of; and how much that is.
fn walk(engine: &Engine, pack: &Pack) -> (Vec<String>, usize) {
    let (rules, periods) = (pack.unsure_rules(), pack.unsure_periods());
    let mut wrong = Vec::new();
    if rules.is_empty() && periods.is_empty() {
        return (wrong, 0);
    }
    let by_default = pack.answers(engine, &[], None);
    let doubts = |reason: &str| DOUBT.iter().any(|doubt| reason.contains(doubt));
    let mut say = |what: String| wrong.push(format!("{}: {what}", pack.manifest.pack.name));

    for rule in &rules {
        let mut spoken = by_default.reasons().filter(|r| is_of(r, rule)).peekable();
        if spoken.peek().is_none() {
            say(format!("{rule} is in no case"));
        }
        spoken.filter(|r| !r.contains("ounsel")).for_each(|r| say(format!("says nothing of its doubt: {r}")));
    }
    for Period { name, why, .. } in &periods {
        let said: Vec<&String> = by_default.reasons().filter(|r| r.contains(why)).collect();
        if said.is_empty() || !said.iter().all(|r| doubts(r)) {
            say(format!("{name} is in no case, or does not say that it is unsure"));
        }
    }

    // Counsel confirms everything.
    let of_periods = || periods.iter().map(|period| period.name.clone());
    let everything: Vec<String> = rules.iter().cloned().chain(of_periods()).collect();
    let about = by_default.about(&rules, &periods);
    let confirmed = pack.answers(engine, &everything, Some(&about));
    for reason in confirmed.reasons() {
        let period = periods.iter().any(|period| reason.contains(&period.why)) && doubts(reason);
        let rule =
            rules.iter().any(|rule| is_of(reason, rule)) && reason.contains("Counsel should confirm this.");
        if period || rule {
            say(format!("still doubts what counsel has confirmed: {reason}"));
        }
    }
    for Period { name, .. } in periods.iter().filter(|period| period.has_strict) {
        let longer = |case: &(String, String)| {
            let until = |answers: &Answers| kept_until(&answers.0.get(case)?.1, name);
            let strict = until(&by_default);
            strict.is_some() && strict > until(&confirmed)
        };
        if !about.iter().any(longer) {
            say(format!("{name} is nowhere kept longer than counsel would have it"));
        }
    }

    // Counsel reads every period otherwise.
    if !periods.is_empty() {
        let otherwise: Vec<String> = of_periods().map(|name| format!("{name}: 1 day")).collect();
        let switched = pack.answers(engine, &otherwise, Some(&about));
        for Period { name, why, .. } in &periods {
            if switched.reasons().any(|r| r.contains(why) && !r.contains("counsel reads it as 1 day")) {
                say(format!("{name} cannot be switched"));
            }
        }
    }
    (wrong, rules.len() + periods.len())
}

#[test]
fn what_is_unsure_is_strict_says_so_and_can_be_switched() {
    let engine = Engine::new(Limits::default(), None).unwrap();
    let (mut wrong, mut walked) = (Vec::new(), 0);
    for pack in all() {
        let (more, count) = walk(&engine, &pack);
        wrong.extend(more);
        walked += count;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(walked >= 70, "only {walked} unsure rules and periods");
}
