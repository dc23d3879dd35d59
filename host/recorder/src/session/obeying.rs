//! What follows from a verdict on a running call: what goes at once, and what the recording is from then on.

use caveat_model::{CaptureEvent, Duty, Event, Offset, Outcome, Span, Verdict};

use super::{Session, keeping::Placed};
use crate::{
    Answer, PackSaid, RecorderError, RecordingState, Who,
    house::Logged,
    why::{asked_for, asks_for_pause, first_rule, reasons},
};

impl Session {
    /// `placed`: the place was ruled on with the event, and what follows from both is written where it may be kept there.
    pub(super) async fn obey(
        &mut self,
        (event, logged, placed): (&Event, &Logged, Option<Placed>),
        from: Offset,
        who: &Who,
        resumed: bool,
    ) -> Result<Answer, RecorderError> {
        let verdict = &logged.verdict;
        self.said = PackSaid::in_verdict(verdict);
        let was = self.state;
        let duties = self.take_duties(event, verdict);
        let is_noted = placed.as_ref().is_some_and(Placed::is_opened);
        let mut place = None;
        let id = self.recording;
        match verdict.outcome {
            Outcome::Refuse => {
                self.state = RecordingState::NotRecorded;
                self.not_recording = reasons(verdict);
                self.pauses.lift();
                self.known.paused(self.pauses.fact());
            }
            Outcome::Restrain => {
                self.state = RecordingState::Suspended;
                self.not_recording = reasons(verdict);
                self.pauses.suspend(self.known.facts().paused.map_or(from, |pause| pause.since));
                self.known.paused(self.pauses.fact());
            }
            Outcome::Allow if *event == Event::Capture(CaptureEvent::Ended) => {}
            // Neither a pause that somebody asks for nor its end lifts what a verdict suspended.
            Outcome::Allow if self.pauses.is_suspended() && (resumed || asks_for_pause(event)) => {
                self.known.paused(self.pauses.fact());
            }
            Outcome::Allow if self.hold_for_notice(from) => {}
            Outcome::Allow => {
                self.pauses.lift();
                self.known.paused(self.pauses.fact());
                match self.pauses.asked() {
                    // What was said before the pause, and recognized during it, does not make it longer.
                    Some(pause) => {
                        self.tape.stop(pause.since, "pause", RecordingState::Suspended);
                        self.state = RecordingState::Suspended;
                        self.not_recording = vec![asked_for(&pause.who)];
                    }
                    None => place = self.keep(from, placed).await?,
                }
            }
        }
        if verdict.terms.asks(&Duty::DiscardCaptured) {
            self.discard(&first_rule(verdict)).await?;
        }
        if !is_noted {
            self.note(id, verdict).await?;
        }
        self.tell_of_duties(duties).await?;
        self.tell(event, logged, Some(id), Some(who)).await?;
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

    /// Purges and masks at once, before anything is awaited: time works against it. Gives back what is sealed already.
    pub(super) fn drop_what_must_not_be_kept(
        &mut self,
        event: &Event,
        verdict: &Verdict,
        from: Offset,
    ) -> Vec<Span> {
        let rule = |duty: fn(&Duty) -> bool| {
            verdict.obligations().find(|(_, o)| duty(&o.duty)).map_or("", |(_, o)| o.rule.as_str())
        };
        if verdict.terms.asks(&Duty::MaskKeys) {
            // The digits of an entry that came before the one that gave it away go with it, as far as they are in memory.
            let entry = match event {
                Event::Capture(CaptureEvent::Keys(keyed)) => self.known.entry_on(keyed.pressed.leg),
                _ => None,
            };
            self.tape.mask_keys(entry.map_or(from, |(_, since)| since.min(from)));
        }
        if verdict.outcome != Outcome::Allow {
            let (rule, state) = (first_rule(verdict), state_of(verdict.outcome));
            self.tape.stop(from, &rule, state);
        }
        let labels = &self.known.facts().labels;
        let purge = self.house.limits.wide_enough(verdict.terms.purge.as_slice(), labels);
        self.tape.purge(&purge, rule(|d| matches!(d, Duty::Purge(_))))
    }

    pub(super) async fn tell_of_what_is_too_late(&self) -> Result<(), RecorderError> {
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
}

fn state_of(outcome: Outcome) -> RecordingState {
    match outcome {
        Outcome::Allow => RecordingState::Recording,
        Outcome::Restrain => RecordingState::Suspended,
        Outcome::Refuse => RecordingState::NotRecorded,
    }
}
