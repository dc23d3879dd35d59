//! Packs that only watch: what would be different if they were obeyed.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use caveat_model::{ClientId, Event, Facts, Mode, Moment, PackRef, PackRuling, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

/// Differences that are kept for showing, of each client. All of them are in the ledger's details.
const KEPT: usize = 100;

/// A verdict that would be another if a monitored pack were obeyed: in the place of the obeyed pack of its name if there
/// is one, else beside the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// When it ruled.
    pub at: Moment,
    /// Where the verdict stands in the ledger.
    pub ledger_index: u64,
    /// The monitored pack.
    pub pack: PackRef,
    /// What happened.
    pub event: String,
    /// What was done.
    pub outcome: String,
    /// What would have been done.
    pub would_be: String,
    /// Obligations that it would add.
    pub added: Vec<String>,
    /// Obligations that would be missing.
    pub missing: Vec<String>,
    /// Why it could not rule, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    #[serde(skip)]
    stricter: Option<bool>,
}

/// The newest differences of every client.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    kept: Mutex<HashMap<ClientId, VecDeque<Difference>>>,
}

impl Monitor {
    /// Compares a verdict with what it would be for each monitored pack; counts, and keeps what differs.
    pub(crate) fn compare(
        &self,
        client: &ClientId,
        event: &Event,
        facts: &Facts,
        verdict: &Verdict,
        index: u64,
    ) {
        for watched in verdict.rulings.iter().filter(|r| r.mode == Mode::Monitor) {
            let pack = watched.pack.name.clone();
            metrics::counter!("caveat_monitor_rulings_total", "client" => client.to_string(), "pack" => pack.clone())
                .increment(1);
            let Some(difference) = difference(event, facts, verdict, watched, index) else { continue };
            for kind in difference.kinds() {
                metrics::counter!("caveat_monitor_differences_total", "client" => client.to_string(),
                    "pack" => pack.clone(), "kind" => kind)
                .increment(1);
            }
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = kept.entry(client.clone()).or_default();
            kept.truncate(KEPT - 1);
            kept.push_front(difference);
        }
    }

    /// The newest first.
    pub(crate) fn newest(&self, client: &ClientId, limit: usize) -> Vec<Difference> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(client).into_iter().flatten().take(limit).cloned().collect()
    }
}

impl Difference {
    /// The `kind`s under which it is counted.
    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let outcome = self.stricter.map(|stricter| if stricter { "stricter" } else { "laxer" });
        let added = (!self.added.is_empty()).then_some("obligation-added");
        let missing = (!self.missing.is_empty()).then_some("obligation-missing");
        let failed = self.failure.is_some().then_some("failed");
        [outcome, added, missing, failed].into_iter().flatten()
    }
}

fn difference(
    event: &Event,
    facts: &Facts,
    verdict: &Verdict,
    watched: &PackRuling,
    index: u64,
) -> Option<Difference> {
    let obeyed =
        verdict.rulings.iter().filter(|r| r.mode == Mode::Active && r.pack.name != watched.pack.name);
    let promoted = PackRuling { mode: Mode::Active, ..watched.clone() };
    let would_be = Verdict::merge(event, facts, obeyed.cloned().chain([promoted]).collect());
    let codes = |v: &Verdict| v.obligations().map(|(_, o)| o.duty.code()).collect::<BTreeSet<_>>();
    let (is, would) = (codes(verdict), codes(&would_be));
    let stricter = (would_be.outcome != verdict.outcome).then_some(would_be.outcome > verdict.outcome);
    if stricter.is_none() && is == would && watched.failure.is_none() {
        return None;
    }
    Some(Difference {
        at: facts.now,
        ledger_index: index,
        pack: watched.pack.clone(),
        event: event.name().to_owned(),
        outcome: verdict.outcome.word(verdict.stage).to_owned(),
        would_be: would_be.outcome.word(verdict.stage).to_owned(),
        added: would.difference(&is).cloned().collect(),
        missing: is.difference(&would).cloned().collect(),
        failure: watched.failure.clone(),
        stricter,
    })
}
