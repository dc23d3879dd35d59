//! What verdicts on a running call ask of others: opened, played where the call can carry it, confirmed, overdue.

use caveat_ledger::EntryKind;
use caveat_model::{CaptureEvent, Duty, Event, Offset, Outcome, Reason, Verdict};

use super::Session;
use crate::{
    Answer, Doer, DutyNews, DutyState, OpenDuty, RecorderError, RecordingState, Who, bounds::Bound, cues,
    why::said,
};

impl Session {
    /// What a verdict asks of others, and what the event it is about has confirmed: opened and closed, not told yet.
    pub(super) fn take_duties(&mut self, event: &Event, verdict: &Verdict) -> Vec<(DutyState, OpenDuty)> {
        let mut changed = Vec::new();
        let mut note = |state, duties: Vec<OpenDuty>| changed.extend(duties.into_iter().map(|d| (state, d)));
        match event {
            Event::Capture(CaptureEvent::NoticePlayed) => {
                // A notice that is not enough for a rule leaves its duty open: the verdict on the notice asks again.
                let asks = |rule: &str| {
                    verdict.obligations().any(|(_, o)| o.duty == Duty::Announce && o.rule == rule)
                };
                if let Some(notice) = self.known.facts().notices.last() {
                    note(DutyState::Done, self.duties.notice(notice.kind, |rule| !asks(rule)));
                }
            }
            Event::Capture(CaptureEvent::PartyJoined(_)) => self.duties.others_joined(),
            Event::Capture(CaptureEvent::Ended) => {
                note(DutyState::Done, self.duties.done(&Duty::EndCallUnlessRecorded.code()));
                note(DutyState::Moot, self.duties.moot(|_| true));
                return changed;
            }
            _ => {}
        }
        let streams = matches!(event, Event::Capture(CaptureEvent::Words(_) | CaptureEvent::Keys(_)));
        let announces = verdict.terms.asks(&Duty::Announce);
        if verdict.outcome == Outcome::Allow && !announces && !streams {
            note(DutyState::Moot, self.duties.moot(|o| o.duty == Duty::Announce.code()));
        }
        let by = |duty: &Duty| {
            if self.plays && cues::can_play(&self.client.practice, duty) {
                Doer::Host
            } else {
                Doer::PhoneSystem
            }
        };
        let now = (self.now(), self.moment());
        note(DutyState::Open, self.duties.ask(verdict, by, now, &self.house.limits));
        self.beep_every_s = match (self.beep_every_s, verdict.terms.beep_every_s) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        changed
    }

    /// Holds a recording that may go on only once a notice of it was given, where it was not.
    pub(super) fn hold_for_notice(&mut self, from: Offset) -> bool {
        let Some(duty) = self.duties.awaits_notice() else { return false };
        let (rule, citation) = (duty.rule.clone(), duty.citation.clone());
        let message = "Held until the notice of recording that this rule asks for is confirmed.".to_owned();
        self.tape.stop(from, &rule, RecordingState::Suspended);
        self.state = RecordingState::Suspended;
        self.not_recording = vec![Reason { rule, citation, message }];
        self.pauses.suspend(from);
        self.known.paused(self.pauses.fact());
        true
    }

    /// Tells of what changed, and plays what is to be played.
    pub(super) async fn tell_of_duties(
        &mut self,
        mut changed: Vec<(DutyState, OpenDuty)>,
    ) -> Result<(), RecorderError> {
        if self.state == RecordingState::Recording {
            let moot = self.duties.moot(|o| o.duty == Duty::EndCallUnlessRecorded.code());
            changed.extend(moot.into_iter().map(|o| (DutyState::Moot, o)));
        }
        for (state, duty) in changed {
            self.tell_of_duty(state, duty).await?;
        }
        self.cue();
        Ok(())
    }

    /// Tells of what was not done in time.
    pub(super) async fn tell_of_overdue_duties(&mut self, now: Offset) -> Result<(), RecorderError> {
        for duty in self.duties.overdue(now) {
            let message = format!(
                "`{}` was asked for on a call and not confirmed in time: have it done, and post what was done to the call's \
                 events (`notice-played` for a notice or a tone, else `duty-done`).",
                duty.duty
            );
            let why = (duty.rule.as_str(), duty.citation.as_str(), message.as_str());
            let at = self.house.clock.now();
            self.house.alerts.raise(&self.client.id, at, Some(self.recording), "duty-overdue", why).await?;
            self.tell_of_duty(DutyState::Overdue, duty).await?;
        }
        Ok(())
    }

    /// Somebody says that they did what was asked.
    pub(super) async fn duty_done(&mut self, code: &str, who: &Who) -> Result<Answer, RecorderError> {
        let is_notice = code == Duty::Announce.code() || code.starts_with("beep-");
        let done = if is_notice { vec![] } else { self.duties.done(code) };
        if done.is_empty() {
            let open = self.duties.open().iter().map(|o| o.duty.clone()).collect::<Vec<_>>().join(", ");
            return Err(RecorderError::NoSuchDuty { duty: code.chars().take(80).collect(), open });
        }
        tracing::info!(client = %self.client.id, recording = %self.recording, by = %who.by, duty = code, "done");
        self.tell_of_duties(done.into_iter().map(|d| (DutyState::Done, d)).collect()).await?;
        Ok(Answer {
            recording: self.recording,
            state: self.state,
            duties: vec![],
            remedies: vec![],
            reasons: self.not_recording.iter().map(said).collect(),
            open_duties: self.duties.open().to_vec(),
            joined: None,
        })
    }

    /// The call can carry sound: what the host is able to play is its own to do.
    pub(super) fn plays(&mut self) {
        self.plays = true;
        let practice = &self.client.practice;
        self.duties.hand_over(|duty| cues::can_play(practice, duty));
        self.cue();
    }

    /// What a recording may be used for, as far as a verdict says so first.
    pub(super) fn new_bounds(&self, verdict: &Verdict) -> Vec<Bound> {
        let mut new = Bound::of(verdict);
        new.retain(|bound| !self.bounds.contains(bound));
        new
    }

    fn cue(&self) {
        let open = if self.plays && self.ending.is_none() { self.duties.open() } else { &[] };
        let beep = self.beep_every_s.filter(|_| self.plays && self.ending.is_none());
        let cues = cues::of(&self.client.practice, open, beep, self.known.facts());
        self.cues.send_if_modified(|now| {
            let changed = *now != cues;
            *now = cues;
            changed
        });
    }

    async fn tell_of_duty(&self, state: DutyState, duty: OpenDuty) -> Result<(), RecorderError> {
        if matches!(state, DutyState::Done | DutyState::Overdue) {
            let recording = self.house.pseudonym(&self.client.id, self.recording).await?;
            let (code, rule) = (duty.duty.clone(), duty.rule.clone());
            let done = state == DutyState::Done;
            self.house.enter(&self.client.id, EntryKind::Duty { recording, code, rule, done }).await?;
        }
        let (at, call, recording) = (self.house.clock.now(), self.call.clone(), self.recording);
        self.house.watch.duty(&self.client.id, DutyNews { at, call, recording, state, duty });
        Ok(())
    }
}
