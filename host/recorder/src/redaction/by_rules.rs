//! Right after a call the packs look at all that was found in it, before anybody can listen: what they want removed goes by
//! key, and what they want hidden goes as the client has it set.

use caveat_model::{ClientId, Element, Event, Facts, Label, Outcome, RecordingId, StorageEvent};
use serde::{Deserialize, Serialize};

use crate::{
    RecorderError, RedactionMode,
    house::{About, House, first_of},
};

/// What becomes, after a call, of stretches that the rules keep and hide (`redact`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterCall {
    /// They are sealed as they are, and silenced for whoever has no need of them.
    Silence,
    /// Their keys go to escrow: whoever needs them has two people bring them back.
    #[default]
    Mask,
}

impl AfterCall {
    pub(crate) fn mode(self) -> Option<RedactionMode> {
        match self {
            Self::Silence => None,
            Self::Mask => Some(RedactionMode::Mask),
        }
    }
}

impl House {
    /// A call is over and sealed, and nobody can listen yet: what is on the list goes, packs look at what was found in it,
    /// and its time begins to run.
    pub(crate) async fn after_call(
        &self,
        client: &ClientId,
        id: RecordingId,
        facts: &Facts,
    ) -> Result<(), RecorderError> {
        self.remove_late(client, id).await?;
        let practice = self.clients.get(client);
        if let Some(days) = practice.and_then(|c| c.practice.dispose_after_days) {
            self.retention.wish(client, id, facts.began.plus_days(days.into())).await?;
        }
        let now = self.clock.now();
        self.review(client, id, Facts { now: facts.now.max(now), ..facts.clone() }).await?;
        let days = u64::from(self.retention.limits().review_every_days.max(1));
        Ok(self.retention.reviewed(client, id, now.plus_days(days)).await?)
    }

    /// Has the packs look at a sealed recording, and does what they ask. `facts.now` is when that is.
    pub(crate) async fn review(
        &self,
        client: &ClientId,
        id: RecordingId,
        mut facts: Facts,
    ) -> Result<(), RecorderError> {
        facts.holds = self.retention.holds(client, id).await?;
        let event = Event::Storage(StorageEvent::Review(Element::Recording));
        let verdict = self.ask(client, &event, &facts).await?;
        let hidden = self.clients.get(client).and_then(|c| c.practice.after_call.mode());
        // Written down before it is logged, so that no crash forgets it.
        let labels: Vec<Label> = verdict.labels().chain(&facts.labels).copied().collect();
        let purge = self.limits.wide_enough(verdict.terms.purge.as_slice(), &labels);
        self.late.note(client, id, &purge, RedactionMode::Shred).await?;
        if let Some(mode) = hidden {
            let redact = self.limits.wide_enough(verdict.terms.redact.as_slice(), &labels);
            self.late.note(client, id, &redact, mode).await?;
        }
        let logged = self.log(client, Some(id), &event, &facts, verdict, None).await?;
        self.late.ruled(client, id, logged.index).await?;
        self.note_dates(client, id, &logged.verdict).await?;
        self.remove_late(client, id).await?;
        match logged.verdict.outcome {
            Outcome::Allow => {}
            Outcome::Restrain => self.queue_verdict(client, id, "asks-a-person", &logged).await?,
            // It may not be kept any longer; what stands against that is asked when its time comes, which is now.
            Outcome::Refuse => {
                let (rule, _) = first_of(&logged.verdict);
                self.retention.tighten(client, id, None, Some((facts.now, rule))).await?;
            }
        }
        self.tell(client, &event, &logged, About { recording: Some(id), ..About::default() }).await
    }
}
