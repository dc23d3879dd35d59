//! Uses by the client's own people.

use caveat_sdk::{
    access::{Act, Duty, PersonTraits, Role, Ruling},
    facts::{LabelKind, Purpose},
};

use crate::{
    asking::{Ask, Job},
    known::{self, spelled},
    rules::{AUDIT, EMERGENCY, MINIMUM, PURPOSE, TREATMENT},
    settings::Settings,
    tables::{HIDE_OPERATIONS, HIDE_PAYMENT, HIDE_TEACHING},
};

/// What is played or taken out is logged, and the logs are looked at.
pub(super) fn log(ruling: &mut Ruling) {
    ruling.because(&AUDIT, "Every use of a patient's recording is logged.");
    ruling.oblige(&AUDIT, Duty::LogAccess);
}

/// Finding a recording shows no content.
pub(super) fn search(ask: &Ask<'_>, ruling: &mut Ruling) {
    if ask.outward {
        super::no_permission(ruling, "Only the client's own people can search its recordings.");
    }
}

pub(super) fn use_it(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) {
    match ask.purpose {
        Purpose::Unstated => {
            ruling.refuse(
                &PURPOSE,
                "A recording of a patient is used for a permitted purpose only, and none was stated.",
            );
            ruling.remedy(&PURPOSE, "state-purpose");
        }
        Purpose::Treatment if known::TREATING.is_not(ask.facts) => {
            ruling
                .refuse(&PURPOSE, "This person does not treat the patient recorded.")
                .remedy(&PURPOSE, "break-glass");
        }
        Purpose::Treatment | Purpose::Emergency if ask.job == Job::Clinician => {
            ruling.because(&TREATMENT, "For treatment by a provider: the minimum necessary does not apply.");
            log(ruling);
        }
        Purpose::Emergency => {
            ruling
                .refuse(&EMERGENCY, "Emergencies have their own procedure.")
                .remedy(&EMERGENCY, "break-glass");
        }
        _ => {
            if !needs_it_whole(settings, ask) {
                reduce(ask, ruling);
            }
            log(ruling);
        }
    }
}

/// A documented need, or a role whose oversight needs it (164.514(d)(2)(i)).
fn needs_it_whole(settings: &Settings, ask: &Ask<'_>) -> bool {
    let person = &ask.request.person;
    let listed = |name: &str| settings.full_access.iter().any(|f| spelled(f) == name);
    let overseeing = matches!(
        ask.purpose,
        Purpose::Oversight | Purpose::Dispute | Purpose::Evidence | Purpose::Regulatory | Purpose::Legal
    );
    ask.is(PersonTraits::FULL_NEED)
        || (overseeing && (listed(role_name(person.role)) || listed(&spelled(&person.function))))
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Agent => "agent",
        Role::Supervisor => "supervisor",
        Role::Trainer => "trainer",
        Role::Compliance => "compliance",
        Role::Auditor => "auditor",
        Role::Integrator => "integrator",
        Role::Admin => "admin",
        Role::Outsider => "outsider",
    }
}

/// No more than the purpose needs. Also a transcript is the whole of it in other form.
pub(super) fn reduce(ask: &Ask<'_>, ruling: &mut Ruling) {
    ruling.because(&MINIMUM, "For this purpose a copy without what it does not need is enough.");
    if !ask.already_reduced() || ask.request.act == Act::Search {
        ruling.oblige(&MINIMUM, Duty::ServeRedacted(hidden(ask.purpose).to_vec()));
    }
}

fn hidden(purpose: Purpose) -> &'static [LabelKind] {
    match purpose {
        Purpose::Payment => HIDE_PAYMENT,
        Purpose::Training | Purpose::Quality => HIDE_TEACHING,
        _ => HIDE_OPERATIONS,
    }
}
