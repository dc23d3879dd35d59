//! What people do about keeping: holds, decisions, the plan, receipts, and whether the clock is right.

use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Event, Facts, Hold, Moment, PersonId, RecordingId, StorageEvent};
use caveat_retention::{Decision, HoldOrder, NewHold, Planned, Receipt, Review};

use crate::{
    Recorder, RecorderError, RedactionMode, Who,
    house::{About, House, Logged},
    redaction::Agreement,
};

impl Recorder {
    /// The time, as the host has it.
    pub fn now(&self) -> Moment {
        self.house.clock.now()
    }

    /// Sets a hold. Packs are told of it for every recording that it takes in, and what they want removed all the same is.
    ///
    /// # Errors
    /// A matter that is empty or too long; a range of dates that holds nothing.
    pub async fn set_hold(
        &self,
        client: &ClientId,
        hold: &NewHold,
        by: &PersonId,
    ) -> Result<HoldOrder, RecorderError> {
        let limit = self.house.limits.text_bytes_max;
        if hold.matter.trim().is_empty() {
            return Err(RecorderError::Empty { what: "matter" });
        }
        if hold.matter.len() > limit {
            return Err(RecorderError::TooLong { what: "matter", bytes: hold.matter.len(), limit });
        }
        let (order, held) = self.house.retention.set_hold(client, hold, by.as_str()).await?;
        let who = Who::new(format!("person {by}"), hold.reason.as_str());
        let event = StorageEvent::HoldSet(Hold { matter: hold.matter.clone(), since: order.since });
        for id in held {
            self.house.rule_on_hold(client, id, Event::Storage(event.clone()), &who).await?;
        }
        Ok(order)
    }

    /// The holds of a client, the newest first.
    pub async fn holds(
        &self,
        client: &ClientId,
        lifted: bool,
        limit: u32,
    ) -> Result<Vec<HoldOrder>, RecorderError> {
        Ok(self.house.retention.hold_orders(client, lifted, limit).await?)
    }

    /// What will be destroyed by schedule until then, and why.
    pub async fn retention_plan(
        &self,
        client: &ClientId,
        until: Moment,
        limit: u32,
    ) -> Result<Vec<Planned>, RecorderError> {
        Ok(self.house.retention.plan(client, until, limit).await?)
    }

    /// What waits for a person.
    pub async fn reviews(
        &self,
        client: &ClientId,
        decided: bool,
        limit: u32,
    ) -> Result<Vec<Review>, RecorderError> {
        Ok(self.house.retention.reviews(client, decided, limit).await?)
    }

    /// A person decides what the rules could not.
    pub async fn decide_review(
        &self,
        client: &ClientId,
        id: u64,
        decision: Decision,
        by: &PersonId,
    ) -> Result<Review, RecorderError> {
        Ok(self.house.retention.decide(client, id, decision, by.as_str()).await?)
    }

    /// What was destroyed, the newest first.
    pub async fn receipts(&self, client: &ClientId, limit: u32) -> Result<Vec<Receipt>, RecorderError> {
        Ok(self.house.retention.receipts(client, limit).await?)
    }

    /// A person says that the clock is right, although it jumped.
    pub async fn confirm_clock(&self, client: &ClientId) -> Result<Moment, RecorderError> {
        let text = "a person confirmed the clock".to_owned();
        self.house.enter(client, EntryKind::Note { text }).await?;
        Ok(self.house.retention.confirm_clock(client).await?)
    }

    /// Lifts a hold; from how many recordings. Two people agreed.
    pub(crate) async fn lift_hold(
        &self,
        client: &ClientId,
        id: u64,
        agreed: Agreement,
    ) -> Result<u64, RecorderError> {
        let order = self.house.retention.order(client, id).await?;
        let held = self.house.retention.lift_hold(client, id, agreed.index).await?;
        let event = StorageEvent::HoldLifted(Hold { matter: order.hold.matter, since: order.since });
        let who = Who::host("a hold was lifted");
        for id in &held {
            self.house.rule_on_hold(client, *id, Event::Storage(event.clone()), &who).await?;
        }
        Ok(held.len() as u64)
    }
}

impl House {
    /// Packs rule on a hold that is set or lifted. What of a recording may not be kept even under a hold goes.
    async fn rule_on_hold(
        &self,
        client: &ClientId,
        id: RecordingId,
        event: Event,
        who: &Who,
    ) -> Result<(), RecorderError> {
        let facts = match self.catalog.get(client, id).await {
            Ok((_, facts)) => facts,
            // It goes on, or nothing is known of it any more.
            Err(RecorderError::NotKept { .. } | RecorderError::NoSuchRecording { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let holds = self.retention.holds(client, id).await?;
        let facts = Facts { now: self.clock.now(), holds, ..facts };
        self.rule_on_kept(client, id, event, facts, who).await.map(drop)
    }

    /// Packs rule on what happens to a recording that is kept. What of it may not be kept any more goes.
    pub(crate) async fn rule_on_kept(
        &self,
        client: &ClientId,
        id: RecordingId,
        event: Event,
        facts: Facts,
        who: &Who,
    ) -> Result<Logged, RecorderError> {
        let verdict = self.ask(client, &event, &facts).await?;
        let purge = self.limits.wide_enough(verdict.terms.purge.as_slice(), &facts.labels);
        self.late.note(client, id, &purge, RedactionMode::Shred).await?;
        let logged = self.log(client, Some(id), &event, &facts, verdict, Some(who)).await?;
        self.late.ruled(client, id, logged.index).await?;
        let about = About { recording: Some(id), who: Some(who), ..About::default() };
        self.tell(client, &event, &logged, about).await?;
        if self.catalog.state_of(client, id).await? == "recording" {
            // The end of the call sees to the rest.
            self.retention.note(client, id, &logged.verdict).await?;
            return Ok(logged);
        }
        self.note_dates(client, id, &logged.verdict).await?;
        self.remove_late(client, id).await?;
        Ok(logged)
    }
}
