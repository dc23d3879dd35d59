//! HIPAA and HITECH for recorded calls: 45 CFR 160 and 164, 42 CFR 2, and the states' periods for medical records.
//!
//! It never decides about consent to be recorded (that is state law, another pack) and never supplies it. Facts of law are
//! in `data/`, rules in `pack.toml`. Start at [`Hipaa`]; each stage has a module: `capture`, `storage` (with `retention`
//! and `breach`), `access`.

mod access;
mod asking;
mod breach;
mod capture;
mod known;
mod retention;
mod rules;
mod settings;
mod storage;
mod tables;

mod unsure {
    //! Rules of `pack.toml` that are of less than high confidence.
    include!(concat!(env!("OUT_DIR"), "/unsure.rs"));
}

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, StorageRules, settings::Problem};

pub use settings::{Entity, InRecord, Profile, Settings};

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Hipaa {
    settings: Settings,
}

impl Pack for Hipaa {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let settings = settings.valid()?;
        Ok(Self { settings })
    }
}

impl CaptureRules for Hipaa {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Hipaa {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Hipaa {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(&self.settings, request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Hipaa: capture, storage, access);
