//! What a client can set. `settings.schema.json` says the same.

use caveat_sdk::{Level, log, settings::Problem};
use serde::Deserialize;

use crate::{
    places::{ALL_PARTY, FEDERAL, Place, Places, STAND_INS},
    purposes::{self, Purposes},
    relief::RELIEFS,
    unsure,
};

/// As written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Opt-ins that counsel signed (`nv-place-of-recording`), and the stricter `express` or `express-fl`.
    pub options: Vec<String>,
    /// Where a notice is not enough for this client: USPS codes.
    pub express_states: Vec<String>,
    /// Whether a refusal ends recording where the law would not ask for it.
    pub honor_refusal: bool,
    /// Whether a published emergency line is judged by the law of the place where it is, wherever the caller may be.
    pub emergency_line_by_its_place: bool,
    /// What this client records for; nothing else is recorded. None: any lawful purpose.
    pub purposes: Option<Vec<String>>,
    /// Ids of unsure rules that counsel has confirmed.
    pub counsel_confirmed: Vec<String>,
}

/// As used.
#[derive(Debug)]
pub(crate) struct Policy {
    /// One bit for each of [`RELIEFS`].
    reliefs: u32,
    /// Where only a party's own act counts.
    pub(crate) express: Places,
    pub(crate) honor_refusal: bool,
    pub(crate) emergency_line_by_its_place: bool,
    pub(crate) purposes: Purposes,
    pub(crate) counsel_confirmed: Vec<String>,
}

impl Policy {
    pub(crate) fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let Settings {
            options,
            express_states,
            honor_refusal,
            emergency_line_by_its_place,
            purposes,
            counsel_confirmed,
        } = settings;
        let mut problems =
            pack_law::confirmed(&counsel_confirmed, &[], unsure::UNSURE).err().unwrap_or_default();
        let mut policy = Self {
            reliefs: 0,
            express: Places::NONE,
            honor_refusal,
            emergency_line_by_its_place,
            purposes: Purposes::ALL,
            counsel_confirmed,
        };
        options.iter().for_each(|option| policy.opt_in(option));
        for (n, code) in express_states.iter().enumerate() {
            match state(code) {
                Some(place) => policy.express.insert(place),
                None => problems.push(problem(
                    format!("/express-states/{n}"),
                    code,
                    "no state or territory with a row",
                )),
            }
        }
        if let Some(words) = purposes {
            policy.purposes = Purposes::NONE;
            for (n, word) in words.iter().enumerate() {
                match purposes::named(word) {
                    Some(purpose) => policy.purposes = policy.purposes.and(purpose),
                    None => {
                        problems.push(problem(format!("/purposes/{n}"), word, "no purpose of the contract"))
                    }
                }
            }
        }
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    pub(crate) fn relies_on(&self, relief: usize) -> bool {
        self.reliefs & (1 << relief) != 0
    }

    /// A name that nobody knows opts in to nothing; the ruling stays as strict as it was.
    fn opt_in(&mut self, option: &str) {
        if let Some(n) = RELIEFS.iter().position(|r| r.names.contains(&option)) {
            self.reliefs |= 1 << n;
        } else if option == "express" {
            self.express = self.express.or(ALL_PARTY.without(STAND_INS));
        } else if let Some(place) =
            option.strip_prefix("express-").and_then(|s| state(&s.to_ascii_uppercase()))
        {
            self.express.insert(place);
        } else {
            log(Level::Warn, "state-consent: an option is not known here and changes nothing");
        }
    }
}

fn state(code: &str) -> Option<Place> {
    Place::named(code).filter(|place| !FEDERAL.contains(*place))
}

fn problem(at: String, given: &str, why: &str) -> Problem {
    Problem { at, message: format!("`{given}` is {why}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn policy(json: &str) -> Result<Policy, Vec<Problem>> {
        Policy::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn options_opt_in() {
        let nevada =
            policy(r#"{"options": ["nv-place-of-recording", "nobody-knows-this", "express-fl"]}"#).unwrap();
        assert!(nevada.relies_on(0) && !nevada.relies_on(1));
        assert!(nevada.express.contains(Place::named("FL").unwrap()));
        assert!(policy(r#"{"options": ["express"]}"#).unwrap().express.contains(Place::named("WA").unwrap()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let at = |json: &str| policy(json).unwrap_err()[0].at.clone();
        assert_eq!(at(r#"{"express-states": ["FL", "US"]}"#), "/express-states/1");
        assert_eq!(at(r#"{"purposes": ["blackmail"]}"#), "/purposes/0");
        assert!(serde_json::from_str::<Settings>(r#"{"option": []}"#).is_err());
    }
}
