//! Records that have rules of their own: of the long dead, psychotherapy notes, treatment of substance use (42 CFR 2).

use caveat_sdk::{
    Facts,
    access::{PersonTraits, Ruling},
    facts::Purpose,
};

use crate::{
    asking::{Ask, Job},
    known,
    rules::{DECEDENTS, PART_2, PSYCHOTHERAPY},
    tables::DECEDENT_YEARS,
};

/// More than fifty years after death it is no longer protected health information (160.103).
pub(super) fn no_longer_protected(facts: &Facts, ruling: &mut Ruling) -> bool {
    let free = known::DECEDENT_YEARS.few(facts).is_some_and(|years| years > DECEDENT_YEARS);
    if free {
        ruling.because(&DECEDENTS, "The patient died more than 50 years ago: no longer protected.");
    }
    free
}

/// Whether the kind of record has given the answer.
pub(super) fn record(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    decedent(ask, ruling) || psychotherapy(ask, ruling) || part_2(ask, ruling)
}

fn class_is(facts: &Facts, names: &[&str]) -> bool {
    known::RECORD_CLASS.word(facts).is_some_and(|class| names.contains(&class.as_str()))
}

/// The dead are protected as the living are; who would need their authorization has no remedy to ask them for.
fn decedent(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let stranger = matches!(ask.job, Job::Researcher | Job::Outsider | Job::Vendor)
        || matches!(ask.purpose, Purpose::Research | Purpose::Marketing | Purpose::VendorUse);
    let permitted = known::AUTHORIZED.is(ask.facts)
        || known::WAIVER.is(ask.facts)
        || known::DECEDENT_RESEARCH.is(ask.facts)
        || known::DEIDENTIFIED.is(ask.facts);
    let refused = known::DECEDENT_YEARS.few(ask.facts).is_some() && stranger && !permitted;
    if refused {
        ruling.refuse(
            &DECEDENTS,
            "A patient's information is protected for 50 years after death: the personal representative's authorization, or \
             the representations of 164.512(i)(1)(iii) for research, are wanted.",
        );
    }
    refused
}

fn psychotherapy(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let facts = ask.facts;
    if !known::PSYCHOTHERAPY.is(facts)
        && !class_is(facts, &["psychotherapy-notes", "psychotherapy-note", "psychotherapy"])
    {
        return false;
    }
    let originator = known::ORIGINATOR.is(facts) && ask.purpose == Purpose::Treatment;
    let overseen = ask.job == Job::Oversight || known::REQUIRED_BY_LAW.is(facts);
    if originator || overseen || known::AUTHORIZED.is(facts) {
        return false;
    }
    let own = ask.purpose == Purpose::OwnRequest;
    let why = if own {
        "Psychotherapy notes are excluded from the right of access (164.524(a)(1)(i))."
    } else {
        "Psychotherapy notes need an authorization for nearly every use but their author's own treatment of the patient."
    };
    ruling.refuse(&PSYCHOTHERAPY, why);
    if !own {
        ruling.remedy(&PSYCHOTHERAPY, "obtain-authorization");
    }
    true
}

/// 42 CFR 2: a subpoena alone is never enough; other disclosures need the patient's consent and carry a notice.
fn part_2(ask: &Ask<'_>, ruling: &mut Ruling) -> bool {
    let facts = ask.facts;
    let tagged =
        known::PART_2.is(facts) || class_is(facts, &["part-2", "part2", "sud", "substance-use-disorder"]);
    if !tagged || !ask.outward || matches!(ask.job, Job::Patient | Job::Representative) {
        return false;
    }
    let consent = known::PART_2_CONSENT.is(facts) || known::AUTHORIZED.is(facts);
    let legal = matches!(ask.job, Job::Court | Job::Litigant | Job::LawEnforcement)
        || matches!(ask.purpose, Purpose::Legal | Purpose::LawEnforcement);
    if legal && !consent && !known::PART_2_ORDER.is(facts) {
        ruling.refuse(
            &PART_2,
            "Substance-use records stay out of proceedings against the patient without their consent or a court order under \
             subpart E; a subpoena alone is not enough.",
        );
        ruling.remedy(&PART_2, "obtain-part-2-court-order").remedy(&PART_2, "obtain-part-2-consent");
        return true;
    }
    let excused = matches!(ask.purpose, Purpose::Emergency)
        || ask.is(PersonTraits::BREAK_GLASS)
        || ask.job == Job::Oversight;
    if !legal && !consent && !excused {
        ruling.refuse(
            &PART_2,
            "Substance-use records leave the program with the patient's written consent only.",
        );
        ruling.remedy(&PART_2, "obtain-part-2-consent");
        return true;
    }
    ruling.because(&PART_2, "Substance-use records: the notice of 42 CFR 2.32 goes with them.");
    ruling.see_to(&PART_2, "attach-part-2-notice", None);
    false
}
