//! EU and UK: GDPR, orders under MiFID II and SYSC 10A, German s. 201, and the AI Act, for recorded calls.
//!
//! `scope` says whether a call is covered and whether it is about an order; each stage has a module. Facts of law are in
//! `data/`, rules in `pack.toml`. Start at [`EuUk`].

mod access;
mod capture;
mod scope;
mod storage;

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, StorageRules, settings::Problem};

pub use scope::Settings;

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct EuUk {
    settings: Settings,
}

impl Pack for EuUk {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings })
    }
}

impl CaptureRules for EuUk {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for EuUk {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for EuUk {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(&self.settings, request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(EuUk: capture, storage, access);
