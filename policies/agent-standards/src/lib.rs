//! A client's written standards for its agents: what has to be said and in which order, what must not be asked for, what is
//! privileged, scorecards for training and oversight, and who hears what.
//!
//! The standard itself is in the settings. A pack remembers nothing from event to event: what was heard comes back as a
//! label, and as labels carry no name, the place of an item in its list is in its confidence (see `settings::Item::mark`).
//! Start at [`Standards`]; `listening` is the running call, `scoring` its end, `access` who hears it afterwards.

mod access;
mod listening;
mod scoring;
mod settings;

use caveat_sdk::{AccessRules, CaptureRules, Facts, Pack, capture, settings::Problem};

pub use settings::Settings;

pub(crate) mod law {
    //! The rules of `pack.toml` and the words of `data/`.
    include!(concat!(env!("OUT_DIR"), "/law.rs"));
}

/// The pack, with a client's standard.
#[derive(Debug)]
pub struct Standards {
    standard: settings::Standard,
}

impl Pack for Standards {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { standard: settings::Standard::of(settings)? })
    }
}

impl CaptureRules for Standards {
    fn capture(&self, event: &capture::Event, facts: &Facts) -> capture::Ruling {
        let mut ruling = capture::Ruling::allow();
        match event {
            capture::Event::Words(speech) => listening::listen(&self.standard, speech, facts, &mut ruling),
            capture::Event::Ended => scoring::score(&self.standard, facts, &mut ruling),
            _ => {}
        }
        if !matches!(event, capture::Event::Ended) {
            listening::keep_out(&self.standard, facts, &mut ruling);
            listening::tone(facts, &mut ruling);
        }
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.standard.counsel_confirmed);
        ruling
    }
}

impl AccessRules for Standards {
    fn access(&self, request: &caveat_sdk::access::Request, facts: &Facts) -> caveat_sdk::access::Ruling {
        let mut ruling = access::rule(&self.standard, request, facts);
        pack_law::tell_doubt(&mut ruling.reasons, law::UNSURE, &self.standard.counsel_confirmed);
        ruling
    }
}

caveat_sdk::pack!(Standards: capture, access);
