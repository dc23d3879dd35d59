//! Stretches of a recording, and their union.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Milliseconds since the call began.
pub type Offset = u32;

/// A stretch of one leg, or of every leg when `leg` is none; `end` is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Which leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<u8>,
    /// First millisecond.
    pub start: Offset,
    /// The millisecond after the last.
    pub end: Offset,
}

impl Span {
    /// Whether the two share a millisecond of a leg.
    pub fn overlaps(&self, other: &Span) -> bool {
        let same_leg = self.leg.is_none() || other.leg.is_none() || self.leg == other.leg;
        same_leg && self.start < other.end && other.start < self.end
    }
}

/// A union of spans: sorted, merged where they touch, none empty. Equal sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpanSet(Vec<Span>);

impl SpanSet {
    /// The spans, sorted by leg (all legs first) and start.
    pub fn as_slice(&self) -> &[Span] {
        &self.0
    }
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether any of it lies in `span`.
    pub fn overlaps(&self, span: &Span) -> bool {
        self.0.iter().any(|s| s.overlaps(span))
    }
    /// Adds one span.
    pub fn insert(&mut self, span: Span) {
        if span.start < span.end {
            self.0.push(span);
            self.normalize();
        }
    }
    /// The union of both.
    pub fn union(&self, other: &Self) -> Self {
        let mut all = Self([self.0.as_slice(), &other.0].concat());
        all.normalize();
        all
    }

    fn normalize(&mut self) {
        self.0.sort_unstable();
        let mut merged: Vec<Span> = Vec::with_capacity(self.0.len());
        for span in self.0.drain(..) {
            match merged.last_mut() {
                Some(last) if last.leg == span.leg && span.start <= last.end => {
                    last.end = last.end.max(span.end);
                }
                _ => merged.push(span),
            }
        }
        self.0 = merged;
    }
}

impl FromIterator<Span> for SpanSet {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut set = Self(spans.into_iter().filter(|s| s.start < s.end).collect());
        set.normalize();
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(leg: Option<u8>, start: Offset, end: Offset) -> Span {
        Span { leg, start, end }
    }

    #[test]
    fn spans_that_touch_become_one() {
        let set: SpanSet =
            [span(Some(1), 5, 9), span(Some(0), 0, 5), span(Some(0), 5, 7), span(Some(0), 3, 3)]
                .into_iter()
                .collect();
        assert_eq!(set.as_slice(), [span(Some(0), 0, 7), span(Some(1), 5, 9)]);
    }

    #[test]
    fn a_span_of_every_leg_overlaps_each() {
        assert!(span(None, 0, 5).overlaps(&span(Some(3), 4, 9)));
        assert!(!span(Some(1), 0, 5).overlaps(&span(Some(2), 0, 5)));
        assert!(!span(None, 0, 5).overlaps(&span(None, 5, 6)));
    }
}
