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
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS)?;
        Ok(Self { settings })
    }
}

impl CaptureRules for Finance {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        capture::rule(event, facts)
    }
}

impl StorageRules for Finance {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        self.settings.rule(event, facts)
    }
}

impl AccessRules for Finance {
    fn access(&self, request: &caveat_sdk::access::Request, _facts: &Facts) -> caveat_sdk::access::Ruling {
        access::rule(&self.settings, request)
    }
}

caveat_sdk::pack!(Finance: capture, storage, access);
