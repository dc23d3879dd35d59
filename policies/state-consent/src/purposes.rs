//! What a recording is made for.

use caveat_sdk::{Facts, facts::Purpose};

/// The purposes of the contract, with the words that people use for each.
const WORDS: [(Purpose, &[&str]); 17] = [
    (Purpose::Training, &["training", "coaching"]),
    (Purpose::Quality, &["quality", "qa", "qc"]),
    (Purpose::Oversight, &["oversight", "monitoring", "supervision", "audit"]),
    (Purpose::Dispute, &["dispute", "complaint", "disputes", "complaints"]),
    (
        Purpose::Evidence,
        &["evidence", "verification", "confirmation", "order", "orders", "records", "record"],
    ),
    (Purpose::Regulatory, &["regulatory", "compliance", "recordkeeping"]),
    (Purpose::Treatment, &["treatment", "care"]),
    (Purpose::Payment, &["payment", "billing", "collection", "collections"]),
    (
        Purpose::Operations,
        &[
            "operations",
            "business",
            "service",
            "support",
            "transcription",
            "analytics",
            "notes",
            "safety",
            "security",
        ],
    ),
    (Purpose::OwnRequest, &["own-request"]),
    (Purpose::Legal, &["legal", "litigation"]),
    (Purpose::LawEnforcement, &["law-enforcement"]),
    (Purpose::PublicHealth, &["public-health"]),
    (Purpose::Research, &["research", "survey"]),
    (Purpose::Emergency, &["emergency", "dispatch"]),
    (Purpose::Marketing, &["marketing", "sales", "solicitation", "telemarketing"]),
    (Purpose::VendorUse, &["vendor-use"]),
];

/// A set of purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Purposes(u32);

impl Purposes {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = {
        let mut all = Self::NONE;
        let mut n = 0;
        while n < WORDS.len() {
            all = all.and(WORDS[n].0);
            n += 1;
        }
        all
    };

    pub(crate) const fn and(self, purpose: Purpose) -> Self {
        Self(self.0 | 1 << purpose as u32)
    }
    pub(crate) const fn contains(self, purpose: Purpose) -> bool {
        self.0 & (1 << purpose as u32) != 0
    }
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// In the order of the contract.
    pub(crate) fn to_vec(self) -> Vec<Purpose> {
        WORDS.iter().map(|(purpose, _)| *purpose).filter(|p| self.contains(*p)).collect()
    }
}

/// Whether every declared purpose is among these; none when nobody declared any.
pub(crate) fn all_within(facts: &Facts, allowed: Purposes) -> Option<bool> {
    let mut declared = facts.purposes.iter().filter(|p| **p != Purpose::Unstated).peekable();
    if declared.peek().is_some() {
        return Some(declared.all(|p| allowed.contains(*p)));
    }
    // In the client's own words. What nobody can place is outside any list.
    let words = facts.text("call.purpose").filter(|t| !t.is_empty() && *t != "unstated")?;
    Some(named(words).is_some_and(|p| allowed.contains(p)))
}

/// The purpose that a phrase like `quality-control` names.
pub(crate) fn named(phrase: &str) -> Option<Purpose> {
    let part_of = |word: &str| phrase == word || phrase.split(['-', ' ', '_']).any(|part| part == word);
    let found = WORDS.iter().find(|(_, words)| words.iter().any(|word| part_of(word)));
    found.map(|(purpose, _)| *purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_placed_by_a_word_in_it() {
        assert_eq!(named("quality-control"), Some(Purpose::Quality));
        assert_eq!(named("vendor-use"), Some(Purpose::VendorUse));
        assert_eq!(named("market research"), Some(Purpose::Research));
        assert_eq!(named("blackmail"), None);
        assert_eq!(named("restraining"), None);
    }

    #[test]
    fn undeclared_is_not_outside() {
        let mut facts = Facts::empty();
        assert_eq!(all_within(&facts, Purposes::NONE), None);
        facts.purposes = vec![Purpose::Unstated];
        assert_eq!(all_within(&facts, Purposes::NONE), None);
        facts.purposes = vec![Purpose::Training, Purpose::Marketing];
        assert_eq!(all_within(&facts, Purposes::ALL), Some(true));
        assert_eq!(all_within(&facts, Purposes::NONE.and(Purpose::Training)), Some(false));
    }
}
