//! Telemarketing: the FTC's Telemarketing Sales Rule and the FCC's rules on consent, verification and artificial voices.
//!
//! A duty to record never supplies consent to be recorded, which is state law and another pack's. Facts of law are in
//! `data/`, rules in `pack.toml`. Start at [`Telemarketing`].

mod capture;
mod storage;

use caveat_sdk::{CaptureRules, Facts, Pack, StorageRules, settings::Problem};
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
    all_calls: bool,
    telephone_company: bool,
    puc_waiver: bool,
    listen: bool,
    counsel_confirmed: Vec<String>,
}

impl Settings {
    /// Whether the Sales Rule bears on this call. That a third party verifies a change of carrier is no sale by the client.
    pub(crate) fn is_marketing(&self, facts: &Facts) -> bool {
        kind_is(facts, law::MARKETING_CALLS) || (self.all_calls && !is_verification(facts))
    }
}

/// Whether it is, or is the record of, a verification of a change of carrier.
pub(crate) fn is_verification(facts: &Facts) -> bool {
    let class = known::word(facts, &["retention.class"]);
    kind_is(facts, law::VERIFICATION_CALLS)
        || class.is_some_and(|class| is_listed(law::VERIFICATION_CALLS, &class))
}

/// Whether the call is of a kind that a sorted list has.
pub(crate) fn kind_is(facts: &Facts, list: &[&str]) -> bool {
    let one = |name: &str| known::word(facts, &[name]).is_some_and(|kind| is_listed(list, &kind));
    one("call.kind") || one("call.topic")
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Telemarketing {
    settings: Settings,
    words: capture::Phrases,
}

impl Pack for Telemarketing {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings, words: capture::Phrases::of_the_law() })
    }
}

impl CaptureRules for Telemarketing {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, &self.words, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Telemarketing {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Telemarketing: capture, storage);
