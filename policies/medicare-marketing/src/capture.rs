//! The call: recorded in full, or not made.

use caveat_sdk::{
    Facts,
    capture::{Duty, Event, Ruling, Score},
    facts::{LabelKind, Role},
};
use pack_law::phrase::{self, Phrase, Said};

use crate::{Settings, kind::Kind, law};

/// Of a phrase that was recognized word for word. Below 71, so that a pack which knows its own labels by higher ones
/// (`agent-standards`) is not misled; other than that of `collections`.
const CONFIDENCE: u8 = 66;

pub(crate) fn rule(settings: &Settings, disclaimer: &[Phrase], event: &Event, facts: &Facts) -> Ruling {
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
        Event::Words(speech) if settings.third_party_marketer => {
            for place in phrase::places_of(disclaimer, &Said::by(Role::Agent, facts, speech)) {
                ruling.label(LabelKind::RequiredPhrase, place, CONFIDENCE);
            }
        }
        Event::Ended if settings.third_party_marketer => disclaimed(settings, facts, &mut ruling),
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

fn disclaimed(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let too_short = facts.now.saturating_sub(facts.began) < u64::from(settings.judged_from_s) * 1_000;
    if too_short || Kind::of(facts) != Kind::Sales || phrase::legs_of(facts, Role::Agent).is_empty() {
        return;
    }
    let by = law::DISCLAIMER_WITHIN_S.value.saturating_mul(1_000);
    let said =
        phrase::labeled_with(facts, LabelKind::RequiredPhrase, CONFIDENCE).min_by_key(|place| place.start);
    let in_time = said.is_some_and(|place| place.start <= by);
    let rule = law::DISCLAIMER.id.into();
    ruling.scores.push(Score { rule, points: i16::from(in_time), out_of: 1, where_: said });
    if !in_time {
        ruling.because_of(
            &law::DISCLAIMER,
            law::DISCLAIMER_WITHIN_S.citation,
            "The disclaimer was not heard within the first minute.",
        );
        ruling.see_to(&law::DISCLAIMER, "give-disclaimer", None);
    }
}
