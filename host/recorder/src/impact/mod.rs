//! What another pack, or other settings, would have changed: history ruled again with a candidate.
//!
//! Only packs that change are asked; what the others said is taken from the record. Facts stay as they were: that a notice
//! which the candidate asks for would have been played, nobody can know.

mod change;
mod report;
mod running;

use std::{collections::HashSet, sync::Arc};

use caveat_engine::Engine;
use caveat_model::{AccessRequest, ClientId, Event, Facts, Mode, Moment, PackRuling, Stage, Verdict};
use caveat_packs::{Active, ActiveSet, LoadedPack, event_from_line};
use rayon::prelude::*;

pub use change::{Changed, Direction, Effect};
pub use report::{AccessTransition, Example, Group, ImpactReport, Transition};
pub use running::Candidate;

use crate::{Gone, History, RecorderError};
use report::Tally;

/// One pack that changes.
#[derive(Clone)]
pub struct Swap {
    /// Its name; rulings under this name are left out.
    pub name: String,
    /// What is asked instead; none: the pack is removed.
    pub with: Option<Arc<LoadedPack>>,
    /// Whether it would be obeyed.
    pub mode: Mode,
}

/// An event of the past.
#[derive(Debug, Clone)]
pub struct Past {
    /// Which recording it belongs to, under any name.
    pub recording: Option<String>,
    /// Its place: index in the ledger, or line in the file.
    pub place: u64,
    /// What happened.
    pub event: Event,
    /// What was known.
    pub facts: Facts,
    /// What was decided; none: the packs of today are asked.
    pub verdict: Option<Verdict>,
}

/// History ruled again, in portions; [`Impact::report`] at the end.
pub struct Impact {
    asked: Arc<Asked>,
    tally: Tally,
}

/// Who is asked. Shared by all threads.
struct Asked {
    engine: Arc<Engine>,
    /// The packs of today that stay; asked where there is no record.
    staying: ActiveSet,
    /// The packs of today that change; asked where there is no record.
    going: ActiveSet,
    candidates: ActiveSet,
    changing: HashSet<String>,
}

/// What became of one event.
pub(crate) struct Compared {
    pub(crate) recording: Option<String>,
    pub(crate) place: u64,
    pub(crate) at: Moment,
    pub(crate) stage: Stage,
    pub(crate) event: &'static str,
    pub(crate) asked: Option<AccessRequest>,
    pub(crate) was: Verdict,
    pub(crate) is: Verdict,
    pub(crate) changes: Vec<Changed>,
    pub(crate) failed: Option<String>,
}

impl Impact {
    /// `today` is asked about events that come without a verdict.
    pub fn new(engine: Arc<Engine>, client: &ClientId, today: &ActiveSet, swaps: &[Swap]) -> Self {
        let changing: HashSet<String> = swaps.iter().map(|s| s.name.clone()).collect();
        let (going, staying) = today
            .packs
            .iter()
            .cloned()
            .partition(|active| changing.contains(&active.loaded.manifest.pack.name));
        let candidate = |s: &Swap| s.with.clone().map(|loaded| Active { loaded, mode: s.mode });
        let candidates = ActiveSet { packs: swaps.iter().filter_map(candidate).collect() };
        let (staying, going) = (ActiveSet { packs: staying }, ActiveSet { packs: going });
        let asked = Arc::new(Asked { engine, staying, going, candidates, changing });
        Self { asked, tally: Tally::new(client) }
    }

    /// Takes events in the order in which they happened. Uses every core.
    pub fn take(&mut self, events: Vec<Past>) {
        let asked = &self.asked;
        let compared: Vec<Compared> = events.into_par_iter().map(|past| asked.compare(past)).collect();
        compared.into_iter().for_each(|one| self.tally.add(one));
    }

    /// Takes lines of JSON, `{"event": .., "facts": ..}` with an optional `recording`; the first has the number `first`.
    ///
    /// # Errors
    /// What is wrong with a line, with its number; lines before it are taken.
    pub fn take_lines(&mut self, first: u64, lines: Vec<String>) -> Result<(), (u64, String)> {
        let asked = &self.asked;
        let read = |(n, line): (usize, String)| {
            let place = first + n as u64;
            let (event, facts, recording) = event_from_line(&line).map_err(|problem| (place, problem))?;
            Ok(asked.compare(Past { recording, place, event, facts, verdict: None }))
        };
        let lines: Vec<_> = lines.into_iter().enumerate().filter(|(_, l)| !l.trim().is_empty()).collect();
        let compared: Vec<Result<Compared, _>> = lines.into_par_iter().map(read).collect();
        compared.into_iter().try_for_each(|one| one.map(|one| self.tally.add(one)))
    }

    /// Takes what a ledger holds. `progress` is told how many entries of how many were looked at.
    ///
    /// # Errors
    /// The ledger, the vault or the store fails; a detail that is not what was put there (`caveat replay` says more).
    pub async fn take_history(
        self,
        mut history: History,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Self, RecorderError> {
        let asked = self.asked.clone();
        let broken = |_| RecorderError::Interrupted { what: "ruling again" };
        // A portion is read while the one before it is ruled on.
        let mut ruling = tokio::task::spawn_blocking(move || self);
        loop {
            let portion = Portion::next(&mut history, &asked).await?;
            let mut so_far = ruling.await.map_err(broken)?;
            let Some(portion) = portion else { return Ok(so_far) };
            ruling = tokio::task::spawn_blocking(move || {
                portion.gone.into_iter().for_each(|gone| so_far.tally.gone(gone));
                so_far.take(portion.events);
                so_far
            });
            let (done, all) = history.progress();
            progress(done, all);
        }
    }

    /// What would have changed, so far.
    pub fn report(self) -> ImpactReport {
        self.tally.report()
    }
}

/// What a ledger holds next.
struct Portion {
    events: Vec<Past>,
    /// Why others cannot be ruled on again.
    gone: Vec<Gone>,
}

impl Portion {
    /// None at the end.
    async fn next(history: &mut History, asked: &Asked) -> Result<Option<Self>, RecorderError> {
        let decisions = history.next().await?;
        if decisions.is_empty() {
            return Ok(None);
        }
        let mut portion = Self { events: Vec::with_capacity(decisions.len()), gone: vec![] };
        for decision in decisions {
            let recording = decision.pseudonym().map(str::to_owned);
            let place = decision.index;
            let recorded = match decision.recorded {
                Ok(recorded) => recorded,
                Err(None) => {
                    portion.gone.push(Gone::Detail);
                    continue;
                }
                Err(Some(why)) => return Err(RecorderError::Detail { index: place, why }),
            };
            let event = match asked.is_about(recorded.event.stage()) {
                true => history.whole_event(&recorded).await?,
                false => Ok(recorded.event),
            };
            match event {
                Ok(event) => {
                    let (facts, verdict) = (recorded.facts, Some(recorded.verdict));
                    portion.events.push(Past { recording, place, event, facts, verdict });
                }
                Err(gone) => portion.gone.push(gone),
            }
        }
        Ok(Some(portion))
    }
}

impl Asked {
    /// Whether a candidate has a say at this stage, and so has to see the whole event.
    fn is_about(&self, stage: Stage) -> bool {
        self.candidates.packs.iter().any(|p| p.loaded.manifest.pack.stages.contains(&stage))
    }

    fn compare(&self, past: Past) -> Compared {
        let Past { recording, place, event, facts, verdict } = past;
        let was = verdict.unwrap_or_else(|| {
            let mut rulings = self.staying.ask(&self.engine, &event, &facts);
            rulings.extend(self.going.ask(&self.engine, &event, &facts));
            Verdict::merge(&event, &facts, rulings)
        });
        let staying = was.rulings.iter().filter(|r| !self.changing.contains(&r.pack.name)).cloned();
        let asked = self.candidates.ask(&self.engine, &event, &facts);
        let failed =
            asked.iter().find_map(|r| r.failure.as_ref().map(|why| format!("{}: {why}", r.pack.name)));
        let rulings: Vec<PackRuling> = staying.chain(asked).collect();
        let is = Verdict::merge(&event, &facts, rulings);
        let changes = change::between(&was, &is, &event, &facts);
        let (stage, name) = (event.stage(), event.name());
        let asked = if let Event::Access(asked) = event { Some(asked) } else { None };
        Compared { recording, place, at: facts.now, stage, event: name, asked, was, is, changes, failed }
    }
}
