//! Whether a call may be recorded, and whether it has to be.

use caveat_sdk::{
    Facts,
    capture::{Duty, Event, Ruling},
    facts::{Party, PartyTraits, Role},
};
use pack_law::{is_listed, known};

use crate::{
    law,
    scope::{Settings, is_outside},
};

pub(crate) fn rule(settings: &Settings, event: &Event, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !settings.covers(facts) || matches!(event, Event::Ended) {
        return ruling;
    }
    let order = settings.is_order(facts);
    if order {
        ruling.because(&law::RECORD_ORDERS, "Calls that relate to client orders are recorded; this one is not known to be about something else.");
        ruling.oblige(&law::RECORD_ORDERS, Duty::MustRecord);
        ruling.oblige(&law::RECORD_ORDERS, Duty::EndCallUnlessRecorded);
    } else {
        basis(settings, facts, &mut ruling);
    }
    germany(settings, order, facts, &mut ruling);
    inform(order, facts, &mut ruling);
    voice(facts, &mut ruling);
    if settings.reaches_the_eu(facts) {
        machines(facts, &mut ruling);
    }
    ruling
}

/// Nobody has to be there yet: then there is nobody to ask.
fn others(facts: &Facts) -> impl Iterator<Item = &Party> {
    facts.parties.iter().filter(|p| is_outside(p) && p.traits.contains(PartyTraits::PRESENT))
}

/// What they answered last.
fn agrees(party: &Party, facts: &Facts) -> bool {
    let answers = facts.consents.iter().filter(|c| c.party == party.id);
    answers.max_by_key(|c| (c.at, !c.given)).is_some_and(|c| c.given)
}

fn refuses(party: &Party, facts: &Facts) -> bool {
    !agrees(party, facts) && facts.consents.iter().any(|c| c.party == party.id)
}

fn basis(settings: &Settings, facts: &Facts, ruling: &mut Ruling) {
    let basis = settings.basis(facts);
    if is_listed(law::ENOUGH_BASES, &basis) {
        let objects = known::is(facts, &["call.objected"]) || others(facts).any(|p| refuses(p, facts));
        if basis == "legitimate-interests" && objects {
            ruling.refuse(&law::OBJECTION, "Somebody objects, and the basis is legitimate interests.");
        }
        return;
    }
    let everybody = others(facts).next().is_some() && others(facts).all(|p| agrees(p, facts));
    if !everybody {
        let why = if basis == "consent" {
            "Staying on the line is no consent: everybody from outside has to opt in."
        } else {
            "The controller has not decided on a lawful basis, and staying on the line is no consent."
        };
        ruling
            .refuse(&law::LAWFUL_BASIS, why)
            .remedy(&law::LAWFUL_BASIS, "other-legal-basis-or-active-opt-in");
    }
}

fn germany(settings: &Settings, order: bool, facts: &Facts, ruling: &mut Ruling) {
    if order || !settings.reaches_germany(facts) {
        return;
    }
    let enough = |p: &Party| {
        agrees(p, facts) || (settings.german_notice_is_consent && is_told(p, facts) && !refuses(p, facts))
    };
    if !others(facts).all(enough) {
        ruling.refuse(
            &law::GERMAN_WORDS,
            "Somebody is or may be in Germany, and not everybody from outside has agreed.",
        );
        ruling.remedy(&law::GERMAN_WORDS, "get-consent");
    }
}

/// Whoever agreed to be recorded knows of it.
fn is_told(party: &Party, facts: &Facts) -> bool {
    facts.notices.iter().any(|n| !n.late && n.heard_by.contains(&party.id))
}

fn inform(order: bool, facts: &Facts, ruling: &mut Ruling) {
    if others(facts).all(|p| is_told(p, facts) || agrees(p, facts)) {
        return;
    }
    let rule = if order { &law::NOTIFY_CLIENTS } else { &law::INFORM };
    ruling.suspend(rule, "Not everybody on the call has been told of the recording.");
    ruling.oblige(rule, Duty::Announce).remedy(rule, "play-announcement");
}

fn voice(facts: &Facts, ruling: &mut Ruling) {
    let explicit = known::is(facts, &["biometric.explicit-consent"]);
    if known::is(facts, &["biometric.voiceprint"]) && !explicit {
        ruling.suspend(&law::VOICEPRINT, "A voiceprint would be made without explicit consent.");
        ruling.remedy(&law::VOICEPRINT, "get-explicit-consent");
    }
    let inferred = known::is(facts, &["biometric.emotion"])
        || known::is(facts, &["scorecard.uses-tone"])
        || (known::is(facts, &["biometric.emotion-inference"]) && !is_about_callers(facts));
    if inferred && !known::is(facts, &["biometric.medical-or-safety"]) {
        ruling.suspend(&law::EMOTION, "Emotions of people at work would be inferred from their voices.");
        ruling.remedy(&law::EMOTION, "turn-off-emotion-inference");
    }
}

fn is_about_callers(facts: &Facts) -> bool {
    known::word(facts, &["biometric.of"]).is_some_and(|of| is_listed(law::CALLERS, &of))
}

/// Of machines that speak with callers, or find out something about them, callers are told: AI Act art. 50.
fn machines(facts: &Facts, ruling: &mut Ruling) {
    let present = |p: &&Party| p.traits.contains(PartyTraits::PRESENT);
    let automaton = facts.parties.iter().filter(present).any(|p| p.role == Role::Automaton);
    let speaks = known::flag(facts, &["call.ai-agent"]).unwrap_or(automaton);
    if speaks && !known::is(facts, &["call.ai-disclosed"]) {
        ruling.because(
            &law::TELL_OF_AI,
            "An AI system speaks with people who are not known to have been told.",
        );
        ruling.see_to(&law::TELL_OF_AI, "tell-of-ai", None);
    }
    let inferred = known::is(facts, &["biometric.emotion-inference"]) && is_about_callers(facts);
    let sorted = known::is(facts, &["biometric.categorization"]);
    if (inferred || sorted) && !known::is(facts, &["biometric.told"]) {
        ruling.suspend(
            &law::TELL_OF_EMOTION_RECOGNITION,
            "Callers' voices would be analyzed, and they are not known to have been told.",
        );
        ruling.remedy(&law::TELL_OF_EMOTION_RECOGNITION, "tell-of-emotion-recognition");
    }
}
