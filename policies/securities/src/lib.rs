//! Securities and futures firms: SEC, FINRA, CFTC and NFA on recorded calls.
//!
//! A duty to record never supplies consent, which is state law and another pack's. `firm` says what binds the client,
//! `periods` how long, `storage` and `access` what follows. Facts of law are in `data/`, rules in `pack.toml`. Start at
//! [`Securities`].

mod access;
mod capture;
mod firm;
mod periods;
mod storage;

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, StorageRules, settings::Problem};

pub use firm::{Kind, Settings, Store};

pub(crate) mod law {
    //! The rules of `pack.toml` and the rows of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// The pack, with a client's settings.
#[derive(Debug)]
pub struct Securities {
    settings: Settings,
}

impl Pack for Securities {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE)?;
        Ok(Self { settings })
    }
}

impl CaptureRules for Securities {
    fn capture(&self, event: &caveat_sdk::capture::Event, facts: &Facts) -> caveat_sdk::capture::Ruling {
        let mut ruling = capture::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl StorageRules for Securities {
    fn storage(&self, event: &caveat_sdk::storage::Event, facts: &Facts) -> caveat_sdk::storage::Ruling {
        let mut ruling = storage::rule(&self.settings, event, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Securities {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(&self.settings, request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.settings.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Securities: capture, storage, access);
