//! The call: what has to be recorded, what must not be, and what a customer's words oblige to.

use caveat_sdk::{
    Facts, Rule,
    capture::{Asker, Duty, Event, Ruling, Speech},
    dates,
    facts::{Direction, Moment, Role},
};
use pack_law::{
    known,
    phrase::{self, Phrase, Said},
};

use crate::{Settings, kind_is, law};

/// What is listened for.
#[derive(Debug)]
pub(crate) struct Phrases {
    do_not_call: Vec<Phrase>,
    revocation: Vec<Phrase>,
}

impl Phrases {
    pub(crate) fn of_the_law() -> Self {
        Self {
            do_not_call: Phrase::all(law::DO_NOT_CALL_WORDS),
            revocation: Phrase::all(law::REVOCATION_WORDS),
        }
    }
}

pub(crate) fn rule(settings: &Settings, words: &Phrases, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    pennsylvania(settings, facts, &mut ruling);
    verification(facts, &mut ruling);
    if settings.is_marketing(facts) {
        authorization(event, facts, &mut ruling);
        match event {
            Event::Offered => placed(facts, &mut ruling),
            Event::Words(speech) if settings.listen => listen(words, speech, facts, &mut ruling),
            _ => {}
        }
    }
    ruling
}

/// A place that is not known may be Pennsylvania.
fn pennsylvania(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    if !settings.telephone_company || settings.puc_waiver {
        return;
    }
    let mut customers = facts.parties.iter().filter(|p| p.role == Role::Customer).peekable();
    let unknown = customers.peek().is_none();
    if unknown || customers.any(|p| p.regions.is_empty() || p.regions.iter().any(|r| r.region == "PA")) {
        ruling.refuse(
            &law::PENNSYLVANIA_CARRIER,
            "A telephone company does not record its customers in Pennsylvania, and the customer is or may be there.",
        );
        ruling.remedy(&law::PENNSYLVANIA_CARRIER, "get-puc-waiver");
    }
}

fn verification(facts: &Facts, ruling: &mut Ruling) {
    if kind_is(facts, law::VERIFICATION_CALLS) {
        must_record(
            &law::CARRIER_VERIFICATION,
            "A verification of a change of carrier is recorded whole.",
            ruling,
        );
    }
}

fn authorization(event: &Event, facts: &Facts, ruling: &mut Ruling) {
    let entire = known::is(facts, &["call.preacquired-account"]) && known::is(facts, &["call.free-to-pay"]);
    let oral = known::is(facts, &["call.oral-authorization"]);
    if !entire && !oral {
        return;
    }
    let rule = if entire { &law::ENTIRE_TRANSACTION } else { &law::ORAL_AUTHORIZATION };
    must_record(rule, "Without a recording the authorization does not count.", ruling);
    // An oral authorization may be read after the card was; the entire transaction has no such pause.
    let paused = facts.paused.is_some() || matches!(event, Event::PauseAsked(by) if *by != Asker::Timer);
    if entire && paused {
        ruling.because(rule, "Recording is paused within a transaction that has to be recorded whole.");
        ruling.see_to(rule, "repeat-authorization", None);
    }
}

fn must_record(rule: &Rule, why: &str, ruling: &mut Ruling) {
    ruling.because(rule, why);
    ruling.oblige(rule, Duty::MustRecord).oblige(rule, Duty::EndCallUnlessRecorded);
}

/// Whether a call by the client may be placed like this.
fn placed(facts: &Facts, ruling: &mut Ruling) {
    if facts.direction != Direction::Outbound {
        return;
    }
    let artificial = known::is(facts, &["call.artificial-voice"])
        || facts.parties.iter().any(|p| p.role == Role::Automaton);
    if artificial && !known::is(facts, &["consent.calls-written"]) {
        ruling.because(
            &law::ARTIFICIAL_VOICE,
            "An artificial voice calls, and consent to that is not known to be on file.",
        );
        ruling.see_to(&law::ARTIFICIAL_VOICE, "confirm-written-consent", None);
    }
    let allowed = u64::from(law::FIRST_HOUR.value)..u64::from(law::LAST_HOUR.value);
    if known::count(facts, &["customer.local-hour"]).is_some_and(|hour| !allowed.contains(&hour)) {
        ruling.because_of(
            &law::HOURS,
            law::LAST_HOUR.citation,
            "It is before 8 or after 21 o'clock where the customer is.",
        );
        ruling.see_to(&law::HOURS, "call-at-another-time", None);
    }
}

fn listen(words: &Phrases, speech: &Speech, facts: &Facts, ruling: &mut Ruling) {
    let customers = Said::by(Role::Customer, facts, speech);
    let by = business_days_after(facts.now, law::HONOR_WITHIN_BUSINESS_DAYS.value);
    for (phrases, rule, action, why) in [
        (
            &words.do_not_call,
            &law::DO_NOT_CALL,
            "add-to-do-not-call",
            "The customer may have asked not to be called.",
        ),
        (
            &words.revocation,
            &law::REVOCATION,
            "note-revocation",
            "The customer may have revoked consent to be called.",
        ),
    ] {
        if !phrase::places_of(phrases, &customers).is_empty() {
            ruling.because(rule, why).see_to(rule, action, Some(by));
        }
    }
}

/// The day so many weekdays later. Holidays are not known here: they make it earlier than the law would.
fn business_days_after(at: Moment, days: u32) -> Moment {
    let mut left = days;
    let mut day = at;
    while left > 0 {
        day = dates::plus_days(day, 1);
        if dates::date(day).weekday().number_from_monday() < 6 {
            left -= 1;
        }
    }
    day
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn weekends_do_not_count() {
        let friday = dates::parse("2026-11-27").unwrap();
        assert_eq!(dates::text(business_days_after(friday, 1)), "2026-11-30");
        assert_eq!(dates::text(business_days_after(friday, 10)), "2026-12-11");
    }
}
