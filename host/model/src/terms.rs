//! What rulings add up to, before anything is resolved: a join-semilattice, field by field.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Cipher, Duty, LabelKind, Moment, Outcome, Purpose, Region, Ruling, SpanSet};

/// The joint terms of any number of rulings. [`Terms::join`] is commutative, associative and idempotent, and its result
/// is at least as strict as each input.
///
/// A field of type `Option<BTreeSet>` is "only one of these"; none means that nobody restricts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Terms {
    /// The strictest.
    pub outcome: Outcome,
    /// The latest.
    pub retain_until: Option<Moment>,
    /// The earliest.
    pub destroy_by: Option<Moment>,
    /// Places common to all.
    pub place_in: Option<BTreeSet<Region>>,
    /// Suites common to all.
    pub encrypt_with: Option<BTreeSet<Cipher>>,
    /// Purposes common to all.
    pub restrict_use: Option<BTreeSet<Purpose>>,
    /// The shortest interval, in seconds.
    pub beep_every_s: Option<u16>,
    /// Never kept.
    pub purge: SpanSet,
    /// Silenced for whoever has no need of it.
    pub redact: SpanSet,
    /// Kinds of labels that are silenced in what is served; none: nobody asks for a redacted copy.
    pub serve_redacted: Option<BTreeSet<LabelKind>>,
    /// Duties that have nothing to merge: each is kept once.
    pub duties: BTreeSet<Duty>,
}

impl Terms {
    /// The terms of one ruling.
    pub fn of(ruling: &Ruling) -> Self {
        let mut terms = Self { outcome: ruling.outcome, ..Self::default() };
        for obligation in &ruling.obligations {
            terms = terms.join(&Self::of_duty(&obligation.duty));
        }
        terms
    }

    /// Both together.
    pub fn join(&self, other: &Self) -> Self {
        Self {
            outcome: self.outcome.max(other.outcome),
            retain_until: self.retain_until.max(other.retain_until),
            destroy_by: earliest(self.destroy_by, other.destroy_by),
            place_in: common_regions(&self.place_in, &other.place_in),
            encrypt_with: common(&self.encrypt_with, &other.encrypt_with),
            restrict_use: common(&self.restrict_use, &other.restrict_use),
            beep_every_s: earliest(self.beep_every_s, other.beep_every_s),
            purge: self.purge.union(&other.purge),
            redact: self.redact.union(&other.redact),
            serve_redacted: either(&self.serve_redacted, &other.serve_redacted),
            duties: &self.duties | &other.duties,
        }
    }

    /// Whether a duty without a merge of its own is among the terms.
    pub fn asks(&self, duty: &Duty) -> bool {
        self.duties.contains(duty)
    }

    fn of_duty(duty: &Duty) -> Self {
        let mut terms = Self::default();
        match duty {
            Duty::RetainUntil(m) => terms.retain_until = Some(*m),
            Duty::DestroyBy(m) => terms.destroy_by = Some(*m),
            Duty::PlaceIn(regions) => terms.place_in = Some(outermost(regions.iter().cloned().collect())),
            Duty::EncryptWith(suites) => terms.encrypt_with = Some(suites.iter().copied().collect()),
            Duty::RestrictUse(uses) => terms.restrict_use = Some(uses.iter().copied().collect()),
            Duty::Beep(every_s) => terms.beep_every_s = Some(*every_s),
            Duty::Purge(span) => terms.purge.insert(*span),
            Duty::Redact(span) => terms.redact.insert(*span),
            Duty::ServeRedacted(kinds) => terms.serve_redacted = Some(kinds.iter().copied().collect()),
            other => {
                terms.duties.insert(other.clone());
            }
        }
        terms
    }
}

fn earliest<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn common<T: Ord + Clone>(a: &Option<BTreeSet<T>>, b: &Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a & b),
        (a, b) => a.clone().or_else(|| b.clone()),
    }
}

fn either<T: Ord + Clone>(a: &Option<BTreeSet<T>>, b: &Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a | b),
        (a, b) => a.clone().or_else(|| b.clone()),
    }
}

/// Regions nest: `@CA` and `@CA-ON` have `@CA-ON` in common.
fn common_regions(a: &Option<BTreeSet<Region>>, b: &Option<BTreeSet<Region>>) -> Option<BTreeSet<Region>> {
    let (Some(a), Some(b)) = (a, b) else {
        return a.clone().or_else(|| b.clone());
    };
    let inside = |x: &BTreeSet<Region>, y: &BTreeSet<Region>| -> Vec<Region> {
        x.iter().filter(|r| y.iter().any(|s| r.within(s))).cloned().collect()
    };
    Some(outermost(inside(a, b).into_iter().chain(inside(b, a)).collect()))
}

/// Without what lies in another member: it adds nothing, and so equal sets are equal values.
fn outermost(all: BTreeSet<Region>) -> BTreeSet<Region> {
    all.iter().filter(|r| !all.iter().any(|s| s != *r && r.within(s))).cloned().collect()
}
