//! Who it is: accounts, standing, emergencies, sessions. Each says whether it has given the answer.

use caveat_sdk::{
    access::{AccountKind, Duty, FactorKind, Outcome, PersonTraits, Ruling, Standing},
    facts::Purpose,
};

use crate::{
    asking::{Ask, Job},
    rules::{AUTHENTICATION, EMERGENCY, LOGOFF, TERMINATED, UNIQUE_USER},
    settings::Settings,
};

pub(super) fn account(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let person = &ask.request.person;
    if person.account == AccountKind::Shared {
        ruling.refuse(
            &UNIQUE_USER,
            "Each user needs a name of their own: a shared account cannot be traced to a person.",
        );
        ruling.remedy(&UNIQUE_USER, "use-individual-account");
    }
    if person.standing != Standing::Active {
        ruling.refuse(&TERMINATED, "This person's access has ended or is suspended.");
    }
    ruling.outcome != Outcome::Allow
}

/// An emergency is not held up by roles, sessions or factors; it is looked at afterwards.
pub(super) fn break_glass(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let invoked = ask.is(PersonTraits::BREAK_GLASS);
    let cares = matches!(ask.job, Job::Clinician | Job::Workforce | Job::OtherProvider);
    let urgent = matches!(ask.purpose, Purpose::Emergency | Purpose::Treatment | Purpose::Unstated);
    if !(invoked && cares && urgent) {
        return false;
    }
    ruling.because(&EMERGENCY, "Emergency access: allowed with a reason, the privacy officer is told, somebody looks at it afterwards.");
    ruling.oblige(&EMERGENCY, Duty::RecordReason);
    ruling.oblige(&EMERGENCY, Duty::Alert("privacy-officer".into()));
    ruling.oblige(&EMERGENCY, Duty::AfterReview);
    true
}

pub(super) fn session(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let person = &ask.request.person;
    let inside = matches!(ask.job, Job::Clinician | Job::Workforce);
    if person.idle_s > settings.idle_limit_s {
        ruling.step_up(&LOGOFF, "The session was left alone for longer than the client's limit.");
        ruling.remedy(&LOGOFF, "sign-in-again");
    }
    if settings.wants_mfa() && inside && person.account == AccountKind::Individual && !two_factors(ask) {
        ruling.step_up(
            &AUTHENTICATION,
            "The client's profile asks for a second factor before protected health information.",
        );
        ruling.remedy(&AUTHENTICATION, "require-mfa");
    }
    ruling.outcome != Outcome::Allow
}

/// Of different kinds; an identity provider vouches for its own.
fn two_factors(ask: &Ask<'_>) -> bool {
    let shown = |kind| ask.request.person.factors.iter().any(|f| f.kind == kind);
    let kinds = [FactorKind::Password, FactorKind::Totp, FactorKind::Passkey, FactorKind::Federated];
    kinds.into_iter().filter(|kind| shown(*kind)).count() > 1
}
