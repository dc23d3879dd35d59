//! Consent to recording a telephone call in all 55 US jurisdictions, strictest of all that have a link to the call.
//!
//! Needed is, for every jurisdiction in which a party (or the recorder) is or may be, one of the forms of consent that
//! satisfies it. A number only ever adds a jurisdiction; a place that is not known counts as the strictest. The pack
//! never ends a call, never plays anything, and takes nothing for consent that its data do not name. The data are
//! `data/*.toml`, each row with citation and confidence. Start at [`StateConsent`]; the reasoning is in `consent`.

mod call;
mod consent;
mod forms;
mod places;
mod purposes;
mod relief;
mod rules;
mod settings;

mod unsure {
    //! Rules of `pack.toml` that are of less than high confidence.
    include!(concat!(env!("OUT_DIR"), "/unsure.rs"));
}

use caveat_sdk::{CaptureRules, Facts, Pack, capture, settings::Problem};
pub use settings::Settings;

/// The pack.
#[derive(Debug)]
pub struct StateConsent {
    policy: settings::Policy,
}

impl Pack for StateConsent {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { policy: settings::Policy::new(settings)? })
    }
}

impl CaptureRules for StateConsent {
    fn capture(&self, event: &capture::Event, facts: &Facts) -> capture::Ruling {
        use capture::Event;
        let mut ruling = match event {
            Event::Ended => capture::Ruling::allow(),
            // Nothing about consent has changed since the last ruling; why it is allowed was said then.
            Event::Words(_) | Event::Keys(_) => consent::rule(&self.policy, facts, Said::OnlyRestraint),
            _ => consent::rule(&self.policy, facts, Said::Everything),
        };
        pack_law::tell_doubt(&mut ruling.reasons, unsure::UNSURE, &self.policy.counsel_confirmed);
        ruling
    }
}

/// Which reasons are worth writing down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Everything,
    OnlyRestraint,
}

caveat_sdk::pack!(StateConsent: capture);
