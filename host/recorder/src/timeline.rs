//! Everything in the log about one recording, as people read it: events, verdicts, rules and their citations.

use caveat_access::SignedIn;
use caveat_ledger::EntryKind;
use caveat_model::{Act, Conflict, Event, Form, Label, Moment, Offset, Purpose, RecordingId, Score};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Asked, Decided, PackSaid, Recorded, Recorder, RecorderError, entries::EntriesAbout, history::DETAIL,
};

/// The log of one recording, in its order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Timeline {
    /// What happened.
    pub events: Vec<TimelineEvent>,
    /// There is more than was asked for.
    pub is_cut: bool,
}

/// One entry. What belongs to verdicts only is empty in others.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TimelineEvent {
    /// Its place in the ledger.
    pub index: u64,
    /// When it was logged.
    pub at: Moment,
    /// Milliseconds since the call began, of what happened on the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<Offset>,
    /// What happened, in the contract's words, or the kind of entry (`sealed`, `hold-set`, `mask-result`).
    pub event: String,
    /// `capture`, `storage`, `access`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// As the contract calls it at this stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why.
    pub reasons: Vec<TimelineReason>,
    /// What had to be done.
    pub obligations: Vec<TimelineDuty>,
    /// Demands at odds.
    pub conflicts: Vec<Conflict>,
    /// What was found.
    pub labels: Vec<Label>,
    /// Points given.
    pub scores: Vec<Score>,
    /// What each pack said.
    pub packs: Vec<PackSaid>,
    /// Who is behind it, where somebody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What somebody had to say about the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Details were erased.
    pub is_erased: bool,
}

/// A rule that had a say.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TimelineReason {
    /// Of which pack.
    pub pack: String,
    /// Its id.
    pub rule: String,
    /// Statute, section, requirement.
    pub citation: String,
    /// In one sentence.
    pub message: String,
}

/// Something that had to be done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TimelineDuty {
    /// Of which pack.
    pub pack: String,
    /// What.
    pub duty: String,
    /// The rule that asked.
    pub rule: String,
}

impl Recorder {
    /// The log of a recording, `limit` entries at most; ruled on and logged as a look at its facts is.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRecording`], [`RecorderError::NotKept`] where its facts are gone; the rooms behind fail.
    pub async fn timeline(
        &self,
        who: &SignedIn,
        id: RecordingId,
        purpose: Purpose,
        limit: usize,
    ) -> Result<Result<Timeline, Decided>, RecorderError> {
        let (listed, facts) = self.house.catalog.get(&who.client, id).await?;
        let asked = Asked { act: Act::Search, form: Form::FactsOnly, ..Asked::to_play(purpose) };
        let granted = match self.decide(who, Some(id), facts, &asked).await? {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        let told = self.told_of(who, id, listed.began, limit).await;
        self.result(&who.client, granted.intent, told.is_ok(), 0).await?;
        Ok(Ok(told?))
    }

    async fn told_of(
        &self,
        who: &SignedIn,
        id: RecordingId,
        began: Moment,
        limit: usize,
    ) -> Result<Timeline, RecorderError> {
        let mut entries = EntriesAbout::open(&self.house, &who.client, id, began).await?;
        let mut events = Vec::new();
        loop {
            let some = entries.next(&self.house).await?;
            if some.is_empty() {
                return Ok(Timeline { events, is_cut: false });
            }
            for (index, entry, _) in some {
                // Beside its verdict, an access says nothing that people read.
                if matches!(entry.event, EntryKind::AccessIntent { .. } | EntryKind::AccessResult { .. }) {
                    continue;
                }
                if events.len() == limit {
                    return Ok(Timeline { events, is_cut: true });
                }
                events.push(self.told(who, index, entry.at, &entry.event, began).await?);
            }
        }
    }

    async fn told(
        &self,
        who: &SignedIn,
        index: u64,
        at: Moment,
        entry: &EntryKind,
        began: Moment,
    ) -> Result<TimelineEvent, RecorderError> {
        let (house, client) = (&self.house, &who.client);
        let EntryKind::Verdict { stage, event, outcome, .. } = entry else {
            return Ok(TimelineEvent { index, at, event: kind_of(entry), ..TimelineEvent::default() });
        };
        let mut told = TimelineEvent {
            index,
            at,
            event: event.clone(),
            stage: Some(stage.to_string()),
            outcome: Some(outcome.word(*stage).to_owned()),
            ..TimelineEvent::default()
        };
        let sealed = match entry.detail() {
            Some(digest) => house.ledger.get_detail(client, digest).await?,
            None => None,
        };
        let Some(sealed) = sealed else {
            told.is_erased = true;
            return Ok(told);
        };
        let plain = house.vault.open_detail(client, DETAIL, &sealed).await?;
        let recorded: Recorded = serde_json::from_slice(&plain)
            .map_err(|error| RecorderError::Detail { index, why: format!("it cannot be read: {error}") })?;
        if *stage == caveat_model::Stage::Capture {
            told.ms = Some(Offset::try_from(recorded.facts.now.since(began)).unwrap_or(Offset::MAX));
        }
        told.fill(recorded);
        Ok(told)
    }
}

impl TimelineEvent {
    fn fill(&mut self, recorded: Recorded) {
        let verdict = recorded.verdict;
        let reason = |(pack, r): (&caveat_model::PackRef, &caveat_model::Reason)| TimelineReason {
            pack: pack.name.clone(),
            rule: r.rule.clone(),
            citation: r.citation.clone(),
            message: r.message.clone(),
        };
        self.reasons = verdict.reasons().map(reason).collect();
        self.obligations = verdict
            .obligations()
            .map(|(pack, o)| TimelineDuty {
                pack: pack.name.clone(),
                duty: o.duty.code(),
                rule: o.rule.clone(),
            })
            .collect();
        self.labels = verdict.labels().copied().collect();
        self.scores = verdict.scores().cloned().collect();
        self.packs = PackSaid::in_verdict(&verdict);
        let is_note = matches!(&recorded.event, Event::Access(asked) if asked.act == Act::Amend);
        self.note = recorded.who.as_ref().filter(|_| is_note).map(|who| who.why.clone());
        self.who = recorded.who.map(|who| who.by);
        self.conflicts = verdict.conflicts;
    }
}

/// The kind of an entry as the log spells it.
fn kind_of(entry: &EntryKind) -> String {
    let value = serde_json::to_value(entry).unwrap_or_default();
    value.get("kind").and_then(|kind| kind.as_str()).unwrap_or("entry").to_owned()
}
