//! Who reaches customer information, and how that is known.

use caveat_sdk::access::{AccountKind, Act, Duty, Factor, FactorKind, Request, Ruling, Standing};

use crate::{Settings, law};

pub(crate) fn rule(settings: &Settings, request: &Request) -> Ruling {
    let mut ruling = Ruling::allow();
    if !settings.has_safeguards() {
        return ruling;
    }
    let person = &request.person;
    if person.account == AccountKind::Shared || person.standing != Standing::Active {
        ruling.refuse(&law::AUTHORIZED_USERS, "The account is not of one person in good standing.");
        ruling.remedy(&law::AUTHORIZED_USERS, "use-individual-account");
    }
    if settings.factor_equivalent.is_empty() && !two_kinds(&person.factors) {
        ruling.step_up(&law::TWO_FACTORS, "Whoever reaches customer information shows two kinds of factor.");
        ruling.remedy(&law::TWO_FACTORS, "require-mfa");
    }
    if ruling.reasons.is_empty() && !matches!(request.act, Act::SignIn | Act::Search) {
        ruling.because(&law::ACTIVITY_LOG, "What is done with customer information is logged.");
        ruling.oblige(&law::ACTIVITY_LOG, Duty::LogAccess);
    }
    ruling
}

/// Something known and something held. A passkey is both; what an identity provider vouches for is taken for the other kind.
fn two_kinds(factors: &[Factor]) -> bool {
    let has = |kind| factors.iter().any(|factor| factor.kind == kind);
    let held = has(FactorKind::Totp) || has(FactorKind::Federated);
    has(FactorKind::Passkey) || (has(FactorKind::Password) && held)
}
