//! State recording consent.
use caveat_sdk::{CaptureRules, Facts, Pack, Rule, capture, settings::Problem};
const R: Rule = Rule { id: "consent.all-party", citation: "x" };
#[derive(serde::Deserialize)]
struct Settings {}
struct StateConsent;
impl Pack for StateConsent {
    type Settings = Settings;
    fn new(_: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }
}
impl CaptureRules for StateConsent {
    fn capture(&self, _event: &capture::Event, facts: &Facts) -> capture::Ruling {
        let mut r = capture::Ruling::allow();
        if facts.parties.is_empty() {
            r.refuse(&R, "no");
        }
        r
    }
}
caveat_sdk::pack!(StateConsent: capture);
