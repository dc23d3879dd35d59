//! Events and facts in plain words.

use caveat_model::{
    AccessRequest, Attribute, AttributeValue, CaptureEvent, Consent, Event, Facts, LabelKind, NoticeKind,
    NumberKind, Party, PartyId, Placement, RegionSource, Speech, StorageEvent,
};
use serde::Serialize;

use crate::{cases::word, plain::text_of};

/// What happens, in a sentence.
pub(super) fn event(event: &Event, facts: &Facts) -> String {
    match event {
        Event::Capture(event) => capture(event, facts),
        Event::Storage(event) => storage(event),
        Event::Access(request) => access(request),
    }
}

fn capture(event: &CaptureEvent, facts: &Facts) -> String {
    let who = |id: PartyId| party_name(id, facts);
    match event {
        CaptureEvent::Offered => "A call begins, and recording it is offered.".into(),
        CaptureEvent::PartyJoined(id) => format!("{} joins the call.", capital(&who(*id))),
        CaptureEvent::PartyLeft(id) => format!("{} leaves the call.", capital(&who(*id))),
        CaptureEvent::RegionLearned(id) => format!("More is learned about where {} is.", who(*id)),
        CaptureEvent::NoticePlayed => "A notice of recording has been given.".into(),
        CaptureEvent::ConsentGiven(id) => format!("{} consents.", capital(&who(*id))),
        CaptureEvent::ConsentRefused(id) => format!("{} refuses consent.", capital(&who(*id))),
        CaptureEvent::Words(speech) => words(speech, facts),
        CaptureEvent::Keys(keyed) => {
            format!(
                "{} presses the key {}.",
                capital(&leg_name(keyed.pressed.leg, facts)),
                keyed.pressed.symbol
            )
        }
        CaptureEvent::PauseAsked(asker) => format!("A pause is asked for by {}.", asker_name(asker)),
        CaptureEvent::ResumeAsked(asker) => format!("Going on is asked for by {}.", asker_name(asker)),
        CaptureEvent::Held(id) => format!("{} is put on hold.", capital(&who(*id))),
        CaptureEvent::Unheld(id) => format!("{} is taken off hold.", capital(&who(*id))),
        CaptureEvent::Ended => "The call ends.".into(),
    }
}

fn words(speech: &Speech, facts: &Facts) -> String {
    let said = |words: &[caveat_model::Word]| -> Vec<String> {
        let mut lines: Vec<(u8, String)> = Vec::new();
        for word in words {
            match lines.last_mut() {
                Some((leg, line)) if *leg == word.leg => {
                    line.push(' ');
                    line.push_str(&word.text);
                }
                _ => lines.push((word.leg, word.text.clone())),
            }
        }
        lines
            .into_iter()
            .map(|(leg, text)| format!("{}: \u{201c}{text}\u{201d}", leg_name(leg, facts)))
            .collect()
    };
    let heard = said(&speech.heard).join("; ");
    match said(&speech.before).join("; ") {
        none if none.is_empty() => format!("Heard from {heard}."),
        before => format!("Heard from {heard} (before that, from {before})."),
    }
}

fn asker_name(asker: &impl Serialize) -> &'static str {
    match word(asker).as_str() {
        "card-entry" => "a payment page",
        "protocol" => "the telephone system",
        "timer" => "the limit on pauses",
        _ => "a person",
    }
}

fn storage(event: &StorageEvent) -> String {
    match event {
        StorageEvent::Seal(placement) => {
            format!("The recording is complete and about to be sealed: {}.", place(placement))
        }
        StorageEvent::Place(placement) => {
            format!("A further copy is about to be made: {}.", place(placement))
        }
        StorageEvent::Move(placement) => format!("A copy is about to leave for good: {}.", place(placement)),
        StorageEvent::Review(what) => {
            format!("It is reviewed whether the {} may or must be kept.", spaced(what))
        }
        StorageEvent::Dispose(disposal) => format!(
            "The {} is about to be destroyed ({}).",
            spaced(&disposal.what),
            match word(&disposal.basis).as_str() {
                "schedule" => "by schedule",
                "person-asks" => "a person asks for it",
                "erasure-request" => "the person recorded asked for erasure",
                "contract-end" => "the contract ended",
                _ => "the rules ask for it",
            }
        ),
        StorageEvent::HoldSet(hold) => format!("A legal hold is set: {}.", hold.matter),
        StorageEvent::HoldLifted(hold) => format!("A legal hold is lifted: {}.", hold.matter),
        StorageEvent::BreachFound => "Data may have reached somebody it should not have.".into(),
    }
}

fn access(request: &AccessRequest) -> String {
    let person = &request.person;
    let mut who = vec![format!("role {}", spaced(&person.role))];
    if !person.function.is_empty() {
        who.push(person.function.clone());
    }
    let factors: Vec<String> = person.factors.iter().map(|f| spaced(&f.kind)).collect();
    who.push(if factors.is_empty() {
        "showed no factor".into()
    } else {
        format!("showed {}", factors.join(" and "))
    });
    if person.idle_s > 0 {
        who.push(format!("session unused for {} s", person.idle_s));
    }
    if person.unused_days > 0 {
        who.push(format!("account unused for {} days", person.unused_days));
    }
    for (word, usual) in [(spaced(&person.account), "individual"), (spaced(&person.standing), "active")] {
        if word != usual {
            who.push(format!("{word} account"));
        }
    }
    who.extend(traits(&person.traits));
    let act = match word(&request.act).as_str() {
        "sign-in" => "sign in".to_owned(),
        "search" => "search recordings".to_owned(),
        act => format!("{act} the recording"),
    };
    let purpose = match word(&request.purpose).as_str() {
        "unstated" => "for no stated purpose".to_owned(),
        purpose => format!("for {}", purpose.replace('-', " ")),
    };
    let form = match word(&request.form).as_str() {
        "original" => String::new(),
        form => format!(", in the form \u{201c}{}\u{201d}", form.replace('-', " ")),
    };
    format!("Somebody ({}) asks to {act} {purpose}{form}.", who.join(", "))
}

/// What is known, a line each; nothing that is unknown is in it.
pub(super) fn facts(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if !facts.parties.is_empty() {
        let parties: Vec<String> = facts.parties.iter().map(party).collect();
        lines.push(format!("On the call: {}.", parties.join("; ")));
    }
    match word(&facts.direction).as_str() {
        "unknown" => {}
        direction => lines.push(format!("The call is {direction}.")),
    }
    let about = &facts.traits;
    for (holds, words) in [
        (about.emergency, "The call is of an emergency nature."),
        (about.emergency_line, "It came in on a published emergency line."),
        (about.captured, "Some audio of the call has been kept."),
        (about.can_pause, "The client can pause or mask while card data is taken."),
        (about.medical_record, "The recording is part of a medical record."),
    ] {
        if holds {
            lines.push(words.to_owned());
        }
    }
    if let Some(region) = &facts.recorder_region {
        lines.push(format!("The recorder is in {region}."));
    }
    if !facts.purposes.is_empty() {
        let purposes: Vec<String> = facts.purposes.iter().map(spaced).collect();
        lines.push(format!("Recorded for: {}.", purposes.join(", ")));
    }
    lines.extend(facts.notices.iter().map(|notice| {
        let kind = match notice.kind {
            NoticeKind::Spoken => "A spoken notice".to_owned(),
            NoticeKind::Beep => format!("A tone every {} s", notice.every_s),
            NoticeKind::Written => "A written notice".to_owned(),
        };
        let heard: Vec<String> = notice.heard_by.iter().map(|id| party_name(*id, facts)).collect();
        let heard = if heard.is_empty() {
            "nobody is known to have heard it".into()
        } else {
            format!("heard by {}", heard.join(" and "))
        };
        let recorded = if notice.recorded { "it is in the recording" } else { "it is not in the recording" };
        let late = if notice.late { ", audio from before it was kept" } else { "" };
        let language = if notice.language.is_empty() {
            String::new()
        } else {
            format!(", in the language {}", notice.language)
        };
        format!("{kind}, {heard}; {recorded}{late}{language}.")
    }));
    lines.extend(facts.consents.iter().map(|consent| consent_line(consent, facts)));
    if !facts.labels.is_empty() {
        let labels: Vec<String> = facts.labels.iter().map(|label| label_name(label.kind)).collect();
        lines.push(format!("Found in it earlier: {}.", labels.join(", ")));
    }
    if let Some(pause) = &facts.paused {
        lines.push(format!(
            "Nothing is being kept since second {} ({}).",
            pause.since / 1_000,
            spaced(&pause.cause)
        ));
    }
    lines.extend(facts.placements.iter().map(|placement| format!("It lies here: {}.", place(placement))));
    lines.extend(facts.holds.iter().map(|hold| format!("A legal hold is in force: {}.", hold.matter)));
    if !facts.attributes.is_empty() {
        let each: Vec<String> = facts.attributes.iter().map(attribute).collect();
        lines.push(format!("Further facts: {}.", each.join("; ")));
    }
    lines
}

fn consent_line(consent: &Consent, facts: &Facts) -> String {
    let who = capital(&party_name(consent.party, facts));
    let how = spaced(&consent.form);
    match (consent.given, consent.recorded) {
        (true, true) => format!("{who} consented ({how}); it is in the recording."),
        (true, false) => format!("{who} consented ({how}); it is not in the recording."),
        (false, _) => format!("{who} refused consent."),
    }
}

fn party(party: &Party) -> String {
    let mut about: Vec<String> = party
        .regions
        .iter()
        .map(|evidence| match evidence.source {
            RegionSource::Stated => format!("says to be in {}", evidence.region),
            RegionSource::OnFile => format!("{} on file", evidence.region),
            RegionSource::Number => format!("number of {}", evidence.region),
        })
        .collect();
    if !matches!(party.number, NumberKind::Geographic | NumberKind::Missing) {
        about.push(format!("{} number", spaced(&party.number)));
    }
    if !party.language.is_empty() {
        about.push(format!("speaks {}", party.language));
    }
    if party.left.is_some() || !party.traits.present {
        about.push("not on the call now".into());
    }
    about.extend(traits(&party.traits).into_iter().filter(|t| t != "present"));
    let role = article(&spaced(&party.role));
    if about.is_empty() { role } else { format!("{role} ({})", about.join(", ")) }
}

fn place(placement: &Placement) -> String {
    let kind = spaced(&placement.kind);
    let region = placement.region.as_ref().map_or("in no known place".into(), |r| format!("in {r}"));
    let cipher = match word(&placement.cipher).as_str() {
        "none" => "not encrypted".to_owned(),
        "disk-only" => "encrypted as a disk only".to_owned(),
        "weak" => "encrypted weakly".to_owned(),
        "other-strong" => "encrypted strongly".to_owned(),
        cipher => format!("encrypted with {cipher}"),
    };
    let mut about = vec![format!("{kind} copy {region}"), cipher];
    match word(&placement.key).as_str() {
        "none" => {}
        state => about.push(format!("key {state}")),
    }
    about.extend(traits(&placement.traits));
    about.join(", ")
}

fn attribute(attribute: &Attribute) -> String {
    let value = match &attribute.value {
        AttributeValue::Flag(true) => "yes".to_owned(),
        AttributeValue::Flag(false) => "no".to_owned(),
        AttributeValue::Whole(n) => n.to_string(),
        AttributeValue::Text(text) => format!("\u{201c}{text}\u{201d}"),
        AttributeValue::When(moment) => moment.date().to_string(),
    };
    format!("{} is {value}", attribute.name)
}

/// What something found in a recording is called.
pub(super) fn label_name(kind: LabelKind) -> String {
    match kind {
        LabelKind::CardNumber => "a card number".into(),
        LabelKind::CardCode => "a card verification code".into(),
        LabelKind::CardPin => "a PIN".into(),
        LabelKind::Ssn => "a Social Security number".into(),
        LabelKind::Health => "talk of health".into(),
        LabelKind::Privileged => "privileged talk".into(),
        other => article(&spaced(&other)),
    }
}

/// The names of the traits that are set.
fn traits(all: &impl Serialize) -> Vec<String> {
    let value = serde_json::to_value(all).unwrap_or_default();
    let set = value.as_object().into_iter().flatten().filter(|(_, set)| set.as_bool() == Some(true));
    set.map(|(name, _)| name.replace('-', " ")).collect()
}

/// `the customer`, or `customer 2` where there are several.
fn party_name(id: PartyId, facts: &Facts) -> String {
    let Some(party) = facts.party(id) else { return format!("party {id}") };
    let role = spaced(&party.role);
    let alike: Vec<PartyId> = facts.parties.iter().filter(|p| p.role == party.role).map(|p| p.id).collect();
    match alike.iter().position(|other| *other == id) {
        Some(n) if alike.len() > 1 => format!("{role} {}", n + 1),
        _ => format!("the {role}"),
    }
}

fn leg_name(leg: u8, facts: &Facts) -> String {
    let party = facts.parties.iter().find(|p| p.leg == Some(leg));
    party.map_or_else(|| format!("line {leg}"), |p| party_name(p.id, facts))
}

fn article(noun: &str) -> String {
    let an = noun.starts_with(['a', 'e', 'i', 'o']) || noun == "unknown";
    let noun = if noun == "unknown" { "unknown party" } else { noun };
    format!("{} {noun}", if an { "an" } else { "a" })
}

/// A model enum as words.
pub(super) fn spaced(value: &impl Serialize) -> String {
    word(value).replace('-', " ")
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A setting or a cell of a table as text.
pub(super) fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) if items.is_empty() => "none".into(),
        serde_json::Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        serde_json::Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        serde_json::Value::Object(map) => {
            let each = map.iter().map(|(key, v)| {
                let (key, told) = (key.replace(['-', '_'], " "), self::value(v));
                if v.is_object() { format!("{key} ({told})") } else { format!("{key}: {told}") }
            });
            each.collect::<Vec<_>>().join("; ")
        }
        serde_json::Value::String(text) if text.is_empty() => "empty".into(),
        plain => text_of(plain),
    }
}
