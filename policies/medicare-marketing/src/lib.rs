//! Medicare Advantage and Part D: marketing, sales and enrollment calls are recorded in full, and kept.
//!
//! The duty to record supplies no consent, which is state law and another pack's. Facts of law are in `data/`, rules in
//! `pack.toml`. Start at [`Medicare`].

mod capture;
mod kind;
mod storage;

use caveat_sdk::{CaptureRules, Facts, Pack, StorageRules, settings::Problem};
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    third_party_marketer: bool,
    tell_of_missing_consent: bool,
    judged_from_s: u32,
    counsel_confirmed: Vec<String>,
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Medicare {
    settings: Settings,
    words: capture::Phrases,
}

impl Pack for Medicare {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings, words: capture::Phrases::of_the_law() })
    }
}

impl CaptureRules for Medicare {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, &self.words, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Medicare {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Medicare: capture, storage);
