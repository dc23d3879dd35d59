//! What a client can set; `settings.schema.json` describes and completes the same.

use caveat_sdk::{
    Facts,
    facts::{CallTraits, LabelKind},
    settings::Problem,
};
use serde::Deserialize;

use crate::{known, tables, unsure};

/// What the client is (45 CFR 160.103).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entity {
    /// Health plan, clearinghouse, or provider.
    CoveredEntity,
    /// Works for one.
    BusinessAssociate,
    /// HIPAA does not apply.
    None,
}

/// Which Security Rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// In force.
    Current,
    /// As proposed on 6 January 2025.
    Nprm,
}

/// Whether recordings are part of the medical record: the provider's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InRecord {
    /// Nobody has decided.
    Undecided,
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// A client's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// What the client is.
    pub entity: Entity,
    /// Which Security Rule.
    pub profile: Profile,
    /// Every recording is protected health information.
    pub all_recordings_are_phi: bool,
    /// Label words that suggest talk of health.
    pub label_health_words: bool,
    /// Two factors.
    pub require_mfa: bool,
    /// Seconds until a person signs in again.
    pub idle_limit_s: u32,
    /// Only suites that NIST approves.
    pub nist_ciphers_only: bool,
    /// Where the alternative to encryption is written down; empty: nowhere.
    pub risk_analysis_ref: String,
    /// Roles and jobs that need the whole recording for oversight.
    pub full_access: Vec<String>,
    /// Give patients recordings kept for quality only.
    pub qa_recordings_to_patients: bool,
    /// Part of the medical record, where a call does not say.
    pub in_medical_record: InRecord,
    /// USPS code, where a call does not say; empty: unknown.
    pub state: String,
    /// `physician`, `hospital`, or empty.
    pub provider: String,
    /// States whose uncertain periods counsel has confirmed, and ids of unsure rules.
    pub counsel_confirmed: Vec<String>,
    /// States whose breach laws counsel reads as satisfied towards residents by notice under HIPAA, or as not applying.
    pub deemed_by_hipaa: Vec<String>,
    /// Opt-ins by name; those of other packs are not read.
    pub options: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            entity: Entity::CoveredEntity,
            profile: Profile::Current,
            all_recordings_are_phi: true,
            label_health_words: true,
            require_mfa: false,
            idle_limit_s: 900,
            nist_ciphers_only: false,
            risk_analysis_ref: String::new(),
            full_access: ["compliance", "auditor", "compliance-officer", "privacy-officer"]
                .map(String::from)
                .to_vec(),
            qa_recordings_to_patients: false,
            in_medical_record: InRecord::Undecided,
            state: String::new(),
            provider: String::new(),
            counsel_confirmed: vec![],
            deemed_by_hipaa: vec![],
            options: vec![],
        }
    }
}

impl Settings {
    /// With the opt-ins carried out, or what the schema alone cannot tell.
    pub(crate) fn valid(mut self) -> Result<Self, Vec<Problem>> {
        for option in &self.options {
            match option.as_str() {
                "nprm" | "hipaa-nprm" | "nprm-profile" => self.profile = Profile::Nprm,
                "hipaa-mfa" => self.require_mfa = true,
                "hipaa-nist-ciphers" => self.nist_ciphers_only = true,
                "hipaa-qa-to-patients" => self.qa_recordings_to_patients = true,
                _ => {}
            }
        }
        let mut problems = vec![];
        let mut known_place = |at: String, code: &str| {
            if tables::state(code).is_none() {
                problems.push(Problem {
                    at,
                    message: format!("`{code}` is no state, district or territory of the table"),
                });
            }
        };
        if !self.state.is_empty() {
            known_place("/state".into(), &self.state);
        }
        for (n, name) in self.counsel_confirmed.iter().enumerate() {
            if !unsure::UNSURE.iter().any(|(id, _)| id == name) {
                known_place(format!("/counsel-confirmed/{n}"), name);
            }
        }
        for (n, code) in self.deemed_by_hipaa.iter().enumerate() {
            if !tables::BREACH_CLOCKS
                .iter()
                .any(|clock| clock.code == code && (clock.yields || clock.exempts))
            {
                problems.push(Problem {
                    at: format!("/deemed-by-hipaa/{n}"),
                    message: format!(
                        "`{code}` has no row in data/state-breach.toml that yields to HIPAA or exempts"
                    ),
                });
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// Whether HIPAA has anything to say about this recording.
    pub(crate) fn protects(&self, facts: &Facts) -> bool {
        if self.entity == Entity::None {
            return false;
        }
        known::PHI.flag(facts).unwrap_or_else(|| {
            self.all_recordings_are_phi
                || facts.traits.contains(CallTraits::MEDICAL_RECORD)
                || facts.labels.iter().any(|l| l.kind == LabelKind::Health)
        })
    }

    /// Two factors are needed.
    pub(crate) fn wants_mfa(&self) -> bool {
        self.require_mfa || self.profile == Profile::Nprm
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_place_that_does_not_exist_is_refused() {
        let settings = Settings {
            state: "ZZ".into(),
            counsel_confirmed: vec!["NM".into(), "QQ".into()],
            deemed_by_hipaa: vec!["IN".into(), "TX".into()],
            ..Settings::default()
        };
        let at: Vec<String> = settings.valid().unwrap_err().into_iter().map(|p| p.at).collect();
        assert_eq!(at, ["/state", "/counsel-confirmed/1", "/deemed-by-hipaa/1"]);
    }

    #[test]
    fn opt_ins_of_other_packs_are_left_alone() {
        let options = ["pa-quality-control".into(), "nprm".into()].to_vec();
        let settings = Settings { options, ..Settings::default() }.valid().unwrap();
        assert!(settings.wants_mfa());
    }

    #[test]
    fn the_schema_has_the_same_defaults() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../settings.schema.json")).unwrap();
        let defaults: serde_json::Map<String, serde_json::Value> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, property)| (key.clone(), property["default"].clone()))
            .collect();
        let by_schema: Settings = serde_json::from_value(defaults.into()).unwrap();
        assert_eq!(format!("{by_schema:?}"), format!("{:?}", Settings::default()));
    }
}
