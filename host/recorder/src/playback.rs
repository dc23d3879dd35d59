//! From sealed segments to what a listener hears. All of it in memory; nothing of it is written.

use caveat_audio::{SAMPLES_PER_MS, SEGMENT_SAMPLES, Segment, wav};
use caveat_model::{Offset, Span, SpanSet};
use caveat_vault::{Kind, Reader, VaultError};

use crate::RecorderError;

/// Sound for a listener.
#[derive(Clone)]
pub struct Playback {
    /// A WAV of 16 bits at 8,000 Hz with a channel per leg.
    pub wav: Vec<u8>,
}

/// Milliseconds that are silenced beyond each end of a span: a recognizer's times are not exact.
pub(crate) const MARGIN_MS: Offset = 150;

/// Opens the seconds that `span` touches (all, for none) and silences `silenced` in them. Legs are aligned to the sample;
/// a second that is not there, or whose key was destroyed, is silent.
pub(crate) async fn stereo(
    reader: &Reader,
    span: Option<Span>,
    silenced: &SpanSet,
    duration_ms: u64,
) -> Result<Playback, RecorderError> {
    let seconds = u32::try_from(duration_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
    let (first, last) = match span {
        Some(s) => (s.start / 1_000, s.end.div_ceil(1_000).min(seconds)),
        None => (0, seconds),
    };
    let there: std::collections::HashSet<(u8, u32)> = reader
        .frames()
        .filter(|f| f.segment.kind == Kind::Audio)
        .map(|f| (f.segment.leg, f.segment.index))
        .collect();
    let mut legs = Vec::new();
    for leg in reader.header().legs.iter().map(|l| l.leg) {
        let mut samples = Vec::with_capacity(last.saturating_sub(first) as usize * SEGMENT_SAMPLES);
        for second in first..last {
            let sealed = match there.contains(&(leg, second)) {
                true => opened(reader, leg, second).await?,
                false => None,
            };
            let silent = || vec![0; SEGMENT_SAMPLES];
            samples.extend(sealed.map_or_else(silent, |second| second.samples));
        }
        silence(&mut samples, leg, first * 1_000, silenced);
        legs.push(samples);
    }
    let wav = wav::of_legs(&legs).map_err(|e| RecorderError::Audio(e.to_string()))?;
    Ok(Playback { wav })
}

/// A second of a leg; none where its key was destroyed.
pub(crate) async fn opened(reader: &Reader, leg: u8, second: u32) -> Result<Option<Segment>, RecorderError> {
    let plain = match reader.read(leg, second, Kind::Audio).await {
        Err(VaultError::Shredded { .. }) => return Ok(None),
        plain => plain?,
    };
    Ok(Some(Segment::decode(&plain).map_err(|e| RecorderError::Audio(e.to_string()))?))
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
