//! What of a card a recording holds, as its labels tell.

use caveat_sdk::{
    Facts,
    facts::{LabelKind, Span},
};

/// Stretches with card data.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// Card numbers.
    pub(crate) pan: Vec<Span>,
    /// Sensitive authentication data: verification codes and PINs.
    pub(crate) sad: Vec<Span>,
    /// A card number is in it, labelled or not.
    pub(crate) has_pan: bool,
    /// Nobody has looked yet, or nobody said: a call that begins may come to hold a card number. Where a code or PIN was
    /// found and no number, one was likely missed.
    pub(crate) unknown: bool,
}

impl Holdings {
    pub(crate) fn of(facts: &Facts) -> Self {
        let places = |wanted: &[LabelKind]| -> Vec<Span> {
            facts.labels.iter().filter(|l| wanted.contains(&l.kind)).map(|l| l.where_).collect()
        };
        let pan = places(&[LabelKind::CardNumber]);
        let sad = places(&[LabelKind::CardCode, LabelKind::CardPin]);
        let has_pan = !pan.is_empty() || facts.flag("content.pan") == Some(true);
        let told = facts.attributes.iter().any(|a| a.name.starts_with("content."));
        let unknown = !told && (facts.labels.is_empty() || !sad.is_empty());
        Self { pan, sad, has_pan, unknown }
    }

    pub(crate) fn has_sad(&self) -> bool {
        !self.sad.is_empty()
    }

    pub(crate) fn any(&self) -> bool {
        self.has_pan || self.has_sad()
    }
}
