//! Why nothing is being kept: somebody asked for a pause, or a verdict suspended the recording. Each holds by itself, and
//! the end of one never lifts the other.

use caveat_model::{Asker, Moment, Offset, Pause, PauseCause};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is behind something that happens, and why. Kept in the sealed detail of its verdict and shown to the client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Who {
    /// `person kim`, `token phones`, `keys on leg 0`, `phone system`, `host`.
    pub by: String,
    /// In their words; empty when they gave none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Outside the client: who is given something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
}

impl Who {
    /// Somebody, with a reason or without.
    pub fn new(by: impl Into<String>, why: impl Into<String>) -> Self {
        Self { by: by.into(), why: why.into(), to: String::new() }
    }
    /// The phone system, by its protocol.
    pub fn phone_system() -> Self {
        Self::new("phone system", "")
    }
    /// The host itself.
    pub(crate) fn host(why: impl Into<String>) -> Self {
        Self::new("host", why)
    }
}

/// A pause that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AskedPause {
    /// From when on nothing is kept for it.
    pub since: Offset,
    /// On what ground.
    pub cause: PauseCause,
    /// Who asked, and why.
    #[serde(flatten)]
    pub who: Who,
    /// When the host asks for its end, unless somebody does before.
    pub ends: Moment,
    /// The same as an offset: a pause that is asked for again lasts anew.
    #[serde(skip)]
    ends_at: Offset,
}

/// What holds now.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    asked: Option<AskedPause>,
    suspended: Option<Offset>,
}

impl Pauses {
    /// Somebody asks for a pause at `now`, which is `moment`; it is ended after `most_ms`.
    pub(crate) fn ask(&mut self, asker: Asker, who: Who, (now, moment): (Offset, Moment), most_ms: u32) {
        let cause = match asker {
            Asker::CardEntry => PauseCause::CardEntry,
            Asker::Protocol => PauseCause::Protocol,
            Asker::Person | Asker::Timer => PauseCause::Asked,
        };
        let since = self.asked.as_ref().map_or(now, |asked| asked.since);
        let (ends, ends_at) = (moment.plus_millis(most_ms.into()), now.saturating_add(most_ms));
        self.asked = Some(AskedPause { since, cause, who, ends, ends_at });
    }

    /// Somebody asks to go on; false if nobody had asked for a pause.
    pub(crate) fn resume(&mut self) -> bool {
        self.asked.take().is_some()
    }

    /// A verdict suspends. What was not kept before for another reason belongs to it.
    pub(crate) fn suspend(&mut self, since: Offset) {
        self.suspended.get_or_insert(since);
    }

    /// A verdict allows: no suspension is left.
    pub(crate) fn lift(&mut self) {
        self.suspended = None;
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }

    pub(crate) fn asked(&self) -> Option<&AskedPause> {
        self.asked.as_ref()
    }

    /// Whether a pause has lasted as long as one may.
    pub(crate) fn is_overdue(&self, now: Offset) -> bool {
        self.asked.as_ref().is_some_and(|asked| now >= asked.ends_at)
    }

    /// As packs are told. Theirs goes before the other: they go on ruling on it.
    pub(crate) fn fact(&self) -> Option<Pause> {
        match (self.suspended, &self.asked) {
            (Some(since), Some(asked)) => {
                Some(Pause { since: since.min(asked.since), cause: PauseCause::Verdict })
            }
            (Some(since), None) => Some(Pause { since, cause: PauseCause::Verdict }),
            (None, Some(asked)) => Some(Pause { since: asked.since, cause: asked.cause }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pauses: &mut Pauses, now: Offset) {
        let at = Moment::from_millis(u64::from(now));
        pauses.ask(Asker::CardEntry, Who::new("token phones", "card"), (now, at), 1_000);
    }

    #[test]
    fn the_end_of_one_never_lifts_the_other() {
        let mut pauses = Pauses::default();
        pauses.suspend(500);
        ask(&mut pauses, 800);
        assert_eq!(pauses.fact(), Some(Pause { since: 500, cause: PauseCause::Verdict }));
        assert!(pauses.resume() && pauses.is_suspended());
        assert_eq!(pauses.fact(), Some(Pause { since: 500, cause: PauseCause::Verdict }));
        ask(&mut pauses, 900);
        pauses.lift();
        assert_eq!(pauses.fact(), Some(Pause { since: 900, cause: PauseCause::CardEntry }));
        assert!(pauses.resume() && !pauses.resume());
        assert_eq!(pauses.fact(), None);
    }

    #[test]
    fn a_pause_asked_for_again_lasts_anew_and_began_when_it_began() {
        let mut pauses = Pauses::default();
        ask(&mut pauses, 100);
        ask(&mut pauses, 900);
        assert_eq!(pauses.fact().map(|p| p.since), Some(100));
        assert!(!pauses.is_overdue(1_899) && pauses.is_overdue(1_900));
    }
}
