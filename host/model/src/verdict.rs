//! All rulings merged, with conflicts named and resolved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Basis, Duty, Event, Facts, Label, Obligation, Outcome, PackRef, Reason, Remedy, Ruling, Score, Stage,
    StorageEvent, Terms,
};

/// Whether a pack is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Asked and obeyed.
    #[default]
    Active,
    /// Asked, logged, compared; never obeyed, not even when it fails.
    Monitor,
}

/// One pack's part in a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackRuling {
    /// Which pack, exactly.
    pub pack: PackRef,
    /// Whether it is obeyed.
    pub mode: Mode,
    /// What it said; where it failed, its declared safe ruling.
    pub ruling: Ruling,
    /// Why it could not answer, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Units of fuel it used.
    pub fuel: u64,
}

/// Two demands that cannot both be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Kept longer than it may be.
    RetainPastDestroy,
    /// It must be recorded, and must not be.
    MustRecordMustNot,
    /// To be destroyed, and held.
    DestroyUnderHold,
    /// No place is left that everyone accepts.
    NoPlace,
    /// No cipher suite is left that everyone accepts.
    NoCipher,
    /// No purpose is left that everyone accepts.
    NoPurpose,
}

/// A conflict and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Conflict {
    /// What is at odds.
    pub kind: ConflictKind,
    /// How it was resolved, for people.
    pub resolution: String,
}

/// How an outcome and its obligations are called in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may go on as described.
    Allow,
    /// Only if every obligation is carried out.
    AllowWithObligations,
    /// Not as described.
    Deny,
}

/// What is done about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// Of which kind of event.
    pub stage: Stage,
    /// The strictest of the active packs, after conflicts.
    pub outcome: Outcome,
    /// All that was asked for, merged.
    pub terms: Terms,
    /// Demands at odds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// What each pack said, monitored ones too.
    pub rulings: Vec<PackRuling>,
}

impl Verdict {
    /// Merges what the packs said about an event. Where no active pack rules on capture the answer is
    /// [`Outcome::Restrain`]: a recorder that asks before it acts records nothing unasked. Storage and access without a
    /// pack are left to the host's own rules: sealed all the same, roles and factors checked all the same.
    pub fn merge(event: &Event, facts: &Facts, mut rulings: Vec<PackRuling>) -> Self {
        rulings.sort_by(|a, b| a.pack.name.cmp(&b.pack.name).then(a.pack.digest.cmp(&b.pack.digest)));
        let mut active = rulings.iter().filter(|r| r.mode == Mode::Active).peekable();
        let unasked = active.peek().is_none() && event.stage() == Stage::Capture;
        let outcome = if unasked { Outcome::Restrain } else { Outcome::Allow };
        let start = Terms { outcome, ..Terms::default() };
        let terms = active.fold(start, |all, r| all.join(&Terms::of(&r.ruling)));
        let mut verdict =
            Self { stage: event.stage(), outcome: terms.outcome, terms, conflicts: vec![], rulings };
        verdict.resolve(event, facts);
        verdict
    }

    /// What the active packs ask for, with the rule of each.
    pub fn obligations(&self) -> impl Iterator<Item = (&PackRef, &Obligation)> {
        self.active().flat_map(|r| r.ruling.obligations.iter().map(move |o| (&r.pack, o)))
    }
    /// Why, by active pack; the strictest pack first.
    pub fn reasons(&self) -> impl Iterator<Item = (&PackRef, &Reason)> {
        let mut by_strictness: Vec<_> = self.active().collect();
        by_strictness.sort_by_key(|r| std::cmp::Reverse(r.ruling.outcome));
        by_strictness.into_iter().flat_map(|r| r.ruling.reasons.iter().map(move |x| (&r.pack, x)))
    }
    /// What would change the answer.
    pub fn remedies(&self) -> impl Iterator<Item = &Remedy> {
        self.active().flat_map(|r| &r.ruling.remedies)
    }
    /// What was found in the event.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.active().flat_map(|r| &r.ruling.labels)
    }
    /// Points given.
    pub fn scores(&self) -> impl Iterator<Item = &Score> {
        self.active().flat_map(|r| &r.ruling.scores)
    }
    /// How reports call it. Whoever has to show more is denied until then; so is a capture that is suspended with
    /// nothing that could be carried out to go on.
    pub fn decision(&self) -> Decision {
        let bound = self.obligations().next().is_some();
        match (self.outcome, self.stage) {
            (Outcome::Refuse, _) | (Outcome::Restrain, Stage::Access) => Decision::Deny,
            (Outcome::Restrain, Stage::Capture) if !bound => Decision::Deny,
            (Outcome::Allow, _) if !bound => Decision::Allow,
            (Outcome::Restrain | Outcome::Allow, _) => Decision::AllowWithObligations,
        }
    }

    fn active(&self) -> impl Iterator<Item = &PackRuling> {
        self.rulings.iter().filter(|r| r.mode == Mode::Active)
    }

    /// In the order: legal hold, sensitive authentication data, the duty to keep, the duty to erase, a wish.
    fn resolve(&mut self, event: &Event, facts: &Facts) {
        let held = !facts.holds.is_empty();
        if held && destroys(event) {
            self.at_least(Outcome::Refuse);
            self.note(ConflictKind::DestroyUnderHold, "a legal hold is in force: nothing is destroyed");
        } else if held && self.terms.destroy_by.is_some() {
            self.note(
                ConflictKind::DestroyUnderHold,
                "a legal hold is in force: kept until it is lifted, access unchanged",
            );
        }
        if let (Some(keep), Some(destroy)) = (self.terms.retain_until, self.terms.destroy_by)
            && keep > destroy
        {
            self.note(
                ConflictKind::RetainPastDestroy,
                "the duty to keep goes before the duty to erase; a person reviews it",
            );
        }
        if self.terms.asks(&Duty::MustRecord) && self.outcome == Outcome::Refuse {
            self.note(
                ConflictKind::MustRecordMustNot,
                "not recorded: a duty to record never supplies consent; someone is told",
            );
        }
        let empty = [
            (self.terms.place_in.as_ref().is_some_and(|s| s.is_empty()), ConflictKind::NoPlace, "place"),
            (
                self.terms.encrypt_with.as_ref().is_some_and(|s| s.is_empty()),
                ConflictKind::NoCipher,
                "cipher suite",
            ),
            (
                self.terms.restrict_use.as_ref().is_some_and(|s| s.is_empty()),
                ConflictKind::NoPurpose,
                "purpose",
            ),
        ];
        for (_, kind, what) in empty.into_iter().filter(|(is_empty, ..)| *is_empty) {
            self.at_least(Outcome::Restrain);
            self.note(
                kind,
                &format!(
                    "no {what} is left that every pack accepts: kept, sealed, closed until a person decides"
                ),
            );
        }
        self.conflicts.sort();
    }

    fn at_least(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(outcome);
    }

    fn note(&mut self, kind: ConflictKind, resolution: &str) {
        self.conflicts.push(Conflict { kind, resolution: resolution.to_owned() });
    }
}

/// Sensitive authentication data that the rules themselves remove is no destruction in the sense of a hold.
fn destroys(event: &Event) -> bool {
    match event {
        Event::Storage(StorageEvent::Dispose(d)) => d.basis != Basis::Rules,
        Event::Access(r) => r.act == crate::Act::Delete,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, Moment};

    fn said(name: &str, mode: Mode, outcome: Outcome, duties: &[Duty]) -> PackRuling {
        let rule = "r1".to_owned();
        let obligations = duties.iter().map(|d| Obligation { duty: d.clone(), rule: rule.clone() }).collect();
        PackRuling {
            pack: PackRef {
                name: name.into(),
                version: "1.0.0".into(),
                digest: Digest([0; 32]),
                settings: Digest([0; 32]),
            },
            mode,
            ruling: Ruling { outcome, obligations, ..Ruling::default() },
            failure: None,
            fuel: 0,
        }
    }

    fn dispose(basis: Basis) -> Event {
        let what = crate::Element::Recording;
        Event::Storage(StorageEvent::Dispose(crate::Disposal { what, basis }))
    }

    #[test]
    fn a_monitored_pack_never_blocks() {
        let verdict = Verdict::merge(
            &Event::Capture(crate::CaptureEvent::Offered),
            &Facts::default(),
            vec![
                said("a", Mode::Active, Outcome::Allow, &[]),
                said("b", Mode::Monitor, Outcome::Refuse, &[Duty::Announce]),
            ],
        );
        assert_eq!(verdict.decision(), Decision::Allow);
    }

    #[test]
    fn nothing_is_recorded_unasked() {
        let check = |event: &Event, outcome| {
            assert_eq!(Verdict::merge(event, &Facts::default(), vec![]).outcome, outcome, "{event:?}");
        };
        check(&Event::Capture(crate::CaptureEvent::Offered), Outcome::Restrain);
        check(&Event::Storage(StorageEvent::Review(crate::Element::Audio)), Outcome::Allow);
    }

    #[test]
    fn the_duty_to_keep_goes_before_the_duty_to_erase() {
        let (early, late) = (Moment::from_millis(1000), Moment::from_millis(2000));
        let verdict = Verdict::merge(
            &dispose(Basis::Schedule),
            &Facts::default(),
            vec![
                said("a", Mode::Active, Outcome::Allow, &[Duty::DestroyBy(early)]),
                said("b", Mode::Active, Outcome::Refuse, &[Duty::RetainUntil(late)]),
            ],
        );
        assert_eq!(verdict.conflicts[0].kind, ConflictKind::RetainPastDestroy);
        assert_eq!(verdict.outcome, Outcome::Refuse);
    }

    #[test]
    fn a_hold_stops_destruction_but_not_of_what_the_rules_remove() {
        let hold = crate::Hold { matter: "m".into(), since: Moment::default() };
        let facts = Facts { holds: vec![hold], ..Facts::default() };
        let allow = || vec![said("a", Mode::Active, Outcome::Allow, &[])];
        let check = |basis, outcome| {
            assert_eq!(Verdict::merge(&dispose(basis), &facts, allow()).outcome, outcome);
        };
        check(Basis::Schedule, Outcome::Refuse);
        check(Basis::ErasureRequest, Outcome::Refuse);
        check(Basis::Rules, Outcome::Allow);
    }

    #[test]
    fn a_duty_to_record_never_supplies_consent() {
        let verdict = Verdict::merge(
            &Event::Capture(crate::CaptureEvent::Offered),
            &Facts::default(),
            vec![
                said("consent", Mode::Active, Outcome::Refuse, &[]),
                said("taping", Mode::Active, Outcome::Allow, &[Duty::MustRecord]),
            ],
        );
        assert_eq!(verdict.outcome, Outcome::Refuse);
        assert_eq!(verdict.conflicts[0].kind, ConflictKind::MustRecordMustNot);
    }
}
