//! The end of recordings: by schedule, and when somebody wants one gone. Packs rule on each; log before act; what the rules
//! leave open, or what is at odds, waits for a person.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use caveat_access::SignedIn;
use caveat_model::{
    Act, Basis, ClientId, Disposal, Element, Event, Facts, Form, Moment, Outcome, Purpose, RecordingId,
    SpanSet, StorageEvent,
};
use caveat_retention::{Destroyed, Due, Receipt, RetentionError, Trust};
use caveat_state::{Lease, Statement};

use crate::{
    Asked, Decided, Recorder, RecorderError, Who,
    begun::{Deed, What, access_result},
    hosts::Among,
    house::{About, House, Logged, first_of, first_or_two_people},
    listen::decided,
    redaction::Agreement,
};

/// How long one look at a client's schedule is waited for by other hosts.
const SWEEP_LEASE_MS: u64 = 60_000;

/// What one look at the schedule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Recordings destroyed.
    pub destroyed: u32,
    /// Recordings that packs were asked about.
    pub reviewed: u32,
    /// Recordings that were due and are kept: refused, or left to a person.
    pub kept: u32,
    /// Clients whose clock is not trusted for now.
    pub untrusted: u32,
}

impl Recorder {
    /// Looks at the schedule of every client now, as the host does by itself every `sweep_every_ms`.
    pub async fn sweep(&self) -> Result<Swept, RecorderError> {
        self.house.sweep().await
    }

    /// Destroys a recording because somebody wants it gone. Two people agreed.
    pub(crate) async fn dispose(
        &self,
        second: &SignedIn,
        id: RecordingId,
        (basis, purpose, reason): (Basis, Purpose, &str),
        agreed: Agreement,
    ) -> Result<Result<Receipt, Decided>, RecorderError> {
        let client = &second.client;
        let (_, facts) = self.kept(client, id).await?;
        let granted = match self.decide(second, Some(id), facts, &to_delete(purpose, reason)).await? {
            Ok(granted) => granted,
            Err(decided) => return Ok(Err(decided)),
        };
        let disposal = Disposal { what: Element::Recording, basis };
        let by = Who::new(format!("person {}", second.person), reason);
        let now = self.house.clock.now();
        let facts = Facts { now, ..granted.facts };
        let logged = self.house.rule_on_disposal(client, id, facts, disposal, Some(&by)).await?;
        let allowed = self.house.allows(client, id, &logged).await?;
        if !allowed {
            self.result(client, granted.intent, false, 0).await?;
            return Ok(Err(decided(&logged, &SpanSet::default(), granted.intent)));
        }
        let rule = first_or_two_people(&logged.verdict);
        let on = Destroyed { disposal, rule, verdict: logged.index, agreed: Some(agreed.index) };
        let what = What::Dispose { recording: id, on };
        let act = Deed { what, access: Some(granted.intent), request: Some(agreed.request) };
        Ok(Ok(self.house.destroy(client, (id, now), act, None).await?))
    }
}

/// To have a recording destroyed.
pub(crate) fn to_delete(purpose: Purpose, reason: &str) -> Asked {
    Asked { act: Act::Delete, form: Form::Original, reason: reason.to_owned(), ..Asked::to_play(purpose) }
}

impl House {
    /// What is asked before anything is destroyed that the rules themselves do not remove.
    pub(crate) async fn rule_on_disposal(
        &self,
        client: &ClientId,
        id: RecordingId,
        mut facts: Facts,
        disposal: Disposal,
        who: Option<&Who>,
    ) -> Result<Logged, RecorderError> {
        facts.holds = self.retention.holds(client, id).await?;
        let event = Event::Storage(StorageEvent::Dispose(disposal));
        let verdict = self.ask(client, &event, &facts).await?;
        let logged = self.log(client, Some(id), &event, &facts, verdict, who).await?;
        self.note_dates(client, id, &logged.verdict).await?;
        let about = About { recording: Some(id), who, ..About::default() };
        self.tell(client, &event, &logged, about).await?;
        Ok(logged)
    }

    /// Whether a verdict on a disposal lets it go on: where packs leave it to a person, one has to have decided.
    async fn allows(
        &self,
        client: &ClientId,
        id: RecordingId,
        logged: &Logged,
    ) -> Result<bool, RecorderError> {
        Ok(match logged.verdict.outcome {
            Outcome::Allow => true,
            Outcome::Restrain => self.retention.may_be_destroyed(client, id).await?,
            Outcome::Refuse => false,
        })
    }

    /// Intent, act, result. Where the vault or the ledger fails in between, what came of it is settled later. A `guard`
    /// holds while this host may destroy it.
    async fn destroy(
        &self,
        client: &ClientId,
        (id, now): (RecordingId, Moment),
        act: Deed,
        guard: Option<Statement>,
    ) -> Result<Receipt, RecorderError> {
        let What::Dispose { on, .. } = &act.what else {
            return Err(RecorderError::Interrupted { what: "destroying a recording" });
        };
        let (under_way, note) = self.begun.begin(client, &act)?;
        let beside = move |index| guard.iter().cloned().chain([note(index)]).collect();
        let intent = match self.retention.intend(client, id, on, now, beside).await {
            Ok(intent) => intent,
            Err(error) => {
                if let Some(access) = act.access {
                    self.enter(client, access_result(access, false)).await?;
                }
                return Err(error.into());
            }
        };
        let with = self.with_disposal(client, &under_way, &act, id);
        match self.retention.carry_out(client, id, (on, intent), with).await {
            Err(error @ (RetentionError::Held { .. } | RetentionError::NotOurs { .. })) => {
                self.conclude(client, &under_way, (&act, intent), None).await?;
                Err(error.into())
            }
            done => Ok(done?),
        }
    }

    /// Has a person decide what the rules could not, and tells somebody of it once.
    pub(crate) async fn queue(
        &self,
        client: &ClientId,
        id: RecordingId,
        kind: &str,
        (what, rule, citation): (&str, &str, &str),
    ) -> Result<(), RecorderError> {
        if self.retention.open_review(client, id, kind, (what, rule)).await? {
            let message = format!("A person has to decide what becomes of this recording: {what}");
            let (now, why) = (self.clock.now(), (rule, citation, message.as_str()));
            self.alerts.raise(client, now, Some(id), "review", why).await?;
        }
        Ok(())
    }

    /// One look at every client's schedule: what has to be reviewed, what is at odds, what is due.
    pub(crate) async fn sweep(&self) -> Result<Swept, RecorderError> {
        let _one_at_a_time = self.sweeping.lock().await;
        self.settle(self.vault.log()).await?;
        self.finish_rotations().await?;
        let clients: Vec<ClientId> = self.clients.iter().map(|c| c.id.clone()).collect();
        let mut swept = Swept::default();
        // Another client comes first each time, so that none uses up what all have together.
        let first = self.sweeps.fetch_add(1, Ordering::Relaxed) % clients.len().max(1);
        for client in clients[first..].iter().chain(&clients[..first]) {
            let lease = match &self.among {
                Some(here) => match self.sweeps_of(client, here).await? {
                    None => continue,
                    lease => lease,
                },
                None => None,
            };
            self.sweep_client(client, &lease, &mut swept).await?;
            if let Some(lease) = lease {
                lease.release("").await?;
            }
        }
        Ok(swept)
    }

    /// The schedule of a client, for this host alone; none: another host is at it.
    async fn sweeps_of(&self, client: &ClientId, here: &Among) -> Result<Option<Lease>, RecorderError> {
        Ok(self.db.take_lease(&format!("sweep/{client}"), &here.name, "", SWEEP_LEASE_MS).await?)
    }

    async fn sweep_client(
        &self,
        client: &ClientId,
        lease: &Option<Lease>,
        swept: &mut Swept,
    ) -> Result<(), RecorderError> {
        let limits = self.retention.limits();
        let (disposals, reviews) = (limits.disposals_per_sweep_max, limits.reviews_per_sweep_max);
        let Some(now) = self.trusted_now(client).await? else {
            swept.untrusted += 1;
            return Ok(());
        };
        for id in self.retention.to_review(client, now, reviews - swept.reviewed).await? {
            self.review_again(client, id, now).await?;
            swept.reviewed += 1;
        }
        for (due, held) in self.retention.at_odds(client, now, reviews).await? {
            self.queue_at_odds(client, &due, held).await?;
        }
        let left = disposals - swept.destroyed.saturating_add(swept.kept).min(disposals);
        for due in self.retention.due(client, now, left).await? {
            match self.dispose_due(client, &due, now, lease.as_ref().map(Lease::guard)).await? {
                true => swept.destroyed += 1,
                false => swept.kept += 1,
            }
        }
        self.retention.delete_leftovers(client, disposals).await?;
        Ok(())
    }

    /// The time, if it can be destroyed by.
    async fn trusted_now(&self, client: &ClientId) -> Result<Option<Moment>, RecorderError> {
        match self.retention.trust(client).await? {
            Trust::Now(now) => Ok(Some(now)),
            Trust::Jumped { ahead_ms, left_ms } => {
                const HOUR_MS: u64 = 3_600_000;
                tracing::warn!(%client, ahead_ms, left_ms, "the clock jumped: nothing is destroyed by schedule");
                let why = format!(
                    "The clock is {} h or more ahead of what it should be. Nothing is destroyed by schedule until `caveat retention confirm-clock`, \
                     or until the host has run for {} h with it.",
                    ahead_ms / HOUR_MS,
                    self.retention.limits().clock_wait_ms / HOUR_MS
                );
                let now = self.clock.now();
                self.alerts.raise(client, now, None, "clock-jumped", ("host.clock", "", &why)).await?;
                Ok(None)
            }
        }
    }

    async fn review_again(
        &self,
        client: &ClientId,
        id: RecordingId,
        now: Moment,
    ) -> Result<(), RecorderError> {
        match self.catalog.get(client, id).await {
            Ok((_, facts)) => self.review(client, id, Facts { now, ..facts }).await?,
            Err(RecorderError::NoSuchRecording { .. } | RecorderError::NotKept { .. }) => {
                self.retention.forget(client, id).await?;
            }
            Err(error) => return Err(error),
        }
        let days = u64::from(self.retention.limits().review_every_days.max(1));
        Ok(self.retention.reviewed(client, id, now.plus_days(days)).await?)
    }

    async fn queue_at_odds(&self, client: &ClientId, due: &Due, held: bool) -> Result<(), RecorderError> {
        let dates = &due.schedule;
        let until = dates.retain_until.map_or_else(String::new, |m| m.date());
        let (kind, what) = if held {
            (
                "destroy-under-hold",
                "it should be gone by now and is under a hold; it is kept until that is lifted".to_owned(),
            )
        } else {
            (
                "retain-past-destroy",
                format!("it should be gone by now and has to be kept until {until}; it is kept"),
            )
        };
        self.queue(client, due.recording, kind, (&what, &dates.destroy_rule, "")).await
    }

    /// Whether it is destroyed; if not, it is tried again later.
    async fn dispose_due(
        &self,
        client: &ClientId,
        due: &Due,
        now: Moment,
        guard: Option<Statement>,
    ) -> Result<bool, RecorderError> {
        let id = due.recording;
        let facts = match self.catalog.get(client, id).await {
            Ok((_, facts)) => Facts { now, ..facts },
            Err(RecorderError::NoSuchRecording { .. } | RecorderError::NotKept { .. }) => {
                self.retention.forget(client, id).await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let disposal = Disposal { what: Element::Recording, basis: Basis::Schedule };
        let logged = self.rule_on_disposal(client, id, facts, disposal, None).await?;
        let later = now.plus_millis(self.retention.limits().retry_after_ms);
        if !self.allows(client, id, &logged).await? {
            let asks = logged.verdict.outcome == Outcome::Restrain;
            self.queue_verdict(client, id, if asks { "asks-a-person" } else { "refused" }, &logged).await?;
            self.retention.postpone(client, id, later).await?;
            return Ok(false);
        }
        let (rule, verdict) = (due.schedule.why().to_owned(), logged.index);
        let on = Destroyed { disposal, rule, verdict, agreed: None };
        let act = Deed::by_host(What::Dispose { recording: id, on });
        match self.destroy(client, (id, now), act, guard).await {
            Ok(_) => Ok(true),
            // Another host is at it, or has done it.
            Err(RecorderError::Retention(RetentionError::NotOurs { .. })) => Ok(false),
            Err(RecorderError::Retention(RetentionError::Held { .. } | RetentionError::MustKeep { .. })) => {
                self.retention.postpone(client, id, later).await?;
                Ok(false)
            }
            Err(error) => {
                tracing::error!(%client, recording = %id, %error, "not destroyed; it is tried again later");
                self.retention.postpone(client, id, later).await?;
                Ok(false)
            }
        }
    }

    /// Has a person decide on what a verdict refuses or leaves open.
    pub(crate) async fn queue_verdict(
        &self,
        client: &ClientId,
        id: RecordingId,
        kind: &str,
        logged: &Logged,
    ) -> Result<(), RecorderError> {
        let reason = logged.verdict.reasons().map(|(_, r)| r).next();
        let (rule, citation) = first_of(&logged.verdict);
        let what = reason.map_or("the packs do not allow its destruction", |r| r.message.as_str());
        self.queue(client, id, kind, (what, &rule, &citation)).await
    }
}

/// Until the recorder is gone.
pub(crate) async fn keep_schedule(house: Weak<House>) {
    while let Some(pause) = house.upgrade().map(|h| h.retention.limits().sweep_every_ms.max(1)) {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if let Some(house) = house.upgrade() {
            sweep_once(&house).await;
        }
    }
}

async fn sweep_once(house: &Arc<House>) {
    match house.sweep().await {
        Ok(swept) if swept.destroyed > 0 => {
            tracing::info!(destroyed = swept.destroyed, kept = swept.kept, "destroyed by schedule");
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "the schedule could not be looked at; it is again in a while"),
    }
}
