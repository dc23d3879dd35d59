//! What the unit tests of the stages share.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_sdk::{
    Facts, Pack,
    facts::{Attribute, AttributeValue, CallTraits, Label, LabelKind, Span},
};

use crate::{PciDss, Settings};

pub(crate) fn pack(settings: &str) -> PciDss {
    PciDss::new(serde_json::from_str::<Settings>(settings).unwrap()).unwrap()
}

/// A call on a path that can pause.
pub(crate) fn call() -> Facts {
    Facts { traits: CallTraits::CAN_PAUSE, ..Facts::empty() }
}

pub(crate) fn label(kind: LabelKind, start: u32) -> Label {
    Label { kind, where_: Span { leg: Some(1), start, end: start + 1000 }, confidence: 95 }
}

/// Facts with a card number, a code, both, neither; `attributes` as `name = value` (yes, no, a number, a word).
pub(crate) fn kept(labels: &[LabelKind], attributes: &[(&str, &str)]) -> Facts {
    let labels = labels.iter().zip(10..).map(|(&kind, n)| label(kind, n * 1000)).collect();
    let attributes = attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    Facts { labels, attributes, ..call() }
}

pub(crate) fn attribute(name: &str, value: &str) -> Attribute {
    let value = match (value, value.parse()) {
        ("yes" | "no", _) => AttributeValue::Flag(value == "yes"),
        (_, Ok(n)) => AttributeValue::Whole(n),
        (word, _) => AttributeValue::Text(word.to_owned()),
    };
    Attribute { name: name.to_owned(), value }
}

/// Sorted, for comparison.
pub(crate) fn sorted<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}
