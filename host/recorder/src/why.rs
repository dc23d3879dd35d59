//! Why nothing is being kept, in words.

use caveat_model::{CaptureEvent, Event, Reason, Verdict};

use crate::Who;

pub(crate) fn asks_for_pause(event: &Event) -> bool {
    matches!(event, Event::Capture(CaptureEvent::PauseAsked(_)))
}

/// The reasons of a verdict, strictest first.
pub(crate) fn reasons(verdict: &Verdict) -> Vec<Reason> {
    verdict.reasons().map(|(_, reason)| reason.clone()).collect()
}

/// The rule that goes before the others.
pub(crate) fn first_rule(verdict: &Verdict) -> String {
    verdict.reasons().next().map_or_else(|| "host.no-packs".into(), |(_, r)| r.rule.clone())
}

/// As people read it: `message (citation)`.
pub(crate) fn said(reason: &Reason) -> String {
    match reason.citation.as_str() {
        "" => reason.message.clone(),
        citation => format!("{} ({citation})", reason.message),
    }
}

/// A pause is in the way.
pub(crate) fn asked_for(who: &Who) -> Reason {
    let message = match who.why.as_str() {
        "" => format!("A pause was asked for by {}.", who.by),
        why => format!("A pause was asked for by {}: {why}.", who.by),
    };
    own("pause", message)
}

/// The host failed.
pub(crate) fn failed() -> Reason {
    own("host.failure", "The host failed; see its log.".to_owned())
}

/// There is no room on the host's disk.
pub(crate) fn full() -> Reason {
    let message = "The host's disk is full (`disk_free_bytes_min` of [limits.store]): make room.";
    own("host.disk", message.to_owned())
}

/// There will soon be none.
pub(crate) fn low() -> Reason {
    let message = "The host's disk is filling up (`disk_free_bytes_warn` of [limits.store]): make room.";
    own("host.disk", message.to_owned())
}

/// Seconds that were acknowledged may be lost.
pub(crate) fn damaged(parts: u64) -> Reason {
    let message = format!(
        "The host's write-ahead log was found damaged in {parts} places: seconds of calls that ran before it started may be missing. Its log names the places; have its disk looked at."
    );
    own("host.write-ahead-log", message)
}

fn own(rule: &str, message: String) -> Reason {
    Reason { rule: rule.into(), citation: String::new(), message }
}
