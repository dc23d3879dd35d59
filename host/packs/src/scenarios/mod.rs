//! Worked legal scenarios in plain terms, put to packs in the real engine.
//!
//! The file is TOML: `[[scenario]]` with `id`, `title`, `packs`, `kind` (capture, storage, access, retention, disclosure,
//! breach, training, biometric), the facts in tables (`parties`, `call`, `consent`, `content`, `events`, `storage`,
//! `access`, `retention`, `breach`, `tenant`, any other), and `expected` (`decision`, `obligations`, `remedy`).
//!
//! What the facts have a typed place for is put there; besides, every `table.key` becomes the attribute `table.key` with
//! hyphens for underscores (`retention.birth-date`), so that a pack may read either. `tenant.options` become the settings
//! `options` of a pack whose schema has them, and the flags `option.NAME`. Now is the day the law was looked up; a
//! recording of `age_days` began that long before. What cannot be translated is noted in the result, never dropped silently.

mod access;
mod capture;
mod happening;
mod kept;
mod results;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use caveat_engine::Engine;
use caveat_model::{
    Attribute, AttributeValue, Decision, Event, Facts, Label, LabelKind, Moment, Outcome, Span, Stage,
    Verdict,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use results::{Answer, Expected, ScenarioReport, ScenarioResult, Status, Tally, Totals};

use crate::{ActiveSet, Library, LoadedPack, PackError, PackFile, Problem, document, load, plain, settings};

/// Noon UTC on the day the facts of law were compiled, 2026-11-23: rules that changed are ruled on as they stood then.
const NOW: Moment = Moment::from_millis(1_795_435_200_000);

/// What a recording holds goes without saying where a scenario is put to a pack that protects just that.
const SUBJECTS: [(&str, LabelKind); 2] = [("pci", LabelKind::CardNumber), ("hipaa", LabelKind::Health)];

/// Attributes that packs read, and how else scenarios put them.
const OTHER_WORDS: [(&str, &[&str]); 5] = [
    ("retention.last-use-days", &["retention.days-since-last-use", "retention.last-used-days-ago"]),
    ("retention.authority-asked", &["retention.authority-extended", "retention.authority-asked-7-years"]),
    ("storage.keys-apart", &["storage.key-apart", "storage.keys-separate", "storage.key-separate"]),
    ("call.threats", &["call.threat", "call.threatening"]),
    (
        "tenant.pan-business-need",
        &[
            "tenant.business-need",
            "storage.business-need",
            "content.business-need",
            "retention.business-need",
        ],
    ),
];

/// Runs every scenario of a file against the packs of a library.
///
/// # Errors
/// [`PackError::Document`] with the line for a file that is not in the format, [`PackError::Load`]. A scenario whose packs
/// are missing, or that disagrees, is no error; it is in the report.
pub fn run_scenarios(engine: &Engine, library: &Library, path: &Path) -> Result<ScenarioReport, PackError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        scenario: Vec<toml::Table>,
    }
    let text = document::read(path)?;
    let file: File = document::parse(path, &text)?;
    let mut court = Court { engine, library, loaded: BTreeMap::new() };
    let mut results = Vec::with_capacity(file.scenario.len());
    for (n, table) in file.scenario.into_iter().enumerate() {
        let scenario = Scenario::read(table).map_err(|message| PackError::Document {
            path: path.to_owned(),
            problems: vec![Problem {
                line: document::line_of(&text, &format!("scenario.{n}")),
                at: format!("scenario.{n}"),
                message,
            }],
        })?;
        results.push(court.hear(&scenario)?);
    }
    Ok(ScenarioReport::new(results))
}

/// One scenario as it stands in the file.
#[derive(Debug, Deserialize)]
pub(crate) struct Scenario {
    id: String,
    #[serde(default)]
    title: String,
    packs: Vec<String>,
    kind: String,
    expected: Expected,
    #[serde(default)]
    citation: String,
    #[serde(default)]
    confidence: String,
    #[serde(default)]
    trick: String,
    /// The tables of facts.
    #[serde(flatten)]
    tables: Map<String, Value>,
}

/// An event of a scenario, with what is known at it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    event: Event,
    facts: Facts,
    /// Whether the scenario is about this one; the others lead to it.
    judged: bool,
}

/// A scenario as events.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    steps: Vec<Step>,
    /// What could not be translated.
    notes: Vec<String>,
}

impl Scenario {
    fn read(table: toml::Table) -> Result<Self, String> {
        let table = document::to_json(toml::Value::Table(table));
        serde_json::from_value(table).map_err(|e| e.to_string())
    }

    fn translate(&self) -> Translation {
        let mut steps = match self.kind.as_str() {
            "capture" | "biometric" => return capture::translate(self),
            "storage" => kept::storage(self),
            "retention" => kept::retention(self),
            "breach" => kept::breach(self),
            "access" | "disclosure" | "training" => access::translate(self),
            other => {
                let note = format!("nobody knows the kind `{other}`");
                return Translation { steps: vec![], notes: vec![note] };
            }
        };
        let judged = steps.notes.is_empty() || !steps.steps.is_empty();
        for step in &mut steps.steps {
            step.judged = judged;
        }
        steps
    }

    /// A table of facts, empty when it is not there.
    fn table(&self, name: &str) -> words::Table<'_> {
        words::Table(self.tables.get(name).and_then(Value::as_object))
    }

    fn list(&self, name: &str) -> &[Value] {
        self.tables.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What is known at whatever kind of event: the clock, the call, attributes.
    fn facts(&self) -> Facts {
        let age_ms =
            self.tables.get("age_days").and_then(Value::as_u64).unwrap_or(0).saturating_mul(86_400_000);
        let call = self.table("call");
        let mut facts = Facts {
            now: NOW,
            began: Moment::from_millis(NOW.as_millis().saturating_sub(age_ms)),
            direction: call.known("direction").unwrap_or_default(),
            recorder_region: call.text(&["recorder_location"]).and_then(|place| plain::region(place, None)),
            purposes: call.text(&["purpose"]).and_then(words::purpose).into_iter().collect(),
            attributes: self.attributes(),
            ..Facts::default()
        };
        facts.traits.emergency = call.flag(&["emergency"]).unwrap_or(false);
        facts.traits.emergency_line = call
            .flag(&["emergency_line"])
            .unwrap_or(call.text(&["kind"]).is_some_and(|k| k.replace('_', "-") == "emergency-line"));
        facts.traits.medical_record = self.table("retention").flag(&["part_of_record"]).unwrap_or(false);
        facts
    }

    fn attributes(&self) -> Vec<Attribute> {
        const TYPED: [&str; 4] = ["parties", "content", "events", "age_days"];
        let mut tables: Map<String, Value> = self.tables.clone();
        tables.retain(|name, _| !TYPED.contains(&name.as_str()));
        if let Some(tenant) = tables.get_mut("tenant").and_then(Value::as_object_mut) {
            tenant.remove("options");
        }
        let options = self.options().into_iter().map(|o| (format!("option.{o}"), AttributeValue::Flag(true)));
        let mut all: BTreeMap<String, AttributeValue> =
            plain::attributes("", &tables).chain(options).collect();
        for item in self.list("content").iter().filter_map(Value::as_object) {
            let what = item.get("what").map(plain::text_of).unwrap_or_default().replace('_', "-");
            // What no label stands for is a fact: psychotherapy notes, a record under Part 2.
            if words::label(&what).is_none() {
                all.insert(format!("content.{what}"), AttributeValue::Flag(true));
            }
            let mut item = item.clone();
            item.remove("value");
            for (key, value) in plain::attributes("", &item) {
                all.insert(format!("content.{what}.{key}"), value.clone());
                all.entry(format!("content.{key}")).or_insert(value);
            }
        }
        for (name, others) in OTHER_WORDS {
            if let Some(value) = others.iter().find_map(|other| all.get(*other)).cloned() {
                all.entry(name.to_owned()).or_insert(value);
            }
        }
        all.into_iter().map(|(name, value)| Attribute { name, value }).collect()
    }

    fn options(&self) -> Vec<String> {
        let options = self.tables.get("tenant").and_then(|t| t.get("options")).and_then(Value::as_array);
        options.into_iter().flatten().map(plain::text_of).collect()
    }

    /// What the recording holds, as far as a detector would have found it.
    fn labels(&self) -> Vec<Label> {
        let stated = self.list("content").iter().filter_map(|item| words::label(item.get("what")?.as_str()?));
        let mut kinds: Vec<LabelKind> = stated.collect();
        if !self.tables.contains_key("content") {
            kinds.extend(
                SUBJECTS
                    .iter()
                    .filter(|(pack, _)| self.packs.iter().any(|p| p == pack))
                    .map(|(_, kind)| *kind),
            );
        }
        let place = |n: usize| {
            let start = 30_000 + n as u32 * 10_000;
            Span { leg: Some(1), start, end: start + 5_000 }
        };
        kinds
            .into_iter()
            .enumerate()
            .map(|(n, kind)| Label { kind, span: place(n), confidence: 95 })
            .collect()
    }
}

/// Hears scenarios; packs stay loaded between them.
struct Court<'a> {
    engine: &'a Engine,
    library: &'a Library,
    loaded: BTreeMap<(String, String), Arc<LoadedPack>>,
}

impl Court<'_> {
    fn hear(&mut self, scenario: &Scenario) -> Result<ScenarioResult, PackError> {
        let Translation { steps, mut notes } = scenario.translate();
        let (mut packs, mut missing) = (Vec::new(), Vec::new());
        for name in &scenario.packs {
            match self.library.find(name) {
                Some(file) => packs.push(self.configured(&file.clone(), scenario, &mut notes)?),
                None => missing.push(name.clone()),
            }
        }
        let mut result = ScenarioResult {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            packs: scenario.packs.clone(),
            status: Status::PackMissing,
            expected: scenario.expected.clone(),
            got: Answer::default(),
            missing_packs: missing,
            citation: scenario.citation.clone(),
            confidence: scenario.confidence.clone(),
            trick: scenario.trick.clone(),
            notes,
        };
        if packs.is_empty() {
            return Ok(result);
        }
        if steps.is_empty() {
            result.status = Status::NotUnderstood;
            return Ok(result);
        }
        result.got = self.rule(&ActiveSet::obeying(packs), steps);
        let agrees = result.expected.agrees_with(&result.got);
        result.status = if agrees { Status::Agreed } else { Status::Disagreed };
        Ok(result)
    }

    fn configured(
        &mut self,
        file: &PackFile,
        scenario: &Scenario,
        notes: &mut Vec<String>,
    ) -> Result<Arc<LoadedPack>, PackError> {
        let options = scenario.options();
        let takes_options = file.schema().is_some_and(|s| s["properties"].get("options").is_some());
        let given =
            if takes_options && !options.is_empty() { json!({ "options": options }) } else { json!({}) };
        let key = |given: &Value| (file.manifest().pack.name.clone(), settings::canonical(given));
        if let Some(pack) = self.loaded.get(&key(&given)) {
            return Ok(pack.clone());
        }
        let pack = match load(self.engine, file, &given) {
            Err(error @ PackError::Settings { .. }) => {
                notes.push(format!("loaded without options: {error}"));
                return Ok(Arc::new(load(self.engine, file, &json!({}))?));
            }
            other => Arc::new(other?),
        };
        self.loaded.insert(key(&given), pack.clone());
        Ok(pack)
    }

    /// One event after the other, as the host would: what was found and what was kept is known to the next.
    fn rule(&self, set: &ActiveSet, steps: Vec<Step>) -> Answer {
        let (mut labels, mut captured, mut answer) = (Vec::new(), false, Answer::default());
        for Step { event, mut facts, judged } in steps {
            facts.labels.extend_from_slice(&labels);
            facts.traits.captured |= captured;
            let verdict = Verdict::merge(&event, &facts, set.ask(self.engine, &event, &facts));
            labels.extend(verdict.labels().copied());
            let keeps = verdict.stage == Stage::Capture
                && verdict.outcome == Outcome::Allow
                && facts.paused.is_none();
            captured = facts.traits.captured || keeps;
            if judged {
                answer.add(&verdict, facts.traits.captured);
            }
        }
        answer
    }
}

impl Answer {
    /// Several events are judged together: the strictest decision, all obligations.
    fn add(&mut self, verdict: &Verdict, captured: bool) {
        let set = |into: &mut Vec<String>, more: Vec<String>| {
            let all: BTreeSet<String> = into.drain(..).chain(more).collect();
            into.extend(all);
        };
        self.decision = self.decision.max(Some(verdict.decision()));
        let mut obligations: Vec<String> = verdict.obligations().map(|(_, o)| o.duty.code()).collect();
        if verdict.stage == Stage::Capture && verdict.outcome == Outcome::Refuse && captured {
            // The host stops when it is refused; no pack has to ask for that.
            obligations.push("stop-recording".to_owned());
        }
        set(&mut self.obligations, obligations);
        set(&mut self.remedies, verdict.remedies().map(|r| r.action.clone()).collect());
        set(&mut self.rules, verdict.reasons().map(|(_, r)| r.rule.clone()).collect());
        set(&mut self.citations, verdict.reasons().map(|(_, r)| r.citation.clone()).collect());
        set(&mut self.failures, verdict.rulings.iter().filter_map(|r| r.failure.clone()).collect());
    }
}

impl Expected {
    /// The decision is the same, and everything expected is asked for.
    fn agrees_with(&self, got: &Answer) -> bool {
        got.decision == Some(self.decision) && self.obligations.iter().all(|o| got.obligations.contains(o))
    }
}

/// Decisions by name, for tallies.
fn decision_word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::AllowWithObligations => "allow-with-obligations",
        Decision::Deny => "deny",
    }
}
