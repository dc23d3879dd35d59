//! A person has a stretch redacted. Log before act: the packs rule on it, the intent goes to the ledger, then the act, then
//! its result. Masking takes one person; shredding and lifting a mask take a second one who confirms.

use caveat_access::SignedIn;
use caveat_ledger::EntryKind;
use caveat_model::{
    Act, Basis, ClientId, Disposal, Element, Facts, Outcome, Purpose, RecordingId, Span, SpanSet,
};
use caveat_retention::Destroyed;
use caveat_vault::VaultError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Asked, Decided, Recorder, RecorderError, RedactionMode, Who,
    begun::{Deed, Did, Redact, What},
    catalog::Listed,
    house::first_or_two_people,
    listen::{Granted, decided},
};

/// The rule that gaps name which a person's wish has left.
const RULE: &str = "person";

/// What somebody wants redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewRedaction {
    /// Which stretch; without a leg, of all legs.
    pub span: Span,
    /// For ever, or not.
    pub mode: RedactionMode,
    /// Why, in the contract's terms.
    pub purpose: Purpose,
    /// Why, in the person's own words.
    #[serde(default)]
    pub reason: String,
}

/// What was redacted, or brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Redacted {
    /// Of which recording.
    pub recording: RecordingId,
    /// Names the mask when it is to be lifted; none: the recording had nothing there, or it was shredded.
    pub mask: Option<u32>,
    /// Where the result stands in the ledger.
    pub ledger_index: u64,
}

/// A mask that can be lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct MaskInForce {
    /// Its number within the recording.
    pub mask: u32,
    /// The whole seconds whose keys are in escrow.
    pub spans: Vec<Span>,
}

/// Two people who agreed, and where that stands in the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Agreement {
    pub(crate) index: u64,
    /// The request that they agreed on.
    pub(crate) request: u64,
}

impl Recorder {
    /// Hides a stretch until two people bring it back; `Ok(Err(..))`: the packs refuse.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRecording`], [`RecorderError::NotKept`], [`RecorderError::EmptySpan`].
    pub async fn mask(
        &self,
        who: &SignedIn,
        id: RecordingId,
        wanted: &NewRedaction,
    ) -> Result<Result<Redacted, Decided>, RecorderError> {
        not_empty(&wanted.span)?;
        let granted = match self.may_redact(who, id, wanted).await? {
            Ok(granted) => granted,
            Err(decided) => return Ok(Err(decided)),
        };
        let (client, verdict) = (&who.client, granted.verdict);
        let recording = self.house.pseudonym(client, id).await?;
        let (lift, basis) = (false, Basis::PersonAsks);
        let intent = EntryKind::MaskIntent { recording, lift, number: None, basis, verdict, agreed: None };
        let what = self.to_take(client, id, wanted, None).await?;
        let act = Deed { what, access: Some(granted.intent), request: None };
        Ok(Ok(self.take(client, id, wanted, (intent, act)).await?))
    }

    /// The masks of a recording.
    pub async fn masks(&self, client: &ClientId, id: RecordingId) -> Result<Vec<MaskInForce>, RecorderError> {
        self.house.catalog.state_of(client, id).await?;
        let span = |(leg, seconds): &(u8, std::ops::Range<u32>)| Span {
            leg: Some(*leg),
            start: seconds.start.saturating_mul(1_000),
            end: seconds.end.saturating_mul(1_000),
        };
        let masks = self.house.vault.masks(client, id).await?;
        let mask = |m: &caveat_vault::Mask| MaskInForce {
            mask: m.number,
            spans: m.hides.iter().map(span).collect(),
        };
        Ok(masks.iter().map(mask).collect())
    }

    /// Whether the packs let this person have something redacted; the intent is logged, and nothing done yet.
    pub(crate) async fn may_redact(
        &self,
        who: &SignedIn,
        id: RecordingId,
        wanted: &NewRedaction,
    ) -> Result<Result<Granted, Decided>, RecorderError> {
        let asked = to_redact(Some(wanted.span), wanted.purpose, &wanted.reason);
        let (_, facts) = self.kept(&who.client, id).await?;
        self.decide(who, Some(id), facts, &asked).await
    }

    /// Destroys a stretch for ever. Two people agreed; the packs are asked once more, as on any destruction.
    pub(crate) async fn shred(
        &self,
        second: &SignedIn,
        id: RecordingId,
        wanted: &NewRedaction,
        agreed: Agreement,
    ) -> Result<Result<Redacted, Decided>, RecorderError> {
        let client = &second.client;
        let mut granted = match self.may_redact(second, id, wanted).await? {
            Ok(granted) => granted,
            Err(decided) => return Ok(Err(decided)),
        };
        let disposal = Disposal { what: Element::Segment, basis: Basis::PersonAsks };
        let by = Who::new(format!("person {}", second.person), wanted.reason.as_str());
        let facts = std::mem::take(&mut granted.facts);
        let logged = self.house.rule_on_disposal(client, id, facts, disposal, Some(&by)).await?;
        if logged.verdict.outcome != Outcome::Allow {
            self.result(client, granted.intent, false, 0).await?;
            return Ok(Err(decided(&logged, &SpanSet::default(), granted.intent)));
        }
        let (verdict, rule) = (logged.index, first_or_two_people(&logged.verdict));
        let intent = EntryKind::DisposalIntent {
            recording: self.house.pseudonym(client, id).await?,
            what: disposal.what,
            basis: disposal.basis,
            verdict,
            agreed: Some(agreed.index),
        };
        let on = Destroyed { disposal, rule, verdict, agreed: Some(agreed.index) };
        let what = self.to_take(client, id, wanted, Some(on)).await?;
        let act = Deed { what, access: Some(granted.intent), request: Some(agreed.request) };
        let done = self.take(client, id, wanted, (intent, act)).await?;
        Ok(Ok(Redacted { mask: None, ..done }))
    }

    async fn to_take(
        &self,
        client: &ClientId,
        id: RecordingId,
        wanted: &NewRedaction,
        owes: Option<Destroyed>,
    ) -> Result<What, RecorderError> {
        let masks = self.house.masks_of(client, id).await?;
        Ok(What::Redact(Redact { recording: id, spans: vec![wanted.span], mode: wanted.mode, masks, owes }))
    }

    /// Intent, act, result. Where the act fails, what came of it is settled later.
    async fn take(
        &self,
        client: &ClientId,
        id: RecordingId,
        wanted: &NewRedaction,
        (intent, act): (EntryKind, Deed),
    ) -> Result<Redacted, RecorderError> {
        let (intent, under_way) = self.house.intend(client, intent, &act).await?;
        let number = self.house.redact(client, id, &[wanted.span], RULE, wanted.mode.taken()).await?;
        let done = Some(Did { number });
        let ledger_index = self.house.conclude(client, &under_way, (&act, intent), done).await?;
        Ok(Redacted { recording: id, mask: number, ledger_index })
    }

    /// Brings back what a mask hides. Two people agreed.
    pub(crate) async fn unmask(
        &self,
        second: &SignedIn,
        id: RecordingId,
        (number, purpose, reason): (u32, Purpose, &str),
        agreed: Agreement,
    ) -> Result<Result<Redacted, Decided>, RecorderError> {
        let client = &second.client;
        let (_, facts) = self.kept(client, id).await?;
        let asked = to_redact(None, purpose, reason);
        let granted = match self.decide(second, Some(id), facts, &asked).await? {
            Ok(granted) => granted,
            Err(decided) => return Ok(Err(decided)),
        };
        let intent = EntryKind::MaskIntent {
            recording: self.house.pseudonym(client, id).await?,
            lift: true,
            number: Some(number),
            basis: Basis::PersonAsks,
            verdict: granted.verdict,
            agreed: Some(agreed.index),
        };
        // What is not there now would look later as if it had been lifted.
        if !self.house.masks_of(client, id).await?.contains(&number) {
            self.result(client, granted.intent, false, 0).await?;
            return Err(RecorderError::NoSuchMask { id, mask: number });
        }
        let what = What::Unmask { recording: id, number };
        let act = Deed { what, access: Some(granted.intent), request: Some(agreed.request) };
        let (intent, under_way) = self.house.intend(client, intent, &act).await?;
        let done = match self.house.vault.unmask(client, id, number).await {
            Err(VaultError::NoSuchMask { .. }) => None,
            done => {
                done?;
                Some(Did { number: Some(number) })
            }
        };
        let ledger_index = self.house.conclude(client, &under_way, (&act, intent), done).await?;
        match done {
            Some(_) => Ok(Ok(Redacted { recording: id, mask: Some(number), ledger_index })),
            None => Err(RecorderError::NoSuchMask { id, mask: number }),
        }
    }

    /// A recording of which something is kept.
    pub(crate) async fn kept(
        &self,
        client: &ClientId,
        id: RecordingId,
    ) -> Result<(Listed, Facts), RecorderError> {
        let (listed, facts) = self.house.catalog.get(client, id).await?;
        if listed.state != "sealed" && listed.state != "interrupted" {
            return Err(RecorderError::NotKept { id, state: listed.state });
        }
        Ok((listed, facts))
    }
}

/// Redacting and bringing back are one act in the contract.
pub(crate) fn to_redact(span: Option<Span>, purpose: Purpose, reason: &str) -> Asked {
    Asked { act: Act::Redact, span, reason: reason.to_owned(), ..Asked::to_play(purpose) }
}

pub(crate) fn not_empty(span: &Span) -> Result<(), RecorderError> {
    if span.start < span.end {
        Ok(())
    } else {
        Err(RecorderError::EmptySpan { start: span.start, end: span.end })
    }
}
