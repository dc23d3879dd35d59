//! What holds for every pack, tried on random events: it never fails, and it never gets laxer when a fact gets worse.
//!
//! *Worse* is a list of single changes ([`Worse`]), each with the reason why no rule may get laxer by it. *Laxer* compares
//! outcomes alone, not obligations, in the order of strictness that the contract gives them: allow, then restrain (suspend,
//! ask, step up), then refuse. A step-up is no laxer than a refusal where the change took away the very proof that it asks
//! for (a factor, a fresh session): it gives nothing, and once that proof is there the ruling is the one from before. A pack
//! for which the law itself is otherwise declares the change under `[[not-monotone]]`, with the law's reason; it is shown in
//! every report.

mod generate;
mod shrink;
mod worse;

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

use caveat_engine::Engine;
use caveat_model::{Event, Facts, Outcome, PackRuling};
use serde::Serialize;
use serde_json::{Value, json};

use generate::Source;
pub use worse::Worse;

use crate::{
    ActiveSet, LoadedPack, PackError, PackFile,
    cases::{Configured, scripts_in},
    report::Paint,
};

/// What came of the random events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PropertyReport {
    /// Which pack.
    pub pack: String,
    /// The same seed, cases and pack give the same events.
    pub seed: u64,
    /// How many events were put to it.
    pub events: usize,
    /// Each way of making facts worse.
    pub changes: Vec<ChangeReport>,
    /// What went wrong; at most one of each kind.
    pub wrong: Vec<Counterexample>,
}

/// One way of making facts worse.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeReport {
    /// Which.
    pub change: Worse,
    /// Why no rule may get laxer by it.
    pub why: &'static str,
    /// How often there was something to make worse.
    pub compared: usize,
    /// How often the ruling got stricter.
    pub stricter: usize,
    /// Why it does not hold for this pack, as its manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opted_out: Option<String>,
}

/// The smallest event that shows what is wrong. `event`, and `worse` where there is one, can be given to
/// `caveat decide --event` as they are.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counterexample {
    /// What is wrong.
    pub what: String,
    /// Settings of the pack, defaults filled in.
    pub settings: Value,
    /// The event with its facts.
    pub event: Value,
    /// The same, with the fact made worse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worse: Option<Value>,
}

/// Puts `count` random events to the pack, with the settings that its cases in `dir` use, and makes each one worse in every
/// way there is.
///
/// # Errors
/// As [`crate::run_cases`]. What is found is in the report.
pub fn check_properties(
    engine: &Engine,
    file: &PackFile,
    dir: &Path,
    count: usize,
    seed: u64,
) -> Result<PropertyReport, PackError> {
    let scripts = scripts_in(dir, &file.manifest().rule_ids())?;
    let mut packs = Configured::new(engine, file);
    let mut settings: BTreeMap<String, Arc<LoadedPack>> = BTreeMap::new();
    for script in &scripts {
        settings.insert(script.settings.to_string(), packs.with(&script.settings)?);
    }
    let settings: Vec<Arc<LoadedPack>> = settings.into_values().collect();
    let known = scripts.into_iter().flat_map(|s| s.steps).map(|s| (s.event, s.facts)).collect();
    let mut source = Source::new(seed, file.manifest(), known);
    let mut trial = Trial::new(engine, file);
    for n in 0..count {
        let (event, facts) = source.next();
        if let Some(pack) = settings.get(n % settings.len().max(1)) {
            trial.put(pack, &event, &facts);
        }
    }
    let Trial { changes, wrong, .. } = trial;
    let pack = file.manifest().pack.name.clone();
    Ok(PropertyReport { pack, seed, events: count, changes, wrong: wrong.into_values().collect() })
}

struct Trial<'a> {
    engine: &'a Engine,
    changes: Vec<ChangeReport>,
    /// By what is broken: none for a pack that fails.
    wrong: BTreeMap<Option<Worse>, Counterexample>,
}

impl<'a> Trial<'a> {
    fn new(engine: &'a Engine, file: &PackFile) -> Self {
        let opted_out = |change: Worse| {
            file.manifest().not_monotone.iter().find(|e| e.change == change).map(|e| e.reason.clone())
        };
        let report = |change: Worse| ChangeReport {
            change,
            why: change.why(),
            compared: 0,
            stricter: 0,
            opted_out: opted_out(change),
        };
        Self { engine, changes: Worse::ALL.map(report).into(), wrong: BTreeMap::new() }
    }

    fn put(&mut self, pack: &Arc<LoadedPack>, event: &Event, facts: &Facts) {
        let asked = Asking { engine: self.engine, set: ActiveSet::obeying([pack.clone()]) };
        let Some(before) = asked.outcome(event, facts) else {
            self.wrong.entry(None).or_insert_with(|| asked.failure(pack, event, facts));
            return;
        };
        for report in self.changes.iter_mut().filter(|c| c.opted_out.is_none()) {
            let Some((worse, worse_facts)) = report.change.of(event, facts) else { continue };
            match asked.outcome(&worse, &worse_facts) {
                None => {
                    self.wrong.entry(None).or_insert_with(|| asked.failure(pack, &worse, &worse_facts));
                }
                Some(after) => {
                    report.compared += 1;
                    report.stricter += usize::from(after > before);
                    if report.change.is_laxer(event.stage(), before, after) {
                        let change = report.change;
                        let example = || asked.laxer(pack, change, event, facts);
                        self.wrong.entry(Some(change)).or_insert_with(example);
                    }
                }
            }
        }
    }
}

/// One pack with its settings.
struct Asking<'a> {
    engine: &'a Engine,
    set: ActiveSet,
}

impl Asking<'_> {
    fn ask(&self, event: &Event, facts: &Facts) -> Option<PackRuling> {
        self.set.ask(self.engine, event, facts).pop()
    }

    /// None when the pack fails. A pack that is not asked allows.
    fn outcome(&self, event: &Event, facts: &Facts) -> Option<Outcome> {
        match self.ask(event, facts) {
            Some(answer) if answer.failure.is_some() => None,
            Some(answer) => Some(answer.ruling.outcome),
            None => Some(Outcome::Allow),
        }
    }

    fn failure(&self, pack: &LoadedPack, event: &Event, facts: &Facts) -> Counterexample {
        let (event, facts) =
            shrink::smallest(event.clone(), facts.clone(), |e, f| self.outcome(e, f).is_none());
        let why = self.ask(&event, &facts).and_then(|a| a.failure).unwrap_or_default();
        Counterexample {
            what: format!("it fails: {why}"),
            settings: pack.settings.clone(),
            event: json!({ "event": event, "facts": facts }),
            worse: None,
        }
    }

    fn laxer(&self, pack: &LoadedPack, change: Worse, event: &Event, facts: &Facts) -> Counterexample {
        let both = |event: &Event, facts: &Facts| {
            let (worse, worse_facts) = change.of(event, facts)?;
            Some((self.outcome(event, facts)?, self.outcome(&worse, &worse_facts)?))
        };
        let is_laxer = |e: &Event, f: &Facts| {
            both(e, f).is_some_and(|(before, after)| change.is_laxer(e.stage(), before, after))
        };
        let (event, facts) = shrink::smallest(event.clone(), facts.clone(), is_laxer);
        let stage = event.stage();
        let words = both(&event, &facts).map(|(b, a)| (b.word(stage), a.word(stage))).unwrap_or_default();
        let worse = change.of(&event, &facts).map(|(e, f)| json!({ "event": e, "facts": f }));
        Counterexample {
            what: format!("{change}: `{}` becomes `{}`, although {}", words.0, words.1, change.why()),
            settings: pack.settings.clone(),
            event: json!({ "event": event, "facts": facts }),
            worse,
        }
    }
}

impl PropertyReport {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }

    /// For people.
    pub fn to_text(&self, color: bool) -> String {
        let paint = Paint(color);
        let mut out = String::new();
        let compared: usize = self.changes.iter().map(|c| c.compared).sum();
        let Self { pack, events, seed, .. } = self;
        let (mark, what) = match self.passed() {
            true => (paint.good("ok  "), "never fail, and are never ruled laxer with worse facts"),
            false => (paint.bad("FAIL"), "show that it fails, or is laxer with worse facts"),
        };
        let _ = writeln!(
            out,
            "{mark} {pack}: {events} random events {what} ({compared} compared, --seed {seed})"
        );
        for change in self.changes.iter().filter(|c| c.opted_out.is_some()) {
            let reason = change.opted_out.as_deref().unwrap_or_default();
            let _ = writeln!(out, "     not asked: {}: {reason}", change.change);
        }
        for wrong in &self.wrong {
            let _ = writeln!(out, "     {}", paint.strong(&wrong.what));
            let _ = writeln!(out, "       settings {}", wrong.settings);
            let _ = writeln!(out, "       event    {}", wrong.event);
            if let Some(worse) = &wrong.worse {
                let _ = writeln!(out, "       worse    {worse}");
            }
        }
        if !self.passed() {
            let _ = writeln!(
                out,
                "     put either to `caveat decide --pack {} --event FILE`; a way that the law does not know goes into \
                 pack.toml as [[not-monotone]] with its reason",
                self.pack
            );
        }
        out
    }
}
