//! The patient's own rights: access within its time, representatives, amendment.

use caveat_sdk::{
    access::{Act, PersonTraits, Ruling},
    dates,
    facts::{Moment, Purpose},
};

use crate::{
    asking::{Ask, Job},
    known,
    rules::{ACCOUNTING, AMENDMENT, REPRESENTATIVE, RIGHT_OF_ACCESS, VERIFICATION},
    settings::Settings,
    tables::{
        ACCESS_DAYS, ACCESS_EXTENSION_DAYS, ACCOUNTING_DAYS, ACCOUNTING_EXTENSION_DAYS, AMENDMENT_DAYS,
        AMENDMENT_EXTENSION_DAYS,
    },
};

pub(super) fn own(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) {
    if stands_aside(ask, ruling) || outside_the_record_set(settings, ask, ruling) || !identified(ask, ruling)
    {
        return;
    }
    if ask.why.starts_with("accounting") {
        let extra = if known::EXTENDED.is(ask.facts) { ACCOUNTING_EXTENSION_DAYS } else { 0 };
        let due = dates::plus_days(requested(ask), u32::from(ACCOUNTING_DAYS + extra));
        ruling.because(
            &ACCOUNTING,
            "A patient's request for an accounting of disclosures is answered within 60 days.",
        );
        ruling.see_to(&ACCOUNTING, "respond-within-60-days", Some(due));
        return;
    }
    let extra = if known::EXTENDED.is(ask.facts) { ACCESS_EXTENSION_DAYS } else { 0 };
    let due = dates::plus_days(requested(ask), u32::from(ACCESS_DAYS + extra));
    ruling.because(
        &RIGHT_OF_ACCESS,
        "Patients get the recording itself, in the form they ask for, within 30 days; the minimum necessary does not apply.",
    );
    ruling.see_to(&RIGHT_OF_ACCESS, "respond-within-30-days", Some(due));
}

fn requested(ask: &Ask<'_>) -> Moment {
    known::moment(&known::REQUESTED, &known::REQUESTED_DAYS, ask.facts).unwrap_or(ask.facts.now)
}

/// Whether a representative has no say here (164.502(g)).
fn stands_aside(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let facts = ask.facts;
    if !matches!(ask.job, Job::Parent | Job::Representative) {
        return false;
    }
    if known::ENDANGERS.is(facts) {
        ruling.refuse(
            &REPRESENTATIVE,
            "Treating this person as the representative could endanger the patient (164.502(g)(5)).",
        );
        return true;
    }
    if ask.job != Job::Parent || known::PARENT_BY_STATE_LAW.is(facts) {
        return false;
    }
    let carved_out =
        [&known::CONSENTED_ALONE, &known::COURT_CONSENTED, &known::CONFIDENTIAL].iter().any(|k| k.is(facts));
    let grown = known::PATIENT_AGE.few(facts).is_some_and(|age| age >= crate::tables::DEFAULT.majority);
    if carved_out {
        ruling.refuse(
            &REPRESENTATIVE,
            "The minor lawfully consented to this care alone, or confidentially: the parent is not the representative unless \
             state law says so.",
        );
    } else if grown {
        ruling.refuse(&REPRESENTATIVE, "The patient is of age: the parent is no representative.");
    }
    if carved_out || grown {
        ruling.remedy(&REPRESENTATIVE, "obtain-authorization");
    }
    carved_out || grown
}

fn outside_the_record_set(settings: &Settings, ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let facts = ask.facts;
    let class = known::RECORD_CLASS.word(facts).unwrap_or_default();
    if known::ENDANGERS.is(facts) {
        ruling.refuse(&RIGHT_OF_ACCESS, "A professional found that access would endanger somebody (164.524(a)(3)); the patient can have that reviewed.");
        ruling.remedy(&RIGHT_OF_ACCESS, "review-of-denial");
        return true;
    }
    if known::LITIGATION.is(facts) || class == "litigation" {
        ruling.refuse(
            &RIGHT_OF_ACCESS,
            "Compiled for litigation: excluded from the right of access (164.524(a)(1)(ii)).",
        );
        return true;
    }
    let quality_only =
        known::QA_ONLY.is(facts) || ["qa-only", "qa", "quality-only"].contains(&class.as_str());
    let outside = known::RECORD_SET.flag(facts).map_or(quality_only, |inside| !inside);
    if outside && !settings.qa_recordings_to_patients {
        ruling.refuse(
            &RIGHT_OF_ACCESS,
            "Kept for quality only and no part of a designated record set; the client's policy decides, and does not give it.",
        );
        ruling.remedy(&RIGHT_OF_ACCESS, "allow-by-policy");
    }
    outside && !settings.qa_recordings_to_patients
}

/// Whether they may go on. A sign-in shows who holds the account, not that they are the patient: then somebody checks.
fn identified(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let facts = ask.facts;
    let denied = known::IDENTITY.is_not(facts) || known::AUTHORITY.is_not(facts);
    let shown = ask.is(PersonTraits::VERIFIED) || known::IDENTITY.is(facts);
    if denied || (!shown && ask.request.person.factors.is_empty()) {
        ruling.refuse(
            &VERIFICATION,
            "Identity, and for a representative the authority, are verified before anything is given out.",
        );
        ruling.remedy(&VERIFICATION, "verify-identity");
        return false;
    }
    if !shown {
        ruling.because(&VERIFICATION, "Nobody has said that this person's identity was verified.");
        ruling.see_to(&VERIFICATION, "verify-identity", None);
    }
    true
}

pub(super) fn wants_amendment(ask: &Ask<'_>) -> bool {
    ask.request.act == Act::Amend || ["amendment", "amend", "correction"].contains(&ask.why.as_str())
}

/// The original stays as it is; a statement is linked to it.
pub(super) fn amend(ask: &Ask<'_>, ruling: &mut Ruling) {
    if known::ALTERS_ORIGINAL.is(ask.facts) {
        ruling
            .refuse(&AMENDMENT, "An amendment never alters the original.")
            .remedy(&AMENDMENT, "append-statement");
        return;
    }
    let by_the_patient = matches!(ask.job, Job::Patient | Job::Parent | Job::Representative)
        || ask.purpose == Purpose::OwnRequest;
    if by_the_patient && (stands_aside(ask, ruling) || !identified(ask, ruling)) {
        return;
    }
    if !by_the_patient && ask.outward {
        return super::no_permission(
            ruling,
            "Only the patient, and the client's own people, can have a record amended.",
        );
    }
    if by_the_patient && known::ACCURATE.is(ask.facts) {
        ruling.refuse(
            &AMENDMENT,
            "The record is accurate and complete: the amendment may be denied, in writing and with its reason.",
        );
        ruling.remedy(&AMENDMENT, "add-statement-of-disagreement");
        return;
    }
    let extra = if known::EXTENDED.is(ask.facts) { AMENDMENT_EXTENSION_DAYS } else { 0 };
    let due = by_the_patient.then(|| dates::plus_days(requested(ask), u32::from(AMENDMENT_DAYS + extra)));
    ruling.because(
        &AMENDMENT,
        "The statement is appended and linked within 60 days; the original is not touched.",
    );
    ruling.see_to(&AMENDMENT, "append-statement", due);
}
