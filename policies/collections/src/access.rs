//! Nobody but those whom the statute names is told of a debt.

use caveat_sdk::{
    Facts,
    access::{Act, Duty, Form, PersonTraits, Request, Role, Ruling},
    facts::Purpose,
};
use pack_law::{is_listed, known};

use crate::law;

pub(crate) fn rule(request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !leaves(request) {
        return ruling;
    }
    let allowed = known::is(facts, &["access.consent"]) || known::is(facts, &["access.court-order"]);
    match recipient(request, facts) {
        Some(recipient) if is_listed(law::MAY_BE_TOLD, &recipient) || allowed => {
            ruling.oblige(&law::THIRD_PARTY, Duty::LogAccess);
            ruling.because(&law::THIRD_PARTY, "Given to somebody who may be told of the debt.");
        }
        Some(_) => {
            ruling.refuse(&law::THIRD_PARTY, "The recipient is nobody who may be told of a consumer's debt.");
            ruling.remedy(&law::THIRD_PARTY, "get-consent");
        }
        None => {
            ruling.refuse(
                &law::THIRD_PARTY,
                "It is not known who is to have it, and it may tell a third party of a debt.",
            );
            ruling.remedy(&law::THIRD_PARTY, "name-recipient");
        }
    }
    ruling
}

/// It leaves the client: passed on, or taken by somebody who has no role there.
fn leaves(request: &Request) -> bool {
    let content = request.form != Form::FactsOnly;
    match request.act {
        Act::Disclose | Act::Share => content,
        Act::Play | Act::Export => content && request.person.role == Role::Outsider,
        _ => false,
    }
}

fn recipient(request: &Request, facts: &Facts) -> Option<String> {
    let own =
        request.person.traits.contains(PersonTraits::OWN_RECORDING) || request.purpose == Purpose::OwnRequest;
    let job = known::spelled(&request.person.function);
    known::word(facts, &["access.recipient"])
        .or_else(|| (request.person.role == Role::Outsider && !job.is_empty()).then_some(job))
        .or_else(|| own.then(|| "consumer".to_owned()))
}
