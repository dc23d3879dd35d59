//! The rulings of `wit/{capture,storage,access}.wit`, as a pack hands them out, and the checks they pass.

use caveat_model as model;
use wasmtime::component::{ComponentType, Lift};

use super::facts::{Cipher, Label, LabelKind, Purpose, Span};
use crate::{Failure, Limits};

/// A WIT enum of outcomes; they differ in the word for [`model::Outcome::Restrain`].
macro_rules! outcome {
    ($name:ident, $restrain:literal) => {
        #[derive(Clone, Copy, ComponentType, Lift)]
        #[component(enum)]
        #[repr(u8)]
        #[allow(dead_code, reason = "only `Lift` makes them")]
        pub(super) enum $name {
            #[component(name = "allow")]
            Allow,
            #[component(name = $restrain)]
            Restrain,
            #[component(name = "refuse")]
            Refuse,
        }
        impl From<$name> for model::Outcome {
            fn from(outcome: $name) -> Self {
                match outcome {
                    $name::Allow => Self::Allow,
                    $name::Restrain => Self::Restrain,
                    $name::Refuse => Self::Refuse,
                }
            }
        }
    };
}

outcome!(CaptureOutcome, "suspend");
outcome!(StorageOutcome, "ask");
outcome!(AccessOutcome, "step-up");

/// `capture.ruling`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Capture {
    outcome: CaptureOutcome,
    obligations: Vec<CaptureObligation>,
    remedies: Vec<Remedy>,
    labels: Vec<Label>,
    scores: Vec<Score>,
    reasons: Vec<Reason>,
}

impl Capture {
    pub(super) fn into_model(self, limits: &Limits) -> Result<model::Ruling, Failure> {
        let check = Check(limits);
        Ok(model::Ruling {
            outcome: self.outcome.into(),
            obligations: check.obligations(self.obligations, |o| (o.duty, o.rule))?,
            remedies: check.list("remedies", self.remedies, Remedy::into_model)?,
            labels: check.list("labels", self.labels, Label::into_model)?,
            scores: check.list("scores", self.scores, Score::into_model)?,
            reasons: check.list("reasons", self.reasons, Reason::into_model)?,
        })
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct CaptureObligation {
    duty: CaptureDuty,
    rule: String,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum CaptureDuty {
    #[component(name = "announce")]
    Announce,
    #[component(name = "beep")]
    Beep(u16),
    #[component(name = "mask-keys")]
    MaskKeys,
    #[component(name = "purge")]
    Purge(Span),
    #[component(name = "redact")]
    Redact(Span),
    #[component(name = "discard-captured")]
    DiscardCaptured,
    #[component(name = "must-record")]
    MustRecord,
    #[component(name = "end-call-unless-recorded")]
    EndCallUnlessRecorded,
    #[component(name = "restrict-use")]
    RestrictUse(Vec<Purpose>),
    #[component(name = "no-third-party")]
    NoThirdParty,
    #[component(name = "destroy-by")]
    DestroyBy(u64),
    #[component(name = "retain-until")]
    RetainUntil(u64),
    #[component(name = "alert")]
    Alert(String),
    #[component(name = "see-to")]
    SeeTo(Task),
}

impl Duty for CaptureDuty {
    fn into_model(self, check: Check<'_>) -> Result<model::Duty, Failure> {
        use model::Duty as D;
        Ok(match self {
            Self::Announce => D::Announce,
            Self::Beep(every_s) => D::Beep(every_s),
            Self::MaskKeys => D::MaskKeys,
            Self::Purge(span) => D::Purge(span.into_model()?),
            Self::Redact(span) => D::Redact(span.into_model()?),
            Self::DiscardCaptured => D::DiscardCaptured,
            Self::MustRecord => D::MustRecord,
            Self::EndCallUnlessRecorded => D::EndCallUnlessRecorded,
            Self::RestrictUse(uses) => D::RestrictUse(check.list("purposes", uses, |p, _| Ok(p.into()))?),
            Self::NoThirdParty => D::NoThirdParty,
            Self::DestroyBy(ms) => D::DestroyBy(model::Moment::from_millis(ms)),
            Self::RetainUntil(ms) => D::RetainUntil(model::Moment::from_millis(ms)),
            Self::Alert(whom) => D::Alert(check.text(whom)?),
            Self::SeeTo(task) => D::SeeTo(task.into_model(check)?),
        })
    }
}

/// `storage.ruling`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Storage {
    outcome: StorageOutcome,
    obligations: Vec<StorageObligation>,
    remedies: Vec<Remedy>,
    reasons: Vec<Reason>,
}

impl Storage {
    pub(super) fn into_model(self, limits: &Limits) -> Result<model::Ruling, Failure> {
        let check = Check(limits);
        Ok(model::Ruling {
            outcome: self.outcome.into(),
            obligations: check.obligations(self.obligations, |o| (o.duty, o.rule))?,
            remedies: check.list("remedies", self.remedies, Remedy::into_model)?,
            reasons: check.list("reasons", self.reasons, Reason::into_model)?,
            ..model::Ruling::default()
        })
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct StorageObligation {
    duty: StorageDuty,
    rule: String,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum StorageDuty {
    #[component(name = "retain-until")]
    RetainUntil(u64),
    #[component(name = "destroy-by")]
    DestroyBy(u64),
    #[component(name = "encrypt-with")]
    EncryptWith(Vec<Cipher>),
    #[component(name = "place-in")]
    PlaceIn(Vec<String>),
    #[component(name = "immutable")]
    Immutable,
    #[component(name = "purge")]
    Purge(Span),
    #[component(name = "redact")]
    Redact(Span),
    #[component(name = "secure-destroy")]
    SecureDestroy,
    #[component(name = "delete-on-authorization")]
    DeleteOnAuthorization,
    #[component(name = "restrict-use")]
    RestrictUse(Vec<Purpose>),
    #[component(name = "alert")]
    Alert(String),
    #[component(name = "see-to")]
    SeeTo(Task),
}

impl Duty for StorageDuty {
    fn into_model(self, check: Check<'_>) -> Result<model::Duty, Failure> {
        use model::Duty as D;
        Ok(match self {
            Self::RetainUntil(ms) => D::RetainUntil(model::Moment::from_millis(ms)),
            Self::DestroyBy(ms) => D::DestroyBy(model::Moment::from_millis(ms)),
            Self::EncryptWith(suites) => D::EncryptWith(check.list("suites", suites, |c, _| Ok(c.into()))?),
            Self::PlaceIn(regions) => D::PlaceIn(check.list("regions", regions, region)?),
            Self::Immutable => D::Immutable,
            Self::Purge(span) => D::Purge(span.into_model()?),
            Self::Redact(span) => D::Redact(span.into_model()?),
            Self::SecureDestroy => D::SecureDestroy,
            Self::DeleteOnAuthorization => D::DeleteOnAuthorization,
            Self::RestrictUse(uses) => D::RestrictUse(check.list("purposes", uses, |p, _| Ok(p.into()))?),
            Self::Alert(whom) => D::Alert(check.text(whom)?),
            Self::SeeTo(task) => D::SeeTo(task.into_model(check)?),
        })
    }
}

/// `access.ruling`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Access {
    outcome: AccessOutcome,
    obligations: Vec<AccessObligation>,
    remedies: Vec<Remedy>,
    reasons: Vec<Reason>,
}

impl Access {
    pub(super) fn into_model(self, limits: &Limits) -> Result<model::Ruling, Failure> {
        let check = Check(limits);
        Ok(model::Ruling {
            outcome: self.outcome.into(),
            obligations: check.obligations(self.obligations, |o| (o.duty, o.rule))?,
            remedies: check.list("remedies", self.remedies, Remedy::into_model)?,
            reasons: check.list("reasons", self.reasons, Reason::into_model)?,
            ..model::Ruling::default()
        })
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct AccessObligation {
    duty: AccessDuty,
    rule: String,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum AccessDuty {
    #[component(name = "serve-redacted")]
    ServeRedacted(Vec<LabelKind>),
    #[component(name = "log-access")]
    LogAccess,
    #[component(name = "log-disclosure")]
    LogDisclosure,
    #[component(name = "record-reason")]
    RecordReason,
    #[component(name = "after-review")]
    AfterReview,
    #[component(name = "alert")]
    Alert(String),
    #[component(name = "see-to")]
    SeeTo(Task),
}

impl Duty for AccessDuty {
    fn into_model(self, check: Check<'_>) -> Result<model::Duty, Failure> {
        use model::Duty as D;
        Ok(match self {
            Self::ServeRedacted(kinds) => D::ServeRedacted(check.list("labels", kinds, |k, _| Ok(k.into()))?),
            Self::LogAccess => D::LogAccess,
            Self::LogDisclosure => D::LogDisclosure,
            Self::RecordReason => D::RecordReason,
            Self::AfterReview => D::AfterReview,
            Self::Alert(whom) => D::Alert(check.text(whom)?),
            Self::SeeTo(task) => D::SeeTo(task.into_model(check)?),
        })
    }
}

/// What all stages share.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Remedy {
    action: String,
    rule: String,
}

impl Remedy {
    fn into_model(self, check: Check<'_>) -> Result<model::Remedy, Failure> {
        Ok(model::Remedy { action: check.text(self.action)?, rule: check.text(self.rule)? })
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Reason {
    rule: String,
    citation: String,
    message: String,
}

impl Reason {
    fn into_model(self, check: Check<'_>) -> Result<model::Reason, Failure> {
        Ok(model::Reason {
            rule: check.text(self.rule)?,
            citation: check.text(self.citation)?,
            message: check.text(self.message)?,
        })
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Task {
    action: String,
    due: Option<u64>,
}

impl Task {
    fn into_model(self, check: Check<'_>) -> Result<model::Task, Failure> {
        let due = self.due.map(model::Moment::from_millis);
        Ok(model::Task { action: check.text(self.action)?, due })
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Score {
    rule: String,
    points: i16,
    #[component(name = "out-of")]
    out_of: i16,
    #[component(name = "where")]
    span: Option<Span>,
}

impl Score {
    fn into_model(self, check: Check<'_>) -> Result<model::Score, Failure> {
        let span = self.span.map(Span::into_model).transpose()?;
        Ok(model::Score { rule: check.text(self.rule)?, points: self.points, out_of: self.out_of, span })
    }
}

impl Span {
    fn into_model(self) -> Result<model::Span, Failure> {
        if self.start > self.end {
            return Err(invalid(format!(
                "a span from {} to {} ms ends before it begins",
                self.start, self.end
            )));
        }
        Ok(model::Span { leg: self.leg, start: self.start, end: self.end })
    }
}

impl Label {
    fn into_model(self, _: Check<'_>) -> Result<model::Label, Failure> {
        if self.confidence > 100 {
            return Err(invalid(format!("a confidence of {} is over 100", self.confidence)));
        }
        Ok(model::Label {
            kind: self.kind.into(),
            span: self.span.into_model()?,
            confidence: self.confidence,
        })
    }
}

fn region(text: String, _: Check<'_>) -> Result<model::Region, Failure> {
    text.parse().map_err(|e: model::IdError| invalid(e.to_string()))
}

fn invalid(what: String) -> Failure {
    Failure::Invalid { what }
}

trait Duty {
    fn into_model(self, check: Check<'_>) -> Result<model::Duty, Failure>;
}

/// The limits on what a ruling may hold, applied while it is taken over.
#[derive(Clone, Copy)]
struct Check<'a>(&'a Limits);

impl Check<'_> {
    fn obligations<O, D: Duty>(
        self,
        obligations: Vec<O>,
        parts: impl Fn(O) -> (D, String),
    ) -> Result<Vec<model::Obligation>, Failure> {
        count("obligations", obligations.len(), "obligations_max", self.0.obligations_max)?;
        let one = |o| {
            let (duty, rule) = parts(o);
            Ok(model::Obligation { duty: duty.into_model(self)?, rule: self.text(rule)? })
        };
        obligations.into_iter().map(one).collect()
    }

    fn list<T, U>(
        self,
        name: &str,
        items: Vec<T>,
        one: impl Fn(T, Self) -> Result<U, Failure>,
    ) -> Result<Vec<U>, Failure> {
        count(name, items.len(), "entries_max", self.0.entries_max)?;
        items.into_iter().map(|item| one(item, self)).collect()
    }

    fn text(self, text: String) -> Result<String, Failure> {
        count("bytes in one text", text.len(), "text_bytes_max", self.0.text_bytes_max)?;
        Ok(text)
    }
}

fn count(what: &str, n: usize, field: &'static str, limit: usize) -> Result<(), Failure> {
    if n > limit {
        return Err(Failure::ResultTooLarge { what: format!("{n} {what}"), field, limit });
    }
    Ok(())
}
