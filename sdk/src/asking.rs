//! Asking the facts.

use crate::{access::PersonTraits, facts::*};

macro_rules! asking_flags {
    ($($flags:ty),+) => {
        $(impl $flags {
            /// Whether all of these are set.
            pub fn contains(self, these: Self) -> bool {
                self & these == these
            }
        })+
    };
}

asking_flags!(CallTraits, PartyTraits, PersonTraits, PlacementTraits);

impl Facts {
    /// Nothing known, at the epoch: a start for unit tests.
    pub fn empty() -> Self {
        Self {
            now: 0,
            began: 0,
            direction: Direction::Unknown,
            traits: CallTraits::empty(),
            recorder_region: String::new(),
            purposes: vec![],
            parties: vec![],
            notices: vec![],
            consents: vec![],
            labels: vec![],
            paused: None,
            placements: vec![],
            holds: vec![],
            attributes: vec![],
        }
    }
    /// Milliseconds from the beginning of the call to now.
    pub fn elapsed(&self) -> Offset {
        u32::try_from(self.now.saturating_sub(self.began)).unwrap_or(u32::MAX)
    }
    /// Whole days from the beginning of the call to now.
    pub fn age_days(&self) -> u64 {
        self.now.saturating_sub(self.began) / crate::dates::DAY_MS
    }
    /// The party with this number.
    pub fn party(&self, id: PartyId) -> Option<&Party> {
        self.parties.iter().find(|p| p.id == id)
    }
    /// An attribute; none means unknown, not false.
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.iter().find(|a| a.name == name).map(|a| &a.value)
    }
    /// A yes-or-no attribute.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.attribute(name)? {
            AttributeValue::Flag(x) => Some(*x),
            _ => None,
        }
    }
    /// A number.
    pub fn whole(&self, name: &str) -> Option<i64> {
        match self.attribute(name)? {
            AttributeValue::Whole(x) => Some(*x),
            _ => None,
        }
    }
    /// Words.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attribute(name)? {
            AttributeValue::Text(x) => Some(x),
            _ => None,
        }
    }
    /// A time.
    pub fn when(&self, name: &str) -> Option<Moment> {
        match self.attribute(name)? {
            AttributeValue::When(x) => Some(*x),
            _ => None,
        }
    }
}
