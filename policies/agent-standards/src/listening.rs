//! The running call: what was said is labeled, and nothing is kept where the standard wants that.

use caveat_sdk::{
    Facts,
    capture::{Duty, Ruling, Score, Speech},
    facts::{Label, LabelKind, Role, Span},
};
use pack_law::{
    known,
    phrase::{self, Said},
};

use crate::{law, settings::Standard};

/// Of talk that a phrase only suggests is privileged.
const PRIVILEGED_CONFIDENCE: u8 = 80;

pub(crate) fn listen(standard: &Standard, speech: &Speech, facts: &Facts, ruling: &mut Ruling) {
    let agents = Said::by(Role::Agent, facts, speech);
    for item in standard.required.iter().filter(|item| item.is_for(facts.direction)) {
        for place in phrase::places_of(&item.say, &agents) {
            ruling.label(LabelKind::RequiredPhrase, place, item.mark);
        }
    }
    for item in &standard.forbidden {
        for place in phrase::places_of(&item.say, &agents) {
            ruling.label(LabelKind::ForbiddenPhrase, place, item.mark);
            let said = said(&item.message, "A request that the standard forbids was heard.");
            ruling.because_of(&law::FORBIDDEN_REQUEST, &item.citation, said);
            ruling
                .oblige(&law::FORBIDDEN_REQUEST, Duty::Alert(format!("Heard on a call: {}.", item.citation)));
            ruling.remedy(&law::FORBIDDEN_REQUEST, "use-secure-entry");
            let rule = law::FORBIDDEN_REQUEST.id.into();
            ruling.scores.push(Score { rule, points: 0, out_of: item.points, where_: Some(place) });
        }
    }
    for place in phrase::places_of(&standard.privileged, &Said::by_anybody(speech)) {
        let end = place.end.saturating_add(standard.privileged_ms);
        ruling.label(
            LabelKind::Privileged,
            Span { leg: None, start: place.start, end },
            PRIVILEGED_CONFIDENCE,
        );
        ruling.because(
            &law::PRIVILEGED_TALK,
            "What was said suggests that the talk is privileged from here on.",
        );
    }
}

/// Nothing is kept after a forbidden request, nor of privileged talk where the client wants none of it.
pub(crate) fn keep_out(standard: &Standard, facts: &Facts, ruling: &mut Ruling) {
    let now = facts.elapsed();
    let labels: Vec<Label> = facts.labels.iter().chain(&ruling.labels).copied().collect();
    let of_kind = |kind: LabelKind| labels.iter().filter(move |label| label.kind == kind);
    let answered = |label: &Label| {
        let item = standard.forbidden.iter().find(|item| item.marked(label));
        item.is_some_and(|item| now < label.where_.end.saturating_add(item.keep_nothing_ms))
    };
    if of_kind(LabelKind::ForbiddenPhrase).any(answered) {
        ruling.suspend(
            &law::FORBIDDEN_REQUEST,
            "The answer to a request that the standard forbids is not kept.",
        );
    }
    if standard.keep_privileged {
        return;
    }
    if known::is(facts, &["call.privileged"])
        || of_kind(LabelKind::Privileged).any(|label| now < label.where_.end)
    {
        ruling.suspend(&law::PRIVILEGED_TALK, "Privileged talk is not kept.");
    }
}

/// Said once, when the call begins.
pub(crate) fn tone(facts: &Facts, ruling: &mut Ruling) {
    if known::is(facts, &["scorecard.uses-tone"]) {
        ruling.because(
            &law::TONE_NEUTRAL,
            "Something on this call scores tone, emotion or accent; the standard scores words.",
        );
        ruling.see_to(&law::TONE_NEUTRAL, "turn-off-tone-scoring", None);
    }
}

/// The client's own words for it, if it has any.
pub(crate) fn said<'a>(own: &'a str, otherwise: &'a str) -> &'a str {
    if own.is_empty() { otherwise } else { own }
}
