//! Every rule that this pack can name. Titles, summaries and confidence are in `pack.toml`; a test holds the two together.

use caveat_sdk::Rule;

macro_rules! rules {
    ($($name:ident = $id:literal, $citation:literal;)+) => {
        $(pub(crate) const $name: Rule = Rule { id: $id, citation: $citation };)+
        #[cfg(test)]
        pub(crate) const ALL: &[Rule] = &[$($name),+];
    };
}

rules! {
    // capture
    HEALTH_CONTENT = "hipaa.health-content", "45 CFR 160.103";
    TRANSMISSION = "hipaa.transmission-security", "45 CFR 164.312(e)(1), (e)(2)(ii)";
    // storage
    ASSOCIATE = "hipaa.business-associate", "45 CFR 164.308(b), 164.502(e); HHS cloud guidance 2016";
    ENCRYPTION = "hipaa.encryption-at-rest", "45 CFR 164.312(a)(2)(iv), 164.306(d)(3)";
    INTEGRITY = "hipaa.integrity", "45 CFR 164.312(c)(1), (c)(2)";
    MEDIA = "hipaa.media-controls", "45 CFR 164.310(d)(1), (d)(2)";
    RECORD_RETENTION = "hipaa.record-retention", "State medical-record law";
    NO_PERIOD = "hipaa.no-retention-period", "45 CFR 164.316(b)(2)(i), 164.530(j)";
    DOCUMENTATION = "hipaa.documentation", "45 CFR 164.316(b)(2)(i), 164.530(j)(2)";
    RETURN_OR_DESTROY = "hipaa.return-or-destroy", "45 CFR 164.504(e)(2)(ii)(J)";
    // breach
    BREACH_SECURED = "hipaa.breach-secured", "45 CFR 164.402; 74 FR 19006";
    BREACH_LOW = "hipaa.breach-low-probability", "45 CFR 164.402(2), 164.414(b)";
    BREACH_EXCEPTION = "hipaa.breach-exception", "45 CFR 164.402(1), 164.414(b)";
    BREACH_ASSOCIATE = "hipaa.breach-associate", "45 CFR 164.410";
    BREACH_INDIVIDUALS = "hipaa.breach-individuals", "45 CFR 164.404";
    BREACH_HHS = "hipaa.breach-hhs", "45 CFR 164.408";
    BREACH_MEDIA = "hipaa.breach-media", "45 CFR 164.406";
    BREACH_SUBSTITUTE = "hipaa.breach-substitute", "45 CFR 164.404(d)(2)";
    BREACH_STATE = "hipaa.breach-state", "State breach-notification law";
    BREACH_REGULATOR = "hipaa.breach-regulator", "State breach-notification law";
    BREACH_DELAY = "hipaa.breach-delay", "45 CFR 164.412";
    // access: who
    UNIQUE_USER = "hipaa.unique-user", "45 CFR 164.312(a)(2)(i)";
    TERMINATED = "hipaa.workforce-termination", "45 CFR 164.308(a)(3)(ii)(C)";
    EMERGENCY = "hipaa.emergency-access", "45 CFR 164.312(a)(2)(ii)";
    LOGOFF = "hipaa.automatic-logoff", "45 CFR 164.312(a)(2)(iii)";
    AUTHENTICATION = "hipaa.authentication", "45 CFR 164.312(d)";
    AUDIT = "hipaa.audit-controls", "45 CFR 164.312(b)";
    VERIFICATION = "hipaa.verification", "45 CFR 164.514(h)";
    // access: what for
    PURPOSE = "hipaa.permitted-purpose", "45 CFR 164.502(a)";
    TREATMENT = "hipaa.treatment", "45 CFR 164.502(b)(2)(i), 164.506(c)";
    MINIMUM = "hipaa.minimum-necessary", "45 CFR 164.502(b), 164.514(d)";
    AUTHORIZATION = "hipaa.authorization", "45 CFR 164.508(a)";
    DEIDENTIFIED = "hipaa.de-identification", "45 CFR 164.514(a)-(c)";
    RESEARCH = "hipaa.research", "45 CFR 164.512(i), 164.514(e)";
    LEGAL_PROCESS = "hipaa.legal-process", "45 CFR 164.512(e), (f)";
    ACCOUNTING = "hipaa.accounting", "45 CFR 164.528";
    INVOLVED_IN_CARE = "hipaa.involved-in-care", "45 CFR 164.510(b)";
    DECEDENT_OFFICES = "hipaa.coroners", "45 CFR 164.512(g)";
    WORKERS_COMPENSATION = "hipaa.workers-compensation", "45 CFR 164.512(l)";
    GOVERNMENT = "hipaa.government-functions", "45 CFR 164.512(k)";
    RESTRICTION = "hipaa.restriction", "45 CFR 164.522(a)(1)(vi)";
    PART_2 = "hipaa.part-2", "42 CFR 2.31-2.33, 2.61-2.67";
    // access: the patient
    RIGHT_OF_ACCESS = "hipaa.right-of-access", "45 CFR 164.524";
    REPRESENTATIVE = "hipaa.personal-representative", "45 CFR 164.502(g)";
    PSYCHOTHERAPY = "hipaa.psychotherapy-notes", "45 CFR 164.508(a)(2), 164.501";
    DECEDENTS = "hipaa.decedents", "45 CFR 164.502(f)";
    AMENDMENT = "hipaa.amendment", "45 CFR 164.526";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_manifest_declares_the_same_rules() {
        let manifest: toml::Table = include_str!("../pack.toml").parse().unwrap();
        let mut declared: Vec<(&str, &str)> = manifest["rule"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (r["id"].as_str().unwrap(), r["citation"].as_str().unwrap()))
            .collect();
        let mut named: Vec<_> = ALL.iter().map(|r| (r.id, r.citation)).collect();
        declared.sort_unstable();
        named.sort_unstable();
        assert_eq!(named, declared);
    }
}
