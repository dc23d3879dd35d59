//! One running call: happenings, audio and time come in one after the other; every one of them goes down the path.

use std::{sync::Arc, time::Duration};

use caveat_ledger::EntryKind;
use caveat_model::{
    Asker, Basis, CaptureEvent, ClientId, Duty, Element, Event, Moment, Offset, Outcome, Pause, PauseCause,
    RecordingId, Span, Verdict,
};
use caveat_vault::{Header, SealReason, Writer};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Answer, ClientProfile, Frame, Happening, RecorderError, RecordingState,
    call_facts::CallFacts,
    house::{House, Logged, Placed},
    recovery::state_of as state_of_seal,
    tape::Tape,
};

/// What reaches a running call.
pub(crate) enum Order {
    Happened(Happening, oneshot::Sender<Result<Answer, RecorderError>>),
    Frame(Frame),
    End(SealReason, oneshot::Sender<Result<(), RecorderError>>),
}

/// How often a call looks at its memory for what may be sealed.
const TICK: Duration = Duration::from_millis(200);

pub(crate) struct Session {
    house: Arc<House>,
    client: Arc<ClientProfile>,
    call: String,
    known: CallFacts,
    tape: Tape,
    recording: RecordingId,
    state: RecordingState,
    /// There once something may be kept.
    writer: Option<Writer>,
    /// The ruling that left no place to keep this call in.
    no_place: Option<Placed>,
    /// A pause that somebody asked for; packs may ask for more, not for less.
    asked_pause: Option<Pause>,
    next_interim: Offset,
    /// What a verdict (its place in the ledger) removed after it was sealed; its keys are destroyed with the end of the
    /// call.
    too_late: Vec<(Span, u64)>,
    ending: Option<SealReason>,
}

impl Session {
    /// A call as it begins, and the verdict on it.
    pub(crate) async fn begin(
        house: Arc<House>,
        client: Arc<ClientProfile>,
        call: String,
        known: CallFacts,
    ) -> Result<(Self, Answer), RecorderError> {
        let recording = RecordingId::new(house.clock.now());
        let legs = known.facts().parties.iter().filter_map(|p| p.leg);
        let legs: Vec<u8> = legs.chain([0, 1]).collect();
        let mut session = Self {
            tape: Tape::new(&house.limits, legs),
            next_interim: house.limits.interim_every_ms,
            too_late: vec![],
            house,
            client,
            call,
            known,
            recording,
            state: RecordingState::NotRecorded,
            writer: None,
            no_place: None,
            asked_pause: None,
            ending: None,
        };
        let answer = session.consider(CaptureEvent::Offered).await?;
        Ok((session, answer))
    }

    pub(crate) fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Lives until the call is over and all of it is sealed, or until nobody holds it any more.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.is_over() {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order).await,
                    None if self.ending.is_none() => self.end(SealReason::Interrupted).await,
                    None => { tick.tick().await; }
                },
                _ = tick.tick() => {}
            }
            if let Err(error) = self.on_time().await {
                self.fail(&error).await;
            }
        }
        if let Err(error) = self.close().await {
            self.fail(&error).await;
        }
    }

    async fn take(&mut self, order: Order) {
        match order {
            Order::Frame(frame) => self.tape.hear(&frame),
            Order::Happened(happening, answer) => {
                let result = self.happened(happening).await;
                // Whoever asked may be gone; what was ruled holds all the same.
                let _ = answer.send(result);
            }
            Order::End(reason, done) => {
                self.end(reason).await;
                let _ = done.send(Ok(()));
            }
        }
    }

    async fn happened(&mut self, happening: Happening) -> Result<Answer, RecorderError> {
        if self.ending.is_some() && !matches!(happening, Happening::Words(_) | Happening::Key(_)) {
            return Err(RecorderError::CallOver);
        }
        let since = self.now();
        match &happening {
            Happening::PauseAsked(asker) => {
                let cause = match asker {
                    Asker::CardEntry => PauseCause::CardEntry,
                    Asker::Protocol => PauseCause::Protocol,
                    Asker::Person | Asker::Timer => PauseCause::Asked,
                };
                self.asked_pause = Some(Pause { since, cause });
                self.known.paused(self.asked_pause);
            }
            Happening::ResumeAsked(_) => self.asked_pause = None,
            Happening::NoticePlayed(notice) if notice.record_from.is_some() => {
                self.tape.may_begin_at(notice.record_from);
            }
            _ => {}
        }
        let event = self.known.apply(happening, self.house.clock.now(), self.tape.oldest())?;
        let answer = self.consider(event).await;
        self.tape.may_begin_at(None);
        answer
    }

    /// The path of one capture event: rule, carry out on what is still in memory, log, tell, answer.
    async fn consider(&mut self, event: CaptureEvent) -> Result<Answer, RecorderError> {
        self.known.at(self.house.clock.now());
        if let CaptureEvent::Words(speech) = &event {
            self.tape.words(&speech.heard);
        }
        let from = self.effective_from(&event);
        let event = Event::Capture(event);
        let verdict = self.house.ask(&self.client.id, &event, self.known.facts())?;
        let labelled = self.known.found(verdict.labels().copied().collect::<Vec<_>>());
        let streams = matches!(event, Event::Capture(CaptureEvent::Words(_) | CaptureEvent::Keys(_)));
        let too_late = self.drop_what_must_not_be_kept(&verdict, from);
        let logged =
            self.house.log(&self.client.id, Some(self.recording), &event, self.known.facts(), verdict).await;
        let logged = match logged {
            Ok(logged) => logged,
            Err(error) => {
                // What is not logged is not done: nothing more is kept until a verdict can be logged again.
                self.tape.stop(from, "host.ledger", RecordingState::Suspended);
                self.state = RecordingState::Suspended;
                return Err(error);
            }
        };
        self.remember_what_is_too_late(too_late, logged.index).await?;
        let answer = self.obey(&event, &logged, from).await?;
        // Words and keys come all the time, and change nothing that is known unless something is found in them.
        if labelled || !streams {
            self.list().await?;
        }
        Ok(answer)
    }

    /// Enters what is known so far: after a crash it is all there is to tell what has to be hidden in the recording.
    async fn list(&self) -> Result<(), RecorderError> {
        if self.writer.is_none() {
            return Ok(());
        }
        self.house.catalog.put(&self.client.id, self.recording, "recording", 0, self.known.facts()).await
    }

    /// Purges and masks at once, before anything is awaited: time works against it. Gives back what is sealed already.
    fn drop_what_must_not_be_kept(&mut self, verdict: &Verdict, from: Offset) -> Vec<Span> {
        let rule = |duty: fn(&Duty) -> bool| {
            verdict.obligations().find(|(_, o)| duty(&o.duty)).map_or("", |(_, o)| o.rule.as_str())
        };
        if verdict.terms.asks(&Duty::MaskKeys) {
            self.tape.mask_keys(from);
        }
        if verdict.outcome != Outcome::Allow {
            let (rule, state) = (first_rule(verdict), state_of(verdict.outcome));
            self.tape.stop(from, &rule, state);
        }
        let purge = verdict.terms.purge.as_slice();
        self.tape.purge(purge, rule(|d| matches!(d, Duty::Purge(_))))
    }

    /// What the rules remove after it was sealed cannot be dropped any more: somebody is told, and its keys are
    /// destroyed as soon as the recording is closed.
    async fn remember_what_is_too_late(
        &mut self,
        spans: Vec<Span>,
        verdict: u64,
    ) -> Result<(), RecorderError> {
        if spans.is_empty() || self.writer.is_none() {
            return Ok(());
        }
        self.too_late.extend(spans.into_iter().map(|span| (span, verdict)));
        let why = (
            "host.late-window",
            "PCI DSS 3.3.1, 12.10.7",
            "Something that must not be kept was recognized after it was sealed; it is destroyed with the end of the call. \
             Raise limits.calls.late_window_ms, or make the recognizer faster.",
        );
        let (client, now) = (&self.client.id, self.house.clock.now());
        self.house.alerts.raise(client, now, Some(self.recording), "found-late", why).await?;
        Ok(())
    }

    async fn destroy_what_was_too_late(&mut self) -> Result<(), RecorderError> {
        for (span, verdict) in std::mem::take(&mut self.too_late) {
            let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
            let (what, basis) = (Element::Segment, Basis::Rules);
            let intent = EntryKind::DisposalIntent { recording, what, basis, verdict };
            let intent = self.house.enter(&self.client.id, intent).await?;
            let done = self.shred(&span).await;
            let result = EntryKind::DisposalResult { intent, ok: done.is_ok() };
            self.house.enter(&self.client.id, result).await?;
            done?;
        }
        Ok(())
    }

    async fn shred(&self, span: &Span) -> Result<(), RecorderError> {
        for leg in self.tape.legs_of(span) {
            let seconds = span.start / 1_000..span.end.div_ceil(1_000);
            self.house.vault.shred(&self.client.id, self.recording, leg, seconds).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, event: &Event, logged: &Logged, from: Offset) -> Result<Answer, RecorderError> {
        let verdict = &logged.verdict;
        let was = self.state;
        let mut place = None;
        let id = self.recording;
        match verdict.outcome {
            Outcome::Refuse => {
                self.state = RecordingState::NotRecorded;
                self.asked_pause = None;
                self.known.paused(None);
            }
            Outcome::Restrain => {
                self.state = RecordingState::Suspended;
                let pause = Pause { since: from, cause: PauseCause::Verdict };
                let since = self.known.facts().paused.or(self.asked_pause).unwrap_or(pause);
                self.known.paused(Some(since));
            }
            Outcome::Allow if *event == Event::Capture(CaptureEvent::Ended) => {}
            Outcome::Allow => match self.asked_pause {
                // What was said before the pause, and recognized during it, does not make it longer.
                Some(pause) => {
                    self.tape.stop(pause.since, "pause", RecordingState::Suspended);
                    self.state = RecordingState::Suspended;
                }
                None => {
                    self.known.paused(None);
                    place = self.keep(from).await?;
                }
            },
        }
        if verdict.terms.asks(&Duty::DiscardCaptured) {
            self.discard(&first_rule(verdict)).await?;
        }
        self.house.retention.note(&self.client.id, id, &verdict.terms).await?;
        self.house.tell(&self.client.id, Some(id), &self.call, event, logged, Some(self.state)).await?;
        if verdict.outcome == Outcome::Refuse
            && (was != RecordingState::NotRecorded || *event == Event::Capture(CaptureEvent::Offered))
        {
            self.house.tell_not_recorded(&self.client.id, id, verdict).await?;
        }
        match place {
            None => Ok(self.answer(verdict)),
            Some(place) => self.tell_of_place(&place).await,
        }
    }

    /// Goes on recording, after asking whether there is a place where it may be kept: once a call, and again only where
    /// the answer was no and the call begins anew. Gives back the ruling on the place if it was asked for, or stands
    /// against it.
    async fn keep(&mut self, from: Offset) -> Result<Option<Placed>, RecorderError> {
        if self.writer.is_none() {
            let placed = match self.no_place.clone() {
                Some(placed) => placed,
                None => self.house.rule_on_place(&self.client, self.recording, self.known.facts()).await?,
            };
            if !placed.fits {
                self.state = RecordingState::NotRecorded;
                self.tape.stop(from, &first_rule(&placed.logged.verdict), self.state);
                return Ok(Some(placed));
            }
            self.house.retention.note(&self.client.id, self.recording, &placed.logged.verdict.terms).await?;
            self.open().await?;
            self.begin_keeping(from);
            return Ok(Some(placed));
        }
        self.begin_keeping(from);
        Ok(None)
    }

    fn begin_keeping(&mut self, from: Offset) {
        self.state = RecordingState::Recording;
        self.tape.go(from);
        self.known.captured(true);
    }

    /// Tells of a ruling on the place where it is new, and answers with it where it stands against recording.
    async fn tell_of_place(&mut self, placed: &Placed) -> Result<Answer, RecorderError> {
        let verdict = &placed.logged.verdict;
        if self.no_place.is_none() {
            let id = Some(self.recording);
            let (event, logged) = (&placed.event, &placed.logged);
            self.house.tell(&self.client.id, id, &self.call, event, logged, Some(self.state)).await?;
            if !placed.fits {
                self.house.tell_not_recorded(&self.client.id, self.recording, verdict).await?;
                self.no_place = Some(placed.clone());
            }
        }
        Ok(self.answer(verdict))
    }

    /// Listed first, begun last: whatever the vault holds after a crash is then found in the list and in the ledger.
    async fn open(&mut self) -> Result<(), RecorderError> {
        let (client, id, facts) = (&self.client.id, self.recording, self.known.facts());
        self.house.catalog.put(client, id, "recording", 0, facts).await?;
        let recording = self.house.pseudonym(client, id).await?;
        self.house.enter(client, EntryKind::RecordingOpened { recording }).await?;
        let header = Header { began: facts.began, legs: self.tape.leg_infos() };
        self.writer = Some(self.house.vault.begin(client, id, header).await?);
        Ok(())
    }

    /// Destroys what was kept so far. Whatever is kept later is another recording.
    async fn discard(&mut self, why: &str) -> Result<(), RecorderError> {
        self.tape.forget();
        self.too_late.clear();
        self.known.captured(false);
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
        writer.discard().await?;
        let entry = EntryKind::Discarded { recording, why: why.to_owned() };
        self.house.enter(&self.client.id, entry).await?;
        self.house.catalog.gone(&self.client.id, self.recording, "discarded").await?;
        self.recording = RecordingId::new(self.house.clock.now());
        Ok(())
    }

    /// Ends a pause that has lasted too long, and seals what has been in memory long enough.
    async fn on_time(&mut self) -> Result<(), RecorderError> {
        let now = self.now();
        let limits = &self.house.limits;
        let (pause_max, call_max) = (limits.pause_max_ms, limits.call_max_ms);
        if self.ending.is_none() && now >= call_max {
            self.end(SealReason::Ended).await;
        }
        let too_long = |p: Pause| now.saturating_sub(p.since) >= pause_max;
        if self.ending.is_none() && self.asked_pause.is_some_and(too_long) {
            self.happened(Happening::ResumeAsked(Asker::Timer)).await?;
        }
        let Some(writer) = &self.writer else {
            self.tape.let_go(now);
            return Ok(());
        };
        for segment in self.tape.take_ready(now)? {
            writer.append(segment.leg, segment.second, segment.kind, &segment.plain).await?;
        }
        if now >= self.next_interim {
            self.next_interim = now.saturating_add(self.house.limits.interim_every_ms);
            let interim = writer.interim();
            let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
            let entry = EntryKind::InterimRoot { recording, frames: interim.frames, root: interim.root };
            self.house.enter(&self.client.id, entry).await?;
        }
        Ok(())
    }

    /// The call is over. What a recognizer still has to say about it is waited for, one window long.
    async fn end(&mut self, reason: SealReason) {
        if self.ending.is_some() {
            return;
        }
        if let Err(error) = self.consider(CaptureEvent::Ended).await {
            self.fail(&error).await;
        }
        self.tape.end(self.now());
        self.ending = Some(reason);
    }

    fn is_over(&self) -> bool {
        self.ending.is_some() && self.tape.is_past_window(self.now())
    }

    async fn close(&mut self) -> Result<(), RecorderError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        for segment in self.tape.take_all()? {
            writer.append(segment.leg, segment.second, segment.kind, &segment.plain).await?;
        }
        let seal = writer.seal(self.ending.unwrap_or(SealReason::Interrupted)).await?;
        self.house.enter_seal(&self.client.id, self.recording, &seal).await?;
        self.destroy_what_was_too_late().await?;
        let (client, id, facts) = (&self.client.id, self.recording, self.known.facts());
        self.house.catalog.put(client, id, state_of_seal(seal.end), seal.duration_ms, facts).await?;
        tracing::info!(%client, recording = %id, frames = seal.frames, "sealed");
        Ok(())
    }

    /// Recording fails, the call goes on, somebody is told.
    async fn fail(&mut self, error: &RecorderError) {
        tracing::error!(client = %self.client.id, recording = %self.recording, %error, "recording failed");
        self.tape.stop(self.now(), "host.failure", RecordingState::Suspended);
        self.state = RecordingState::Suspended;
        let told = self
            .house
            .alerts
            .raise(
                &self.client.id,
                self.house.clock.now(),
                Some(self.recording),
                "recording-failed",
                ("host.failure", "", "This call is not being recorded because the host failed; see its log."),
            )
            .await;
        if let Err(error) = told {
            tracing::error!(%error, "nobody could be told either");
        }
    }

    fn answer(&self, verdict: &Verdict) -> Answer {
        Answer {
            recording: self.recording,
            state: self.state,
            duties: verdict.obligations().map(|(_, o)| o.duty.to_string()).collect(),
            remedies: verdict.remedies().map(|r| r.action.clone()).collect(),
            reasons: verdict.reasons().map(|(_, r)| format!("{} ({})", r.message, r.citation)).collect(),
        }
    }

    /// From when on a verdict holds: what is heard late has effect from when it was said.
    fn effective_from(&self, event: &CaptureEvent) -> Offset {
        match event {
            CaptureEvent::Words(speech) => speech.heard.iter().map(|w| w.end).max().unwrap_or(self.now()),
            CaptureEvent::Keys(keyed) => keyed.pressed.start,
            CaptureEvent::Offered => 0,
            CaptureEvent::NoticePlayed => self.tape.begins_at().unwrap_or(self.now()),
            _ => self.now(),
        }
    }

    fn now(&self) -> Offset {
        let began: Moment = self.known.facts().began;
        u32::try_from(self.house.clock.now().since(began)).unwrap_or(u32::MAX)
    }

    pub(crate) fn client(&self) -> &ClientId {
        &self.client.id
    }
}

fn first_rule(verdict: &Verdict) -> String {
    verdict.reasons().next().map_or_else(|| "host.no-packs".into(), |(_, r)| r.rule.clone())
}

fn state_of(outcome: Outcome) -> RecordingState {
    match outcome {
        Outcome::Allow => RecordingState::Recording,
        Outcome::Restrain => RecordingState::Suspended,
        Outcome::Refuse => RecordingState::NotRecorded,
    }
}
