//! One running call: happenings, audio and time come in one after the other; every one of them goes down the path.

mod duty;
mod keeping;
mod obeying;

use std::{ops::Range, sync::Arc, time::Duration};

use caveat_model::{
    Asker, CaptureEvent, ClientId, Duty, Event, Facts, Moment, Offset, Outcome, PartyId, PartyRole, Reason,
    RecordingId, Span, Verdict,
};
use caveat_vault::{Interim, SealReason, Writer};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use keeping::Placed;

use crate::{
    Answer, ClientProfile, Frame, Happening, PackSaid, RecorderError, RecordingState, RedactionMode,
    RunningCall, Who,
    assurance::CapturedState,
    bounds::Bound,
    call_clock::CallClock,
    call_facts::CallFacts,
    cues::Cue,
    duties::Duties,
    house::{About, House, Logged, Ruled},
    pauses::Pauses,
    tape::Tape,
    why::{failed, said},
};

/// What reaches a running call.
pub(crate) enum Order {
    Happened(Happening, Who, oneshot::Sender<Result<Answer, RecorderError>>),
    Look(oneshot::Sender<RunningCall>),
    /// Whoever carries the call can play to the people on it.
    Plays(oneshot::Sender<watch::Receiver<Vec<Cue>>>),
    Frame(Frame),
    /// A leg on which nobody spoke, and the stretch in samples since the call began.
    Quiet(u8, Range<u64>),
    /// A recording made elsewhere has been read this far.
    Passed(Offset),
    End(SealReason, oneshot::Sender<Result<(), RecorderError>>),
    /// The host stops: the call ends, and its end is not waited for longer than it has to be.
    Stop(oneshot::Sender<()>),
}

/// How often a call looks at its memory for what may be sealed.
const TICK: Duration = Duration::from_millis(200);
/// How often a call listens to its sound for keys.
const LISTEN_EVERY_MS: Offset = 1_000;

pub(crate) struct Session {
    house: Arc<House>,
    client: Arc<ClientProfile>,
    call: String,
    clock: CallClock,
    known: CallFacts,
    tape: Tape,
    recording: RecordingId,
    state: RecordingState,
    /// The state as whoever feeds the call sees it.
    shown: watch::Sender<RecordingState>,
    /// There once something may be kept.
    writer: Option<Writer>,
    /// The ruling that left no place to keep this call in.
    no_place: Option<Placed>,
    pauses: Pauses,
    /// Why nothing is being kept, where nothing is.
    not_recording: Vec<Reason>,
    /// What each pack said when it was asked last.
    said: Vec<PackSaid>,
    next_interim: Offset,
    /// Not in the log yet.
    interim: Option<Interim>,
    next_listening: Offset,
    duties: Duties,
    /// A tone that some verdict asked for: it sounds to the end of the call.
    beep_every_s: Option<u16>,
    /// Whether whoever carries the call can play to the people on it, and what it is to play.
    plays: bool,
    cues: watch::Sender<Vec<Cue>>,
    /// What the recording may be used for, as far as it is written down.
    bounds: Vec<Bound>,
    /// The facts that it was listed with last.
    listed: Option<Facts>,
    ending: Option<SealReason>,
}

impl Session {
    /// A call as it begins, and the verdict on it.
    pub(crate) async fn begin(
        house: Arc<House>,
        client: Arc<ClientProfile>,
        call: String,
        clock: CallClock,
        known: CallFacts,
        shown: watch::Sender<RecordingState>,
    ) -> Result<(Self, Answer), RecorderError> {
        let recording = RecordingId::new(house.clock.now());
        let legs = known.facts().parties.iter().filter_map(|p| p.leg);
        let legs: Vec<u8> = legs.chain([0, 1]).collect();
        let mut session = Self {
            tape: Tape::new(&house.limits, house.assurance.limits.silence(), legs),
            next_interim: house.limits.interim_every_ms,
            interim: None,
            next_listening: LISTEN_EVERY_MS,
            duties: Duties::default(),
            beep_every_s: None,
            plays: false,
            cues: watch::Sender::default(),
            bounds: vec![],
            listed: None,
            house,
            client,
            call,
            clock,
            known,
            recording,
            state: RecordingState::NotRecorded,
            shown,
            writer: None,
            no_place: None,
            pauses: Pauses::default(),
            not_recording: vec![],
            said: vec![],
            ending: None,
        };
        let answer = session.consider(CaptureEvent::Offered, &Who::phone_system(), false).await?;
        session.show();
        Ok((session, answer))
    }

    pub(crate) fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Lives until the call is over and all of it is sealed, or until nobody holds it any more.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        // With a recording that began with its call it is written already.
        if self.writer.is_none() {
            self.note_capture(CapturedState::Running, 0).await;
        }
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
            self.show();
        }
        if let Err(error) = self.close().await {
            self.fail(&error).await;
        }
        if let Err(error) = self.house.assure(&self.client.id, &self.call, self.recording).await {
            tracing::error!(client = %self.client.id, recording = %self.recording, %error, "not assured");
        }
    }

    fn show(&self) {
        self.shown.send_if_modified(|shown| std::mem::replace(shown, self.state) != self.state);
    }

    async fn take(&mut self, order: Order) {
        match order {
            Order::Frame(frame) => self.tape.hear(&frame),
            Order::Quiet(leg, stretch) => self.tape.quiet(leg, stretch),
            Order::Passed(at) => self.clock.tell(at),
            Order::Happened(happening, who, answer) => {
                if let Happening::Key(key) = &happening {
                    self.tape.key(*key);
                }
                let result = self.happened(happening, who).await;
                // Whoever asked may be gone; what was ruled holds all the same.
                let _ = answer.send(result);
            }
            Order::Look(answer) => {
                let _ = answer.send(self.look());
            }
            Order::Plays(answer) => {
                self.plays();
                let _ = answer.send(self.cues.subscribe());
            }
            Order::End(reason, done) => {
                self.end(reason).await;
                let _ = done.send(Ok(()));
            }
            Order::Stop(done) => {
                self.end(SealReason::Interrupted).await;
                self.tape.wait_no_longer(self.house.limits.drain_wait_ms);
                let _ = done.send(());
            }
        }
    }

    async fn happened(&mut self, happening: Happening, who: Who) -> Result<Answer, RecorderError> {
        let keyed = match &happening {
            Happening::Key(key) => Some(key.leg),
            _ => None,
        };
        let answer = self.happens(happening, who).await?;
        match keyed.and_then(|leg| self.command_keyed_on(leg)) {
            Some((command, who)) => self.happens(command, who).await,
            None => Ok(answer),
        }
    }

    async fn happens(&mut self, happening: Happening, who: Who) -> Result<Answer, RecorderError> {
        if self.ending.is_some() && !matches!(happening, Happening::Words(_) | Happening::Key(_)) {
            return Err(RecorderError::CallOver);
        }
        if who.by.len() + who.why.len() > self.house.limits.text_bytes_max {
            let (bytes, limit) = (who.by.len() + who.why.len(), self.house.limits.text_bytes_max);
            return Err(RecorderError::TooLong { what: "reason", bytes, limit });
        }
        if let Happening::DutyDone(duty) = &happening {
            return self.duty_done(duty, &who).await;
        }
        let now = self.now();
        let mut resumed = false;
        match &happening {
            Happening::PauseAsked(asker) => {
                let most_ms = self.house.limits.pause_max_ms;
                self.pauses.ask(*asker, who.clone(), (now, self.moment()), most_ms);
                self.known.paused(self.pauses.fact());
            }
            Happening::ResumeAsked(_) => resumed = self.pauses.resume(),
            Happening::NoticePlayed(notice) if notice.record_from.is_some() => {
                self.tape.may_begin_at(notice.record_from);
            }
            Happening::Held(party) => self.legs_of(*party).for_each(|leg| self.tape.hold(leg, now)),
            Happening::Unheld(party) => self.legs_of(*party).for_each(|leg| self.tape.unhold(leg, now)),
            _ => {}
        }
        let event = self.known.apply(happening, self.moment(), self.tape.oldest())?;
        let joined = if let CaptureEvent::PartyJoined(id) = event { Some(id) } else { None };
        let answer = self.consider(event, &who, resumed).await;
        self.tape.may_begin_at(None);
        answer.map(|answer| Answer { joined, ..answer })
    }

    fn legs_of(&self, party: PartyId) -> std::option::IntoIter<u8> {
        let party = self.known.facts().parties.iter().find(|p| p.id == party);
        party.and_then(|p| p.leg).into_iter()
    }

    /// The client's own command that an agent's keys amount to by now, if they do.
    fn command_keyed_on(&self, leg: u8) -> Option<(Happening, Who)> {
        let agents =
            self.known.facts().parties.iter().filter(|p| p.role == PartyRole::Agent && p.traits.present);
        if self.ending.is_some() || !agents.into_iter().any(|p| p.leg == Some(leg)) {
            return None;
        }
        let (entry, _) = self.known.entry_on(leg)?;
        let practice = &self.client.practice;
        let keyed = |command: &Option<String>| command.as_ref().is_some_and(|c| entry.ends_with(c.as_str()));
        let who = |command: &str| Who::new(format!("keys on leg {leg}"), format!("{command} was keyed"));
        if keyed(&practice.pause_keys) {
            return Some((Happening::PauseAsked(Asker::Person), who("pause")));
        }
        keyed(&practice.resume_keys).then(|| (Happening::ResumeAsked(Asker::Person), who("resume")))
    }

    /// The path of one capture event, as one trace where traces are sent.
    async fn consider(
        &mut self,
        event: CaptureEvent,
        who: &Who,
        resumed: bool,
    ) -> Result<Answer, RecorderError> {
        let event = Event::Capture(event);
        let span = traced!("event", client = self.client.id.as_str(), event = event.name(), recording = %self.recording);
        self.consider_one(event, who, resumed).instrument(span).await
    }

    /// Rule, carry out on what is still in memory, log, tell, answer. `resumed`: a pause that somebody had asked for ends
    /// with it.
    async fn consider_one(
        &mut self,
        event: Event,
        who: &Who,
        resumed: bool,
    ) -> Result<Answer, RecorderError> {
        self.known.at(self.moment());
        if let Event::Capture(CaptureEvent::Words(speech)) = &event {
            self.tape.words(&speech.heard);
        }
        let from = match &event {
            Event::Capture(event) => self.effective_from(event),
            _ => self.now(),
        };
        let verdict = self.house.ask(&self.client.id, &event, self.known.facts()).await?;
        let labelled = self.known.found(verdict.labels().copied().collect::<Vec<_>>());
        let streams = matches!(event, Event::Capture(CaptureEvent::Words(_) | CaptureEvent::Keys(_)));
        let too_late = self.drop_what_must_not_be_kept(&event, &verdict, from);
        let logged = if is_kept_from_the_beginning(&event, &verdict) {
            let allowed = Ruled { event: &event, verdict, who: Some(who) };
            self.place_at_once(allowed).await.map(|(logged, placed)| (logged, Some(placed)))
        } else {
            self.log(&event, verdict, who, &too_late).await.map(|logged| (logged, None))
        };
        let (logged, placed) = match logged {
            Ok(logged) => logged,
            Err(error) => {
                // What is not logged is not done: nothing more is kept until a verdict can be logged again.
                self.tape.stop(from, "host.ledger", RecordingState::Suspended);
                self.state = RecordingState::Suspended;
                return Err(error);
            }
        };
        let answer = self.obey((&event, &logged, placed), from, who, resumed).await?;
        // Words and keys come all the time, and change nothing that is known unless something is found in them.
        if labelled || !streams {
            self.list().await?;
        }
        Ok(answer)
    }

    /// Logs a verdict. What it removes and is sealed already, and what goes to escrow with the end of the call, is written
    /// down first, so that no crash forgets it.
    async fn log(
        &mut self,
        event: &Event,
        verdict: Verdict,
        who: &Who,
        too_late: &[Span],
    ) -> Result<Logged, RecorderError> {
        let (client, id, facts) = (&self.client.id, self.recording, self.known.facts());
        let wide_enough = |spans| self.house.limits.wide_enough(spans, &facts.labels);
        let too_late = if self.writer.is_some() { too_late } else { &[] };
        self.house.late.note(client, id, too_late, RedactionMode::Shred).await?;
        let hidden = self.client.practice.after_call.mode().filter(|_| self.writer.is_some());
        if let Some(mode) = hidden {
            self.house.late.note(client, id, &wide_enough(verdict.terms.redact.as_slice()), mode).await?;
        }
        let logged = self.house.log(client, Some(id), event, facts, verdict, Some(who)).await?;
        if hidden.is_some() || !too_late.is_empty() {
            self.house.late.ruled(client, id, logged.index).await?;
        }
        if !too_late.is_empty() {
            self.tell_of_what_is_too_late().await?;
        }
        Ok(logged)
    }

    /// Enters what is known so far: after a crash it is all there is to tell what has to be hidden in the recording.
    async fn list(&mut self) -> Result<(), RecorderError> {
        let facts = self.known.facts();
        if self.writer.is_none() || self.listed.as_ref() == Some(facts) {
            return Ok(());
        }
        self.house.catalog.put(&self.client.id, self.recording, "recording", 0, facts).await?;
        self.listed = Some(facts.clone());
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
        if self.ending.is_none() && self.pauses.is_overdue(now) {
            let why = format!("limits.calls.pause_max_ms = {pause_max} has run out");
            self.happened(Happening::ResumeAsked(Asker::Timer), Who::host(why)).await?;
        }
        if self.ending.is_none() {
            self.tell_of_overdue_duties(now).await?;
        }
        if now >= self.next_listening {
            self.next_listening = now.saturating_add(LISTEN_EVERY_MS);
            self.listen_for_keys(now).await?;
        }
        let Some(writer) = &self.writer else {
            self.tape.let_go(now);
            return Ok(());
        };
        let parts = self.tape.take_ready(now)?;
        self.write(writer, parts).await?;
        if now >= self.next_interim {
            self.next_interim = now.saturating_add(self.house.limits.interim_every_ms);
            self.interim.get_or_insert_with(|| writer.interim());
        }
        self.enter_interim().await
    }

    /// Keys that are in the sound and that the phone system does not tell of are put to the packs like any other. A call
    /// that may not be recorded is not listened to either.
    async fn listen_for_keys(&mut self, now: Offset) -> Result<(), RecorderError> {
        let heard = self.tape.heard_keys(now);
        if self.state == RecordingState::NotRecorded {
            return Ok(());
        }
        for key in heard {
            self.happened(Happening::Key(key), Who::host("heard in the sound of the leg")).await?;
        }
        Ok(())
    }

    /// The call is over. What a recognizer still has to say about it is waited for, one window long.
    async fn end(&mut self, reason: SealReason) {
        if self.ending.is_some() {
            return;
        }
        if let Err(error) = self.consider(CaptureEvent::Ended, &Who::phone_system(), false).await {
            self.fail(&error).await;
        }
        self.tape.end(self.now());
        self.ending = Some(reason);
    }

    fn is_over(&self) -> bool {
        self.ending.is_some() && (self.clock.ends_at_once() || self.tape.is_past_window(self.now()))
    }

    /// Recording fails, the call goes on, somebody is told.
    async fn fail(&mut self, error: &RecorderError) {
        tracing::error!(client = %self.client.id, recording = %self.recording, %error, "recording failed");
        self.tape.stop(self.now(), "host.failure", RecordingState::Suspended);
        self.state = RecordingState::Suspended;
        self.not_recording = vec![failed()];
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

    /// Tells those who watch of a verdict.
    async fn tell(
        &self,
        event: &Event,
        logged: &Logged,
        recording: Option<RecordingId>,
        who: Option<&Who>,
    ) -> Result<(), RecorderError> {
        let (call, state, not_recording) =
            (self.call.as_str(), Some(self.state), self.not_recording.as_slice());
        let about = About { recording, call, state, not_recording, who };
        self.house.tell(&self.client.id, event, logged, about).await
    }

    fn look(&self) -> RunningCall {
        RunningCall {
            recording: self.recording,
            state: self.state,
            at: self.now(),
            not_recording: self.not_recording.clone(),
            packs: self.said.clone(),
            pause: self.pauses.asked().cloned(),
            open_duties: self.duties.open().to_vec(),
        }
    }

    fn answer(&self, verdict: &Verdict) -> Answer {
        // Where something else than this verdict stands in the way, it is said too.
        let standing = self.not_recording.iter().filter(|_| verdict.outcome == Outcome::Allow);
        let why = verdict.reasons().map(|(_, r)| r).chain(standing);
        Answer {
            recording: self.recording,
            state: self.state,
            duties: verdict.obligations().map(|(_, o)| o.duty.to_string()).collect(),
            remedies: verdict.remedies().map(|r| r.action.clone()).collect(),
            reasons: why.map(said).collect(),
            open_duties: self.duties.open().to_vec(),
            joined: None,
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
        self.clock.passed()
    }

    /// The call's own time: when it began by the machine's clock, and what has passed since.
    fn moment(&self) -> Moment {
        self.known.facts().began.plus_millis(self.now().into())
    }

    pub(crate) fn client(&self) -> &ClientId {
        &self.client.id
    }
}

/// Whether a call is certain to be kept from its first moment on, if there is a place for it.
fn is_kept_from_the_beginning(event: &Event, verdict: &Verdict) -> bool {
    *event == Event::Capture(CaptureEvent::Offered)
        && verdict.outcome == Outcome::Allow
        && !verdict.obligations().any(|(_, o)| o.duty == Duty::Announce)
}
