//! The last seconds of a call, in memory, on the wall clock.
//!
//! Audio waits here for one window before it may be sealed. Until then a ruling on what was heard late (a spoken
//! verification code) still drops the samples; what leaves is final. A pause, a loss, a removal is a typed gap of its true
//! length, so that legs stay aligned to the sample.

use std::collections::{BTreeMap, VecDeque};

use caveat_model::{Offset, Span};

use crate::{Gap, GapKind, SAMPLES_PER_MS, SEGMENT_SAMPLES, Segment, dtmf};

/// Whether audio from some point on is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// It is.
    Yes,
    /// It is not, for this reason and by this rule.
    No(GapKind, String),
}

/// A second that leaves memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Of which leg.
    pub leg: u8,
    /// Which second since the call began.
    pub second: u32,
    /// Its content.
    pub segment: Segment,
}

/// A call's legs in memory. Offsets are milliseconds since the call began.
#[derive(Debug)]
pub struct Timeline {
    window_ms: u32,
    legs: BTreeMap<u8, Leg>,
    /// From when on what holds; sorted, the first at 0.
    changes: Vec<(Offset, Keep)>,
    /// Never kept, with the rule.
    purges: Vec<(Span, String)>,
    /// From when on keyed tones are silenced.
    mask_from: Option<Offset>,
    /// The first second that has not left memory.
    next: u32,
}

#[derive(Debug, Default)]
struct Leg {
    /// Seconds from [`Timeline::next`] on.
    seconds: VecDeque<Second>,
    /// Whether a key sounded at the end of the second that left last.
    keyed_before: bool,
}

#[derive(Debug, Clone)]
struct Second {
    samples: Vec<i16>,
    arrived: Vec<bool>,
}

impl Default for Second {
    fn default() -> Self {
        Self { samples: vec![0; SEGMENT_SAMPLES], arrived: vec![false; SEGMENT_SAMPLES] }
    }
}

impl Timeline {
    /// Nothing is kept yet. Sound waits for `window_ms` before it leaves.
    pub fn new(window_ms: u32, legs: impl IntoIterator<Item = u8>) -> Self {
        let nothing = Keep::No(GapKind::NotAllowed, String::new());
        Self {
            window_ms,
            legs: legs.into_iter().map(|leg| (leg, Leg::default())).collect(),
            changes: vec![(0, nothing)],
            purges: vec![],
            mask_from: None,
            next: 0,
        }
    }

    /// The legs, in order.
    pub fn legs(&self) -> impl Iterator<Item = u8> + '_ {
        self.legs.keys().copied()
    }

    /// The earliest sound that can still be kept.
    pub fn oldest(&self) -> Offset {
        self.next.saturating_mul(1_000)
    }

    /// Sound arrives; `at` counts samples since the call began. What is too late, or more than two windows ahead, is lost;
    /// so is a leg that was not announced.
    pub fn hear(&mut self, leg: u8, at: u64, samples: &[i16]) {
        let Some(leg) = self.legs.get_mut(&leg) else { return };
        let first = u64::from(self.next) * SEGMENT_SAMPLES as u64;
        let ahead = u64::from(self.window_ms) * 2 * u64::from(SAMPLES_PER_MS) + 10 * SEGMENT_SAMPLES as u64;
        for (i, sample) in samples.iter().enumerate() {
            let Some(place) = at.saturating_add(i as u64).checked_sub(first) else { continue };
            if place >= ahead {
                return;
            }
            let (second, within) = (place as usize / SEGMENT_SAMPLES, place as usize % SEGMENT_SAMPLES);
            if leg.seconds.len() <= second {
                leg.seconds.resize_with(second + 1, Second::default);
            }
            leg.seconds[second].samples[within] = *sample;
            leg.seconds[second].arrived[within] = true;
        }
    }

    /// From `from` on nothing is kept. It overrides whatever was said of the time after.
    pub fn stop(&mut self, from: Offset, kind: GapKind, rule: &str) {
        let no = Keep::No(kind, rule.to_owned());
        if let Some((at, Keep::No(..))) = self.changes.last()
            && *at <= from
            && self.changes.last().is_some_and(|(_, keep)| *keep == no)
        {
            return;
        }
        self.change(from, no);
    }

    /// From `from` on sound is kept; not before the last stop, which some verdict asked for.
    pub fn go(&mut self, from: Offset) {
        match self.changes.last() {
            Some((_, Keep::Yes)) => {}
            Some((stopped, _)) => self.change(from.max(*stopped), Keep::Yes),
            None => self.change(from, Keep::Yes),
        }
    }

    fn change(&mut self, from: Offset, keep: Keep) {
        self.changes.retain(|(at, _)| *at < from);
        self.changes.push((from, keep));
    }

    /// Whether sound is kept at the end of what is known.
    pub fn keeps(&self) -> bool {
        matches!(self.changes.last(), Some((_, Keep::Yes)))
    }

    /// Never keep this. Gives back what has left memory already.
    pub fn purge(&mut self, spans: &[Span], rule: &str) -> Vec<Span> {
        let oldest = self.oldest();
        self.purges.extend(spans.iter().map(|span| (*span, rule.to_owned())));
        spans
            .iter()
            .filter(|span| span.start < oldest)
            .map(|span| Span { end: span.end.min(oldest), ..*span })
            .collect()
    }

    /// Silence keyed tones from `from` on.
    pub fn mask_keys(&mut self, from: Offset) {
        self.mask_from = Some(self.mask_from.map_or(from, |f| f.min(from)));
    }

    /// Forgets all sound so far.
    pub fn forget(&mut self) {
        for leg in self.legs.values_mut() {
            for second in &mut leg.seconds {
                *second = Second::default();
            }
        }
    }

    /// The seconds whose window has passed at `now`. They leave memory.
    pub fn take_ready(&mut self, now: Offset) -> Vec<Ready> {
        let mut ready = Vec::new();
        while self.is_due(now) {
            ready.extend(self.take_second());
        }
        ready
    }

    /// Everything up to `end`, whether its window has passed or not.
    pub fn take_all(&mut self, end: Offset) -> Vec<Ready> {
        let mut ready = Vec::new();
        while self.oldest() < end {
            ready.extend(self.take_second());
        }
        ready
    }

    fn is_due(&self, now: Offset) -> bool {
        u64::from(self.oldest()) + 1_000 + u64::from(self.window_ms) <= u64::from(now)
    }

    fn take_second(&mut self) -> Vec<Ready> {
        let second = self.next;
        let legs: Vec<u8> = self.legs().collect();
        let ready = legs.into_iter().map(|leg| Ready { leg, second, segment: self.segment(leg) }).collect();
        for leg in self.legs.values_mut() {
            let left = leg.seconds.pop_front();
            let tail = left.as_ref().map_or(&[][..], |s| &s.samples[SEGMENT_SAMPLES - dtmf::BLOCK..]);
            leg.keyed_before = dtmf::detect(tail).is_some();
        }
        self.next += 1;
        let oldest = self.oldest();
        self.purges.retain(|(span, _)| span.end > oldest);
        while self.changes.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.changes.remove(0);
        }
        ready
    }

    /// The next second of a leg, as it may be kept.
    fn segment(&self, leg: u8) -> Segment {
        let kept = self.legs.get(&leg).and_then(|l| l.seconds.front()).cloned().unwrap_or_default();
        let Second { mut samples, arrived } = kept;
        let mut why: Vec<Option<usize>> = vec![None; SEGMENT_SAMPLES];
        let mut reasons: Vec<(GapKind, &str)> = vec![(GapKind::Loss, "")];
        for (i, arrived) in arrived.iter().enumerate() {
            if !arrived {
                why[i] = Some(0);
            }
        }
        for block in self.keyed_blocks(leg) {
            reasons.push((GapKind::KeysMasked, "mask-keys"));
            why[block].fill(Some(reasons.len() - 1));
        }
        for (i, (at, keep)) in self.changes.iter().enumerate() {
            let until = self.changes.get(i + 1).map_or(Offset::MAX, |(next, _)| *next);
            if let Keep::No(kind, rule) = keep {
                reasons.push((*kind, rule));
                why[self.within(*at, until)].fill(Some(reasons.len() - 1));
            }
        }
        for (span, rule) in self.purges.iter().filter(|(span, _)| span.leg.is_none_or(|l| l == leg)) {
            reasons.push((GapKind::Purged, rule));
            why[self.within(span.start, span.end)].fill(Some(reasons.len() - 1));
        }
        for (sample, why) in samples.iter_mut().zip(&why) {
            if why.is_some() {
                *sample = 0;
            }
        }
        Segment { gaps: gaps(&why, &reasons), samples }
    }

    /// Which samples of the next second lie between two offsets.
    fn within(&self, from: Offset, until: Offset) -> std::ops::Range<usize> {
        let first = u64::from(self.oldest());
        let place = |at: Offset| {
            let ms = u64::from(at).saturating_sub(first);
            (ms * u64::from(SAMPLES_PER_MS)).min(SEGMENT_SAMPLES as u64) as usize
        };
        place(from)..place(until)
    }

    /// Blocks of the next second in which a key sounds, or is about to, or has just: edges give digits away too.
    fn keyed_blocks(&self, leg: u8) -> Vec<std::ops::Range<usize>> {
        let Some(from) = self.mask_from else { return vec![] };
        let Some(leg) = self.legs.get(&leg) else { return vec![] };
        let mut seconds = leg.seconds.iter();
        let (Some(this), after) = (seconds.next(), seconds.next()) else { return vec![] };
        let following = after.map_or(&[][..], |s| &s.samples[..dtmf::BLOCK]);
        let sound = [this.samples.as_slice(), following].concat();
        let keyed: Vec<bool> = sound.chunks(dtmf::BLOCK).map(|b| dtmf::detect(b).is_some()).collect();
        let begins = self.within(from, Offset::MAX).start;
        (0..SEGMENT_SAMPLES / dtmf::BLOCK)
            .filter(|i| {
                let near = &keyed[i.saturating_sub(1)..=(i + 1).min(keyed.len() - 1)];
                near.contains(&true) || (*i == 0 && leg.keyed_before)
            })
            .map(|i| (i * dtmf::BLOCK).max(begins)..(i + 1) * dtmf::BLOCK)
            .filter(|r| r.start < r.end)
            .collect()
    }
}

fn gaps(why: &[Option<usize>], reasons: &[(GapKind, &str)]) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for (i, why) in why.iter().enumerate() {
        let Some((kind, rule)) = why.and_then(|w| reasons.get(w)) else { continue };
        match gaps.last_mut() {
            Some(gap) if usize::from(gap.end) == i && gap.kind == *kind && gap.rule == *rule => gap.end += 1,
            _ => gaps.push(Gap { kind: *kind, start: i as u16, end: i as u16 + 1, rule: (*rule).to_owned() }),
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const WINDOW: u32 = 3_000;

    /// Both legs hear a ramp that names its own place, in frames of 20 ms.
    fn heard(seconds: u32) -> Timeline {
        let mut timeline = Timeline::new(WINDOW, [0, 1]);
        timeline.go(0);
        for frame in 0..seconds * 50 {
            let samples: Vec<i16> = (0..160).map(|i| ((frame * 160 + i) % 30_000) as i16 + 1).collect();
            timeline.hear(0, u64::from(frame) * 160, &samples);
            timeline.hear(1, u64::from(frame) * 160, &samples);
        }
        timeline
    }

    fn all(timeline: &mut Timeline, leg: u8, seconds: u32) -> Vec<i16> {
        let ready = timeline.take_all(seconds * 1_000);
        ready.into_iter().filter(|r| r.leg == leg).flat_map(|r| r.segment.samples).collect()
    }

    #[test]
    fn nothing_leaves_before_its_window_has_passed() {
        let mut timeline = heard(6);
        assert!(timeline.take_ready(3_999).is_empty());
        assert_eq!(timeline.take_ready(4_000).len(), 2);
        assert_eq!(timeline.oldest(), 1_000);
    }

    #[test]
    fn pause_loss_and_purge_have_their_true_length() {
        let mut timeline = heard(5);
        timeline.stop(1_500, GapKind::Pause, "pci.pause-card-entry");
        timeline.go(2_250);
        let late = timeline.purge(&[Span { leg: Some(1), start: 3_100, end: 3_300 }], "pci.code");
        assert!(late.is_empty());
        let ready = timeline.take_all(5_000);
        let of = |leg, second| &ready.iter().find(|r| r.leg == leg && r.second == second).unwrap().segment;
        let gap = |kind, start, end, rule: &str| Gap { kind, start, end, rule: rule.into() };
        assert_eq!(of(0, 1).gaps, [gap(GapKind::Pause, 4_000, 8_000, "pci.pause-card-entry")]);
        assert_eq!(of(0, 2).gaps, [gap(GapKind::Pause, 0, 2_000, "pci.pause-card-entry")]);
        assert_eq!(of(1, 3).gaps, [gap(GapKind::Purged, 800, 2_400, "pci.code")]);
        assert!(of(0, 3).gaps.is_empty());
        // After all of that, what is kept still stands where it was said.
        for leg in [0, 1] {
            for (i, sample) in of(leg, 4).samples.iter().enumerate() {
                assert_eq!(*sample, ((4 * 8_000 + i) % 30_000) as i16 + 1);
            }
        }
    }

    #[test]
    fn what_is_purged_in_time_leaves_no_trace() {
        let mut timeline = heard(4);
        timeline.purge(&[Span { leg: None, start: 1_000, end: 2_000 }], "r");
        let samples = all(&mut timeline, 0, 4);
        assert!(samples[8_000..16_000].iter().all(|s| *s == 0));
        assert!(samples[..8_000].iter().all(|s| *s != 0));
    }

    #[test]
    fn what_is_purged_too_late_is_given_back() {
        let mut timeline = heard(8);
        assert_eq!(timeline.take_ready(5_500).len(), 4);
        let span = Span { leg: Some(0), start: 1_200, end: 3_000 };
        assert_eq!(timeline.purge(&[span], "r"), [Span { end: 2_000, ..span }]);
    }

    #[test]
    fn a_purge_covers_what_arrives_after_it() {
        let mut timeline = Timeline::new(WINDOW, [0]);
        timeline.go(0);
        timeline.purge(&[Span { leg: Some(0), start: 0, end: 500 }], "r");
        timeline.hear(0, 0, &[9; 8_000]);
        let samples = all(&mut timeline, 0, 1);
        assert_eq!(samples.iter().position(|s| *s != 0), Some(4_000));
    }

    #[test]
    fn a_stop_in_the_past_drops_what_is_still_in_memory() {
        let mut timeline = heard(5);
        timeline.stop(2_000, GapKind::NotAllowed, "consent.all-party");
        assert!(!timeline.keeps());
        let samples = all(&mut timeline, 1, 5);
        assert!(samples[16_000..].iter().all(|s| *s == 0));
    }

    #[test]
    fn recording_begins_with_a_notice_that_is_still_in_memory() {
        let mut timeline = heard(3);
        timeline.stop(0, GapKind::NotAllowed, "r");
        timeline.go(1_000);
        let samples = all(&mut timeline, 0, 3);
        assert!(samples[..8_000].iter().all(|s| *s == 0) && samples[8_000..].iter().all(|s| *s != 0));
    }

    #[test]
    fn no_key_survives_masking_and_speech_around_it_does() {
        let mut timeline = Timeline::new(WINDOW, [0]);
        timeline.go(0);
        timeline.mask_keys(0);
        let mut state = 7u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16 / 8
        });
        let mut sound: Vec<i16> = noise.take(24_000).collect();
        // Across a boundary of seconds and of blocks; and one that ends just behind a boundary.
        sound[7_950..9_100].copy_from_slice(&dtmf::tone('7', 1_150));
        sound[15_040..16_064].copy_from_slice(&dtmf::tone('7', 1_024));
        timeline.hear(0, 0, &sound);
        let kept = all(&mut timeline, 0, 3);
        assert!(kept.windows(dtmf::BLOCK).step_by(40).all(|b| dtmf::detect(b) != Some('7')));
        assert!(kept[16_000..16_064].iter().all(|s| *s == 0));
        assert!(kept[..7_600] == sound[..7_600] && kept[9_600..14_700] == sound[9_600..14_700]);
        assert!(kept[16_500..] == sound[16_500..]);
    }

    #[test]
    fn duplicates_disorder_and_nonsense_are_borne() {
        let mut timeline = Timeline::new(WINDOW, [0]);
        timeline.go(0);
        timeline.hear(0, 4_000, &[2; 4_000]);
        timeline.hear(0, 0, &[1; 4_000]);
        timeline.hear(0, 0, &[1; 4_000]);
        timeline.hear(7, 0, &[5; 100]);
        timeline.hear(0, u64::MAX, &[5; 100]);
        let samples = all(&mut timeline, 0, 1);
        assert!(samples[..4_000].iter().all(|s| *s == 1) && samples[4_000..].iter().all(|s| *s == 2));
    }
}
