//! PCI DSS v4.0.1 for recorded calls: what of a card may be recorded, kept and heard.
//!
//! Verification codes and PINs never stay; card numbers stay encrypted and masked, if somebody needs them. The pack never
//! decides on consent, never ends a call, and takes a client's word for its own limits (retention, cryptoperiod): the
//! standard sets none. Rules and citations are in `pack.toml`, numbers and words in `data/`. Start at [`PciDss`]; each
//! stage has a module.

mod access;
mod capture;
mod holdings;
mod rules;
mod settings;
mod storage;
mod tables;
#[cfg(test)]
mod testing;

mod unsure {
    //! Rules of `pack.toml` that are of less than high confidence.
    include!(concat!(env!("OUT_DIR"), "/unsure.rs"));
}

use caveat_sdk::{Facts, Pack, settings::Problem};
pub use settings::Settings;

/// The pack.
#[derive(Debug)]
pub struct PciDss {
    settings: Settings,
}

impl Pack for PciDss {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        pack_law::confirmed(&settings.counsel_confirmed, &[], unsure::UNSURE)?;
        Ok(Self { settings: settings.with_options() })
    }
}

impl PciDss {
    /// Whether anybody needs the card numbers of this recording (3.2.1).
    fn needs_pan(&self, facts: &Facts) -> bool {
        facts.flag("tenant.pan-business-need").unwrap_or(self.settings.pan_business_need)
    }

    /// Whether the client issues cards and documents its need for authentication data (3.3.3).
    fn is_issuer(&self, facts: &Facts) -> bool {
        facts.flag("tenant.issuer").unwrap_or(self.settings.issuer)
    }
}

caveat_sdk::pack!(PciDss: capture, storage, access);
