//! One event put to one pack, from a file a person wrote: `{"event": ..., "facts": ...}`.

use std::{path::PathBuf, sync::Arc};

use caveat_engine::Engine;
use caveat_model::{CaptureEvent, Event, Facts, Moment, PartyId, Verdict};
use serde_json::Value;

use crate::{ActiveSet, LoadedPack, PackError, Problem, Trace, document, plain};

/// Rules on the event in `text`, JSON of the form `{"event": {"capture": "offered"}, "facts": {"now": "...", ...}}`; both
/// parts in the model's own form, the parties also in plain form ([`plain`]). `name` is for messages. With the verdict
/// comes where in its code each pack that broke off did so.
///
/// # Errors
/// [`PackError::Document`] with the line or key: bad JSON, an event or facts that are missing or unknown, no `now`, a party
/// that the event names and the facts do not.
pub fn decide(
    engine: &Engine,
    packs: &[Arc<LoadedPack>],
    name: &str,
    text: &str,
) -> Result<(Verdict, Vec<Trace>), PackError> {
    let (event, facts) = read(text)
        .map_err(|problem| PackError::Document { path: PathBuf::from(name), problems: vec![problem] })?;
    let (rulings, traces) = ActiveSet::obeying(packs.iter().cloned()).ask_traced(engine, &event, &facts);
    Ok((Verdict::merge(&event, &facts, rulings), traces))
}

/// An event of a file with one a line: `{"event": .., "facts": ..}` as in [`decide`], and an optional `recording`. The
/// model's own form is read without a detour; anything else goes the way of [`decide`].
///
/// # Errors
/// What is wrong with it.
pub fn event_from_line(line: &str) -> Result<(Event, Facts, Option<String>), String> {
    #[derive(serde::Deserialize)]
    struct Line {
        event: Event,
        facts: Facts,
        recording: Option<String>,
    }
    if let Ok(Line { event, facts, recording }) = serde_json::from_str(line)
        && facts.now != Moment::default()
    {
        check_party(&event, &facts)?;
        return Ok((event, facts, recording));
    }
    let mut whole: Value = serde_json::from_str(line).map_err(|e| format!("not JSON: {e}"))?;
    let recording = whole.as_object_mut().and_then(|parts| parts.remove("recording"));
    let (event, facts) = read_value(whole).map_err(|problem| problem.to_string())?;
    Ok((event, facts, recording.map(|id| plain::text_of(&id))))
}

fn read(text: &str) -> Result<(Event, Facts), Problem> {
    let whole = serde_json::from_str(text).map_err(|e| Problem {
        line: Some(e.line()),
        at: String::new(),
        message: format!("not JSON: {e}"),
    })?;
    read_value(whole)
}

fn read_value(mut whole: Value) -> Result<(Event, Facts), Problem> {
    let Some(parts) = whole.as_object_mut() else {
        return Err(Problem::new("", "an object with `event` and `facts` is wanted"));
    };
    let event =
        parts.remove("event").ok_or_else(|| Problem::new("event", "missing: what is about to happen?"))?;
    let facts = parts
        .remove("facts")
        .ok_or_else(|| Problem::new("facts", "missing: a pack knows nothing by itself"))?;
    if let Some(extra) = parts.keys().next() {
        let hint = document::did_you_mean(extra, ["event", "facts"]);
        return Err(Problem::new(extra, format!("nobody reads this{hint}")));
    }
    let event = event_from(event).map_err(|message| Problem::new("event", message))?;
    if facts.get("now").is_none() {
        return Err(Problem::new("facts.now", "missing: every period is counted from it (RFC 3339)"));
    }
    let facts = plain::facts(facts)?;
    check_party(&event, &facts).map_err(|message| Problem::new("facts.parties", message))?;
    Ok((event, facts))
}

/// An event in the model's form, with the nearest name for a misspelt one.
pub(crate) fn event_from(given: Value) -> Result<Event, String> {
    serde_json::from_value(given).map_err(|e| {
        let message = e.to_string();
        format!("{message}{}", document::misspelt(&message).1)
    })
}

/// Whoever the event is about has to be among the facts.
pub(crate) fn check_party(event: &Event, facts: &Facts) -> Result<(), String> {
    match party_of(event) {
        Some(id) if facts.party(id).is_none() => {
            Err(format!("the event is about party {id}, who is not among the facts"))
        }
        _ => Ok(()),
    }
}

fn party_of(event: &Event) -> Option<PartyId> {
    let Event::Capture(event) = event else { return None };
    match event {
        CaptureEvent::PartyJoined(id)
        | CaptureEvent::PartyLeft(id)
        | CaptureEvent::RegionLearned(id)
        | CaptureEvent::ConsentGiven(id)
        | CaptureEvent::ConsentRefused(id)
        | CaptureEvent::Held(id)
        | CaptureEvent::Unheld(id) => Some(*id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let check = |text: &str, wanted: &str| {
            let problem = read(text).unwrap_err().to_string();
            assert!(problem.contains(wanted), "{text}\n{problem}");
        };
        check("{\n\"event\": }", "line 2");
        check(r#"{"facts": {}}"#, "`event`: missing");
        check(r#"{"event": {"capture": "offered"}}"#, "`facts`: missing");
        check(r#"{"event": {"capture": "offered"}, "facts": {}}"#, "`facts.now`: missing");
        check(
            r#"{"event": {"capture": "offred"}, "facts": {"now": "2026-01-05"}}"#,
            "did you mean `offered`?",
        );
        check(r#"{"event": {"capture": "offered"}, "facts": {"now": "2026-01-05", "partys": []}}"#, "partys");
        check(r#"{"event": {"capture": {"party-joined": 3}}, "facts": {"now": "2026-01-05"}}"#, "party 3");
        check(r#"{"event": {"capture": "offered"}, "fact": {}, "facts": {}}"#, "did you mean `facts`?");
    }

    #[test]
    fn an_event_with_plain_parties_is_read() {
        let text = r#"{"event": {"capture": {"party-joined": 0}},
            "facts": {"now": "2026-01-05", "parties": [{"role": "customer", "number": "+13055550113"}]}}"#;
        let (event, facts) = read(text).unwrap();
        assert_eq!(event.name(), "party-joined");
        assert_eq!(facts.parties[0].regions[0].region.as_str(), "FL");
    }
}
