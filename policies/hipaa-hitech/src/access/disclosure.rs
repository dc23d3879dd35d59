//! What leaves the client: for treatment, payment and operations; by authorization; de-identified; for research; and as
//! the law permits or requires (164.512), which goes into the accounting.

use caveat_sdk::{
    access::{Act, Duty, Ruling},
    facts::{LabelKind, Purpose},
};

use super::{account_for, no_permission, workforce::reduce};
use crate::{
    asking::{Ask, Job},
    known,
    rules::*,
    tables::IDENTIFIERS,
};

const TPO_CITATION: &str = "45 CFR 164.528(a)(1)(i)";

/// Whether a restriction stands against it.
pub(super) fn restricted(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let to_a_plan = ask.job == Job::HealthPlan
        || (matches!(ask.request.act, Act::Disclose | Act::Share)
            && ask.purpose == Purpose::Payment
            && matches!(ask.job, Job::Workforce | Job::Outsider));
    let own_pocket = to_a_plan
        && known::OUT_OF_POCKET.is(ask.facts)
        && matches!(ask.purpose, Purpose::Payment | Purpose::Operations | Purpose::Unstated)
        && !known::REQUIRED_BY_LAW.is(ask.facts);
    // A client need not agree to other restrictions; one it agreed to binds it, but for emergencies.
    let agreed = ask.outward
        && known::RESTRICTED.is(ask.facts)
        && !known::REQUIRED_BY_LAW.is(ask.facts)
        && !matches!(ask.purpose, Purpose::Emergency | Purpose::OwnRequest);
    if own_pocket {
        ruling.refuse(
            &RESTRICTION,
            "The patient paid in full and asked that the health plan is not told: the client has to agree.",
        );
    } else if agreed {
        ruling.refuse(&RESTRICTION, "The client agreed to a restriction that covers this disclosure.");
    }
    own_pocket || agreed
}

/// Whether it was said to be de-identified, or a limited data set, and so has its answer.
pub(super) fn de_identified(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let method = known::METHOD_OF_DEIDENTIFICATION.word(ask.facts);
    if known::LIMITED_SET.is(ask.facts) {
        return limited_set(ask, ruling);
    }
    if method.is_none() && !known::DEIDENTIFIED.is(ask.facts) {
        return false;
    }
    if method.as_deref().is_some_and(|m| m.starts_with("expert")) {
        ruling.because(
            &DEIDENTIFIED,
            "An expert has determined that the risk of identification is very small.",
        );
    } else if ask.with_voice() {
        ruling.refuse(&DEIDENTIFIED, &voice_identifies());
        ruling.remedy(&DEIDENTIFIED, "expert-determination").remedy(&DEIDENTIFIED, "transcript-only");
    } else {
        ruling.because(&DEIDENTIFIED, "A transcript without the 18 identifiers of the safe harbor.");
        ruling.oblige(&DEIDENTIFIED, Duty::ServeRedacted(identifiers(false)));
    }
    true
}

fn voice_identifies() -> String {
    let carried: Vec<String> =
        IDENTIFIERS.iter().filter(|i| i.in_audio).map(|i| format!("({}) {}", i.letter, i.name)).collect();
    format!(
        "Silencing names does not de-identify sound. Of the 18 identifiers a voice carries {}.",
        carried.join("; ")
    )
}

/// For research, public health and operations, under an agreement; never with the voice.
fn limited_set(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let agreed = known::DATA_USE_AGREEMENT.is(ask.facts);
    if ask.with_voice() {
        ruling
            .refuse(&RESEARCH, "A limited data set has no voice prints, so no sound.")
            .remedy(&RESEARCH, "transcript-only");
    }
    if !agreed {
        ruling
            .refuse(&RESEARCH, "A limited data set needs a data use agreement.")
            .remedy(&RESEARCH, "sign-data-use-agreement");
    }
    if agreed && !ask.with_voice() {
        ruling.because(&RESEARCH, "A limited data set under a data use agreement; it needs no accounting.");
        ruling.oblige(&RESEARCH, Duty::ServeRedacted(identifiers(true)));
    }
    true
}

/// What detectors find of the 18 identifiers, in their order.
fn identifiers(limited: bool) -> Vec<LabelKind> {
    let mut kinds = vec![];
    for kind in IDENTIFIERS.iter().filter(|i| !(limited && i.limited)).flat_map(|i| i.labels) {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    kinds
}

/// Whether the patient's authorization covers it; then neither the minimum necessary nor the accounting applies.
pub(super) fn authorized(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    if !known::AUTHORIZED.is(ask.facts) {
        return false;
    }
    ruling.because(&AUTHORIZATION, "The patient's authorization covers this; it binds to what it names.");
    if !ask.outward {
        super::workforce::log(ruling);
    }
    true
}

pub(super) fn is_sale(ask: &Ask<'_>) -> bool {
    known::SALE.is(ask.facts)
}

/// Marketing, sale, a vendor's own product: never without the patient.
pub(super) fn own_ends(ask: &Ask<'_>, ruling: &mut Ruling) {
    let why = if is_sale(ask) {
        "Protected health information is not sold without each patient's authorization (164.502(a)(5)(ii))."
    } else {
        "Marketing, and a vendor's own product or models, need the patient's authorization or true de-identification."
    };
    ruling
        .refuse(&AUTHORIZATION, why)
        .remedy(&AUTHORIZATION, "obtain-authorization")
        .remedy(&AUTHORIZATION, "de-identify");
}

pub(super) fn research(ask: &Ask<'_>, ruling: &mut Ruling) {
    let decedents = known::DECEDENT_RESEARCH.is(ask.facts);
    if known::WAIVER.is(ask.facts) || decedents {
        ruling.because(
            &RESEARCH,
            "Research under a waiver of a board, or on the dead under its representations.",
        );
        return account_for(ruling);
    }
    ruling.refuse(
        &RESEARCH,
        "Research needs the patient's authorization, a board's waiver, or a limited data set.",
    );
    ruling.remedy(&RESEARCH, "obtain-authorization").remedy(&RESEARCH, "obtain-irb-waiver");
}

pub(super) fn rule(ask: &Ask<'_>, ruling: &mut Ruling) {
    match ask.job {
        Job::Vendor => vendor(ask, ruling),
        Job::LawEnforcement | Job::Litigant | Job::Court => legal_process(ask, ruling),
        Job::PublicHealth | Job::Oversight => {
            ruling.because(&PURPOSE, "Public health authorities and overseers may have what the law has them collect (164.512(b), (d)).");
            account_for(ruling);
        }
        Job::DecedentOffice => {
            ruling.because(
                &DECEDENT_OFFICES,
                "Coroners, medical examiners and funeral directors may have what their work on the dead needs.",
            );
            account_for(ruling);
        }
        Job::WorkersCompensation => {
            ruling.because(
                &WORKERS_COMPENSATION,
                "As far as state law on injuries at work authorizes it, and no more than that law asks for.",
            );
            account_for(ruling);
        }
        Job::Custody | Job::NationalSecurity => {
            ruling.because(
                &GOVERNMENT,
                "To those who have custody of the patient or protect the nation; no entry in the accounting (164.528(a)(1)).",
            );
        }
        Job::Outsider if ask.outward && known::INVOLVED.is(ask.facts) => involved_in_care(ask, ruling),
        Job::Patient | Job::Parent | Job::Representative => {
            no_permission(
                ruling,
                "The patient's own request is for access; for other purposes an authorization is wanted.",
            );
        }
        Job::Outsider if !matches!(ask.request.act, Act::Disclose | Act::Share) => {
            no_permission(ruling, "Nothing permits this person to have a patient's recording.");
        }
        _ => by_purpose(ask, ruling),
    }
}

fn by_purpose(ask: &Ask<'_>, ruling: &mut Ruling) {
    match ask.purpose {
        _ if known::REQUIRED_BY_LAW.is(ask.facts) => {
            ruling.because(&PURPOSE, "Required by law (164.512(a)).");
            account_for(ruling);
        }
        Purpose::Treatment | Purpose::Emergency if !ask.known_outsider => {
            ruling.because(&TREATMENT, "For treatment by a provider: the minimum necessary does not apply.");
            excluded_from_accounting(ruling);
        }
        Purpose::Payment | Purpose::Operations | Purpose::Quality | Purpose::Training
            if !ask.known_outsider =>
        {
            reduce(ask, ruling);
            excluded_from_accounting(ruling);
        }
        Purpose::PublicHealth | Purpose::Regulatory => {
            ruling.because(&PURPOSE, "Permitted by 164.512(b) or (d).");
            account_for(ruling);
        }
        Purpose::Legal | Purpose::LawEnforcement => legal_process(ask, ruling),
        Purpose::Unstated => {
            ruling.refuse(&PURPOSE, "A disclosure is for a permitted purpose only, and none was stated.");
            ruling.remedy(&PURPOSE, "state-purpose");
        }
        _ => no_permission(ruling, "No permission of 164.502(a) covers this disclosure."),
    }
}

/// Family and friends who help: what bears on that, if the patient does not mind. It needs no accounting.
fn involved_in_care(ask: &Ask<'_>, ruling: &mut Ruling) {
    if known::AGREED.is(ask.facts) {
        ruling.because(
            &INVOLVED_IN_CARE,
            "The patient agreed: what bears on this person's part in the care may be told; no entry in the accounting.",
        );
    } else {
        ruling
            .refuse(
                &INVOLVED_IN_CARE,
                "Nobody asked the patient, who has to agree or have the chance to object.",
            )
            .remedy(&INVOLVED_IN_CARE, "obtain-authorization");
    }
}

/// HITECH 13405(c) would have these in too; it was never put in force.
fn excluded_from_accounting(ruling: &mut Ruling) {
    ruling.because_of(
        &ACCOUNTING,
        TPO_CITATION,
        "Treatment, payment and operations need no entry in the accounting.",
    );
}

/// Works for the client, under an agreement, with no more than the work needs.
fn vendor(ask: &Ask<'_>, ruling: &mut Ruling) {
    if ask.purpose == Purpose::Unstated {
        ruling.refuse(
            &PURPOSE,
            "A recording of a patient is used for a permitted purpose only, and none was stated.",
        );
        ruling.remedy(&PURPOSE, "state-purpose");
    } else if known::VENDOR_AGREEMENT.is(ask.facts) {
        reduce(ask, ruling);
        super::workforce::log(ruling);
    } else {
        ruling.refuse(
            &ASSOCIATE,
            "A vendor needs a business-associate agreement before it is shown a patient's recording.",
        );
        ruling.remedy(&ASSOCIATE, "sign-baa");
    }
}

/// An order speaks for itself; a subpoena needs assurance; the police need process or one of the conditions of 164.512(f).
fn legal_process(ask: &Ask<'_>, ruling: &mut Ruling) {
    let facts = ask.facts;
    let process = known::PROCESS.word(facts).unwrap_or_default();
    let ordered = known::COURT_ORDER.is(facts)
        || known::PART_2_ORDER.is(facts)
        || ["court-order", "warrant", "grand-jury-subpoena"].contains(&process.as_str())
        || ask.why == "court-order"
        || (ask.job == Job::Court && !known::COURT_ORDER.is_not(facts) && process != "none");
    let permitted = ordered
        || known::ASSURANCE.is(facts)
        || known::REQUIRED_BY_LAW.is(facts)
        || known::CONDITIONS_MET.is(facts)
        || (ask.job == Job::LawEnforcement && process == "administrative-request");
    if permitted {
        ruling
            .because(&LEGAL_PROCESS, "The conditions are met; no more is disclosed than the process names.");
        return account_for(ruling);
    }
    if ask.job == Job::LawEnforcement || ask.purpose == Purpose::LawEnforcement {
        ruling.refuse(
            &LEGAL_PROCESS,
            "Law enforcement needs legal process or one of the conditions of 164.512(f).",
        );
        ruling.remedy(&LEGAL_PROCESS, "obtain-legal-process");
    } else {
        ruling.refuse(&LEGAL_PROCESS, "A subpoena that no judge signed needs satisfactory assurance: notice to the patient, or a protective order.");
        ruling
            .remedy(&LEGAL_PROCESS, "obtain-court-order")
            .remedy(&LEGAL_PROCESS, "obtain-satisfactory-assurance");
    }
}
