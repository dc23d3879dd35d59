//! Who is asked: the active set of each client, and how a failing pack is stood in for.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use caveat_engine::{Engine, Failure, Question};
use caveat_model::{ClientId, Event, Facts, Mode, Outcome, PackRef, PackRuling, Reason, Ruling, Stage};

use crate::{LoadedPack, Trace};

/// The rule that a stand-in ruling names. No pack may declare it.
pub const FAILURE_RULE: &str = "pack.failure";

/// One pack of a set.
#[derive(Clone)]
pub struct Active {
    /// The pack.
    pub loaded: Arc<LoadedPack>,
    /// Whether it is obeyed.
    pub mode: Mode,
}

/// The packs that rule for a client, all of them for every event. A set never changes; a new one replaces it.
#[derive(Clone, Default)]
pub struct ActiveSet {
    /// In no particular order: the merge does not depend on it.
    pub packs: Vec<Active>,
}

impl ActiveSet {
    /// A set in which each pack is obeyed.
    pub fn obeying(packs: impl IntoIterator<Item = Arc<LoadedPack>>) -> Self {
        Self { packs: packs.into_iter().map(|loaded| Active { loaded, mode: Mode::Active }).collect() }
    }

    /// Asks each pack that has a say at the event's stage. One that fails, or names a rule it never declared, is
    /// answered for by its declared safe outcome; none is ever left out.
    pub fn ask(&self, engine: &Engine, event: &Event, facts: &Facts) -> Vec<PackRuling> {
        let question = Question::new(event, facts);
        self.asked(event).map(|pack| pack.ask(engine, event, &question)).collect()
    }

    /// [`Self::ask`], and where in its code each pack that broke off did so.
    pub fn ask_traced(&self, engine: &Engine, event: &Event, facts: &Facts) -> (Vec<PackRuling>, Vec<Trace>) {
        let question = Question::new(event, facts);
        let (rulings, traces): (Vec<_>, Vec<_>) =
            self.asked(event).map(|pack| pack.ask_traced(engine, event, &question)).unzip();
        (rulings, traces.into_iter().flatten().collect())
    }

    /// [`Self::ask`] of the packs in this mode only: those that are obeyed are waited for, the others are not.
    pub fn ask_those(&self, mode: Mode, engine: &Engine, event: &Event, facts: &Facts) -> Vec<PackRuling> {
        let question = Question::new(event, facts);
        let asked = self.asked(event).filter(|pack| pack.mode == mode);
        asked.map(|pack| pack.ask(engine, event, &question)).collect()
    }

    /// Whether an event of this kind is put to a pack that is not obeyed.
    pub fn monitors(&self, event: &Event) -> bool {
        self.asked(event).any(|pack| pack.mode == Mode::Monitor)
    }

    /// The exact packs, for the ledger.
    pub fn references(&self) -> Vec<PackRef> {
        self.packs.iter().map(|pack| pack.loaded.reference.clone()).collect()
    }

    fn asked(&self, event: &Event) -> impl Iterator<Item = &Active> {
        let stage = event.stage();
        self.packs.iter().filter(move |pack| pack.loaded.manifest.pack.stages.contains(&stage))
    }
}

impl Active {
    fn ask(&self, engine: &Engine, event: &Event, question: &Question<'_>) -> PackRuling {
        self.ask_traced(engine, event, question).0
    }

    fn ask_traced(
        &self,
        engine: &Engine,
        event: &Event,
        question: &Question<'_>,
    ) -> (PackRuling, Option<Trace>) {
        let loaded = &self.loaded;
        let _traced =
            tracing::trace_span!(target: "caveat_trace", "ruling", pack = loaded.reference.name).entered();
        let (answer, fuel) = match engine.ask(&loaded.pack, question) {
            Err(failure) => (Err(Broken::from(&failure)), 0),
            Ok(answer) => match loaded.undeclared(&answer.ruling) {
                Some(rule) => (Err(Broken::undeclared(&loaded.reference.name, rule)), answer.fuel),
                None => (Ok(answer.ruling), answer.fuel),
            },
        };
        let (ruling, failure, trace) = match answer {
            Ok(ruling) => (ruling, None, None),
            Err(broken) => {
                let (pack, stage) = (&loaded.reference.name, event.stage());
                let trace = broken.log(pack, event);
                let safe = stand_in(loaded.manifest.safe_outcome(stage), stage, pack, &broken.why);
                (safe, Some(broken.why), trace)
            }
        };
        let pack = loaded.reference.clone();
        (PackRuling { pack, mode: self.mode, ruling, failure, fuel }, trace)
    }
}

/// A pack that gave no ruling that counts.
struct Broken {
    why: String,
    limit: &'static str,
    frames: Vec<String>,
}

impl Broken {
    fn from(failure: &Failure) -> Self {
        Self { why: failure.to_string(), limit: failure.limit(), frames: failure.backtrace().to_vec() }
    }

    /// To the engine it was a ruling, so that it is counted here.
    fn undeclared(pack: &str, rule: &str) -> Self {
        let limit = "undeclared-rule";
        metrics::counter!("caveat_pack_failures_total", "pack" => pack.to_owned(), "limit" => limit)
            .increment(1);
        let why = format!("it named the rule `{rule}`, which its manifest does not declare");
        Self { why, limit, frames: Vec::new() }
    }

    fn log(&self, pack: &str, event: &Event) -> Option<Trace> {
        let Self { why, limit, frames } = self;
        let (stage, event) = (event.stage(), event.name());
        tracing::warn!(pack, %stage, event, limit, %why, "a pack failed; its declared safe outcome stands");
        if frames.is_empty() {
            return None;
        }
        let trace = Trace { pack: pack.to_owned(), frames: frames.clone() };
        tracing::debug!(pack, %stage, event, limit, "{trace}");
        Some(trace)
    }
}

fn stand_in(outcome: Outcome, stage: Stage, pack: &str, why: &str) -> Ruling {
    let reason = Reason {
        rule: FAILURE_RULE.to_owned(),
        citation: format!("pack.toml of {pack}, on-failure.{stage}"),
        message: format!("Pack {pack} could not rule: {why}."),
    };
    Ruling { outcome, reasons: vec![reason], ..Ruling::default() }
}

/// The active set of every client. Reading is one atomic load; whoever took a set keeps it to the end of its event.
#[derive(Default)]
pub struct ActiveSets {
    by_client: ArcSwap<HashMap<ClientId, Arc<ActiveSet>>>,
}

impl ActiveSets {
    /// The set to ask for one event; none for a client that nobody configured.
    pub fn snapshot(&self, client: &ClientId) -> Option<Arc<ActiveSet>> {
        self.by_client.load().get(client).cloned()
    }

    /// Puts a set in place for all events from now on. Events that have their set already end on it.
    pub fn replace(&self, client: &ClientId, set: impl Into<Arc<ActiveSet>>) {
        let set = set.into();
        self.by_client.rcu(|current| {
            let mut next = HashMap::clone(current);
            next.insert(client.clone(), set.clone());
            next
        });
    }
}
