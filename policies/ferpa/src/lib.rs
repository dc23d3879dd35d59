//! Education records: who hears a school's recordings about a student, and what may not be destroyed.
//!
//! Consent to be recorded is state law, and another pack's. Facts of law are in `data/`, rules in `pack.toml`. Start at [`Ferpa`].

mod access;
mod storage;

use caveat_sdk::{AccessRules, Facts, Pack, StorageRules, facts::Purpose, settings::Problem};
use pack_law::{is_listed, known};
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    college: bool,
    interests: Vec<String>,
    notice_tells_of_transfers: bool,
    under_direct_control: bool,
}

impl Settings {
    /// Whether the rights are the student's and no longer the parents'. Unknown: the parents', who are asked in a school.
    pub(crate) fn is_eligible(&self, facts: &Facts) -> bool {
        self.college || known::is(facts, &["student.eligible"])
    }

    /// Whether the yearly notice names a purpose.
    pub(crate) fn is_interest(&self, purpose: Purpose) -> bool {
        let name = match purpose {
            Purpose::Training => "training",
            Purpose::Quality => "quality",
            Purpose::Oversight => "oversight",
            Purpose::Dispute => "dispute",
            Purpose::Evidence => "evidence",
            Purpose::Operations => "operations",
            Purpose::Regulatory => "regulatory",
            Purpose::Emergency => "emergency",
            _ => return false,
        };
        self.interests.iter().any(|interest| interest == name)
    }
}

/// Whether the recording is an education record: unless it is said to be something else.
pub(crate) fn is_education_record(facts: &Facts) -> bool {
    !known::word(facts, &["retention.class"])
        .is_some_and(|class| is_listed(law::NO_EDUCATION_RECORDS, &class))
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Ferpa {
    settings: Settings,
}

impl Pack for Ferpa {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { settings })
    }
}

impl StorageRules for Ferpa {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        storage::rule(&self.settings, event, facts)
    }
}

impl AccessRules for Ferpa {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        access::rule(&self.settings, request, facts)
    }
}

caveat_sdk::pack!(Ferpa: storage, access);
