//! Debt collection: Regulation F, 12 CFR 1006, for recorded calls.
//!
//! It has no duty to record, and no say on consent to be recorded (state law, another pack). `capture` tells what a call
//! obliges to, `storage` keeps it, `access` keeps it from third parties. Facts of law are in `data/`, rules in `pack.toml`.
//! Start at [`Collections`].

mod access;
mod capture;
mod storage;

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, StorageRules, settings::Problem};
use pack_law::phrase::Phrase;
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    disclosure_phrases: Vec<String>,
    judged_from_s: u32,
    recordings_are_records: bool,
    listen: bool,
    counsel_confirmed: Vec<String>,
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Collections {
    settings: Settings,
    words: capture::Phrases,
}

impl Pack for Collections {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        let mut words = capture::Phrases::of_the_law();
        let mut problems = Vec::new();
        for (n, text) in settings.disclosure_phrases.iter().enumerate() {
            match Phrase::new(text) {
                Some(phrase) => words.disclosure.push(phrase),
                None => problems.push(Problem {
                    at: format!("/disclosure-phrases/{n}"),
                    message: "no word in it to listen for, or more than three gaps".into(),
                }),
            }
        }
        if problems.is_empty() { Ok(Self { settings, words }) } else { Err(problems) }
    }
}

impl CaptureRules for Collections {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, &self.words, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Collections {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Collections {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Collections: capture, storage, access);
