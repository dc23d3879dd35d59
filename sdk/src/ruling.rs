//! Writing down an answer.

use crate::{access, capture, facts::*, storage};

/// A rule as the manifest declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its id in the manifest.
    pub id: &'static str,
    /// Statute, section, requirement.
    pub citation: &'static str,
}

macro_rules! writing {
    ($stage:ident, $restrain:ident = $outcome:ident, $(#[$doc:meta])*) => {
        impl $stage::Ruling {
            /// Nothing stands against it (yet).
            pub fn allow() -> Self {
                writing!(@empty $stage)
            }
            /// No, for this reason.
            pub fn refuse(&mut self, rule: &Rule, why: &str) -> &mut Self {
                self.outcome = self.outcome.max($stage::Outcome::Refuse);
                self.because(rule, why)
            }
            $(#[$doc])*
            pub fn $restrain(&mut self, rule: &Rule, why: &str) -> &mut Self {
                self.outcome = self.outcome.max($stage::Outcome::$outcome);
                self.because(rule, why)
            }
            /// Only if this is carried out.
            pub fn oblige(&mut self, rule: &Rule, duty: $stage::Duty) -> &mut Self {
                let obligation = $stage::Obligation { duty, rule: rule.id.into() };
                if !self.obligations.contains(&obligation) {
                    self.obligations.push(obligation);
                }
                self
            }
            /// Only if somebody sees to this, by `due` if there is a date.
            pub fn see_to(&mut self, rule: &Rule, action: &str, due: Option<Moment>) -> &mut Self {
                self.oblige(rule, $stage::Duty::SeeTo(Task { action: action.into(), due }))
            }
            /// What would change the answer.
            pub fn remedy(&mut self, rule: &Rule, action: &str) -> &mut Self {
                let remedy = Remedy { action: action.into(), rule: rule.id.into() };
                if !self.remedies.contains(&remedy) {
                    self.remedies.push(remedy);
                }
                self
            }
            /// This rule had a say.
            pub fn because(&mut self, rule: &Rule, why: &str) -> &mut Self {
                self.because_of(rule, rule.citation, why)
            }
            /// This rule had a say, by an authority of its own (a state's statute).
            pub fn because_of(&mut self, rule: &Rule, citation: &str, why: &str) -> &mut Self {
                let (rule, citation, message) = (rule.id.into(), citation.into(), why.into());
                let reason = Reason { rule, citation, message };
                if !self.reasons.contains(&reason) {
                    self.reasons.push(reason);
                }
                self
            }
        }
    };
    (@empty capture) => {
        Self {
            outcome: capture::Outcome::Allow,
            obligations: vec![],
            remedies: vec![],
            labels: vec![],
            scores: vec![],
            reasons: vec![],
        }
    };
    (@empty $stage:ident) => {
        Self { outcome: $stage::Outcome::Allow, obligations: vec![], remedies: vec![], reasons: vec![] }
    };
}

writing!(capture, suspend = Suspend, /** Keep nothing until a later ruling allows it. */);
writing!(storage, ask = Ask, /** A person has to decide. */);
writing!(access, step_up = StepUp, /** Not before the person has shown more of who they are. */);

impl capture::Ruling {
    /// Something was found.
    pub fn label(&mut self, kind: LabelKind, place: Span, confidence: u8) -> &mut Self {
        self.labels.push(Label { kind, where_: place, confidence });
        self
    }
}
