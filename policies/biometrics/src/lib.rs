//! Voiceprints: when one may be made from a call, to whom it may go, and by when it is destroyed.
//!
//! A plain recording is no voiceprint, and a notice of recording no release. Facts of law are in `data/`, rules in
//! `pack.toml`. Start at [`Biometrics`].

mod access;
mod capture;
mod places;
mod storage;

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, StorageRules, settings::Problem};
use serde::Deserialize;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// A client's settings; `settings.schema.json` completes and describes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    voiceprints_are_made: bool,
    public_policy: bool,
    glba_institution: bool,
    hipaa_operations: bool,
    washington_voice_counts: bool,
    counsel_confirmed: Vec<String>,
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Biometrics {
    settings: Settings,
}

impl Pack for Biometrics {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings })
    }
}

impl CaptureRules for Biometrics {
    fn capture(&self, _event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Biometrics {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Biometrics {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Biometrics: capture, storage, access);
