//! What every call and every access goes through: ask the packs, log the verdict, tell whoever has to know.

use std::sync::{Arc, atomic::AtomicUsize};

use caveat_engine::Engine;
use caveat_ledger::{EntryKind, Ledger, LedgerError, NewEntry};
use caveat_model::{
    ClientId, Clock, Duty, Event, Facts, Outcome, Reason, RecordingId, StorageEvent, Verdict,
};
use caveat_packs::ActiveSets;
use caveat_retention::Retention;
use caveat_state::{Db, Statement};
use caveat_vault::{Suite, Vault};
use tracing::Instrument;

use crate::{
    Assurance, ClientProfile, Clients, Limits, Live, RecorderError, RecordingState, Storage, Watch, Who,
    alerts::Alerts,
    begun::Begun,
    bounds::Bounds,
    catalog::Catalog,
    history::{DETAIL, Detail, PSEUDONYM, SCORED, without_words},
    hosts::{Among, Places},
    keys::Rewraps,
    late::Late,
    monitor::Monitor,
    requests::Requests,
    turns::Turns,
};

/// The rooms that the path leads through.
pub(crate) struct House {
    pub(crate) engine: Arc<Engine>,
    pub(crate) packs: Arc<ActiveSets>,
    pub(crate) vault: Vault,
    pub(crate) ledger: Ledger,
    pub(crate) retention: Retention,
    pub(crate) catalog: Catalog,
    pub(crate) alerts: Alerts,
    pub(crate) late: Late,
    pub(crate) begun: Begun,
    pub(crate) bounds: Bounds,
    pub(crate) answers: crate::answers::Answers,
    pub(crate) requests: Requests,
    pub(crate) clients: Clients,
    pub(crate) turns: Turns,
    pub(crate) rewraps: Rewraps,
    /// Held while the schedule is looked at.
    pub(crate) sweeping: tokio::sync::Mutex<()>,
    /// How often it was.
    pub(crate) sweeps: AtomicUsize,
    pub(crate) assurance: Assurance,
    pub(crate) watch: Watch,
    pub(crate) monitor: Monitor,
    pub(crate) storage: Storage,
    /// What this host is among others; none: it is the only one.
    pub(crate) among: Option<Among>,
    pub(crate) places: Places,
    pub(crate) db: Db,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
}

/// What those who watch are told beside a verdict.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    pub(crate) recording: Option<RecordingId>,
    pub(crate) call: &'a str,
    pub(crate) state: Option<RecordingState>,
    pub(crate) not_recording: &'a [Reason],
    pub(crate) who: Option<&'a Who>,
}

/// A verdict that stands in the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) verdict: Verdict,
    pub(crate) index: u64,
}

/// A verdict that is yet to be logged.
pub(crate) struct Ruled<'a> {
    pub(crate) event: &'a Event,
    pub(crate) verdict: Verdict,
    pub(crate) who: Option<&'a Who>,
}

/// The ruling on where a recording would be kept.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) event: Event,
    pub(crate) verdict: Verdict,
    /// What it would be sealed with, and whether that is allowed.
    pub(crate) suite: Suite,
    suite_fits: bool,
    /// Whether it may be kept there.
    pub(crate) fits: bool,
}

impl House {
    /// Puts an event to one snapshot of the client's packs. An event never straddles a swap.
    /// A client with a quota of ruling time waits here when it has used it up.
    pub(crate) async fn ask(
        &self,
        client: &ClientId,
        event: &Event,
        facts: &Facts,
    ) -> Result<Verdict, RecorderError> {
        let quota = self.clients.get(client).and_then(|c| c.practice.quota.ruling_ms_per_second_max);
        let _turn = match quota {
            Some(ms) => Some(self.turns.take(client, ms).await),
            None => None,
        };
        let set = self
            .packs
            .snapshot(client)
            .ok_or_else(|| RecorderError::NoPacks { client: client.to_string() })?;
        let rulings = {
            let _traced = traced!("rulings").entered();
            set.ask(&self.engine, event, facts)
        };
        let _traced = traced!("merge").entered();
        Ok(Verdict::merge(event, facts, rulings))
    }

    /// Makes a verdict durable, the sealed detail and the ledger entry together. The commit point.
    pub(crate) async fn log(
        &self,
        client: &ClientId,
        recording: Option<RecordingId>,
        event: &Event,
        facts: &Facts,
        verdict: Verdict,
        who: Option<&Who>,
    ) -> Result<Logged, RecorderError> {
        let ruled = vec![Ruled { event, verdict, who }];
        let logged = self.log_all(client, recording, facts, ruled, (vec![], vec![])).await?;
        logged.into_iter().next().ok_or_else(|| LedgerError::Stopped { client: client.clone() }.into())
    }

    /// Makes verdicts on the same facts durable, and with them further entries and what other rooms have to write, all in
    /// one commit.
    pub(crate) async fn log_all(
        &self,
        client: &ClientId,
        recording: Option<RecordingId>,
        facts: &Facts,
        ruled: Vec<Ruled<'_>>,
        (further, beside): (Vec<EntryKind>, Vec<Statement>),
    ) -> Result<Vec<Logged>, RecorderError> {
        let mut entries = Vec::with_capacity(ruled.len() + further.len());
        for one in &ruled {
            entries.push(self.entry_of(client, recording, facts, one).await?);
        }
        entries.extend(further.into_iter().map(NewEntry::new));
        let appended = self.ledger.append_all(client, entries, beside);
        let positions = appended.instrument(traced!("ledger")).await?;
        let logged = |(Ruled { event, verdict, .. }, index): (Ruled<'_>, u64)| {
            counted(client, &verdict);
            self.monitor.compare(client, event, facts, &verdict, index);
            Logged { verdict, index }
        };
        Ok(ruled.into_iter().zip(positions.into_iter().map(|p| p.index)).map(logged).collect())
    }

    async fn entry_of(
        &self,
        client: &ClientId,
        recording: Option<RecordingId>,
        facts: &Facts,
        Ruled { event, verdict, who }: &Ruled<'_>,
    ) -> Result<NewEntry, RecorderError> {
        let (event_kept, words_in_transcript) = without_words(event);
        let detail = Detail { recording, event: &event_kept, facts, verdict, words_in_transcript, who: *who };
        let plain = serde_json::to_vec(&detail).map_err(|source| RecorderError::Facts {
            id: recording.unwrap_or_else(|| RecordingId::new(facts.now)),
            source,
        })?;
        let sealed = self.vault.seal_detail(client, DETAIL, &plain).instrument(traced!("vault")).await?;
        let pseudonym = match recording {
            Some(id) => Some(self.pseudonym(client, id).await?),
            None => None,
        };
        let entry = |digest| EntryKind::of_verdict(pseudonym, event.name(), verdict, Some(digest));
        let entry = NewEntry::with_detail(sealed.into(), entry);
        let gives_points = verdict.rulings.iter().any(|ruling| !ruling.ruling.scores.is_empty());
        Ok(if gives_points { entry.listed(SCORED) } else { entry })
    }

    /// Appends an entry about a recording.
    pub(crate) async fn enter(&self, client: &ClientId, entry: EntryKind) -> Result<u64, RecorderError> {
        Ok(self.ledger.append(client, entry).await?.index)
    }

    /// The recording's name in the ledger.
    pub(crate) async fn pseudonym(
        &self,
        client: &ClientId,
        id: RecordingId,
    ) -> Result<String, RecorderError> {
        Ok(self.vault.commitment(client, PSEUDONYM, id.0.as_bytes()).await?.to_string())
    }

    /// Tells those who watch, and raises what somebody has to see to.
    pub(crate) async fn tell(
        &self,
        client: &ClientId,
        event: &Event,
        logged: &Logged,
        about: About<'_>,
    ) -> Result<(), RecorderError> {
        let Logged { verdict, index } = logged;
        let recording = about.recording;
        let at = self.clock.now();
        self.watch.tell(Live {
            at,
            client: client.clone(),
            recording,
            call: about.call.to_owned(),
            event: event.name().to_owned(),
            stage: verdict.stage.to_string(),
            outcome: verdict.outcome.word(verdict.stage).to_owned(),
            state: about.state,
            obligations: verdict.obligations().map(|(_, o)| (o.duty.to_string(), o.rule.clone())).collect(),
            reasons: verdict
                .reasons()
                .map(|(_, r)| (r.rule.clone(), r.citation.clone(), r.message.clone()))
                .collect(),
            not_recording: about
                .not_recording
                .iter()
                .map(|r| (r.rule.clone(), r.citation.clone(), r.message.clone()))
                .collect(),
            who: about.who.cloned(),
            ledger_index: *index,
        });
        for (pack, obligation) in verdict.obligations() {
            let (kind, message) = match &obligation.duty {
                Duty::Alert(whom) => {
                    (whom.as_str(), format!("{} asks to be told of `{}`", pack.name, event.name()))
                }
                Duty::SeeTo(task) => {
                    let due = task.due.map_or(String::new(), |m| format!(" by {}", m.date()));
                    ("task", format!("{}{due}", task.action))
                }
                _ => continue,
            };
            let reason = verdict.reasons().map(|(_, r)| r).find(|r| r.rule == obligation.rule);
            let citation = reason.map_or("", |r| r.citation.as_str());
            self.alerts.raise(client, at, recording, kind, (&obligation.rule, citation, &message)).await?;
        }
        for conflict in &verdict.conflicts {
            let kind = format!("{:?}", conflict.kind);
            self.alerts.raise(client, at, recording, "conflict", (&kind, "", &conflict.resolution)).await?;
        }
        Ok(())
    }

    /// Tells somebody that a call, or a part of it, is not recorded, and why.
    pub(crate) async fn tell_not_recorded(
        &self,
        client: &ClientId,
        recording: RecordingId,
        verdict: &Verdict,
    ) -> Result<(), RecorderError> {
        for ruling in verdict.rulings.iter().filter(|r| r.ruling.outcome == Outcome::Refuse) {
            for reason in &ruling.ruling.reasons {
                let why = (reason.rule.as_str(), reason.citation.as_str(), reason.message.as_str());
                self.alerts.raise(client, self.clock.now(), Some(recording), "not-recorded", why).await?;
            }
        }
        Ok(())
    }

    /// May a recording be kept where this client's recordings are kept? Asked before the first byte is written. Every ruling
    /// has to be logged; the last one counts.
    pub(crate) async fn rule_on_place(
        &self,
        client: &ClientProfile,
        facts: &Facts,
    ) -> Result<Vec<Place>, RecorderError> {
        let preferred = self.vault.suite_of(&client.id);
        let place = self.rule_on_suite(client, facts, preferred).await?;
        // Packs may ask for the other suite: then they are asked about that one, and it is taken.
        let asked = place.verdict.terms.encrypt_with.clone();
        let other = asked.into_iter().flatten().find_map(|cipher| {
            Suite::ALL.into_iter().find(|suite| *suite != preferred && suite.cipher() == cipher)
        });
        match other.filter(|_| !place.suite_fits) {
            Some(suite) => Ok(vec![place, self.rule_on_suite(client, facts, suite).await?]),
            None => Ok(vec![place]),
        }
    }

    async fn rule_on_suite(
        &self,
        client: &ClientProfile,
        facts: &Facts,
        suite: Suite,
    ) -> Result<Place, RecorderError> {
        let vault = self.vault.placement(suite);
        let mut placement = client.placement.clone();
        (placement.cipher, placement.key) = (vault.cipher, vault.key);
        let event = Event::Storage(StorageEvent::Seal(placement.clone()));
        let verdict = self.ask(&client.id, &event, facts).await?;
        let terms = &verdict.terms;
        let place_fits = terms.place_in.as_ref().is_none_or(|places| {
            placement.region.as_ref().is_some_and(|here| places.iter().any(|p| here.within(p)))
        });
        let suite_fits = terms.encrypt_with.as_ref().is_none_or(|suites| suites.contains(&placement.cipher));
        let immutable_fits = !terms.asks(&Duty::Immutable) || placement.traits.immutable;
        let fits = verdict.outcome == Outcome::Allow && place_fits && suite_fits && immutable_fits;
        Ok(Place { event, verdict, suite, suite_fits, fits })
    }
}

/// The rule that goes before the others, and its citation; both empty where no pack has a word to say.
pub(crate) fn first_of(verdict: &Verdict) -> (String, String) {
    verdict.reasons().next().map(|(_, r)| (r.rule.clone(), r.citation.clone())).unwrap_or_default()
}

/// The rule that a receipt names for what people wanted gone: that of the packs, or else that two people agreed.
pub(crate) fn first_or_two_people(verdict: &Verdict) -> String {
    match first_of(verdict) {
        (rule, _) if rule.is_empty() => "host.two-people".to_owned(),
        (rule, _) => rule,
    }
}

/// Counts a verdict that stands, and each rule that speaks in it. Rules are those that packs declare, so there are few.
fn counted(client: &ClientId, verdict: &Verdict) {
    let (client, stage) = (client.to_string(), verdict.stage.to_string());
    let outcome = verdict.outcome.word(verdict.stage);
    metrics::counter!("caveat_verdicts_total", "client" => client.clone(), "stage" => stage, "outcome" => outcome)
        .increment(1);
    for (_, reason) in verdict.reasons() {
        let (client, rule) = (client.clone(), reason.rule.clone());
        metrics::counter!("caveat_verdict_rules_total", "client" => client, "rule" => rule, "outcome" => outcome)
            .increment(1);
    }
}
