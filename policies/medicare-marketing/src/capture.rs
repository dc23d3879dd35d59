//! The call: recorded in full, or not made.

use caveat_sdk::{
    Facts,
    capture::{Duty, Event, Ruling, Score, Speech},
    dates,
    facts::{LabelKind, Moment, Role},
};
use pack_law::phrase::{self, Phrase, Said};

use crate::{Settings, kind::Kind, law};

/// Of a phrase that was recognized word for word. Below 71, so that a pack which knows its own labels by higher ones
/// (`agent-standards`) is not misled; other than that of `collections`.
const CONFIDENCE: u8 = 66;

const BEFORE_BENEFITS: &str =
    "42 CFR 422.2267(e)(41)(ii), 423.2267(e)(41)(ii) as amended by 91 FR 17384 (2026)";

/// What is listened for, and since when what for.
#[derive(Debug)]
pub(crate) struct Phrases {
    disclaimer: Vec<Phrase>,
    benefits: Vec<Phrase>,
    /// From this day on the disclaimer comes before benefits; until then within the first minute.
    before_benefits_since: Moment,
}

impl Phrases {
    pub(crate) fn of_the_law() -> Self {
        let since = law::BEFORE_BENEFITS_SINCE.first().and_then(|day| dates::parse(day));
        Self {
            disclaimer: Phrase::all(law::DISCLAIMER_WORDS),
            benefits: Phrase::all(law::BENEFIT_WORDS),
            before_benefits_since: since.unwrap_or(Moment::MAX),
        }
    }

    fn before_benefits(&self, facts: &Facts) -> bool {
        facts.began >= self.before_benefits_since
    }
}

pub(crate) fn rule(settings: &Settings, words: &Phrases, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if Kind::of(facts) == Kind::Other {
        return ruling;
    }
    ruling.because(&law::MUST_RECORD, "Marketing, sales and enrollment calls are recorded in full.");
    ruling.oblige(&law::MUST_RECORD, Duty::MustRecord).oblige(&law::MUST_RECORD, Duty::EndCallUnlessRecorded);
    consent(settings, event, facts, &mut ruling);
    if facts.paused.is_some() && matches!(event, Event::Ended | Event::ResumeAsked(_)) {
        ruling.because(&law::WHOLE_CALL, "A part of the call was not recorded.");
        ruling.see_to(&law::WHOLE_CALL, "note-missing-part", None);
    }
    match event {
        Event::Words(speech) if settings.third_party_marketer => listen(words, speech, facts, &mut ruling),
        Event::Ended if settings.third_party_marketer => disclaimed(settings, words, facts, &mut ruling),
        _ => {}
    }
    ruling
}

fn consent(settings: &Settings, event: &Event, facts: &Facts, ruling: &mut Ruling) {
    let refused = matches!(event, Event::ConsentRefused(_)) || facts.consents.iter().any(|c| !c.given);
    let nothing_yet = facts.notices.is_empty() && !facts.consents.iter().any(|c| c.given);
    if refused {
        ruling.because(&law::END_CALL, "Somebody refused to be recorded: nothing is sold on this call.");
        ruling.see_to(&law::END_CALL, "end-call-unless-consent", None);
    } else if matches!(event, Event::Offered) && nothing_yet && settings.tell_of_missing_consent {
        ruling.because(
            &law::END_CALL,
            "Nobody has been told of the recording yet; the duty to record supplies no consent.",
        );
        ruling.see_to(&law::END_CALL, "end-call-unless-consent", None);
    }
}

fn listen(words: &Phrases, speech: &Speech, facts: &Facts, ruling: &mut Ruling) {
    let agents = Said::by(Role::Agent, facts, speech);
    let given = phrase::places_of(&words.disclaimer, &agents);
    for place in &given {
        ruling.label(LabelKind::RequiredPhrase, *place, CONFIDENCE);
    }
    if !words.before_benefits(facts) || Kind::of(facts) != Kind::Sales {
        return;
    }
    let earlier = phrase::labeled_with(facts, LabelKind::RequiredPhrase, CONFIDENCE);
    let first = earlier.chain(given).map(|place| place.start).min();
    let benefits = phrase::places_of(&words.benefits, &agents).into_iter().map(|place| place.start).min();
    if benefits.is_some_and(|benefits| first.is_none_or(|first| benefits < first)) {
        ruling.because_of(
            &law::DISCLAIMER,
            BEFORE_BENEFITS,
            "An agent may be speaking of benefits, and the disclaimer was not heard before.",
        );
        ruling.see_to(&law::DISCLAIMER, "give-disclaimer", None);
    }
}

fn disclaimed(settings: &Settings, words: &Phrases, facts: &Facts, ruling: &mut Ruling) {
    let too_short = facts.now.saturating_sub(facts.began) < u64::from(settings.judged_from_s) * 1_000;
    if too_short || Kind::of(facts) != Kind::Sales || phrase::legs_of(facts, Role::Agent).is_empty() {
        return;
    }
    let by = law::DISCLAIMER_WITHIN_S.value.saturating_mul(1_000);
    let said =
        phrase::labeled_with(facts, LabelKind::RequiredPhrase, CONFIDENCE).min_by_key(|place| place.start);
    let anywhere = words.before_benefits(facts);
    let in_time = said.is_some_and(|place| anywhere || place.start <= by);
    let rule = law::DISCLAIMER.id.into();
    ruling.scores.push(Score { rule, points: i16::from(in_time), out_of: 1, where_: said });
    if !in_time {
        let (citation, why) = if anywhere {
            (BEFORE_BENEFITS, "The disclaimer was not heard; it comes before any talk of benefits.")
        } else {
            (law::DISCLAIMER_WITHIN_S.citation, "The disclaimer was not heard within the first minute.")
        };
        ruling.because_of(&law::DISCLAIMER, citation, why);
        ruling.see_to(&law::DISCLAIMER, "give-disclaimer", None);
    }
}
