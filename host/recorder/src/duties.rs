//! What a verdict asks for that the host cannot see to alone: open until somebody says that it was done, told of as
//! overdue when nobody does in time.

use caveat_model::{Duty, Moment, NoticeKind, Offset, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Limits;

/// Something that has to be done on a running call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OpenDuty {
    /// Its number within the call.
    pub id: u32,
    /// What: `announce`, `beep-every-15-s`, `end-call-unless-recorded`.
    pub duty: String,
    /// The rule that asks.
    pub rule: String,
    /// Its citation.
    pub citation: String,
    /// Who has to do it.
    pub by: Doer,
    /// Milliseconds since the call began when it was asked for.
    pub since: Offset,
    /// When it has to be done.
    pub due: Moment,
    /// It was not, in time.
    pub overdue: bool,
    #[serde(skip)]
    due_at: Offset,
}

/// Who has to see to a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doer {
    /// The host plays it where the call can carry it, and says so itself.
    Host,
    /// Whoever controls the call: the phone system or its integrator, who confirms it as an event.
    PhoneSystem,
}

/// What became of a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DutyState {
    /// It was asked for.
    Open,
    /// It was confirmed.
    Done,
    /// It was not done in time.
    Overdue,
    /// Nothing asks for it any more: a later verdict does without, or the call is over.
    Moot,
}

/// The duties of a call.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    open: Vec<OpenDuty>,
    /// Done, with the rule that asked: not asked for again while the same people are on the call.
    done: Vec<(String, String)>,
    next: u32,
}

impl Duties {
    pub(crate) fn open(&self) -> &[OpenDuty] {
        &self.open
    }

    /// Takes in what a verdict asks for; gives back what is new. `now` is `moment`.
    pub(crate) fn ask(
        &mut self,
        verdict: &Verdict,
        by: impl Fn(&Duty) -> Doer,
        (now, moment): (Offset, Moment),
        limits: &Limits,
    ) -> Vec<OpenDuty> {
        let mut new = Vec::new();
        for (_, obligation) in verdict.obligations() {
            let within_ms = match &obligation.duty {
                Duty::Announce => limits.announce_within_ms,
                Duty::Beep(every_s) => limits.announce_within_ms.max(u32::from(*every_s) * 1_000),
                Duty::EndCallUnlessRecorded => limits.end_call_within_ms,
                _ => continue,
            };
            let (duty, rule) = (obligation.duty.code(), obligation.rule.clone());
            let is_open = self.open.iter().any(|o| o.duty == duty && o.rule == rule);
            if is_open || self.done.contains(&(duty.clone(), rule.clone())) {
                continue;
            }
            let reason = verdict.reasons().map(|(_, r)| r).find(|r| r.rule == rule);
            self.next += 1;
            let asked = OpenDuty {
                id: self.next,
                duty,
                citation: reason.map_or_else(String::new, |r| r.citation.clone()),
                rule,
                by: by(&obligation.duty),
                since: now,
                due: moment.plus_millis(within_ms.into()),
                overdue: false,
                due_at: now.saturating_add(within_ms),
            };
            self.open.push(asked.clone());
            new.push(asked);
        }
        new
    }

    /// From here on the host does what it can.
    pub(crate) fn hand_over(&mut self, can: impl Fn(&Duty) -> bool) {
        for open in &mut self.open {
            let duty = if open.duty == Duty::Announce.code() { Duty::Announce } else { Duty::Beep(0) };
            let sounds = open.duty == Duty::Announce.code() || open.duty.starts_with("beep-");
            if sounds && can(&duty) {
                open.by = Doer::Host;
            }
        }
    }

    /// Whether the call has to be told of recording before anything more is kept, by a duty that nobody has done yet.
    pub(crate) fn awaits_notice(&self) -> Option<&OpenDuty> {
        self.open.iter().find(|o| o.duty == Duty::Announce.code())
    }

    /// A notice was given: what asked for it is done, if it is `enough` for the rule that asked.
    pub(crate) fn notice(&mut self, kind: NoticeKind, enough: impl Fn(&str) -> bool) -> Vec<OpenDuty> {
        match kind {
            NoticeKind::Beep => self.close(|o| o.duty.starts_with("beep-")),
            _ => self.close(|o| o.duty == Duty::Announce.code() && enough(&o.rule)),
        }
    }

    /// Somebody says that a duty was done, by its code.
    pub(crate) fn done(&mut self, code: &str) -> Vec<OpenDuty> {
        self.close(|o| o.duty == code)
    }

    /// Others are on the call: they have not been told.
    pub(crate) fn others_joined(&mut self) {
        self.done.retain(|(code, _)| code != &Duty::Announce.code());
    }

    /// The call is recorded after all, or over.
    pub(crate) fn moot(&mut self, which: impl Fn(&OpenDuty) -> bool) -> Vec<OpenDuty> {
        self.open.extract_if(.., |o| which(o)).collect()
    }

    /// What was not done in time; each is given once.
    pub(crate) fn overdue(&mut self, now: Offset) -> Vec<OpenDuty> {
        let late = self.open.iter_mut().filter(|o| !o.overdue && now >= o.due_at);
        late.map(|duty| {
            duty.overdue = true;
            duty.clone()
        })
        .collect()
    }

    fn close(&mut self, which: impl Fn(&OpenDuty) -> bool) -> Vec<OpenDuty> {
        let closed = self.moot(which);
        self.done.extend(closed.iter().map(|o| (o.duty.clone(), o.rule.clone())));
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caveat_model::{Digest, Event, Facts, Mode, Obligation, PackRef, PackRuling, Reason, Ruling};

    fn verdict(duties: &[Duty]) -> Verdict {
        let rule = "r1".to_owned();
        let obligations = duties.iter().map(|d| Obligation { duty: d.clone(), rule: rule.clone() }).collect();
        let reason = Reason { rule, citation: "Statute 1".into(), message: "Why.".into() };
        let pack = PackRef {
            name: "p".into(),
            version: "1.0.0".into(),
            digest: Digest([0; 32]),
            settings: Digest([0; 32]),
        };
        let ruling = Ruling { obligations, reasons: vec![reason], ..Ruling::default() };
        let ruling = PackRuling { pack, mode: Mode::Active, ruling, failure: None, fuel: 0 };
        Verdict::merge(&Event::Capture(caveat_model::CaptureEvent::Offered), &Facts::default(), vec![ruling])
    }

    fn ask(duties: &mut Duties, what: &[Duty], now: Offset) -> Vec<String> {
        let at = (now, Moment::from_millis(now.into()));
        let new = duties.ask(&verdict(what), |_| Doer::PhoneSystem, at, &Limits::default());
        new.into_iter().map(|o| o.duty).collect()
    }

    #[test]
    fn a_duty_is_asked_for_once_until_others_join() {
        let mut duties = Duties::default();
        let both = [Duty::Announce, Duty::Beep(15), Duty::MaskKeys];
        assert_eq!(ask(&mut duties, &both, 0), ["announce", "beep-every-15-s"]);
        assert_eq!(duties.open()[0].citation, "Statute 1");
        assert!(ask(&mut duties, &both, 10).is_empty());
        assert_eq!(duties.notice(NoticeKind::Spoken, |_| true).len(), 1);
        assert!(ask(&mut duties, &both, 20).is_empty() && duties.awaits_notice().is_none());
        duties.others_joined();
        assert_eq!(ask(&mut duties, &both, 30), ["announce"]);
        assert_eq!(duties.done("beep-every-15-s").len(), 1);
    }

    #[test]
    fn what_is_not_done_in_time_is_told_once() {
        let mut duties = Duties::default();
        ask(&mut duties, &[Duty::EndCallUnlessRecorded], 1_000);
        let within = Limits::default().end_call_within_ms;
        assert!(duties.overdue(999 + within).is_empty());
        assert_eq!(duties.overdue(1_000 + within).len(), 1);
        assert!(duties.overdue(2_000 + within).is_empty() && duties.open().len() == 1);
        assert_eq!(duties.moot(|_| true).len(), 1);
    }
}
