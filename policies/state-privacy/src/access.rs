//! The consumer's own information, and what a consumer has forbidden.

use caveat_sdk::{
    Facts,
    access::{Act, PersonTraits, Request, Ruling},
    facts::{LabelKind, PartyTraits, Purpose, Role},
};
use pack_law::known;

use crate::{Settings, law, storage};

pub(crate) fn rule(settings: &Settings, request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let used = matches!(request.act, Act::Play | Act::Export | Act::Share | Act::Disclose);
    if !used || settings.carved_out || !settings.covers(facts) {
        return ruling;
    }
    match request.purpose {
        Purpose::OwnRequest => own(request, facts, &mut ruling),
        Purpose::Marketing | Purpose::VendorUse => {
            shared(facts, &mut ruling);
            limited(facts, &mut ruling);
        }
        _ => {}
    }
    ruling
}

fn own(request: &Request, facts: &Facts, ruling: &mut Ruling) {
    if !request.person.traits.contains(PersonTraits::VERIFIED) {
        ruling.step_up(&law::OWN_INFORMATION, "It is not known that whoever asks is the consumer.");
        ruling.remedy(&law::OWN_INFORMATION, "verify-identity");
        return;
    }
    ruling.because(&law::OWN_INFORMATION, law::REPLY_WITHIN_45_DAYS.why);
    ruling.see_to(&law::OWN_INFORMATION, law::REPLY_WITHIN_45_DAYS.name, Some(storage::answer_by(facts)));
}

/// A minor may be under 16.
fn shared(facts: &Facts, ruling: &mut Ruling) {
    let minor =
        facts.parties.iter().any(|p| p.role == Role::Customer && p.traits.contains(PartyTraits::MINOR));
    let child = minor && !known::is(facts, &["privacy.child-opted-in"]);
    if known::is(facts, &["privacy.opted-out"]) || child {
        ruling.refuse(
            &law::SALE_AND_SHARING,
            "The consumer has opted out, or is a child who has not opted in.",
        );
        ruling.remedy(&law::SALE_AND_SHARING, "get-opt-in");
    }
}

fn limited(facts: &Facts, ruling: &mut Ruling) {
    let sensitive = |kind| {
        matches!(kind, LabelKind::Health | LabelKind::Ssn | LabelKind::BankAccount | LabelKind::CardNumber)
    };
    let holds = facts.labels.iter().any(|label| sensitive(label.kind));
    if holds && known::is(facts, &["privacy.limit-requested"]) {
        ruling.refuse(
            &law::SENSITIVE_USE,
            "The consumer has limited the use of sensitive information, and the call holds some.",
        );
    }
}
