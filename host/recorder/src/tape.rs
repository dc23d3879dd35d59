//! The sound and the words of a running call until they may be sealed.

use std::{collections::BTreeMap, ops::Range};

use caveat_audio::{Gap, GapKind, Levels, Peaks, SAMPLE_RATE_HZ, Silence, Timeline};
use caveat_model::{Key, Offset, Span, SpanSet, Word};
use caveat_vault::{Codec, Kind, LegInfo};

use crate::{Frame, Limits, RecorderError, RecordingState};

/// A phone system that tells of a key does so this soon after it.
const TOLD_WITHIN_MS: Offset = 1_000;

/// A part of a call that may be sealed now.
pub(crate) struct Part {
    pub(crate) leg: u8,
    pub(crate) second: u32,
    pub(crate) kind: Kind,
    pub(crate) plain: Vec<u8>,
}

/// Gaps that are nobody's wish.
const NOTHING_ARRIVED: [GapKind; 3] = [GapKind::Loss, GapKind::Hold, GapKind::Quiet];

pub(crate) struct Tape {
    timeline: Timeline,
    words: Vec<Word>,
    /// Of what has been handed out to be sealed, by leg.
    levels: BTreeMap<u8, Levels>,
    /// Likewise. They are sealed with the end of the call, side by side, so that one read has them all.
    peaks: BTreeMap<u8, LegPeaks>,
    silence: Silence,
    purged: SpanSet,
    /// Set while a notice that is to be in the recording is ruled on.
    begins_at: Option<Offset>,
    ended: Option<Offset>,
    window_ms: u32,
}

impl Tape {
    pub(crate) fn new(limits: &Limits, silence: Silence, legs: impl IntoIterator<Item = u8>) -> Self {
        Self {
            timeline: Timeline::new(limits.late_window_ms, legs),
            words: vec![],
            levels: BTreeMap::new(),
            peaks: BTreeMap::new(),
            silence,
            purged: SpanSet::default(),
            begins_at: None,
            ended: None,
            window_ms: limits.late_window_ms,
        }
    }

    pub(crate) fn hear(&mut self, frame: &Frame) {
        if self.ended.is_none() {
            self.timeline.hear_voice(frame.leg, frame.voice, frame.at, &frame.samples);
        }
    }

    pub(crate) fn quiet(&mut self, leg: u8, stretch: Range<u64>) {
        if self.ended.is_none() {
            self.timeline.quiet(leg, stretch);
        }
    }

    /// Words are sealed with the second in which they began, unless they are purged before.
    pub(crate) fn words(&mut self, heard: &[Word]) {
        self.words.extend_from_slice(heard);
    }

    pub(crate) fn oldest(&self) -> Option<Offset> {
        Some(self.timeline.oldest())
    }

    pub(crate) fn may_begin_at(&mut self, from: Option<Offset>) {
        self.begins_at = from;
    }

    pub(crate) fn begins_at(&self) -> Option<Offset> {
        self.begins_at
    }

    /// How the legs sounded, as far as they were handed out to be sealed.
    pub(crate) fn levels(&self) -> &BTreeMap<u8, Levels> {
        &self.levels
    }

    /// Keep from here on.
    pub(crate) fn go(&mut self, from: Offset) {
        self.timeline.go(from);
    }

    /// Keep nothing from here on.
    pub(crate) fn stop(&mut self, from: Offset, rule: &str, state: RecordingState) {
        let kind = match state {
            RecordingState::NotRecorded => GapKind::NotAllowed,
            RecordingState::Suspended | RecordingState::Recording => GapKind::Pause,
        };
        self.timeline.stop(from, kind, rule);
    }

    /// Never keep these. Gives back what has left memory.
    pub(crate) fn purge(&mut self, spans: &[Span], rule: &str) -> Vec<Span> {
        self.purged = self.purged.union(&spans.iter().copied().collect());
        self.timeline.purge(spans, rule)
    }

    pub(crate) fn mask_keys(&mut self, from: Offset) {
        self.timeline.mask_keys(from);
    }

    /// The phone system tells of a key.
    pub(crate) fn key(&mut self, key: Key) {
        self.timeline.key(key);
    }

    /// Keys in the sound that nobody has told of, as far as whoever would tell had time to.
    pub(crate) fn heard_keys(&mut self, now: Offset) -> Vec<Key> {
        let until = self.ended.map_or(now, |end| end.min(now));
        self.timeline.heard_keys(until.saturating_sub(TOLD_WITHIN_MS))
    }

    pub(crate) fn hold(&mut self, leg: u8, from: Offset) {
        self.timeline.hold(leg, from);
    }

    pub(crate) fn unhold(&mut self, leg: u8, at: Offset) {
        self.timeline.unhold(leg, at);
    }

    /// Forgets all that is in memory.
    pub(crate) fn forget(&mut self) {
        self.timeline.forget();
        self.words.clear();
        self.levels.clear();
        self.peaks.clear();
    }

    /// Lets go of what nobody may keep.
    pub(crate) fn let_go(&mut self, now: Offset) {
        drop(self.take_ready(now));
        self.peaks.clear();
    }

    pub(crate) fn end(&mut self, at: Offset) {
        self.ended = Some(at);
    }

    /// When the call ended, if it has.
    pub(crate) fn ended(&self) -> Option<Offset> {
        self.ended
    }

    /// The call is about to end: what is heard late of it is waited for no longer than this.
    pub(crate) fn wait_no_longer(&mut self, than_ms: u32) {
        self.window_ms = self.window_ms.min(than_ms);
    }

    pub(crate) fn is_past_window(&self, now: Offset) -> bool {
        self.ended.is_none_or(|end| now >= end.saturating_add(self.window_ms))
    }

    pub(crate) fn leg_infos(&self) -> Vec<LegInfo> {
        let info = |leg| LegInfo { leg, sample_rate_hz: SAMPLE_RATE_HZ, codec: Codec::Pcmu };
        self.timeline.legs().map(info).collect()
    }

    /// What may be sealed at `now`; after the end of the call, nothing from beyond it.
    pub(crate) fn take_ready(&mut self, now: Offset) -> Result<Vec<Part>, RecorderError> {
        let now = self.ended.map_or(now, |end| now.min(end.saturating_add(self.window_ms)));
        let ready = self.timeline.take_ready(now);
        self.parts(ready)
    }

    /// All that is left.
    pub(crate) fn take_all(&mut self) -> Result<Vec<Part>, RecorderError> {
        let ready = self.timeline.take_all(self.ended.unwrap_or(0));
        self.parts(ready)
    }

    /// The peaks of all that was handed out, leg after leg.
    pub(crate) fn take_peaks(&mut self) -> Vec<Part> {
        let part = |leg, second, plain| Part { leg, second, kind: Kind::Waveform, plain };
        let legs = std::mem::take(&mut self.peaks).into_iter();
        legs.flat_map(|(leg, peaks)| {
            peaks.seconds().map(|(n, plain)| part(leg, n, plain)).collect::<Vec<_>>()
        })
        .collect()
    }

    fn parts(&mut self, ready: Vec<caveat_audio::Ready>) -> Result<Vec<Part>, RecorderError> {
        let mut parts = Vec::with_capacity(ready.len());
        for caveat_audio::Ready { leg, second, segment } in ready {
            let (from, until) = (second * 1_000, second * 1_000 + 1_000);
            let (said, later): (Vec<Word>, Vec<Word>) =
                self.words.drain(..).partition(|w| w.leg == leg && w.start < until);
            self.words = later;
            // A word in a gap was not allowed either, whatever the reason of the gap.
            let allowed = |w: &&Word| {
                let at = |ms: Offset| ms.clamp(from, until).saturating_sub(from) * 8;
                let (start, end) = (at(w.start), at(w.end));
                let in_gap = segment.gaps.iter().any(|g| {
                    !NOTHING_ARRIVED.contains(&g.kind) && u32::from(g.start) < end && start < u32::from(g.end)
                });
                let span = Span { leg: Some(leg), start: w.start, end: w.end };
                w.start >= from && !in_gap && !self.purged.overlaps(&span)
            };
            let kept: Vec<&Word> = said.iter().filter(allowed).collect();
            if !kept.is_empty() {
                let plain = serde_json::to_vec(&kept).map_err(|e| RecorderError::Audio(e.to_string()))?;
                parts.push(Part { leg, second, kind: Kind::Transcript, plain });
            }
            count_gaps(&segment.gaps);
            self.levels.entry(leg).or_default().count(second, &segment, self.silence);
            self.peaks.entry(leg).or_default().push(second, &Peaks::of(&segment).encode());
            parts.push(Part { leg, second, kind: Kind::Audio, plain: segment.encode() });
        }
        Ok(parts)
    }
}

/// The peaks of a leg, one second's behind the other's: a call may last for hours, and holds them all.
#[derive(Default)]
struct LegPeaks {
    bytes: Vec<u8>,
    /// Each second, and where its bytes end.
    ends: Vec<(u32, u32)>,
}

impl LegPeaks {
    fn push(&mut self, second: u32, peaks: &[u8]) {
        self.bytes.extend_from_slice(peaks);
        self.ends.push((second, self.bytes.len() as u32));
    }

    /// In the order in which they came.
    fn seconds(&self) -> impl Iterator<Item = (u32, Vec<u8>)> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let bytes =
            |start: u32, end: u32| self.bytes.get(start as usize..end as usize).unwrap_or_default().to_vec();
        starts.zip(&self.ends).map(move |(start, (second, end))| (*second, bytes(start, *end)))
    }
}

/// Counts what a second leaves out, in milliseconds, by the kind of the gap.
fn count_gaps(gaps: &[Gap]) {
    for gap in gaps {
        let samples = u64::from(gap.end.saturating_sub(gap.start));
        let ms = samples * 1_000 / u64::from(SAMPLE_RATE_HZ);
        metrics::counter!("caveat_gap_milliseconds_total", "kind" => gap.kind.name()).increment(ms);
    }
}
