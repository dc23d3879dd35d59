//! Consumer finance: the Safeguards Rule, Regulations B, E, X and Z, the disposal rule and Nacha's on recorded calls.
//!
//! Consent to be recorded is state law, and another pack's. Facts of law are in `data/`, rules in `pack.toml`. Start at
//! [`Finance`].

mod access;
mod capture;
mod periods;
mod storage;

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, StorageRules, settings::Problem};
use pack_law::keeper::Keeper;
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    financial_institution: bool,
    nydfs: bool,
    usual_class: String,
    business_need: String,
    compensating_control: String,
    factor_equivalent: String,
    counsel_confirmed: Vec<String>,
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Finance {
    settings: Settings,
}

impl Pack for Finance {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings })
    }
}

impl Settings {
    /// Whether the Safeguards Rule or New York's regulation protects what the client keeps.
    fn has_safeguards(&self) -> bool {
        self.financial_institution || self.nydfs
    }
}

impl CaptureRules for Finance {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Finance {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = self.settings.rule(event, facts);
        storage::audit_trail(&self.settings, event, facts, &mut ruling);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Finance {
    fn access(&self, request: &caveat_sdk::access::Request, _facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(&self.settings, request);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Finance: capture, storage, access);
