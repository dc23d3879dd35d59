//! From the frames that are shown to what is heard and said in them.

use std::collections::BTreeMap;

use caveat_audio::{SEGMENT_SAMPLES, Segment as Sound, wav};
use caveat_model::{ClientId, Offset, RecordingId, Span, Word};
use caveat_vault::{Disclosed, Disclosure, Header, Kind, Segment, VaultError};

use crate::playback::MARGIN_MS;

/// What is shown, by leg and second.
#[derive(Default)]
pub(super) struct Seconds {
    sound: BTreeMap<(u8, u32), Vec<i16>>,
    words: BTreeMap<(u8, u32), Vec<Word>>,
}

impl Seconds {
    fn add(&mut self, segment: Segment, plain: &[u8]) -> Result<(), String> {
        let at = (segment.leg, segment.index);
        let is_new = match segment.kind {
            Kind::Audio => {
                let sound = Sound::decode(plain).map_err(|e| e.to_string())?;
                self.sound.insert(at, sound.samples).is_none()
            }
            Kind::Transcript => {
                let words = serde_json::from_slice(plain).map_err(|e| format!("{segment}: {e}"))?;
                self.words.insert(at, words).is_none()
            }
            Kind::Waveform => return Err(format!("{segment} is shown, and no waveform should be")),
        };
        if is_new { Ok(()) } else { Err(format!("{segment} is there twice")) }
    }

    /// All that is said, by leg and then by second.
    pub(super) fn words(&self) -> Vec<&Word> {
        self.words.values().flatten().collect()
    }

    /// Whether all of it lies in what was asked for, and nothing of it is hidden.
    pub(super) fn may_be_shown(&self, first: u32, last: u32, hidden: &[Span]) -> bool {
        let in_place = |&(leg, second): &(u8, u32)| is_shown((leg, second), first, last, hidden);
        let sayable = |((leg, second), words): (&(u8, u32), &Vec<Word>)| {
            words.iter().all(|w| w.start / 1_000 == *second) && is_sayable(*leg, words, hidden)
        };
        self.sound.keys().chain(self.words.keys()).all(in_place) && self.words.iter().all(sayable)
    }
}

/// Opens what is shown, and the roots over the first `at` frames.
pub(super) fn open(
    client: &ClientId,
    id: RecordingId,
    disclosure: &Disclosure,
    at: &[u64],
) -> Result<(Disclosed, Result<Seconds, String>), VaultError> {
    let mut seconds = Ok(Seconds::default());
    let disclosed = disclosure.open(client, id, at, |segment, plain| {
        if let Ok(shown) = &mut seconds
            && let Err(why) = shown.add(segment, plain)
        {
            seconds = Err(why);
        }
    })?;
    Ok((disclosed, seconds))
}

/// A WAV of the seconds from `first` to before `last`, a channel per leg; what is not shown is silent.
pub(super) fn wav(header: &Header, seconds: &Seconds, first: u32, last: u32) -> Result<Vec<u8>, String> {
    let leg = |leg: u8| -> Vec<i16> {
        let silent = [0; SEGMENT_SAMPLES];
        let second = |i| seconds.sound.get(&(leg, i)).map_or(&silent[..], Vec::as_slice);
        (first..last).flat_map(|i| second(i).iter().copied()).collect()
    };
    let legs: Vec<Vec<i16>> = header.legs.iter().map(|l| leg(l.leg)).collect();
    wav::of_legs(&legs).map_err(|e| e.to_string())
}

/// Whether a second of a leg is shown: it lies in what was asked for, and no span that the rules hide comes near it. Where a
/// part of a second is hidden all of it is, because its key opens all of it.
pub(super) fn is_shown((leg, second): (u8, u32), first: u32, last: u32, hidden: &[Span]) -> bool {
    let start = second.saturating_mul(1_000);
    (first..last).contains(&second) && !is_near(leg, start, start.saturating_add(1_000), hidden)
}

/// Whether the words that begin in a second may be shown with it: one may last into what is hidden.
pub(super) fn is_sayable(leg: u8, words: &[Word], hidden: &[Span]) -> bool {
    words.iter().all(|word| word.leg == leg && !is_near(leg, word.start, word.end, hidden))
}

fn is_near(leg: u8, start: Offset, end: Offset, hidden: &[Span]) -> bool {
    hidden.iter().any(|span| {
        span.leg.is_none_or(|of| of == leg)
            && span.start.saturating_sub(MARGIN_MS) < end
            && start < span.end.saturating_add(MARGIN_MS)
    })
}

/// The whole seconds that a span touches; all of `duration_ms`, for none.
pub(super) fn seconds_of(span: Option<Span>, duration_ms: u64) -> (u32, u32) {
    let all = u32::try_from(duration_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
    let up = |ms: Offset| ms.div_ceil(1_000);
    span.map_or((0, all), |s| ((s.start / 1_000).min(all), up(s.end).min(all)))
}
