//! Stretches that are taken out of sealed recordings, for ever or until two people bring them back: by a person's wish
//! (`by_person`), by the rules right after the call (`by_rules`). `cuts` says which seconds go, and what survives of them.

mod by_person;
mod by_rules;
mod cuts;

use caveat_model::{ClientId, Label, Offset, RecordingId, Span};
use caveat_vault::{Taken, VaultError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Limits, RecorderError, house::House};

pub(crate) use by_person::{Agreement, not_empty, to_redact};
pub use by_person::{MaskInForce, NewRedaction, Redacted};
pub use by_rules::AfterCall;
pub(crate) use cuts::apart;

/// How often a recording that is redacted by others at the same time is tried.
const TRIES: usize = 8;

/// What becomes of a stretch that is redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
                done => {
                    let number = done?;
                    self.lock_patches(client, id).await?;
                    return Ok(Some(number));
                }
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
        cuts::any(&reader, spans).await
    }

    /// The numbers of the masks of a recording.
    pub(crate) async fn masks_of(
        &self,
        client: &ClientId,
        id: RecordingId,
    ) -> Result<Vec<u32>, RecorderError> {
        Ok(self.vault.masks(client, id).await?.iter().map(|mask| mask.number).collect())
    }
}

impl Limits {
    /// Spans with the margin that is set for what recognizers get wrong.
    pub(crate) fn with_margin(&self, spans: &[Span]) -> Vec<Span> {
        spans.iter().map(|span| wider(*span, self.redaction_margin_ms)).collect()
    }

    /// Spans that packs want removed or hidden. One in which something was found that nobody is sure of is wider.
    pub(crate) fn wide_enough(&self, spans: &[Span], labels: &[Label]) -> Vec<Span> {
        let unsure = |span: &Span| {
            labels
                .iter()
                .any(|label| label.confidence < self.sure_confidence_min && label.span.overlaps(span))
        };
        let enough = |span: &Span| if unsure(span) { wider(*span, self.unsure_margin_ms) } else { *span };
        spans.iter().map(enough).collect()
    }
}

fn wider(span: Span, margin: Offset) -> Span {
    Span { leg: span.leg, start: span.start.saturating_sub(margin), end: span.end.saturating_add(margin) }
}

#[cfg(test)]
mod tests {
    use caveat_model::LabelKind;

    use super::*;

    #[test]
    fn what_nobody_is_sure_of_is_wider() {
        let limits = Limits { sure_confidence_min: 80, unsure_margin_ms: 1_000, ..Limits::default() };
        let span = |leg, start, end| Span { leg, start, end };
        let label = |span, confidence| Label { kind: LabelKind::CardNumber, span, confidence };
        let check = |labels: &[Label], expected| {
            assert_eq!(limits.wide_enough(&[span(Some(1), 500, 4_000)], labels), [expected], "{labels:?}");
        };
        let (exact, wide) = (span(Some(1), 500, 4_000), span(Some(1), 0, 5_000));
        check(&[], exact);
        check(&[label(span(Some(1), 500, 4_000), 80)], exact);
        check(&[label(span(Some(1), 500, 4_000), 79)], wide);
        check(&[label(span(Some(1), 500, 4_000), 95), label(span(None, 3_000, 3_100), 10)], wide);
        check(&[label(span(Some(0), 500, 4_000), 10), label(span(Some(1), 4_000, 5_000), 10)], exact);
    }
}
