//! Stretches that are taken out of sealed recordings, for ever or until two people bring them back: by a person's wish
//! (`by_person`), by the rules right after the call (`by_rules`). `cuts` says which seconds go, and what survives of them.

mod by_person;
mod by_rules;
mod cuts;

use caveat_model::{ClientId, RecordingId, Span};
use caveat_vault::{Taken, VaultError};
use serde::{Deserialize, Serialize};

use crate::{RecorderError, house::House};

pub(crate) use by_person::{Agreement, not_empty, to_redact};
pub use by_person::{MaskInForce, NewRedaction, Redacted};
pub use by_rules::AfterCall;
pub(crate) use cuts::apart;

/// How often a recording that is redacted by others at the same time is tried.
const TRIES: usize = 8;

/// What becomes of a stretch that is redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedactionMode {
    /// Its keys are destroyed. Two people have to agree.
    Shred,
    /// Its keys go to escrow, from where two people can bring it back.
    Mask,
}

impl RedactionMode {
    pub(crate) fn taken(self) -> Taken {
        match self {
            Self::Shred => Taken::ForEver,
            Self::Mask => Taken::ToEscrow,
        }
    }
}

impl House {
    /// Takes stretches out of a sealed recording; the number of the redaction, or none where the recording has nothing
    /// there. What stands in the ledger about it is the caller's.
    pub(crate) async fn redact(
        &self,
        client: &ClientId,
        id: RecordingId,
        spans: &[Span],
        rule: &str,
        taken: Taken,
    ) -> Result<Option<u32>, RecorderError> {
        for _ in 0..TRIES {
            let reader = self.vault.reader(client, id).await?;
            let cuts = cuts::cuts(&reader, spans, rule).await?;
            if cuts.is_empty() {
                return Ok(None);
            }
            match self.vault.redact(&reader, &cuts, taken).await {
                Err(VaultError::Contended { .. }) => {}
                done => return Ok(Some(done?)),
            }
        }
        Err(VaultError::Contended { recording: id }.into())
    }

    /// Whether a recording still has anything of these stretches.
    pub(crate) async fn has_any_of(
        &self,
        client: &ClientId,
        id: RecordingId,
        spans: &[Span],
    ) -> Result<bool, RecorderError> {
        if spans.is_empty() {
            return Ok(false);
        }
        let reader = self.vault.reader(client, id).await?;
        Ok(!cuts::cuts(&reader, spans, "").await?.is_empty())
    }

    /// Spans with the margin that is set for what recognizers get wrong.
    pub(crate) fn with_margin(&self, spans: &[Span]) -> Vec<Span> {
        let margin = self.limits.redaction_margin_ms;
        let wider = |s: &Span| Span {
            leg: s.leg,
            start: s.start.saturating_sub(margin),
            end: s.end.saturating_add(margin),
        };
        spans.iter().map(wider).collect()
    }
}
