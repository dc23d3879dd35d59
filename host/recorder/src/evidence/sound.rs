//! From the frames that are shown to what is heard of them.

use std::collections::BTreeMap;

use caveat_audio::{SEGMENT_SAMPLES, Segment as Sound, wav};
use caveat_model::{ClientId, Offset, RecordingId, Span};
use caveat_vault::{Disclosed, Disclosure, Header, Kind, Segment, VaultError};

use crate::playback::MARGIN_MS;

/// The sound of each leg and second that is shown.
pub(super) type Seconds = BTreeMap<(u8, u32), Vec<i16>>;

/// Opens what is shown, and the roots over the first `at` frames.
pub(super) fn open(
    client: &ClientId,
    id: RecordingId,
    disclosure: &Disclosure,
    at: &[u64],
) -> Result<(Disclosed, Result<Seconds, String>), VaultError> {
    let mut seconds = Ok(Seconds::new());
    let disclosed = disclosure.open(client, id, at, |segment, plain| {
        let Ok(heard) = &mut seconds else { return };
        let twice = || format!("{segment} is there twice");
        let decoded = match segment.kind {
            Kind::Audio => Sound::decode(plain).map_err(|e| e.to_string()),
            Kind::Waveform | Kind::Transcript => Err(format!("{segment} is shown, and only audio should be")),
        };
        let added = decoded.and_then(|sound| {
            heard.insert((segment.leg, segment.index), sound.samples).map_or(Ok(()), |_| Err(twice()))
        });
        if let Err(why) = added {
            seconds = Err(why);
        }
    })?;
    Ok((disclosed, seconds))
}

/// A WAV of the seconds from `first` to before `last`, a channel per leg; what is not shown is silent.
pub(super) fn wav(header: &Header, seconds: &Seconds, first: u32, last: u32) -> Result<Vec<u8>, String> {
    let leg = |leg: u8| -> Vec<i16> {
        let silent = [0; SEGMENT_SAMPLES];
        let second = |i| seconds.get(&(leg, i)).map_or(&silent[..], Vec::as_slice);
        (first..last).flat_map(|i| second(i).iter().copied()).collect()
    };
    let legs: Vec<Vec<i16>> = header.legs.iter().map(|l| leg(l.leg)).collect();
    wav::of_legs(&legs).map_err(|e| e.to_string())
}

/// Whether a second is shown: it lies in what was asked for, and no span that the rules hide comes near it. Where a part
/// of a second is hidden all of it is, because its key opens all of it.
pub(super) fn is_shown(segment: Segment, first: u32, last: u32, hidden: &[Span]) -> bool {
    let start = segment.index.saturating_mul(1_000);
    let end = start.saturating_add(1_000);
    let near = |span: &Span| {
        span.leg.is_none_or(|leg| leg == segment.leg)
            && span.start.saturating_sub(MARGIN_MS) < end
            && start < span.end.saturating_add(MARGIN_MS)
    };
    segment.kind == Kind::Audio && (first..last).contains(&segment.index) && !hidden.iter().any(near)
}

/// The whole seconds that a span touches; all of `duration_ms`, for none.
pub(super) fn seconds_of(span: Option<Span>, duration_ms: u64) -> (u32, u32) {
    let all = u32::try_from(duration_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
    let up = |ms: Offset| ms.div_ceil(1_000);
    span.map_or((0, all), |s| ((s.start / 1_000).min(all), up(s.end).min(all)))
}
