//! The accounting of disclosures: who was given what of a recorded person, when, and why, read from the log (45 CFR
//! 164.528: six years back, with date, recipient, what, and purpose). And the log of what is done to accounts.

use std::collections::{HashMap, HashSet};

use caveat_ledger::EntryKind;
use caveat_model::{Act, ClientId, Duty, Event, Form, Moment, PersonId, Purpose, RecordingId, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{History, Recorder, RecorderError, Window};

/// 45 CFR 164.528(a)(1): an accounting goes back six years.
const SIX_YEARS_DAYS: u64 = 2_192;
const DAY_MS: u64 = 24 * 3_600_000;

/// Which of them are wanted.
#[derive(Debug, Clone, Default)]
pub struct Disclosures {
    /// Of calls that this person was on: a number, or an id given with the call. None: of everybody.
    pub of_person: Option<String>,
    /// Not before; none: six years back.
    pub since: Option<Moment>,
    /// Before this.
    pub until: Option<Moment>,
    /// Only those that the person recorded has a right to be told of.
    pub owed_only: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Disclosure {
    /// When it was granted.
    pub at: Moment,
    /// Of which recording.
    pub recording: RecordingId,
    /// To whom: the person who was given it.
    pub to: String,
    /// Outside the client: who was given it by that person; empty for nobody.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recipient: String,
    /// `play`, `export`, `share`, `disclose`.
    pub act: Act,
    /// In which form.
    pub form: Form,
    /// Why, as stated.
    pub purpose: Purpose,
    /// In their own words; empty when they gave none.
    pub reason: String,
    /// Bytes that were served.
    pub bytes: u64,
    /// The rule of a pack by which the person recorded has a right to be told of it, with its citation; none: no pack
    /// says so.
    pub owed: Option<(String, String)>,
    /// Where the grant stands in the log.
    pub ledger_index: u64,
}

impl Recorder {
    /// What was given of recordings, oldest first. What was granted and then failed is not among it.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn disclosures(
        &self,
        client: &ClientId,
        wanted: &Disclosures,
    ) -> Result<Vec<Disclosure>, RecorderError> {
        let (ledger, opener) = (self.house.ledger.clone(), self.house.vault.opener().clone());
        let of: Option<HashSet<RecordingId>> = match &wanted.of_person {
            Some(person) => Some(self.house.retention.of_person(client, person).await?.into_iter().collect()),
            None => None,
        };
        let now = self.house.clock.now();
        let six_years_ago = Moment::from_millis(now.as_millis().saturating_sub(SIX_YEARS_DAYS * DAY_MS));
        let since = Some(wanted.since.unwrap_or(six_years_ago));
        let served = self.served(client).await?;
        let window = Window { since, until: wanted.until };
        let mut history = History::open(ledger, opener, client, window).await?;
        let mut found = Vec::new();
        loop {
            let decisions = history.next().await?;
            if decisions.is_empty() {
                return Ok(found);
            }
            for decision in decisions {
                let Some((granted, bytes)) = served.get(&decision.index) else { continue };
                // Erased details say nothing any more; damaged ones are the audit's to tell of.
                let Ok(recorded) = decision.recorded else { continue };
                let (Event::Access(asked), Some(recording)) = (&recorded.event, recorded.recording) else {
                    continue;
                };
                let gives = matches!(asked.act, Act::Play | Act::Export | Act::Share | Act::Disclose);
                let owed = is_owed(&recorded.verdict);
                let is_wanted = of.as_ref().is_none_or(|of| of.contains(&recording));
                if !gives || !is_wanted || (wanted.owed_only && owed.is_none()) {
                    continue;
                }
                let who = recorded.who.unwrap_or_default();
                found.push(Disclosure {
                    at: decision.at,
                    recording,
                    to: who.by.strip_prefix("person ").unwrap_or(&who.by).to_owned(),
                    recipient: who.to,
                    act: asked.act,
                    form: asked.form,
                    purpose: asked.purpose,
                    reason: who.why,
                    bytes: *bytes,
                    owed,
                    ledger_index: *granted,
                });
            }
        }
    }

    /// By index of their verdict, accesses that came to something: index of the grant, and bytes.
    async fn served(&self, client: &ClientId) -> Result<HashMap<u64, (u64, u64)>, RecorderError> {
        let (mut next, mut verdict_of, mut served) = (0, HashMap::new(), HashMap::new());
        loop {
            let entries = self.house.ledger.entries(client, next..u64::MAX).await?;
            let Some((last, ..)) = entries.last() else { return Ok(served) };
            next = last + 1;
            for (index, entry, _) in entries {
                match entry.event {
                    EntryKind::AccessIntent { grant: true, verdict, recording: Some(_), .. } => {
                        verdict_of.insert(index, verdict);
                    }
                    EntryKind::AccessResult { intent, ok: true, bytes, .. } => {
                        if let Some(verdict) = verdict_of.remove(&intent) {
                            served.insert(verdict, (intent, bytes));
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Logs what is about to be done to somebody's account, by an administrator or, where `by` is none, by themselves with
    /// an invitation. `what` names no person.
    ///
    /// # Errors
    /// The log cannot be written: then it is not to be done.
    pub async fn account_changes(
        &self,
        client: &ClientId,
        by: Option<&PersonId>,
        person: &PersonId,
        what: String,
    ) -> Result<(), RecorderError> {
        let person = self.in_ledger(client, person).await?;
        let by = match by {
            Some(by) => Some(self.in_ledger(client, by).await?),
            None => None,
        };
        self.house.enter(client, EntryKind::AccountChanged { person, by, what }).await?;
        Ok(())
    }

    /// A person's name in the log.
    async fn in_ledger(&self, client: &ClientId, person: &PersonId) -> Result<String, RecorderError> {
        let name = person.as_str().as_bytes();
        Ok(self.house.vault.commitment(client, "person", name).await?.to_string())
    }
}

/// The rule that has the access entered in the accounting.
fn is_owed(verdict: &Verdict) -> Option<(String, String)> {
    let (_, owed) = verdict.obligations().find(|(_, obligation)| obligation.duty == Duty::LogDisclosure)?;
    let reason = verdict.reasons().map(|(_, reason)| reason).find(|reason| reason.rule == owed.rule);
    Some((owed.rule.clone(), reason.map(|reason| reason.citation.clone()).unwrap_or_default()))
}
