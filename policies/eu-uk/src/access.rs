//! What a recording is used for, and the right to one's own.

use caveat_sdk::{
    Facts,
    access::{Act, Form, PersonTraits, Request, Ruling},
    facts::Purpose,
};
use pack_law::known;

use crate::{law, scope::Settings, storage};

pub(crate) fn rule(settings: &Settings, request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let used = matches!(request.act, Act::Play | Act::Export | Act::Share | Act::Disclose);
    if !used || !settings.covers(facts) {
        return ruling;
    }
    let consented = known::is(facts, &["access.data-subject-consent"]);
    let claims = matches!(request.purpose, Purpose::Legal | Purpose::OwnRequest);
    if known::is(facts, &["access.restricted", "retention.restricted"]) && !consented && !claims {
        ruling.refuse(&law::RESTRICTION, "Its processing is restricted: it is kept, and not used.");
    }
    if request.purpose == Purpose::OwnRequest {
        own(request, facts, &mut ruling);
    } else if !consented && !is_compatible(request.purpose, facts) {
        ruling.refuse(&law::PURPOSE_LIMITATION, "It was not made for this.");
        ruling.remedy(&law::PURPOSE_LIMITATION, "state-compatible-purpose");
    }
    ruling
}

/// What it was made for, where that is known; what the law asks, always; a vendor's own ends and marketing, only if named.
fn is_compatible(purpose: Purpose, facts: &Facts) -> bool {
    let lawful = matches!(
        purpose,
        Purpose::Legal
            | Purpose::Regulatory
            | Purpose::LawEnforcement
            | Purpose::Emergency
            | Purpose::Dispute
    );
    let foreign =
        matches!(purpose, Purpose::Unstated | Purpose::VendorUse | Purpose::Marketing | Purpose::Research);
    lawful || facts.purposes.contains(&purpose) || (facts.purposes.is_empty() && !foreign)
}

fn own(request: &Request, facts: &Facts, ruling: &mut Ruling) {
    if !request.person.traits.contains(PersonTraits::VERIFIED) {
        ruling.step_up(&law::SUBJECT_ACCESS, "It is not known that whoever asks is the person recorded.");
        ruling.remedy(&law::SUBJECT_ACCESS, "verify-identity");
        return;
    }
    ruling.because(&law::SUBJECT_ACCESS, "The person has a right to a copy, within a month.");
    ruling.see_to(&law::SUBJECT_ACCESS, law::ANSWER_WITHIN_1_MONTH.name, Some(storage::answer_by(facts)));
    if request.form == Form::Original && facts.parties.len() > 2 {
        ruling.see_to(&law::SUBJECT_ACCESS, "protect-others", None);
    }
}
