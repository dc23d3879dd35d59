//! Access: who somebody is comes first, then how they would take it away, then what they need to hear.

use caveat_sdk::{
    AccessRules, Facts,
    access::{
        AccountKind, Act, Duty, Factor, FactorKind, Form, Outcome, Person, PersonTraits, Request, Role,
        Ruling, Standing,
    },
    facts::LabelKind,
};

use crate::{
    PciDss,
    holdings::Holdings,
    rules,
    tables::{self, Gets},
    unsure,
};

/// Everything of a card.
const CARD: [LabelKind; 4] =
    [LabelKind::CardNumber, LabelKind::CardCode, LabelKind::CardPin, LabelKind::CardExpiry];
/// What nobody is to hear.
const SAD: [LabelKind; 2] = [LabelKind::CardCode, LabelKind::CardPin];

impl AccessRules for PciDss {
    fn access(&self, request: &Request, facts: &Facts) -> Ruling {
        let mut ruling = self.asked(request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl PciDss {
    fn asked(&self, request: &Request, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        let holdings = Holdings::of(facts);
        let has_pan = holdings.has_pan || facts.flag("access.need-full-pan") == Some(true);
        account(&mut ruling, request, has_pan, facts);
        if ruling.outcome == Outcome::Refuse {
            // Nothing that this account could show would change the answer.
            return ruling;
        }
        session(&mut ruling, request, facts, self.settings.verified_passkey_is_mfa);
        if facts.text("access.object").is_some_and(|object| tables::lists(&["audit-log"], object)) {
            audit_log(&mut ruling, request);
            return ruling;
        }
        if has_pan {
            ways(&mut ruling, request, facts);
        }
        if ruling.outcome == Outcome::Allow && (has_pan || holdings.has_sad()) {
            self.need(&mut ruling, request, has_pan, &holdings, facts);
        }
        ruling
    }
}

/// Whose account it is, and whether it still is one.
fn account(ruling: &mut Ruling, request: &Request, has_pan: bool, facts: &Facts) {
    let person = &request.person;
    match person.standing {
        Standing::Terminated | Standing::Suspended => {
            ruling
                .refuse(&rules::REVOKED, "Access ended when the person left, whatever token is still valid.");
        }
        Standing::Inactive => {
            ruling.refuse(&rules::INACTIVE, "The account is closed for inactivity.");
        }
        Standing::Active if person.unused_days > tables::UNUSED_DAYS => {
            ruling.refuse(&rules::INACTIVE, "The account was not used for more than 90 days.");
        }
        Standing::Active => {}
    }
    let guesses = facts.whole("access.failed-attempts").unwrap_or(0);
    let waited = facts.whole("access.locked-minutes").unwrap_or(0);
    if guesses >= i64::from(tables::FAILED_ATTEMPTS) && waited < i64::from(tables::LOCKOUT_MINUTES) {
        ruling
            .refuse(&rules::LOCKOUT, "The account is locked after too many bad attempts.")
            .remedy(&rules::LOCKOUT, "confirm-identity");
    }
    let nobody = match person.account {
        AccountKind::Individual => false,
        AccountKind::Shared => true,
        AccountKind::Service => has_pan && is_content(request),
    };
    if nobody {
        ruling
            .refuse(&rules::INDIVIDUAL, "The account does not say who listens.")
            .remedy(&rules::INDIVIDUAL, "use-individual-account");
    }
}

/// What the person has shown, and how long ago.
fn session(ruling: &mut Ruling, request: &Request, facts: &Facts, verified_is_two: bool) {
    let person = &request.person;
    // Automated functions have no second factor (8.4.2), and what is disclosed is not fetched by who gets it.
    if person.account == AccountKind::Service || request.act == Act::Disclose {
        return;
    }
    if request.act != Act::SignIn && person.idle_s > tables::IDLE_S.into() {
        ruling
            .step_up(&rules::IDLE, "The session was idle for more than 15 minutes.")
            .remedy(&rules::IDLE, "re-authenticate");
    }
    let waived = facts.flag("access.mfa-bypassed") == Some(true);
    if waived && facts.flag("access.mfa-exception") != Some(true) {
        ruling
            .step_up(
                &rules::NO_BYPASS,
                "The second factor is waived without a documented, limited exception.",
            )
            .remedy(&rules::NO_BYPASS, "require-mfa");
        return;
    }
    if waived || is_multi_factor(person, facts, verified_is_two) {
        return;
    }
    if person.factors.len() > 1 {
        ruling.because(&rules::TWO_KINDS, "Two factors of one kind count as one.");
    }
    ruling
        .step_up(&rules::MFA, "A second factor of another kind is needed.")
        .remedy(&rules::MFA, "require-mfa");
}

/// Audit logs are for those whose job they are.
fn audit_log(ruling: &mut Ruling, request: &Request) {
    let person = &request.person;
    let reads = matches!(person.role, Role::Compliance | Role::Auditor | Role::Admin)
        || tables::lists(tables::JOBS_READERS_OF_LOGS, &person.function);
    if !reads {
        ruling.refuse(&rules::AUDIT_LOG_READERS, "This person's job does not ask for audit logs.");
    }
}

/// Ways that card numbers do not go, whoever asks.
fn ways(ruling: &mut Ruling, request: &Request, facts: &Facts) {
    let person = &request.person;
    if facts.flag("access.logged") == Some(false) {
        ruling
            .refuse(&rules::LOGGED, "This access would not be in the log.")
            .remedy(&rules::LOGGED, "turn-logging-on");
    }
    let unreviewed = facts.whole("access.reviewed-days-ago");
    if unreviewed.is_some_and(|days| days > i64::from(tables::ACCESS_REVIEW_DAYS)) {
        ruling
            .because(&rules::ACCESS_REVIEW, "This account was last reviewed more than six months ago.")
            .see_to(&rules::ACCESS_REVIEW, "review-access", None);
    }
    let keeps_the_store = tables::lists(tables::JOBS_KEEPERS, &person.function);
    if facts.text("access.via").is_some_and(|way| tables::lists(tables::DIRECT, way)) && !keeps_the_store {
        ruling
            .refuse(&rules::DIRECT_QUERY, "Only responsible administrators reach the store directly.")
            .remedy(&rules::DIRECT_QUERY, "use-application");
    }
    if !shows_pan(request) {
        return;
    }
    let by_message =
        facts.text("access.channel").is_some_and(|channel| tables::lists(tables::MESSAGING, channel));
    if by_message && facts.flag("access.channel-encrypted") != Some(true) {
        ruling
            .refuse(&rules::MESSAGING, "Card numbers do not go out by mail or chat.")
            .remedy(&rules::MESSAGING, "use-secure-channel");
    }
    let copies = matches!(request.act, Act::Export | Act::Share);
    let granted = facts.flag("access.copy-grant") == Some(true);
    if copies && person.traits.contains(PersonTraits::REMOTE) && !granted {
        ruling
            .refuse(
                &rules::REMOTE_COPY,
                "Card numbers are not copied from afar without explicit authorization.",
            )
            .remedy(&rules::REMOTE_COPY, "copy-grant")
            .remedy(&rules::REMOTE_COPY, "ask-for-redacted-copy");
    }
}

impl PciDss {
    /// What of the card this person gets.
    fn need(
        &self,
        ruling: &mut Ruling,
        request: &Request,
        has_pan: bool,
        holdings: &Holdings,
        facts: &Facts,
    ) {
        if !is_content(request) || !shows_pan(request) {
            return;
        }
        let person = &request.person;
        let documented = facts.flag("access.need-full-pan") != Some(false)
            && (person.traits.contains(PersonTraits::FULL_NEED)
                || facts.flag("access.need-full-pan") == Some(true));
        if documented || !has_pan {
            if holdings.has_sad() && !self.is_issuer(facts) {
                ruling
                    .because(
                        &rules::SAD_NOT_STORED,
                        "No need covers a code or PIN: those stretches are silent.",
                    )
                    .oblige(&rules::SAD_NOT_STORED, Duty::ServeRedacted(SAD.to_vec()));
            }
            return;
        }
        let listens = tables::lists(tables::JOBS_MASKED, &person.function)
            || person.traits.contains(PersonTraits::OWN_RECORDING)
            || request.act == Act::Disclose;
        if tables::gets(person.role) == Gets::Masked || listens {
            ruling
                .because(&rules::MASK_DISPLAY, "No documented need for the card number: it is masked.")
                .oblige(&rules::MASK_DISPLAY, Duty::ServeRedacted(CARD.to_vec()));
        } else {
            ruling
                .refuse(&rules::NEED_TO_KNOW, "This role has no need of recordings with card numbers.")
                .remedy(&rules::NEED_TO_KNOW, "ask-for-redacted-copy");
        }
    }
}

/// Two factors of different kinds: what is known with what is had, or a passkey with anything else. A passkey alone is
/// phishing-resistant, which is enough except from outside and for administrators (8.4.1, 8.4.3; FAQ 1595), unless the
/// client's assessor takes what unlocks it for the second factor (`verified_is_two`).
fn is_multi_factor(person: &Person, facts: &Facts, verified_is_two: bool) -> bool {
    let shown = |kind: FactorKind| person.factors.iter().any(|f: &Factor| f.kind == kind);
    let (password, passkey) = (shown(FactorKind::Password), shown(FactorKind::Passkey));
    let possession = shown(FactorKind::Totp) || shown(FactorKind::Federated);
    let resistant = (passkey && person.factors.iter().all(|f| f.kind == FactorKind::Passkey))
        || facts.flag("access.phishing-resistant") == Some(true);
    let strict = person.role == Role::Admin || person.traits.contains(PersonTraits::REMOTE);
    let verified = verified_is_two && passkey && facts.flag("access.passkey-verified") == Some(true);
    verified || (password && (possession || passkey)) || (passkey && possession) || (resistant && !strict)
}

fn is_content(request: &Request) -> bool {
    matches!(request.act, Act::Play | Act::Search | Act::Export | Act::Share | Act::Disclose)
}

fn shows_pan(request: &Request) -> bool {
    matches!(request.form, Form::Original | Form::Transcript)
}

#[cfg(test)]
mod tests;
