//! One pack's answer to one event.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Cipher, Label, LabelKind, Moment, Purpose, Region, Span, Stage};

/// How strict an answer is. The words differ per stage; the order does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It may go on, if every obligation is carried out.
    #[default]
    Allow,
    /// Not now. Capture: `suspend`, keep nothing. Storage: `ask` a person, keep it closed until then. Access: `step-up`.
    #[serde(alias = "suspend", alias = "ask", alias = "step-up")]
    Restrain,
    /// No.
    Refuse,
}

impl Outcome {
    /// The contract's word for it at this stage.
    pub fn word(self, stage: Stage) -> &'static str {
        match (self, stage) {
            (Self::Allow, _) => "allow",
            (Self::Restrain, Stage::Capture) => "suspend",
            (Self::Restrain, Stage::Storage) => "ask",
            (Self::Restrain, Stage::Access) => "step-up",
            (Self::Refuse, _) => "refuse",
        }
    }
}

/// Something a person or another system has to see to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Task {
    /// In the words of the pack's manifest.
    pub action: String,
    /// By when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Moment>,
}

/// What must be done for the act to go on. The contract says which of these each stage can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Play a notice of recording to everyone who has not heard one.
    Announce,
    /// Sound a tone at this interval, in seconds.
    Beep(u16),
    /// Silence DTMF from here on.
    MaskKeys,
    /// Never keep this stretch.
    Purge(Span),
    /// Keep it, and silence it for whoever has no need of it.
    Redact(Span),
    /// Destroy everything kept of this call so far.
    DiscardCaptured,
    /// A duty to record; it never supplies consent.
    MustRecord,
    /// If it cannot be recorded, the call must not go on.
    EndCallUnlessRecorded,
    /// It may serve these purposes only.
    RestrictUse(Vec<Purpose>),
    /// Nobody outside the client may have it.
    NoThirdParty,
    /// Destroy by then.
    DestroyBy(Moment),
    /// Keep until then.
    RetainUntil(Moment),
    /// Only with one of these.
    EncryptWith(Vec<Cipher>),
    /// Only in one of these.
    PlaceIn(Vec<Region>),
    /// On a store that nobody can rewrite.
    Immutable,
    /// Destroy so that nothing can be reconstructed.
    SecureDestroy,
    /// Destroy as soon as the payment is authorized.
    DeleteOnAuthorization,
    /// Not the original: with these silenced.
    ServeRedacted(Vec<LabelKind>),
    /// Log the access.
    LogAccess,
    /// Enter it in the accounting of disclosures.
    LogDisclosure,
    /// The person has to give a reason.
    RecordReason,
    /// Somebody has to look at this access afterwards.
    AfterReview,
    /// Tell whoever is named.
    Alert(String),
    /// Have it seen to.
    SeeTo(Task),
}

impl Duty {
    /// A short code for lists and comparisons: `retain-until-2042-03-01`, `alert-privacy-officer`.
    pub fn code(&self) -> String {
        match self {
            Self::Announce => "announce".into(),
            Self::Beep(s) => format!("beep-every-{s}-s"),
            Self::MaskKeys => "mask-keys".into(),
            Self::Purge(_) => "purge".into(),
            Self::Redact(_) => "redact".into(),
            Self::DiscardCaptured => "discard-captured-audio".into(),
            Self::MustRecord => "must-record".into(),
            Self::EndCallUnlessRecorded => "end-call-unless-recorded".into(),
            Self::RestrictUse(_) => "restrict-use".into(),
            Self::NoThirdParty => "no-third-party-disclosure".into(),
            Self::DestroyBy(m) => format!("destroy-by-{}", m.date()),
            Self::RetainUntil(m) => format!("retain-until-{}", m.date()),
            Self::EncryptWith(_) => "encrypt".into(),
            Self::PlaceIn(_) => "place-in-region".into(),
            Self::Immutable => "immutable-store".into(),
            Self::SecureDestroy => "secure-destroy".into(),
            Self::DeleteOnAuthorization => "delete-on-authorization".into(),
            Self::ServeRedacted(_) => "serve-redacted-copy".into(),
            Self::LogAccess => "log-access".into(),
            Self::LogDisclosure => "log-disclosure".into(),
            Self::RecordReason => "record-reason".into(),
            Self::AfterReview => "after-review".into(),
            Self::Alert(whom) => format!("alert-{whom}"),
            Self::SeeTo(task) => task.action.clone(),
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())?;
        match self {
            Self::Purge(s) | Self::Redact(s) => {
                let leg = s.leg.map_or("every leg".into(), |l| format!("leg {l}"));
                write!(f, " {leg} {}-{} ms", s.start, s.end)
            }
            _ => Ok(()),
        }
    }
}

/// A duty and the rule that asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// What must be done.
    pub duty: Duty,
    /// Id of the rule.
    pub rule: String,
}

/// What would change the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// In the words of the pack's manifest.
    pub action: String,
    /// Id of the rule.
    pub rule: String,
}

/// Why: one per rule that had a say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Id of the rule.
    pub rule: String,
    /// Statute, section, requirement.
    pub citation: String,
    /// One sentence, without personal data.
    pub message: String,
}

/// Points for a written standard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Score {
    /// Id of the rule.
    pub rule: String,
    /// Given.
    pub points: i16,
    /// Of.
    pub out_of: i16,
    /// Where in the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
}

/// One pack's answer to one event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ruling {
    /// How strict.
    pub outcome: Outcome,
    /// What must be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
    /// What would change the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    /// What was found in the event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Points given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}
