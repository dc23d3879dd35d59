//! From sealed segments to what a listener hears: a WAV of 16 bits at 8,000 Hz with a channel per leg, or the same as Opus,
//! opened piece by piece. All of it in memory; nothing of it is written.

use std::{fmt::Display, ops::Range};

use caveat_audio::{SAMPLES_PER_MS, SEGMENT_SAMPLES, Segment, opus::OpusSound, wav};
use caveat_model::{Offset, Span, SpanSet};
use caveat_vault::{Kind, Reader, VaultError};
use futures::{Stream, stream::try_unfold};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::RecorderError;

/// Milliseconds that are silenced beyond each end of a span: a recognizer's times are not exact.
pub(crate) const MARGIN_MS: Offset = 150;

/// As what sound is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// WAV: 16 bits, as it was kept.
    #[default]
    Wav,
    /// Opus in Ogg: an eighth of the size.
    Opus,
}

impl Format {
    /// What is read, encoded and held in memory at once while it is served.
    fn seconds_at_once(self) -> u64 {
        match self {
            Self::Wav => 300,
            Self::Opus => 20,
        }
    }
}

/// The sound of some seconds, all legs in step, some of it silenced.
pub(crate) struct Sound {
    reader: Reader,
    silenced: SpanSet,
    format: Format,
    head: Vec<u8>,
    bytes_per_second: u64,
    legs: Vec<u8>,
    seconds: Range<u32>,
}

impl Sound {
    /// Of the seconds that `span` touches (all, for none) of a recording of this length.
    pub(crate) fn of(
        reader: Reader,
        span: Option<Span>,
        silenced: SpanSet,
        duration_ms: u64,
        format: Format,
    ) -> Result<Self, RecorderError> {
        let all = u32::try_from(duration_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        let seconds = match span {
            Some(s) => (s.start / 1_000).min(all)..s.end.div_ceil(1_000).min(all),
            None => 0..all,
        };
        let legs: Vec<u8> = reader.header().legs.iter().map(|l| l.leg).collect();
        let (head, bytes_per_second) = match format {
            Format::Wav => {
                let samples = seconds.len() as u64 * SEGMENT_SAMPLES as u64;
                let head = wav::head(legs.len(), samples).map_err(no_sound)?;
                (head, 2 * legs.len().max(1) as u64 * SEGMENT_SAMPLES as u64)
            }
            Format::Opus => {
                let sound = OpusSound::new(legs.len(), seconds.len() as u32);
                (sound.head(), sound.bytes_per_second())
            }
        };
        Ok(Self { reader, silenced, format, head, bytes_per_second, legs, seconds })
    }

    /// Bytes of it.
    pub(crate) fn len(&self) -> u64 {
        self.head.len() as u64 + self.seconds.len() as u64 * self.bytes_per_second
    }

    /// Names exactly these bytes: another one where other spans are silenced, or something was redacted since.
    pub(crate) fn tag(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.reader.edition().0);
        hash.update([self.format as u8]);
        hash.update(&self.legs);
        hash.update([self.seconds.start.to_be_bytes(), self.seconds.end.to_be_bytes()].concat());
        for span in self.silenced.as_slice() {
            let leg = span.leg.map_or(u16::MAX, u16::from);
            hash.update(leg.to_be_bytes());
            hash.update([span.start.to_be_bytes(), span.end.to_be_bytes()].concat());
        }
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Some of its bytes, a piece after the other; each is opened when it is asked for.
    pub(crate) fn pieces(
        self,
        bytes: Range<u64>,
    ) -> impl Stream<Item = Result<Vec<u8>, RecorderError>> + Send {
        try_unfold((self, bytes), |(sound, bytes)| async move {
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = bytes.end.min(sound.end_of_piece(bytes.start));
            let piece = sound.read(bytes.start..end).await?;
            Ok(Some((piece, (sound, end..bytes.end))))
        })
    }

    /// The end of the piece that this byte lies in.
    fn end_of_piece(&self, byte: u64) -> u64 {
        let head = self.head.len() as u64;
        let a_piece = self.format.seconds_at_once() * self.bytes_per_second;
        head + (byte.saturating_sub(head) / a_piece + 1) * a_piece
    }

    /// Some of its bytes. Only the seconds that they come from are opened; one that is not there, or whose key was
    /// destroyed, is silent.
    async fn read(&self, bytes: Range<u64>) -> Result<Vec<u8>, RecorderError> {
        let head = self.head.len() as u64;
        let mut read: Vec<u8> = Vec::new();
        let of_head = bytes.start.min(head) as usize..bytes.end.min(head) as usize;
        read.extend(self.head.get(of_head).unwrap_or_default());
        let wanted = bytes.start.saturating_sub(head)..bytes.end.min(self.len()).saturating_sub(head);
        if wanted.is_empty() {
            return Ok(read);
        }
        let a_second = self.bytes_per_second;
        let first = (wanted.start / a_second) as u32;
        let last = wanted.end.div_ceil(a_second) as u32;
        let seconds = self.seconds.start + first..self.seconds.start + last;
        let sound = match self.format {
            Format::Wav => interleaved(&self.samples(seconds).await?),
            Format::Opus => self.encoded(seconds).await?,
        };
        let skipped = u64::from(first) * a_second;
        let place = (wanted.start - skipped) as usize..(wanted.end - skipped) as usize;
        read.extend(sound.get(place).unwrap_or_default());
        Ok(read)
    }

    /// As Opus: with the seconds beside them, as far as these are served, too.
    async fn encoded(&self, seconds: Range<u32>) -> Result<Vec<u8>, RecorderError> {
        let Range { start, end } = self.seconds;
        let around = seconds.start.saturating_sub(1).max(start)..(seconds.end + 1).min(end);
        let mut legs = self.samples(around.clone()).await?;
        for leg in &mut legs {
            if around.start == seconds.start {
                leg.splice(0..0, [0; SEGMENT_SAMPLES]);
            }
            if around.end == seconds.end {
                leg.extend([0; SEGMENT_SAMPLES]);
            }
        }
        let sound = OpusSound::new(self.legs.len(), self.seconds.len() as u32);
        let encoding = spawn_blocking(move || sound.seconds(seconds.start - start, &legs));
        encoding.await.map_err(no_sound)?.map_err(no_sound)
    }

    async fn samples(&self, seconds: Range<u32>) -> Result<Vec<Vec<i16>>, RecorderError> {
        let mut legs = Vec::new();
        for leg in &self.legs {
            let mut samples = vec![0; seconds.len() * SEGMENT_SAMPLES];
            for (second, plain) in self.reader.read_all(*leg, seconds.clone(), Kind::Audio).await? {
                let Some(plain) = plain else { continue };
                let sound = Segment::decode(&plain).map_err(no_sound)?;
                let from = second.saturating_sub(seconds.start) as usize * SEGMENT_SAMPLES;
                for (to, sample) in samples.iter_mut().skip(from).take(SEGMENT_SAMPLES).zip(sound.samples) {
                    *to = sample;
                }
            }
            silence(&mut samples, *leg, seconds.start.saturating_mul(1_000), &self.silenced);
            legs.push(samples);
        }
        Ok(legs)
    }
}

fn no_sound(why: impl Display) -> RecorderError {
    RecorderError::Audio(why.to_string())
}

/// As a WAV has them: a sample of each leg after the other, the low byte first.
fn interleaved(legs: &[Vec<i16>]) -> Vec<u8> {
    let samples = legs.iter().map(Vec::len).max().unwrap_or(0);
    let at = |i: usize| legs.iter().flat_map(move |leg| leg.get(i).copied().unwrap_or(0).to_le_bytes());
    (0..samples).flat_map(at).collect()
}

/// A second of a leg; none where its key was destroyed.
pub(crate) async fn opened(reader: &Reader, leg: u8, second: u32) -> Result<Option<Segment>, RecorderError> {
    let plain = match reader.read(leg, second, Kind::Audio).await {
        Err(VaultError::Shredded { .. }) => return Ok(None),
        plain => plain?,
    };
    Ok(Some(Segment::decode(&plain).map_err(no_sound)?))
}

fn silence(samples: &mut [i16], leg: u8, from_ms: Offset, silenced: &SpanSet) {
    for span in silenced.as_slice().iter().filter(|s| s.leg.is_none_or(|l| l == leg)) {
        let place = |ms: Offset| ms.saturating_sub(from_ms) as usize * SAMPLES_PER_MS as usize;
        let start = place(span.start.saturating_sub(MARGIN_MS)).min(samples.len());
        let end = place(span.end.saturating_add(MARGIN_MS)).min(samples.len());
        samples[start..end].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_silenced_with_its_margin_on_its_leg_only() {
        let spans: SpanSet = [Span { leg: Some(1), start: 1_500, end: 1_600 }].into_iter().collect();
        let (mut hit, mut other) = (vec![1; 16_000], vec![1; 16_000]);
        silence(&mut hit, 1, 1_000, &spans);
        silence(&mut other, 0, 1_000, &spans);
        assert_eq!(
            (hit.iter().position(|s| *s == 0), hit.iter().rposition(|s| *s == 0)),
            (Some(2_800), Some(5_999))
        );
        assert!(other.iter().all(|s| *s == 1));
    }
}
