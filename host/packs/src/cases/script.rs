//! Case files, read: each case as events with what is known at them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use caveat_model::{ConflictKind, Decision, Event, Facts, LabelKind, Outcome, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    CaseText, PackError, Problem,
    decide::{check_party, event_from},
    document, plain,
};

/// When a call of a case begins, unless its facts say so: a Monday morning.
const BEGAN: &str = "2026-01-05T15:00:00Z";

/// One case, ready to be put to a pack.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Name of its file.
    pub(crate) file: String,
    pub(crate) line: Option<usize>,
    pub(crate) name: String,
    /// Which rules it is for.
    pub(crate) rules: Vec<String>,
    pub(crate) settings: Value,
    pub(crate) steps: Vec<Step>,
}

/// One event of a case.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) facts: Facts,
    pub(crate) expect: Expect,
}

/// What is compared; only what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Expect {
    pub(crate) decision: Option<Decision>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) obligations: Option<Vec<String>>,
    pub(crate) remedies: Option<Vec<String>>,
    pub(crate) rules: Option<Vec<String>>,
    pub(crate) citations: Option<Vec<String>>,
    pub(crate) labels: Option<Vec<LabelKind>>,
    pub(crate) conflicts: Option<Vec<ConflictKind>>,
    /// Obligations: these at least.
    pub(crate) asks: Vec<String>,
    /// Obligations: none of these.
    pub(crate) without: Vec<String>,
    /// Remedies: these at least.
    pub(crate) would_help: Vec<String>,
    /// A rule that speaks in the strictest ruling.
    pub(crate) decided_by: Option<String>,
    /// In a citation of that ruling.
    pub(crate) cites: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    facts: toml::Table,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default, rename = "case")]
    cases: Vec<RawCase>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawCase {
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
    steps: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawStep {
    stage: Option<Stage>,
    at_s: Option<u32>,
    #[serde(default)]
    facts: toml::Table,
    event: toml::Value,
    #[serde(default)]
    expect: Expect,
}

/// Every case in these files, about these rules; `within` is where they came from, for messages.
///
/// # Errors
/// [`PackError::Document`] with line and key of the first thing that is wrong.
pub(crate) fn read_scripts(
    files: &[CaseText],
    within: &Path,
    rules: &[&str],
) -> Result<Vec<Script>, PackError> {
    let mut scripts = Vec::new();
    for CaseText { name, text } in files {
        let path = within.join(name);
        let CaseFile { facts, settings, cases } = document::parse(&path, text)?;
        for (n, case) in cases.into_iter().enumerate() {
            let mut script = case.read(rules, &facts, &settings).map_err(|mut problem| {
                problem.at = format!("case.{n}.{}", problem.at);
                problem.line = document::line_of(text, &problem.at);
                PackError::Document { path: path.clone(), problems: vec![problem] }
            })?;
            script.file.clone_from(name);
            script.line = document::line_of(text, &format!("case.{n}"));
            scripts.push(script);
        }
    }
    Ok(scripts)
}

/// Every case in a folder, of which there has to be one.
///
/// # Errors
/// [`PackError::NoCases`], and as [`read_scripts`].
pub(crate) fn scripts_in(dir: &Path, rules: &[&str]) -> Result<Vec<Script>, PackError> {
    let files = if dir.exists() { read_cases(dir)? } else { Vec::new() };
    if files.is_empty() {
        return Err(PackError::NoCases { dir: dir.to_owned() });
    }
    read_scripts(&files, dir, rules)
}

/// Every case file in `dir`, by name.
pub(crate) fn read_cases(dir: &Path) -> Result<Vec<CaseText>, PackError> {
    case_files(dir)?.iter().map(|path| read_case(path)).collect()
}

/// One case file.
pub(super) fn read_case(path: &Path) -> Result<CaseText, PackError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(CaseText { name, text: document::read(path)? })
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

impl RawCase {
    fn read(
        self,
        known: &[&str],
        shared_facts: &toml::Table,
        shared_settings: &toml::Table,
    ) -> Result<Script, Problem> {
        declared(known, &self.rules).map_err(|m| Problem::new("rules", m))?;
        let mut facts = Map::new();
        overlay(&mut facts, shared_facts.clone());
        overlay(&mut facts, self.facts);
        let raw = match (self.event, self.steps.is_empty()) {
            (Some(event), true) => {
                let expect = self.expect.unwrap_or_default();
                vec![RawStep { stage: None, at_s: self.at_s, facts: toml::Table::new(), event, expect }]
            }
            (None, false) => self.steps,
            (Some(_), false) => return Err(Problem::new("event", "either `event` or `steps`, not both")),
            (None, true) => return Err(Problem::new("event", "missing: what happens?")),
        };
        let mut steps = Vec::with_capacity(raw.len());
        for step in raw {
            overlay(&mut facts, step.facts);
            let stage = step.stage.or(self.stage).unwrap_or(Stage::Capture);
            let (event, facts) = at_event(&facts, stage, step.event, step.at_s)?;
            declared(known, &step.expect.decided_by).map_err(|m| Problem::new("expect.decided-by", m))?;
            steps.push(Step { event, facts, expect: step.expect });
        }
        let settings =
            document::to_json(toml::Value::Table(self.settings.unwrap_or_else(|| shared_settings.clone())));
        Ok(Script { file: String::new(), line: None, name: self.name, rules: self.rules, settings, steps })
    }
}

/// A rule that nobody declares is misspelt.
fn declared<'a>(known: &[&str], named: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
    match named.into_iter().find(|rule| !known.contains(&rule.as_str())) {
        Some(rule) => {
            let hint = document::did_you_mean(rule, known.iter().copied());
            Err(format!("the pack declares no rule `{rule}`{hint}"))
        }
        None => Ok(()),
    }
}

/// The event, and the facts as they stand at it.
fn at_event(
    facts: &Map<String, Value>,
    stage: Stage,
    event: toml::Value,
    at_s: Option<u32>,
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
    let event = event_from(json!({ stage.to_string(): document::to_json(event) }))
        .map_err(|m| Problem::new("event", m))?;
    check_party(&event, &facts).map_err(|m| Problem::new("event", m))?;
    Ok((event, facts))
}

fn overlay(facts: &mut Map<String, Value>, over: toml::Table) {
    facts.extend(over.into_iter().map(|(key, value)| (key, document::to_json(value))));
}

/// A model enum as its serde word.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().as_ref().map(plain::text_of).unwrap_or_default()
}
