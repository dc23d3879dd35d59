//! One rule: large conferences are not recorded.

use caveat_sdk::{CaptureRules, Facts, Pack, Rule, capture, facts::PartyTraits, settings::Problem};

const SIZE: Rule = Rule { id: "conference.size", citation: "House rule 1" };

/// As `settings.schema.json` describes them; the host has filled in the defaults.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    max_parties: usize,
}

struct Conference {
    max_parties: usize,
}

impl Pack for Conference {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { max_parties: settings.max_parties })
    }
}

impl CaptureRules for Conference {
    fn capture(&self, _event: &capture::Event, facts: &Facts) -> capture::Ruling {
        let mut ruling = capture::Ruling::allow();
        let present = facts.parties.iter().filter(|p| p.traits.contains(PartyTraits::PRESENT)).count();
        if present > self.max_parties {
            ruling.suspend(&SIZE, "More people are on the call than the house rule allows.");
        }
        ruling
    }
}

caveat_sdk::pack!(Conference: capture);
