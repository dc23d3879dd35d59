//! The call: what was known before it, what was said on it, and whether the disclosure was made. Nothing here stops a
//! recording: a call that should not have been made is evidence too.

use caveat_sdk::{
    Facts, Rule,
    capture::{Duty, Event, Ruling, Score, Speech},
    facts::{Direction, LabelKind, Role},
};
use pack_law::{
    is_listed, known,
    phrase::{self, Phrase, Said},
};

use crate::{Settings, law};

/// Of a phrase that was recognized word for word. Below 71, so that a pack which knows its own labels by higher ones
/// (`agent-standards`) is not misled.
const CONFIDENCE: u8 = 65;

/// What is listened for.
#[derive(Debug)]
pub(crate) struct Phrases {
    pub(crate) disclosure: Vec<Phrase>,
    threats: Vec<Phrase>,
    /// What a consumer says, what it is worth, and what has to be done about it.
    consumer: Vec<(Vec<Phrase>, &'static Rule, &'static str, &'static str)>,
}

impl Phrases {
    pub(crate) fn of_the_law() -> Self {
        let consumer = vec![
            (
                law::STOP_WORDS,
                &law::CEASE,
                "note-cease-request",
                "The consumer may have asked that contact stop.",
            ),
            (
                law::LAWYER_WORDS,
                &law::ATTORNEY,
                "note-attorney",
                "The consumer may be represented by an attorney.",
            ),
            (law::DISPUTE_WORDS, &law::DISPUTE, "note-dispute", "The consumer may dispute the debt."),
            (
                law::WORK_WORDS,
                &law::TIME_AND_PLACE,
                "call-at-another-time",
                "The place may be inconvenient to the consumer.",
            ),
        ];
        let listened = |(texts, rule, action, why)| (Phrase::all(texts), rule, action, why);
        Self {
            disclosure: Phrase::all(law::COLLECTOR_SAYS),
            threats: Phrase::all(law::THREATS),
            consumer: consumer.into_iter().map(listened).collect(),
        }
    }
}

pub(crate) fn rule(settings: &Settings, words: &Phrases, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    disclosures(event, facts, &mut ruling);
    match event {
        Event::Offered => contact(facts, &mut ruling),
        Event::Words(speech) if settings.listen => listen(words, speech, facts, &mut ruling),
        Event::Ended if settings.listen => disclosed(settings, facts, &mut ruling),
        _ => {}
    }
    ruling
}

/// Whether this call should have been placed at all.
fn contact(facts: &Facts, ruling: &mut Ruling) {
    if facts.direction == Direction::Inbound {
        return;
    }
    if known::is(facts, &["collections.cease-requested"]) {
        ruling.because(&law::CEASE, "The consumer has asked in writing that contact stop.");
        ruling.see_to(&law::CEASE, "stop-contact", None);
    }
    if known::is(facts, &["collections.attorney-known"]) {
        ruling.because(&law::ATTORNEY, "The consumer is known to be represented by an attorney.");
        ruling.see_to(&law::ATTORNEY, "contact-attorney", None);
    }
    let allowed = u64::from(law::FIRST_HOUR.value)..u64::from(law::LAST_HOUR.value);
    let out_of_hours =
        known::count(facts, &["customer.local-hour"]).is_some_and(|hour| !allowed.contains(&hour));
    if out_of_hours {
        ruling.because_of(
            &law::TIME_AND_PLACE,
            law::FIRST_HOUR.citation,
            "It is before 8 or after 21 o'clock where the consumer is.",
        );
        ruling.see_to(&law::TIME_AND_PLACE, "call-at-another-time", None);
    }
    if known::is(facts, &["collections.place-inconvenient"]) {
        ruling.because(&law::TIME_AND_PLACE, "The place is known to be inconvenient to the consumer.");
        ruling.see_to(&law::TIME_AND_PLACE, "call-at-another-time", None);
    }
    let too_many = known::count(facts, &["collections.calls-in-7-days"])
        .is_some_and(|calls| calls > u64::from(law::CALLS_IN_7_DAYS_MAX.value));
    let too_soon = known::count(facts, &["collections.days-since-conversation"])
        .is_some_and(|days| days < u64::from(law::DAYS_AFTER_CONVERSATION.value));
    for (number, broken, why) in [
        (&law::CALLS_IN_7_DAYS_MAX, too_many, "More than seven calls within seven days about this debt."),
        (
            &law::DAYS_AFTER_CONVERSATION,
            too_soon,
            "Less than seven days after a conversation about this debt.",
        ),
    ] {
        if broken {
            ruling.because_of(&law::FREQUENCY, number.citation, why).see_to(
                &law::FREQUENCY,
                "hold-calls",
                None,
            );
        }
    }
}

/// What is sent because of the call, in which form and by when.
fn disclosures(event: &Event, facts: &Facts, ruling: &mut Ruling) {
    let what = known::word(facts, &["disclosure.what"]);
    let sent = known::is(facts, &["disclosure.sent"]);
    let first = known::is(facts, &["call.initial-communication"]);
    if first && !sent && matches!(event, Event::Ended) {
        let period = &law::SEND_VALIDATION_NOTICE;
        ruling.because_of(&law::VALIDATION, period.citation, period.why);
        ruling.see_to(&law::VALIDATION, period.name, Some(period.after(facts.began, &[])));
    }
    let Some(what) = what else { return };
    let on_paper =
        known::word(facts, &["disclosure.channel"]).is_some_and(|way| is_listed(law::ON_PAPER, &way));
    let unconsented = !on_paper
        && is_listed(law::ESIGN_DISCLOSURES, &what)
        && !known::is(facts, &["disclosure.esign-consent"]);
    let why = if unconsented {
        "It would go electronically, and consent as the E-SIGN Act asks is not known to be on file."
    } else if known::is_not(facts, &["disclosure.keepable"]) {
        "It would go in a form that the consumer cannot keep and open again later."
    } else {
        return;
    };
    ruling.because(&law::DISCLOSURE_FORM, why);
    ruling.see_to(&law::DISCLOSURE_FORM, "send-disclosures-in-kept-form", None);
}

fn listen(words: &Phrases, speech: &Speech, facts: &Facts, ruling: &mut Ruling) {
    let agents = Said::by(Role::Agent, facts, speech);
    let consumers = Said::by(Role::Customer, facts, speech);
    for place in phrase::places_of(&words.disclosure, &agents) {
        ruling.label(LabelKind::RequiredPhrase, place, CONFIDENCE);
    }
    for place in phrase::places_of(&words.threats, &agents) {
        ruling.label(LabelKind::ForbiddenPhrase, place, CONFIDENCE);
        ruling.because(&law::NO_THREATS, "A collector's words may be a threat or false.");
        ruling.oblige(&law::NO_THREATS, Duty::Alert("What a collector said may be a threat.".into()));
        ruling.see_to(&law::NO_THREATS, "review-call", None);
    }
    for (phrases, rule, action, why) in &words.consumer {
        if !phrase::places_of(phrases, &consumers).is_empty() {
            ruling.because(rule, why).see_to(rule, action, None);
        }
    }
}

/// At the end: whether the collector said that it is one.
fn disclosed(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let too_short = facts.now.saturating_sub(facts.began) < u64::from(settings.judged_from_s) * 1_000;
    if too_short || phrase::legs_of(facts, Role::Agent).is_empty() {
        return;
    }
    let said = phrase::labeled_with(facts, LabelKind::RequiredPhrase, CONFIDENCE).next();
    let points = i16::from(said.is_some());
    ruling.scores.push(Score { rule: law::DISCLOSURE.id.into(), points, out_of: 1, where_: said });
    if said.is_none() {
        ruling.because(&law::DISCLOSURE, "It was not heard that the call is from a debt collector.");
        ruling.see_to(&law::DISCLOSURE, "send-disclosure", None);
    }
}
