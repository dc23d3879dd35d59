//! Cases: what a pack should say, written by those who know the law, run in the real engine.
//!
//! `cases/*.toml` in a pack's folder:
//! ```toml
//! [facts]                                   # shared by every case of the file
//! began = 2026-01-05T15:00:00Z
//! parties = [                               # plain form (or the model's own)
//!   { role = "agent", on-file = "TX" },
//!   { role = "customer", number = "+13055550113" },
//! ]
//!
//! [[case]]
//! name = "Florida customer, no notice"
//! rules = ["consent.all-party"]             # which rules it is for
//! event = "offered"
//! expect = { decision = "deny", rules = ["consent.all-party"], remedies = ["play-announcement"] }
//!
//! [[case]]
//! name = "the same, and then the notice"
//! rules = ["consent.all-party"]
//! settings = { options = ["strict"] }       # otherwise the schema's defaults
//! facts = { direction = "inbound" }         # replaces the shared facts key by key
//! [[case.steps]]                            # one after the other; facts and labels found are carried on
//! event = "offered"
//! expect = { outcome = "refuse" }
//! [[case.steps]]
//! at-s = 12                                 # the clock: seconds since the call began
//! event = "notice-played"
//! facts = { notices = [{ kind = "spoken", at = 12000, recorded = true, heard-by = [0, 1] }] }
//! expect = { decision = "allow", obligations = [] }
//! ```
//! `event` is the contract's word, or a table for one that carries something (`event = { party-joined = 2 }`); `stage` is
//! `capture` unless it says `storage` or `access`. Of `expect` only the keys that are there are compared; lists are sets,
//! obligations are codes ([`caveat_model::Duty::code`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use caveat_engine::Engine;
use caveat_model::{Decision, Event, Facts, Label, LabelKind, Outcome, Stage, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    ActiveSet, CaseText, LoadedPack, Manifest, PackError, PackFile, Problem,
    decide::{check_party, event_from},
    document, load, plain,
    report::Paint,
    settings,
};

/// When a call of a case begins, unless its facts say so: a Monday morning.
const BEGAN: &str = "2026-01-05T15:00:00Z";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    facts: toml::Table,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default, rename = "case")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    rules: Vec<String>,
    settings: Option<toml::Table>,
    #[serde(default)]
    facts: toml::Table,
    #[serde(default)]
    stage: Option<Stage>,
    at_s: Option<u32>,
    event: Option<toml::Value>,
    expect: Option<Expect>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Step {
    stage: Option<Stage>,
    at_s: Option<u32>,
    #[serde(default)]
    facts: toml::Table,
    event: toml::Value,
    #[serde(default)]
    expect: Expect,
}

/// What is compared; only what is there.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Expect {
    decision: Option<Decision>,
    outcome: Option<Outcome>,
    obligations: Option<Vec<String>>,
    remedies: Option<Vec<String>>,
    rules: Option<Vec<String>>,
    citations: Option<Vec<String>>,
    labels: Option<Vec<LabelKind>>,
}

/// How the cases of a pack went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseReport {
    /// Which pack.
    pub pack: String,
    /// How many cases agreed.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// Each of them.
    pub cases: Vec<CaseResult>,
    /// Each declared rule.
    pub coverage: Vec<RuleCoverage>,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseResult {
    /// File name.
    pub file: String,
    /// What it is called.
    pub name: String,
    /// What differed; empty when it passed.
    pub problems: Vec<String>,
}

/// Whether cases show a rule both speaking and keeping silent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RuleCoverage {
    /// Its id.
    pub rule: String,
    /// Cases written for it in which it had a say.
    pub cases_for: usize,
    /// Cases written for it in which it had none.
    pub cases_against: usize,
}

/// Runs every case in `dir` (a pack's `cases/`) against the pack.
///
/// # Errors
/// [`PackError::Document`] with line or key for a file that cannot be read, [`PackError::NoCases`], [`PackError::Settings`]
/// and [`PackError::Load`]. A case that disagrees is no error; it is in the report.
pub fn run_cases(engine: &Engine, pack: &PackFile, dir: &Path) -> Result<CaseReport, PackError> {
    let cases = read_cases(dir)?;
    if cases.is_empty() {
        return Err(PackError::NoCases { dir: dir.to_owned() });
    }
    run_case_texts(engine, pack, &cases, dir)
}

/// Runs the cases that the pack carries; none at all in a pack without.
///
/// # Errors
/// As [`run_cases`], but [`PackError::NoCases`].
pub fn run_own_cases(engine: &Engine, pack: &PackFile) -> Result<CaseReport, PackError> {
    let about = &pack.manifest().pack;
    run_case_texts(engine, pack, &pack.cases()?, Path::new(&format!("{}-{}.wasm", about.name, about.version)))
}

/// `within` is where the texts came from, for messages.
fn run_case_texts(
    engine: &Engine,
    pack: &PackFile,
    texts: &[CaseText],
    within: &Path,
) -> Result<CaseReport, PackError> {
    let mut bench =
        Bench { engine, file: pack, loaded: BTreeMap::new(), coverage: coverage_of(pack.manifest()) };
    let mut cases = Vec::new();
    for file in texts {
        cases.extend(bench.run_file(file, &within.join(&file.name))?);
    }
    let failed = cases.iter().filter(|c| !c.problems.is_empty()).count();
    Ok(CaseReport {
        pack: pack.manifest().pack.name.clone(),
        passed: cases.len() - failed,
        failed,
        cases,
        coverage: bench.coverage.into_values().collect(),
    })
}

/// Every case file in `dir`, by name.
pub(crate) fn read_cases(dir: &Path) -> Result<Vec<CaseText>, PackError> {
    let text = |path: PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(CaseText { name, text: document::read(&path)? })
    };
    case_files(dir)?.into_iter().map(text).collect()
}

fn case_files(dir: &Path) -> Result<Vec<PathBuf>, PackError> {
    let entries = fs::read_dir(dir).map_err(PackError::io("list", dir))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    Ok(files)
}

fn coverage_of(manifest: &Manifest) -> BTreeMap<String, RuleCoverage> {
    let none = |rule: &str| RuleCoverage { rule: rule.to_owned(), cases_for: 0, cases_against: 0 };
    manifest.rules.iter().map(|r| (r.id.clone(), none(&r.id))).collect()
}

/// What the cases of one run share.
struct Bench<'a> {
    engine: &'a Engine,
    file: &'a PackFile,
    /// By canonical settings: a pack is configured once for all cases that agree on them.
    loaded: BTreeMap<String, Arc<LoadedPack>>,
    coverage: BTreeMap<String, RuleCoverage>,
}

impl Bench<'_> {
    fn run_file(&mut self, file: &CaseText, path: &Path) -> Result<Vec<CaseResult>, PackError> {
        let CaseText { name, text } = file;
        let CaseFile { facts, settings, cases } = document::parse(path, text)?;
        let mut results = Vec::with_capacity(cases.len());
        for (n, case) in cases.into_iter().enumerate() {
            let given = settings::from_toml(case.settings.clone().unwrap_or_else(|| settings.clone()));
            let pack = self.configured(given)?;
            let title = case.name.clone();
            let wrong = |mut problem: Problem| {
                problem.at = format!("case.{n}.{}", problem.at);
                problem.line = document::line_of(text, &problem.at);
                PackError::Document { path: path.to_owned(), problems: vec![problem] }
            };
            let problems = self.run_case(&pack, &facts, case).map_err(wrong)?;
            results.push(CaseResult { file: name.clone(), name: title, problems });
        }
        Ok(results)
    }

    fn configured(&mut self, given: Value) -> Result<Arc<LoadedPack>, PackError> {
        let key = settings::canonical(&given);
        if let Some(pack) = self.loaded.get(&key) {
            return Ok(pack.clone());
        }
        let pack = Arc::new(load(self.engine, self.file, &given)?);
        self.loaded.insert(key, pack.clone());
        Ok(pack)
    }

    fn run_case(
        &mut self,
        pack: &Arc<LoadedPack>,
        base: &toml::Table,
        case: Case,
    ) -> Result<Vec<String>, Problem> {
        if let Some(rule) = case.rules.iter().find(|r| !self.coverage.contains_key(*r)) {
            let hint = document::did_you_mean(rule, self.coverage.keys().map(String::as_str));
            return Err(Problem::new("rules", format!("the pack declares no rule `{rule}`{hint}")));
        }
        let mut facts = Map::new();
        overlay(&mut facts, base.clone());
        overlay(&mut facts, case.facts);
        let many = !case.steps.is_empty();
        let steps = match (case.event, many) {
            (Some(event), false) => {
                let expect = case.expect.unwrap_or_default();
                vec![Step { stage: None, at_s: case.at_s, facts: toml::Table::new(), event, expect }]
            }
            (None, true) => case.steps,
            (Some(_), true) => return Err(Problem::new("event", "either `event` or `steps`, not both")),
            (None, false) => return Err(Problem::new("event", "missing: what happens?")),
        };
        let (mut problems, mut spoke, mut labels) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (n, step) in steps.into_iter().enumerate() {
            overlay(&mut facts, step.facts);
            let stage = step.stage.or(case.stage).unwrap_or(Stage::Capture);
            let (event, now) = moment_of_truth(&facts, stage, step.event, step.at_s, &labels)?;
            let rulings = ActiveSet::obeying([pack.clone()]).ask(self.engine, &event, &now);
            let verdict = Verdict::merge(&event, &now, rulings);
            spoke.extend(rules_of(&verdict));
            labels.extend(verdict.labels().copied());
            let step_name = if many { format!("step {} ({}): ", n + 1, event.name()) } else { String::new() };
            problems.extend(step.expect.differences(&verdict).into_iter().map(|p| format!("{step_name}{p}")));
        }
        for rule in &case.rules {
            if let Some(coverage) = self.coverage.get_mut(rule) {
                let side =
                    if spoke.contains(rule) { &mut coverage.cases_for } else { &mut coverage.cases_against };
                *side += 1;
            }
        }
        Ok(problems)
    }
}

/// The event, and the facts as they stand at it.
fn moment_of_truth(
    facts: &Map<String, Value>,
    stage: Stage,
    event: toml::Value,
    at_s: Option<u32>,
    labels: &[Label],
) -> Result<(Event, Facts), Problem> {
    let mut facts = facts.clone();
    facts.entry("began").or_insert(json!(BEGAN));
    let told = facts.contains_key("now");
    let mut facts = plain::facts(Value::Object(facts))?;
    match at_s {
        Some(s) => facts.now = facts.began.plus_millis(u64::from(s) * 1000),
        None if !told => facts.now = facts.began,
        None => {}
    }
    facts.labels.extend_from_slice(labels);
    let event = event_from(json!({ stage.to_string(): document::to_json(event) }))
        .map_err(|m| Problem::new("event", m))?;
    check_party(&event, &facts).map_err(|m| Problem::new("event", m))?;
    Ok((event, facts))
}

impl Expect {
    fn differences(&self, verdict: &Verdict) -> Vec<String> {
        let mut found: Vec<String> = verdict
            .rulings
            .iter()
            .filter_map(|r| Some(format!("the pack failed: {}", r.failure.as_ref()?)))
            .collect();
        let outcome = |o: Outcome| o.word(verdict.stage);
        if let Some(wanted) = self.decision.filter(|d| *d != verdict.decision()) {
            found.push(format!("decision: expected {}, got {}", word(&wanted), word(&verdict.decision())));
        }
        if let Some(wanted) = self.outcome.filter(|o| *o != verdict.outcome) {
            found.push(format!("outcome: expected {}, got {}", outcome(wanted), outcome(verdict.outcome)));
        }
        let mut set = |what: &str, wanted: &Option<Vec<String>>, got: BTreeSet<String>| {
            let Some(wanted) = wanted else { return };
            let wanted: BTreeSet<String> = wanted.iter().cloned().collect();
            let missing = wanted.difference(&got).map(|w| format!("- {w}"));
            let extra = got.difference(&wanted).map(|g| format!("+ {g}"));
            let lines: Vec<String> = missing.chain(extra).collect();
            if !lines.is_empty() {
                found.push(format!("{what} (- expected, + got): {}", lines.join(", ")));
            }
        };
        set("obligations", &self.obligations, verdict.obligations().map(|(_, o)| o.duty.code()).collect());
        set("remedies", &self.remedies, verdict.remedies().map(|r| r.action.clone()).collect());
        set("rules", &self.rules, rules_of(verdict));
        set("citations", &self.citations, verdict.reasons().map(|(_, r)| r.citation.clone()).collect());
        let wanted = self.labels.as_ref().map(|all| all.iter().map(word).collect());
        set("labels", &wanted, verdict.labels().map(|l| word(&l.kind)).collect());
        if !found.is_empty() {
            found.extend(
                verdict.reasons().map(|(_, r)| format!("  {}: {} ({})", r.rule, r.message, r.citation)),
            );
        }
        found
    }
}

impl CaseReport {
    /// Whether every case agreed.
    pub fn passed(&self) -> bool {
        self.failed == 0
    }

    /// For people.
    pub fn to_text(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        for case in &self.cases {
            let mark = if case.problems.is_empty() { paint.good("ok  ") } else { paint.bad("FAIL") };
            let _ = writeln!(out, "{mark} {} {}", case.name, paint.faint(&case.file));
            for problem in &case.problems {
                let _ = writeln!(out, "       {problem}");
            }
        }
        let bare: Vec<&RuleCoverage> =
            self.coverage.iter().filter(|c| c.cases_for == 0 || c.cases_against == 0).collect();
        let _ = writeln!(
            out,
            "\n{}: {} passed, {} failed; {} of {} rules have a case for and a case against",
            paint.strong(&self.pack),
            self.passed,
            self.failed,
            self.coverage.len() - bare.len(),
            self.coverage.len()
        );
        for rule in bare {
            let _ = writeln!(out, "  {}: {} for, {} against", rule.rule, rule.cases_for, rule.cases_against);
        }
        out
    }
}

/// The rules that had a say.
fn rules_of(verdict: &Verdict) -> BTreeSet<String> {
    let asked = verdict.obligations().map(|(_, o)| o.rule.clone());
    asked
        .chain(verdict.reasons().map(|(_, r)| r.rule.clone()))
        .chain(verdict.remedies().map(|r| r.rule.clone()))
        .collect()
}

fn overlay(facts: &mut Map<String, Value>, over: toml::Table) {
    facts.extend(over.into_iter().map(|(key, value)| (key, document::to_json(value))));
}

/// A model enum as its serde word.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().as_ref().map(plain::text_of).unwrap_or_default()
}
