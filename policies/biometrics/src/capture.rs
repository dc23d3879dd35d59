//! Whether a voiceprint may be made from a call. What is ruled on is the call with it: turned off, recording goes on.

use caveat_sdk::{
    Facts, Rule,
    capture::Ruling,
    facts::{PartyTraits, Role},
};
use pack_law::known;

use crate::{Settings, law, places};

pub(crate) fn rule(settings: &Settings, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    child(facts, &mut ruling);
    if !made(settings, facts) {
        return ruling;
    }
    let laws = places::laws(settings, facts);
    let released = known::is(facts, &["biometric.release", "biometric.written-release"]);
    let consented = released || known::is(facts, &["biometric.consent"]);
    if laws.illinois && !released {
        deny(
            &law::RELEASE,
            "No written release is on file; a notice that the call is recorded is none.",
            "get-written-release",
            &mut ruling,
        );
    }
    if laws.illinois && !known::flag(facts, &["biometric.public-policy"]).unwrap_or(settings.public_policy) {
        deny(
            &law::PUBLIC_POLICY,
            "The client has no public policy on how long voiceprints are kept.",
            "publish-policy",
            &mut ruling,
        );
    }
    for (applies, rule, why) in [
        (laws.consent, &law::CONSENT, "The person was not told of a voiceprint, or did not consent."),
        (
            laws.washington,
            &law::WASHINGTON_VOICE,
            "Whether Washington's statute covers voiceprints is uncertain: notice and consent are asked for until counsel says otherwise.",
        ),
        (laws.health, &law::HEALTH_VOICE, "A voiceprint from talk of health needs consent."),
    ] {
        if applies && !consented {
            deny(rule, why, "get-consent", &mut ruling);
        }
    }
    ruling
}

fn made(settings: &Settings, facts: &Facts) -> bool {
    known::flag(facts, &["biometric.voiceprint", "biometric.enroll"]).unwrap_or(settings.voiceprints_are_made)
}

fn deny(rule: &Rule, why: &str, remedy: &str, ruling: &mut Ruling) {
    ruling.suspend(rule, why).remedy(rule, remedy).remedy(rule, "turn-off-voiceprint");
}

/// A minor may be under 13 unless it is known that none is.
fn child(facts: &Facts, ruling: &mut Ruling) {
    let minor =
        |p: &caveat_sdk::facts::Party| p.role == Role::Customer && p.traits.contains(PartyTraits::MINOR);
    let child = known::flag(facts, &["call.child-under-13"]).unwrap_or(facts.parties.iter().any(minor));
    let online = known::is(facts, &["call.online-service"]);
    if child && online && !known::is(facts, &["consent.parent-verified"]) {
        ruling.refuse(
            &law::CHILD_VOICE,
            "The voice of a child in an online service is not kept without a parent's verifiable consent.",
        );
        ruling.remedy(&law::CHILD_VOICE, "get-parental-consent");
    }
}
