//! What stands on the page, in words, before anybody decides how it looks.

use caveat_engine::Engine;
use caveat_model::{Stage, Verdict};
use serde_json::Value;

use super::{answer, answer::Answer, tables::DataTable, told};
use crate::{
    ActiveSet, Confidence, FactType, Manifest, PackError, PackFile, Worse,
    cases::{Configured, Script, Step},
};

/// Everything on the page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The pack's title.
    pub title: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of the contract.
    pub contract: String,
    /// SPDX expression; may be empty.
    pub license: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// Of the pack file; none where it is not built. With it, answers are what the pack said; without, what cases expect.
    pub digest: Option<String>,
    /// For whoever has to decide about it.
    pub summary: String,
    /// What it is asked.
    pub stages: Vec<StagePage>,
    /// What a client can set.
    pub settings: Vec<SettingRow>,
    /// Each rule, with the cases that name it.
    pub rules: Vec<RulePage>,
    /// Cases that name no rule.
    pub other_cases: Vec<CasePage>,
    /// Facts that it reads beyond those of every recording.
    pub facts: Vec<Word>,
    /// Words of remedies and tasks.
    pub actions: Vec<Word>,
    /// How it may get laxer when a fact gets worse, and why.
    pub exceptions: Vec<Word>,
    /// Its tables; none where only the pack file was at hand.
    pub tables: Vec<DataTable>,
    /// Whether it was made from the pack's folder, tables and all.
    pub from_folder: bool,
}

/// A stage in plain words.
#[derive(Debug, Clone)]
pub struct StagePage {
    /// The contract's word.
    pub name: String,
    /// What it is asked.
    pub asked: &'static str,
    /// What holds when it fails.
    pub on_failure: &'static str,
}

/// A setting.
#[derive(Debug, Clone)]
pub struct SettingRow {
    /// Dotted, where it lies within another.
    pub name: String,
    /// What may be given, in words.
    pub kind: String,
    /// What holds when nothing is given.
    pub default: String,
    /// From the schema.
    pub meaning: String,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct RulePage {
    /// Its id.
    pub id: String,
    /// A few words.
    pub title: String,
    /// Statute, section, requirement.
    pub citation: String,
    /// What it asks for.
    pub summary: String,
    /// In words; none where the author did not say.
    pub confidence: Option<&'static str>,
    /// `high`, `medium`, `low`; for marking.
    pub mark: &'static str,
    /// Told in full here.
    pub cases: Vec<CasePage>,
    /// Told in full under an earlier rule: the number, the name, whether this rule has a say in it.
    pub see_also: Vec<(usize, String, Option<bool>)>,
}

/// A case.
#[derive(Debug, Clone)]
pub struct CasePage {
    /// From 1, through the page.
    pub number: usize,
    /// What it is called.
    pub name: String,
    /// File and line.
    pub place: String,
    /// Rules it is for, each with whether it has a say; none where nobody asked the pack.
    pub rules: Vec<(String, Option<bool>)>,
    /// Settings other than the defaults.
    pub settings: Option<String>,
    /// What happens, one after the other.
    pub steps: Vec<StepPage>,
}

/// One event.
#[derive(Debug, Clone)]
pub struct StepPage {
    /// When, in seconds of the call; none at its beginning.
    pub at_s: Option<u64>,
    /// What is known and was not before.
    pub known: Vec<String>,
    /// What happens.
    pub happens: String,
    /// What is decided.
    pub answer: Answer,
}

/// A word and what it means.
#[derive(Debug, Clone)]
pub struct Word {
    /// The word.
    pub name: String,
    /// What kind of value it has; may be empty.
    pub kind: &'static str,
    /// What it means.
    pub meaning: String,
}

/// The cases in words; put to the pack where it is at hand.
pub(super) fn cases(
    manifest: &Manifest,
    scripts: &[Script],
    built: Option<(&Engine, &PackFile)>,
) -> Result<Vec<CasePage>, PackError> {
    let mut packs = built.map(|(engine, file)| (engine, Configured::new(engine, file)));
    let mut pages = Vec::with_capacity(scripts.len());
    for (n, script) in scripts.iter().enumerate() {
        let answers = match &mut packs {
            Some((engine, packs)) => heard(engine, packs, script, manifest)?,
            None => {
                script.steps.iter().map(|s| Answer::expected(&s.expect, s.event.stage(), manifest)).collect()
            }
        };
        let speaks = |rule: &str| {
            packs.as_ref()?;
            Some(answers.iter().any(|a| a.names(rule)))
        };
        let rules = script.rules.iter().map(|rule| (rule.clone(), speaks(rule))).collect();
        let line = script.line.map(|line| format!(":{line}")).unwrap_or_default();
        let own = script.settings.as_object().is_some_and(|s| !s.is_empty());
        pages.push(CasePage {
            number: n + 1,
            name: script.name.clone(),
            place: format!("cases/{}{line}", script.file),
            rules,
            settings: own.then(|| told::value(&script.settings)),
            steps: steps(script, answers),
        });
    }
    Ok(pages)
}

fn heard(
    engine: &Engine,
    packs: &mut Configured<'_>,
    script: &Script,
    manifest: &Manifest,
) -> Result<Vec<Answer>, PackError> {
    let set = ActiveSet::obeying([packs.with(&script.settings)?]);
    let mut labels = Vec::new();
    let answer = |Step { event, facts, .. }: &Step| {
        let mut facts = facts.clone();
        facts.labels.extend_from_slice(&labels);
        let verdict = Verdict::merge(event, &facts, set.ask(engine, event, &facts));
        labels.extend(verdict.labels().copied());
        Answer::of(&verdict, manifest)
    };
    Ok(script.steps.iter().map(answer).collect())
}

/// Each step tells only what was not known at the one before.
fn steps(script: &Script, answers: Vec<Answer>) -> Vec<StepPage> {
    let mut before: Vec<String> = Vec::new();
    let mut pages = Vec::with_capacity(script.steps.len());
    for (step, answer) in script.steps.iter().zip(answers) {
        let now = told::facts(&step.facts);
        let known = now.iter().filter(|line| !before.contains(line)).cloned().collect();
        let seconds = u64::from(step.facts.elapsed()) / 1_000;
        let in_call = step.event.stage() == Stage::Capture && seconds > 0;
        let happens = told::event(&step.event, &step.facts);
        pages.push(StepPage { at_s: in_call.then_some(seconds), known, happens, answer });
        before = now;
    }
    pages
}

pub(super) fn compose(
    manifest: &Manifest,
    schema: Option<&Value>,
    cases: Vec<CasePage>,
    built: Option<&PackFile>,
) -> Page {
    let about = &manifest.pack;
    let (rules, other_cases) = rules(manifest, cases);
    let mut settings = Vec::new();
    if let Some(schema) = schema {
        rows(schema, "", &mut settings);
    }
    let stages = about.stages.iter().map(|stage| StagePage {
        name: stage.to_string(),
        asked: asked(*stage),
        on_failure: answer::on_failure(*stage, manifest.safe_outcome(*stage)),
    });
    let facts = manifest.facts.iter().map(|fact| Word {
        name: fact.name.clone(),
        kind: match fact.kind {
            FactType::Flag => "yes or no",
            FactType::Whole => "a whole number",
            FactType::Text => "words",
            FactType::When => "a time",
        },
        meaning: fact.summary.clone(),
    });
    let actions =
        manifest.actions.iter().map(|a| Word { name: a.name.clone(), kind: "", meaning: a.summary.clone() });
    let exceptions = manifest.not_monotone.iter().map(|exception| Word {
        name: worse(exception.change).to_owned(),
        kind: "",
        meaning: exception.reason.clone(),
    });
    Page {
        title: about.title.clone(),
        name: about.name.clone(),
        version: about.version.to_string(),
        contract: about.contract.to_string(),
        license: about.license.clone(),
        aliases: about.aliases.clone(),
        digest: built.map(|file| file.digest().to_string()),
        summary: about.summary.clone(),
        stages: stages.collect(),
        settings,
        rules,
        other_cases,
        facts: facts.collect(),
        actions: actions.collect(),
        exceptions: exceptions.collect(),
        tables: Vec::new(),
        from_folder: false,
    }
}

/// A case is told in full under the first rule that it names.
fn rules(manifest: &Manifest, cases: Vec<CasePage>) -> (Vec<RulePage>, Vec<CasePage>) {
    let mut rules: Vec<RulePage> = manifest
        .rules
        .iter()
        .map(|rule| {
            let (mark, confidence) = match rule.confidence {
                Some(Confidence::High) => ("high", Some("Settled.")),
                Some(Confidence::Medium) => ("medium", Some("Counsel should confirm.")),
                Some(Confidence::Low) => ("low", Some("A cautious reading.")),
                None => ("", None),
            };
            RulePage {
                id: rule.id.clone(),
                title: if rule.title.is_empty() { rule.id.clone() } else { rule.title.clone() },
                citation: rule.citation.clone(),
                summary: rule.summary.clone(),
                confidence,
                mark,
                cases: Vec::new(),
                see_also: Vec::new(),
            }
        })
        .collect();
    let mut other = Vec::new();
    for case in cases {
        let home = rules.iter().position(|rule| case.rules.iter().any(|(id, _)| *id == rule.id));
        for (n, rule) in rules.iter_mut().enumerate() {
            let named = case.rules.iter().find(|(id, _)| *id == rule.id);
            if let Some((_, speaks)) = named.filter(|_| Some(n) != home) {
                rule.see_also.push((case.number, case.name.clone(), *speaks));
            }
        }
        match home.and_then(|n| rules.get_mut(n)) {
            Some(rule) => rule.cases.push(case),
            None => other.push(case),
        }
    }
    // Numbers run through the page as it is read.
    let mut numbers = std::collections::BTreeMap::new();
    let in_order = rules.iter_mut().flat_map(|r| r.cases.iter_mut()).chain(&mut other);
    for (n, case) in in_order.enumerate() {
        numbers.insert(case.number, n + 1);
        case.number = n + 1;
    }
    for (number, ..) in rules.iter_mut().flat_map(|rule| &mut rule.see_also) {
        *number = numbers.get(number).copied().unwrap_or(*number);
    }
    (rules, other)
}

fn asked(stage: Stage) -> &'static str {
    match stage {
        Stage::Capture => {
            "May this call be recorded? It is asked when a call begins, whenever somebody joins, leaves or consents, when words are heard or keys pressed, and at the end."
        }
        Stage::Storage => {
            "May, and must, this recording be kept? It is asked when a recording is sealed, copied, moved, reviewed or about to be destroyed, when a legal hold begins or ends, and after a breach."
        }
        Stage::Access => {
            "May this person have it? It is asked when somebody signs in, searches, listens, exports, shares, redacts, discloses, amends or deletes."
        }
    }
}

fn rows(schema: &Value, within: &str, rows: &mut Vec<SettingRow>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        let meaning = property["description"].as_str().unwrap_or_default().to_owned();
        let default = property.get("default").map_or_else(|| "none".to_owned(), told::value);
        rows.push(SettingRow { name: name.clone(), kind: kind(property), default, meaning });
        self::rows(property, &name, rows);
    }
}

/// What may be given for a property.
fn kind(property: &Value) -> String {
    if property["enum"].is_array() {
        return format!("one of: {}", told::value(&property["enum"]));
    }
    let number = |key: &str| property[key].as_i64();
    match (property["type"].as_str().unwrap_or_default(), number("minimum"), number("maximum")) {
        ("boolean", ..) => "yes or no".into(),
        ("integer", Some(from), Some(to)) => format!("a whole number from {from} to {to}"),
        ("integer", Some(from), None) => format!("a whole number from {from}"),
        ("integer", ..) => "a whole number".into(),
        ("string", ..) => "words".into(),
        ("array", ..) => list_of(&property["items"]),
        ("object", ..) => "several settings".into(),
        (other, ..) => other.to_owned(),
    }
}

/// What may be given for a list of these.
fn list_of(items: &Value) -> String {
    match items["type"].as_str().unwrap_or_default() {
        _ if items["enum"].is_array() => format!("any of: {}", told::value(&items["enum"])),
        "string" => "a list of words".into(),
        "object" => "a list; each entry has several settings".into(),
        _ => format!("a list; each entry is {}", kind(items)),
    }
}

fn worse(change: Worse) -> &'static str {
    match change {
        Worse::ConsentRemoved => "A consent was not given",
        Worse::ConsentRefused => "Somebody refuses",
        Worse::NoticeRemoved => "A notice was not given",
        Worse::RegionUnknown => "Nobody knows where a party is",
        Worse::EncryptionRemoved => "What was encrypted is not",
        Worse::KeyCompromised => "The key is in other hands",
        Worse::AgreementRemoved => "A holder's agreement and attestation are missing",
        Worse::FactorDropped => "A factor was not shown",
        Worse::SessionIdle => "The session was left alone for an hour longer",
        Worse::AccountShared => "Several people use the account",
        Worse::PersonLeft => "The person left",
        Worse::HoldAdded => "A duty to preserve is in force when something is to be destroyed",
        Worse::CardCodeAdded => "A card verification code was found",
    }
}
