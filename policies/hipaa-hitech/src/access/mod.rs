//! Access: first who it is (`gate`), then what kind of record it is (`special`), then what for: the patient's own request
//! (`patient`), a use by the client's people (`workforce`), or a disclosure (`disclosure`). The first of these that has an
//! answer gives it.

mod disclosure;
mod gate;
mod patient;
mod special;
mod workforce;

use caveat_sdk::{
    Facts,
    access::{Act, Duty, Outcome, Request, Ruling},
    facts::Purpose,
};

use crate::{
    asking::{Ask, Job},
    retention,
    rules::*,
    settings::Settings,
};

pub(crate) fn rule(settings: &Settings, request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    if !settings.protects(facts) || special::no_longer_protected(facts, &mut ruling) {
        return ruling;
    }
    let ask = Ask::of(request, facts);
    if gate::account(&ask, &mut ruling)
        || gate::break_glass(&ask, &mut ruling)
        || gate::session(settings, &ask, &mut ruling)
    {
        return ruling;
    }
    if request.act == Act::SignIn {
        return ruling;
    }
    if !special::record(&ask, &mut ruling) {
        by_act(settings, &ask, &mut ruling);
    }
    if ruling.outcome != Outcome::Allow {
        // What does not go on carries no duties of its own.
        ruling.obligations.clear();
    }
    ruling
}

fn by_act(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) {
    if patient::wants_amendment(ask) {
        return patient::amend(ask, ruling);
    }
    match ask.request.act {
        Act::Delete => delete(settings, ask, ruling),
        Act::Search => workforce::search(ask, ruling),
        Act::Redact if !ask.outward => workforce::log(ruling),
        _ => by_purpose(settings, ask, ruling),
    }
}

fn by_purpose(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) {
    if disclosure::restricted(ask, ruling)
        || disclosure::de_identified(ask, ruling)
        || disclosure::authorized(ask, ruling)
    {
        return;
    }
    match (ask.job, ask.purpose) {
        (Job::Patient | Job::Parent | Job::Representative, Purpose::OwnRequest) => {
            patient::own(settings, ask, ruling)
        }
        (_, Purpose::Marketing | Purpose::VendorUse) => disclosure::own_ends(ask, ruling),
        _ if disclosure::is_sale(ask) => disclosure::own_ends(ask, ruling),
        (_, Purpose::Research) | (Job::Researcher, _) => disclosure::research(ask, ruling),
        (Job::Clinician | Job::Workforce, Purpose::OwnRequest) => patient::own(settings, ask, ruling),
        (Job::Clinician | Job::Workforce, _) if !ask.outward => workforce::use_it(settings, ask, ruling),
        _ => disclosure::rule(ask, ruling),
    }
}

/// Deleting is a matter of storage; here only what is plainly too early is stopped.
fn delete(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) {
    if let Some(period) = retention::running_period(settings, ask.facts) {
        ruling
            .refuse(&NO_PERIOD, "HIPAA gives no right to erasure, and its six years end no medical record.");
        ruling.because_of(&RECORD_RETENTION, period.citation, &period.why);
    } else if ask.outward {
        ruling
            .refuse(&AMENDMENT, "A patient can have a record amended, not deleted.")
            .remedy(&AMENDMENT, "append-statement");
    } else {
        workforce::log(ruling);
    }
}

/// Refuses for want of a permission.
fn no_permission(ruling: &mut Ruling, why: &str) {
    ruling.refuse(&PURPOSE, why).remedy(&PURPOSE, "obtain-authorization");
}

/// Into the accounting that patients can ask for (164.528).
fn account_for(ruling: &mut Ruling) {
    ruling.because(
        &ACCOUNTING,
        "A disclosure outside treatment, payment and operations: entered in the accounting, for six years.",
    );
    ruling.oblige(&ACCOUNTING, Duty::LogDisclosure);
}

#[cfg(test)]
mod tests;
