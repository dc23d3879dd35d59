//! Who may hear it: the school's own people, families and students, those whom the regulation names, and anybody with consent.

use caveat_sdk::{
    Facts, Rule,
    access::{Act, Duty, Form, PersonTraits, Request, Role, Ruling},
    facts::Purpose,
};
use pack_law::{is_listed, known};

use crate::{Settings, is_education_record, law};

pub(crate) fn rule(settings: &Settings, request: &Request, facts: &Facts) -> Ruling {
    let mut ruling = Ruling::allow();
    let hears = matches!(request.act, Act::Play | Act::Export | Act::Share | Act::Disclose | Act::Amend);
    if !hears || request.form == Form::FactsOnly || !is_education_record(facts) {
        return ruling;
    }
    if request.act == Act::Amend {
        amend(&mut ruling);
        return ruling;
    }
    match recipient(request, facts) {
        Some(who) if is_family(&who) => family(settings, &who, request, facts, &mut ruling),
        Some(who) => third_party(settings, &who, request, facts, &mut ruling),
        None if leaves(request) => {
            ruling.refuse(&law::CONSENT, "It is not known who is to have it.");
            ruling.remedy(&law::CONSENT, "name-recipient");
        }
        None => official(settings, request, &mut ruling),
    }
    ruling
}

/// It leaves the school: passed on, or taken by somebody who has no role there.
fn leaves(request: &Request) -> bool {
    request.act == Act::Disclose || request.act == Act::Share || request.person.role == Role::Outsider
}

/// Who is to have it, where that is nobody of the school.
fn recipient(request: &Request, facts: &Facts) -> Option<String> {
    if !leaves(request) {
        return None;
    }
    let own =
        request.person.traits.contains(PersonTraits::OWN_RECORDING) || request.purpose == Purpose::OwnRequest;
    let job = known::spelled(&request.person.function);
    known::word(facts, &["access.recipient"])
        .or_else(|| (request.person.role == Role::Outsider && !job.is_empty()).then_some(job))
        .or_else(|| own.then(|| "student".to_owned()))
}

fn is_family(who: &str) -> bool {
    is_listed(law::FAMILIES, who) || is_listed(law::STUDENTS, who)
}

fn official(settings: &Settings, request: &Request, ruling: &mut Ruling) {
    if settings.is_interest(request.purpose) {
        ruling.because(
            &law::SCHOOL_OFFICIAL,
            "The yearly notice names the purpose as an educational interest.",
        );
        ruling.oblige(&law::SCHOOL_OFFICIAL, Duty::LogAccess);
    } else {
        ruling.refuse(
            &law::SCHOOL_OFFICIAL,
            "The yearly notice does not name the purpose as a legitimate educational interest.",
        );
        ruling.remedy(&law::SCHOOL_OFFICIAL, "state-educational-interest");
    }
}

/// The right to inspect and review; a parent's as long as the student is not eligible.
fn family(settings: &Settings, who: &str, request: &Request, facts: &Facts, ruling: &mut Ruling) {
    let (eligible, parent) = (settings.is_eligible(facts), is_listed(law::FAMILIES, who));
    if eligible && parent {
        if known::is(facts, &["student.dependent"]) {
            ruling.because(&law::EXCEPTIONS, "The student is the parents' dependent for tax.");
            given(&law::EXCEPTIONS, request, facts, ruling);
        } else if has_consent(facts) {
            ruling.because(&law::CONSENT, "The student consented in writing.");
            verify(request, facts, ruling);
        } else {
            ruling.refuse(&law::ELIGIBLE_STUDENT, "The rights are the student's and no longer the parents'.");
            ruling.remedy(&law::ELIGIBLE_STUDENT, "get-written-consent");
        }
        return;
    }
    if !eligible && !parent && !known::is(facts, &["access.written-consent"]) {
        ruling.refuse(
            &law::ELIGIBLE_STUDENT,
            "The student is not known to be eligible: the rights are the parents'.",
        );
        ruling.remedy(&law::ELIGIBLE_STUDENT, "get-written-consent");
        return;
    }
    verify(request, facts, ruling);
    let asked = known::moment(facts, &["access.requested"], &["access.requested-days-ago"]);
    let due = law::ALLOW_INSPECTION_45_DAYS.after(asked.unwrap_or(facts.now), &[]);
    ruling.because(&law::INSPECTION, law::ALLOW_INSPECTION_45_DAYS.why);
    ruling.see_to(&law::INSPECTION, law::ALLOW_INSPECTION_45_DAYS.name, Some(due));
    if known::is(facts, &["access.other-students"]) {
        ruling.because(&law::OTHER_STUDENTS, "It is about other students too.");
        ruling.see_to(&law::OTHER_STUDENTS, "leave-out-other-students", None);
    }
}

fn third_party(settings: &Settings, who: &str, request: &Request, facts: &Facts, ruling: &mut Ruling) {
    if request.purpose == Purpose::Emergency {
        ruling.because(&law::EMERGENCY, "Somebody's health or safety depends on it.");
        ruling.see_to(&law::EMERGENCY, "write-down-threat", None);
        given(&law::RECORD_OF_DISCLOSURES, request, facts, ruling);
    } else if has_consent(facts) {
        ruling.because(
            &law::CONSENT,
            "A signed and dated consent names the records, the purpose and the recipient.",
        );
        tell(ruling);
        verify(request, facts, ruling);
    } else if is_listed(law::COURTS, who) {
        ruling.because(&law::LEGAL_PROCESS, "A judicial order or a lawfully issued subpoena.");
        if !known::is(facts, &["access.nondisclosure-ordered"]) {
            ruling.see_to(&law::LEGAL_PROCESS, "notify-before-complying", None);
        }
        given(&law::RECORD_OF_DISCLOSURES, request, facts, ruling);
    } else if is_listed(law::STUDIES, who) && !known::is(facts, &["access.study-agreement"]) {
        ruling.refuse(&law::EXCEPTIONS, "No written agreement on the study is on file.");
        ruling.remedy(&law::EXCEPTIONS, "sign-study-agreement");
    } else if is_listed(law::MAY_HAVE_IT, who) || is_listed(law::STUDIES, who) {
        ruling.because(&law::EXCEPTIONS, "The regulation names the recipient.");
        if who == "other-school" && !settings.notice_tells_of_transfers {
            ruling.because(&law::OTHER_SCHOOL, "The yearly notice does not say that records are forwarded.");
            ruling.see_to(&law::OTHER_SCHOOL, "notify-of-transfer", None);
        }
        given(&law::RECORD_OF_DISCLOSURES, request, facts, ruling);
    } else {
        ruling.refuse(&law::CONSENT, "Nobody consented in writing, and no exception names the recipient.");
        ruling.remedy(&law::CONSENT, "get-written-consent");
    }
}

fn has_consent(facts: &Facts) -> bool {
    known::is(facts, &["access.written-consent"])
}

/// Without consent: logged for parents and students to see, and passed on by nobody.
fn given(rule: &Rule, request: &Request, facts: &Facts, ruling: &mut Ruling) {
    ruling.because(&law::RECORD_OF_DISCLOSURES, "Who was given it, and why, is kept with it.");
    ruling.oblige(rule, Duty::LogDisclosure);
    tell(ruling);
    verify(request, facts, ruling);
}

fn tell(ruling: &mut Ruling) {
    ruling.because(&law::REDISCLOSURE, "The recipient passes nothing on.");
    ruling.see_to(&law::REDISCLOSURE, "tell-no-redisclosure", None);
}

fn verify(request: &Request, facts: &Facts, ruling: &mut Ruling) {
    let verified = known::flag(facts, &["access.identity-verified"])
        .unwrap_or(request.person.traits.contains(PersonTraits::VERIFIED));
    if !verified {
        ruling.step_up(&law::IDENTITY, "Whoever is to have it has not been identified.");
        ruling.remedy(&law::IDENTITY, "verify-identity");
    }
}

fn amend(ruling: &mut Ruling) {
    ruling.because(&law::AMENDMENT, "The original stays; a statement is kept with it.");
    ruling.see_to(&law::AMENDMENT, "decide-amendment", None);
}
