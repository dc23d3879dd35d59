//! What a client sets, as written and as used. `settings.schema.json` completes and describes it.

use caveat_sdk::{
    facts::{Direction, Label, LabelKind},
    settings::Problem,
};
use pack_law::phrase::Phrase;
use serde::Deserialize;

use crate::law;

/// As written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    standard: String,
    required: Vec<Written>,
    in_order: bool,
    forbidden: Vec<Written>,
    judged_from_s: u32,
    privileged_phrases: Vec<String>,
    privileged_s: u32,
    keep_privileged: bool,
    privileged_roles: Vec<String>,
    oversight_roles: Vec<String>,
    agents_hear_others: bool,
    purpose_needed: bool,
    hidden_in_training: Vec<String>,
    counsel_confirmed: Vec<String>,
}

/// A required or forbidden item.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    id: String,
    say: Vec<String>,
    by_s: Option<u32>,
    #[serde(default)]
    direction: String,
    #[serde(default = "keep_nothing_s")]
    keep_nothing_s: u32,
    #[serde(default = "points")]
    points: i16,
    #[serde(default = "scorecards")]
    scorecards: Vec<String>,
    #[serde(default)]
    message: String,
}

fn keep_nothing_s() -> u32 {
    20
}

fn points() -> i16 {
    10
}

fn scorecards() -> Vec<String> {
    ["training", "oversight"].map(String::from).to_vec()
}

/// As used.
#[derive(Debug)]
pub(crate) struct Standard {
    pub(crate) required: Vec<Item>,
    pub(crate) in_order: bool,
    pub(crate) forbidden: Vec<Item>,
    pub(crate) judged_from_ms: u64,
    pub(crate) privileged: Vec<Phrase>,
    pub(crate) privileged_ms: u32,
    pub(crate) keep_privileged: bool,
    pub(crate) privileged_roles: Vec<String>,
    pub(crate) oversight_roles: Vec<String>,
    pub(crate) agents_hear_others: bool,
    pub(crate) purpose_needed: bool,
    pub(crate) hidden_in_training: Vec<LabelKind>,
    pub(crate) counsel_confirmed: Vec<String>,
}

/// An item of the standard.
#[derive(Debug)]
pub(crate) struct Item {
    /// Standard and id, which reasons cite.
    pub(crate) citation: String,
    pub(crate) say: Vec<Phrase>,
    pub(crate) by_ms: Option<u32>,
    direction: Option<Direction>,
    pub(crate) keep_nothing_ms: u32,
    pub(crate) points: i16,
    pub(crate) training: bool,
    pub(crate) oversight: bool,
    pub(crate) message: String,
    /// The confidence of its labels, by which it is known again: 100 for the first of its list, 99 for the second. Lists have
    /// at most 30 items, so that each is still sure.
    pub(crate) mark: u8,
}

impl Item {
    /// Whether it counts on a call of this direction; on an unknown one it does.
    pub(crate) fn is_for(&self, direction: Direction) -> bool {
        self.direction.is_none_or(|only| only == direction || direction == Direction::Unknown)
    }

    /// Whether a label is of this item.
    pub(crate) fn marked(&self, label: &Label) -> bool {
        label.confidence == self.mark
    }
}

impl Standard {
    pub(crate) fn of(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let name = settings.standard;
        let mut items = |list: &'static str, written: Vec<Written>| {
            let all = written.into_iter().enumerate();
            all.map(|(n, item)| item.used(&format!("/{list}/{n}"), n, &name, &mut problems)).collect()
        };
        let required = items("required", settings.required);
        let forbidden = items("forbidden", settings.forbidden);
        let privileged = phrases("/privileged-phrases", &settings.privileged_phrases, &mut problems);
        let mut hidden_in_training = Vec::new();
        for (n, word) in settings.hidden_in_training.iter().enumerate() {
            match label(word) {
                Some(kind) => hidden_in_training.push(kind),
                None => problems.push(Problem {
                    at: format!("/hidden-in-training/{n}"),
                    message: format!("`{word}` is no kind of label"),
                }),
            }
        }
        if let Err(more) = pack_law::confirmed(&settings.counsel_confirmed, law::PERIODS, law::UNSURE) {
            problems.extend(more);
        }
        let standard = Self {
            required,
            in_order: settings.in_order,
            forbidden,
            judged_from_ms: u64::from(settings.judged_from_s) * 1_000,
            privileged,
            privileged_ms: settings.privileged_s.saturating_mul(1_000),
            keep_privileged: settings.keep_privileged,
            privileged_roles: settings.privileged_roles,
            oversight_roles: settings.oversight_roles,
            agents_hear_others: settings.agents_hear_others,
            purpose_needed: settings.purpose_needed,
            hidden_in_training,
            counsel_confirmed: settings.counsel_confirmed,
        };
        if problems.is_empty() { Ok(standard) } else { Err(problems) }
    }
}

impl Written {
    fn used(self, at: &str, n: usize, standard: &str, problems: &mut Vec<Problem>) -> Item {
        let judging = self
            .message
            .split(|c: char| !c.is_alphanumeric())
            .find(|word| pack_law::is_listed(law::JUDGING_WORDS, &word.to_lowercase()));
        if let Some(word) = judging {
            let message = format!("`{word}` judges: say what was heard or not (data/judging-words.toml)");
            problems.push(Problem { at: format!("{at}/message"), message });
        }
        Item {
            citation: format!("{standard} {}", self.id),
            say: phrases(&format!("{at}/say"), &self.say, problems),
            by_ms: self.by_s.map(|s| s.saturating_mul(1_000)),
            direction: match self.direction.as_str() {
                "inbound" => Some(Direction::Inbound),
                "outbound" => Some(Direction::Outbound),
                _ => None,
            },
            keep_nothing_ms: self.keep_nothing_s.saturating_mul(1_000),
            points: self.points,
            training: self.scorecards.iter().any(|card| card == "training"),
            oversight: self.scorecards.iter().any(|card| card == "oversight"),
            message: self.message,
            mark: u8::try_from(n).map_or(0, |n| 100_u8.saturating_sub(n)),
        }
    }
}

fn phrases(at: &str, texts: &[String], problems: &mut Vec<Problem>) -> Vec<Phrase> {
    let mut all = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match Phrase::new(text) {
            Some(phrase) => all.push(phrase),
            None => problems.push(Problem {
                at: format!("{at}/{n}"),
                message: "no word in it to listen for, or more than three gaps".into(),
            }),
        }
    }
    all
}

fn label(word: &str) -> Option<LabelKind> {
    Some(match word {
        "card-number" => LabelKind::CardNumber,
        "card-code" => LabelKind::CardCode,
        "card-pin" => LabelKind::CardPin,
        "card-expiry" => LabelKind::CardExpiry,
        "bank-account" => LabelKind::BankAccount,
        "ssn" => LabelKind::Ssn,
        "birth-date" => LabelKind::BirthDate,
        "street-address" => LabelKind::StreetAddress,
        "person-name" => LabelKind::PersonName,
        "phone-number" => LabelKind::PhoneNumber,
        "email-address" => LabelKind::EmailAddress,
        "health" => LabelKind::Health,
        "privileged" => LabelKind::Privileged,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::*;

    fn problems(change: &Value) -> Vec<String> {
        let mut settings = json!({
            "standard": "House", "required": [], "in-order": true, "forbidden": [], "judged-from-s": 30,
            "privileged-phrases": [], "privileged-s": 60, "keep-privileged": true, "privileged-roles": [],
            "oversight-roles": [], "agents-hear-others": false, "purpose-needed": true, "hidden-in-training": [],
            "counsel-confirmed": [],
        });
        settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        match Standard::of(serde_json::from_value(settings).unwrap()) {
            Ok(_) => vec![],
            Err(problems) => problems.into_iter().map(|p| p.at).collect(),
        }
    }

    #[test]
    fn a_message_that_judges_is_refused() {
        let item =
            |message: &str| json!({ "required": [{ "id": "1", "say": ["hello"], "message": message }] });
        assert_eq!(problems(&item("The greeting was not heard.")), Vec::<String>::new());
        assert_eq!(problems(&item("Rude: no greeting.")), ["/required/0/message"]);
        assert_eq!(problems(&item("Bad attitude")), ["/required/0/message"]);
    }

    #[test]
    fn what_cannot_be_listened_for_is_named() {
        assert_eq!(
            problems(&json!({ "forbidden": [{ "id": "1", "say": ["pin", "?!"] }] })),
            ["/forbidden/0/say/1"]
        );
        assert_eq!(problems(&json!({ "privileged-phrases": [" "] })), ["/privileged-phrases/0"]);
        assert_eq!(problems(&json!({ "hidden-in-training": ["ssn", "mood"] })), ["/hidden-in-training/1"]);
    }
}
