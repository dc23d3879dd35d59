//! California consumers' privacy: the CCPA as amended by the CPRA, for recorded calls.
//!
//! A consumer is whoever is, or may be, in California. Consent to be recorded is another pack's. Facts of law are in `data/`,
//! rules in `pack.toml`. Start at [`Privacy`].

mod access;
mod storage;

use caveat_sdk::{
    AccessRules, CaptureRules, Facts, Pack, StorageRules,
    capture::{Event, Ruling},
    facts::Role,
    settings::Problem,
};
use pack_law::known;
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    business: bool,
    notice_at_collection: bool,
    stated_days: Option<u32>,
    carved_out: bool,
    providers_under_contract: bool,
    counsel_confirmed: Vec<String>,
}

impl Settings {
    /// Whether a consumer of California is, or may be, on the call.
    pub(crate) fn covers(&self, facts: &Facts) -> bool {
        let mut consumers = facts.parties.iter().filter(|p| p.role == Role::Customer).peekable();
        let nobody_known = consumers.peek().is_none();
        let there = |p: &caveat_sdk::facts::Party| p.regions.iter().any(|r| r.region == "CA");
        self.business && (nobody_known || consumers.any(|p| p.regions.is_empty() || there(p)))
    }
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Privacy {
    settings: Settings,
}

impl Pack for Privacy {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings })
    }
}

impl CaptureRules for Privacy {
    fn capture(&self, event: &Event, facts: &Facts) -> Ruling {
        let mut ruling = Ruling::allow();
        let told =
            known::flag(facts, &["notice.at-collection"]).unwrap_or(self.settings.notice_at_collection);
        if matches!(event, Event::Offered)
            && self.settings.covers(facts)
            && !self.settings.carved_out
            && !told
        {
            ruling.because(&law::NOTICE_AT_COLLECTION, "The consumer has had no notice at collection.");
            ruling.see_to(&law::NOTICE_AT_COLLECTION, "give-notice-at-collection", None);
        }
        ruling
    }
}

impl StorageRules for Privacy {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Privacy {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(&self.settings, request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Privacy: capture, storage, access);
