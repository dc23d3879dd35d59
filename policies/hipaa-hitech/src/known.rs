//! The attributes this pack reads, by their names in `pack.toml`. Where integrators have two words for one fact, both are
//! read; the first that is known counts.

use caveat_sdk::{Facts, dates, facts::Moment};

/// A fact under one or more names.
pub(crate) struct Known(&'static [&'static str]);

impl Known {
    /// Yes, no, or unknown.
    pub(crate) fn flag(&self, facts: &Facts) -> Option<bool> {
        self.0.iter().find_map(|name| facts.flag(name))
    }
    /// Known to be so.
    pub(crate) fn is(&self, facts: &Facts) -> bool {
        self.flag(facts) == Some(true)
    }
    /// Known not to be so.
    pub(crate) fn is_not(&self, facts: &Facts) -> bool {
        self.flag(facts) == Some(false)
    }
    /// A count; none if unknown or negative.
    pub(crate) fn whole(&self, facts: &Facts) -> Option<u64> {
        u64::try_from(self.0.iter().find_map(|name| facts.whole(name))?).ok()
    }
    /// A short count, of years or days.
    pub(crate) fn few(&self, facts: &Facts) -> Option<u16> {
        Some(u16::try_from(self.whole(facts)?).unwrap_or(u16::MAX))
    }
    /// A word, as given.
    pub(crate) fn text<'a>(&self, facts: &'a Facts) -> Option<&'a str> {
        self.0.iter().find_map(|name| facts.text(name))
    }
    /// A time.
    pub(crate) fn when(&self, facts: &Facts) -> Option<Moment> {
        self.0.iter().find_map(|name| facts.when(name))
    }
    /// A word in the pack's own spelling: lower case, hyphens.
    pub(crate) fn word(&self, facts: &Facts) -> Option<String> {
        self.text(facts).map(spelled)
    }
}

/// `Court Order` and `court_order` as `court-order`.
pub(crate) fn spelled(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace(['_', ' '], "-")
}

/// A time given as such, or as whole days before now.
pub(crate) fn moment(when: &Known, days_ago: &Known, facts: &Facts) -> Option<Moment> {
    let ago = |days: u64| facts.now.saturating_sub(days.saturating_mul(dates::DAY_MS));
    when.when(facts).or_else(|| days_ago.whole(facts).map(ago))
}

macro_rules! known {
    ($($name:ident = $($attribute:literal)|+;)+) => {
        $(pub(crate) static $name: Known = Known(&[$($attribute),+]);)+
        #[cfg(test)]
        static ALL: &[&Known] = &[$(&$name),+];
    };
}

known! {
    // any event
    PHI = "content.phi";
    TRANSPORT_ENCRYPTED = "call.transport-encrypted" | "storage.transmission-encrypted";

    // storage
    AGREEMENT = "storage.baa" | "storage.associate-agreement";
    AGREEMENT_ENDED = "storage.agreement-ended" | "storage.baa-expired";
    ALTERNATIVE = "storage.documented-alternative" | "storage.alternative-documented" | "storage.addressable-documented";
    RISK_ANALYSIS = "storage.risk-analysis-ref";
    INTACT = "storage.integrity" | "storage.integrity-protected";
    SANITIZED = "storage.sanitized" | "storage.media-sanitized";

    // retention
    STATE = "retention.state";
    PROVIDER = "retention.provider";
    PROGRAM = "retention.program";
    MEDICARE = "retention.medicare";
    PART_OF_RECORD = "retention.part-of-record" | "retention.medical-record";
    BIRTH_DATE = "retention.birth-date" | "retention.date-of-birth";
    AGE_AT_SERVICE = "retention.patient-age" | "retention.age-at-service";
    MINOR = "retention.minor";
    LAST_SERVICE = "retention.last-service" | "retention.last-contact" | "retention.discharged";
    LAST_SERVICE_DAYS = "retention.last-service-days" | "retention.last-contact-days";
    CONTRACT_YEARS = "retention.contract-years";
    CLASS = "retention.class" | "retention.object" | "retention.document";
    LAST_EFFECTIVE = "retention.last-effective";
    LAST_EFFECTIVE_DAYS = "retention.last-effective-days";
    METHOD = "retention.method" | "retention.disposal-method";
    RETURNED = "retention.returned";

    // breach
    PERSONS = "breach.persons" | "breach.individuals";
    RESIDENTS = "breach.residents" | "breach.state-residents" | "breach.residents-one-state" | "breach.max-state-residents";
    BREACH_ENTITY = "breach.entity";
    BREACH_ENCRYPTED = "breach.encrypted";
    KEYS_TAKEN = "breach.keys-taken" | "breach.key-taken" | "breach.key-compromised" | "breach.keys-compromised" | "breach.key-stolen";
    UNLOCKED = "breach.unlocked" | "breach.host-unlocked" | "breach.running-host";
    DESTROYED = "breach.destroyed";
    LOW_PROBABILITY = "breach.low-probability" | "breach.low-probability-of-compromise";
    ASSESSMENT = "breach.risk-assessment";
    FACTORS = "breach.factors-assessed";
    UNREACHABLE = "breach.unreachable";
    BREACH_STATES = "breach.state" | "breach.states";
    ASSESSMENT_KEPT = "breach.risk-assessment-documented" | "breach.documented";
    EXCEPTION = "breach.exception";
    GOOD_FAITH = "breach.good-faith";
    INADVERTENT = "breach.inadvertent";
    NOT_RETAINED = "breach.not-retained" | "breach.could-not-retain";
    DISCOVERED = "breach.discovered";
    DISCOVERED_DAYS = "breach.discovered-days-ago" | "breach.discovered-days";
    AGENT_DISCOVERED = "breach.agent-discovered";
    CONTRACT_DAYS = "breach.contract-days";
    DELAY = "breach.law-enforcement-delay";
    DELAY_UNTIL = "breach.delay-until";

    // access: who has it, and why
    RECIPIENT = "access.recipient";
    TREATING = "access.treating" | "access.treats-patient";
    WHY = "access.purpose";
    AUTHORIZED = "access.authorization" | "access.patient-authorization" | "access.authorized";
    VENDOR_AGREEMENT = "access.baa" | "access.associate-agreement";
    SALE = "access.sale" | "access.remuneration" | "access.paid";
    DEIDENTIFIED = "access.deidentified" | "access.de-identified";
    METHOD_OF_DEIDENTIFICATION = "access.de-identification" | "access.deidentification" | "access.deidentified" | "access.de-identified";
    LIMITED_SET = "access.limited-data-set";
    DATA_USE_AGREEMENT = "access.data-use-agreement" | "access.dua";
    WAIVER = "access.irb-waiver" | "access.waiver";
    DECEDENT_YEARS = "access.decedent-years" | "access.died-years-ago";
    DECEDENT_RESEARCH = "access.decedent-research";
    OUT_OF_POCKET = "access.paid-out-of-pocket" | "access.out-of-pocket" | "access.paid-in-full";
    RESTRICTED = "access.restricted" | "access.restriction";

    // access: what it is
    RECORD_CLASS = "access.record-class" | "access.class" | "access.content";
    RECORD_SET = "access.designated-record-set" | "access.in-record-set";
    QA_ONLY = "access.qa-only";
    PSYCHOTHERAPY = "access.psychotherapy-notes" | "access.psychotherapy-note" | "content.psychotherapy-notes";
    ORIGINATOR = "access.originator";
    PART_2 = "access.part2" | "access.part-2" | "content.part2" | "call.part2";
    PART_2_CONSENT = "access.part2-consent" | "access.consent";
    LITIGATION = "access.for-litigation" | "access.compiled-for-litigation";

    // access: authority
    IDENTITY = "access.identity-verified" | "access.verified";
    AUTHORITY = "access.authority-verified";
    COURT_ORDER = "access.court-order" | "access.warrant";
    PART_2_ORDER = "access.part2-order" | "access.part-2-order";
    ASSURANCE = "access.satisfactory-assurance" | "access.protective-order";
    PROCESS = "access.legal-process" | "access.process";
    REQUIRED_BY_LAW = "access.required-by-law";
    INVOLVED = "access.involved-in-care";
    AGREED = "access.patient-agreed" | "access.agreed";
    CONDITIONS_MET = "access.conditions-met";
    CONSENTED_ALONE = "access.minor-consented-alone" | "access.minor-consented";
    COURT_CONSENTED = "access.court-consented";
    CONFIDENTIAL = "access.parent-assented-to-confidentiality";
    PARENT_BY_STATE_LAW = "access.state-law-permits";
    ENDANGERS = "access.endangers" | "access.abuse-suspected";
    PATIENT_AGE = "access.patient-age";

    // access: the patient's request
    REQUESTED = "access.requested";
    REQUESTED_DAYS = "access.requested-days-ago" | "access.days-since-request";
    EXTENDED = "access.extended" | "access.extension-sent";
    ACCURATE = "access.accurate-and-complete";
    ALTERS_ORIGINAL = "access.alters-original" | "access.edit-original" | "access.edit-audio";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_manifest_declares_the_same_facts() {
        let manifest: toml::Table = include_str!("../pack.toml").parse().unwrap();
        let declared: BTreeSet<&str> =
            manifest["fact"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        let read: BTreeSet<&str> = ALL.iter().flat_map(|k| k.0.iter().copied()).collect();
        assert_eq!(read, declared);
    }

    #[test]
    fn the_first_name_that_is_known_counts() {
        use caveat_sdk::facts::{Attribute, AttributeValue};
        let mut facts = Facts::empty();
        assert_eq!(PERSONS.whole(&facts), None);
        facts
            .attributes
            .push(Attribute { name: "breach.individuals".into(), value: AttributeValue::Whole(-1) });
        assert_eq!(PERSONS.whole(&facts), None);
        facts.attributes.push(Attribute { name: "breach.persons".into(), value: AttributeValue::Whole(40) });
        assert_eq!(PERSONS.whole(&facts), Some(40));
    }
}
