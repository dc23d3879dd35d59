//! What was said, as this person may read it. Ruled on and logged as playing is, and hides what playing silences.

use caveat_access::SignedIn;
use caveat_model::{Offset, RecordingId, SpanSet, Word};
use caveat_vault::{Kind, Reader, VaultError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Asked, Decided, Recorder, RecorderError, listen::Granted, playback::MARGIN_MS};

/// The words of a recording, by time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Transcript {
    /// What was heard, on all legs.
    pub words: Vec<Said>,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Said {
    /// On which leg.
    pub leg: u8,
    /// First millisecond.
    pub start: Offset,
    /// The millisecond after the last.
    pub end: Offset,
    /// Empty where it is hidden.
    pub text: String,
    /// This person may not read it.
    pub hidden: bool,
}

impl Recorder {
    /// The words of a recording; otherwise as [`Recorder::play`].
    ///
    /// # Errors
    /// As [`Recorder::play`].
    pub async fn transcript(
        &self,
        who: &SignedIn,
        id: RecordingId,
        asked: &Asked,
    ) -> Result<Result<(Transcript, Decided), Decided>, RecorderError> {
        let (_, facts) = self.kept(&who.client, id).await?;
        let Granted { intent, silenced, decided, .. } = match self.decide(who, Some(id), facts, asked).await?
        {
            Err(decided) => return Ok(Err(decided)),
            Ok(granted) => granted,
        };
        let read = async {
            let reader = self.house.vault.reader(&who.client, id).await?;
            words(&reader, id, &silenced).await
        }
        .await;
        let bytes =
            read.as_ref().map_or(0, |words: &Vec<Said>| words.iter().map(|w| w.text.len() as u64).sum());
        self.result(&who.client, intent, read.is_ok(), bytes).await?;
        Ok(Ok((Transcript { words: read? }, decided)))
    }
}

async fn words(reader: &Reader, id: RecordingId, silenced: &SpanSet) -> Result<Vec<Said>, RecorderError> {
    let mut said = Vec::new();
    for segment in reader.frames().map(|frame| frame.segment).filter(|s| s.kind == Kind::Transcript) {
        let plain = match reader.read(segment.leg, segment.index, Kind::Transcript).await {
            Err(VaultError::Shredded { .. }) => continue,
            plain => plain?,
        };
        let heard: Vec<Word> =
            serde_json::from_slice(&plain).map_err(|source| RecorderError::Facts { id, source })?;
        said.extend(heard.into_iter().map(|word| shown(word, silenced)));
    }
    said.sort_by_key(|word| (word.start, word.leg));
    Ok(said)
}

/// A word is hidden as far as the sound around it is.
fn shown(Word { leg, start, end, text }: Word, silenced: &SpanSet) -> Said {
    let hidden = silenced.as_slice().iter().any(|span| {
        span.leg.is_none_or(|of| of == leg)
            && span.start.saturating_sub(MARGIN_MS) < end
            && start < span.end.saturating_add(MARGIN_MS)
    });
    Said { leg, start, end, text: if hidden { String::new() } else { text }, hidden }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caveat_model::Span;

    #[test]
    fn a_word_that_touches_what_is_silenced_is_hidden_on_its_leg() {
        let silenced: SpanSet = [Span { leg: Some(1), start: 1_000, end: 2_000 }].into_iter().collect();
        let word = |leg, start, end| Word { leg, start, end, text: "four".into() };
        for (leg, start, end, hidden) in [
            (1, 1_200, 1_400, true),
            (1, 2_100, 2_300, true),
            (1, 2_200, 2_400, false),
            (0, 1_200, 1_400, false),
        ] {
            let said = shown(word(leg, start, end), &silenced);
            assert_eq!((said.hidden, said.text.is_empty()), (hidden, hidden), "{leg} {start}");
        }
    }
}
