//! Insurers' records: how long states keep claim files, complaints and policy records, for recorded calls.
//!
//! `periods` says which rows bind a recording, `storage` what follows. Facts of law are in `data/`, rules in `pack.toml`. Start at
//! [`Insurance`].

mod periods;
mod storage;

use caveat_sdk::{Facts, Pack, StorageRules, settings::Problem};
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    states: Vec<String>,
    usual_class: String,
    counsel_confirmed: Vec<String>,
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Insurance {
    settings: Settings,
}

impl Pack for Insurance {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings })
    }
}

impl StorageRules for Insurance {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Insurance: storage);
