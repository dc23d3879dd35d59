//! The last seconds of a call, in memory, on the wall clock.
//!
//! Audio waits here for one window before it may be sealed. Until then a ruling on what was heard late (a spoken
//! verification code) still drops the samples; what leaves is final. A pause, a loss, a removal is a typed gap of its true
//! length, so that legs stay aligned to the sample.

mod arrived;
mod keyed;
mod second;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use caveat_model::{Key, Offset, Span};

use crate::{Gap, GapKind, SAMPLES_PER_MS, SEGMENT_SAMPLES, Segment};

use arrived::Arrived;
use keyed::Keyed;
use second::Second;

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
    /// Legs on hold: from when until when.
    holds: Vec<(u8, Offset, Offset)>,
    /// Legs on which nobody spoke, so that nothing was sent: from when until when, in samples since the call began.
    quiet: Vec<(u8, u64, u64)>,
    /// What was keyed, and whether it is to be silenced.
    keyed: Keyed,
    /// The first second that has not left memory.
    next: u32,
}

#[derive(Debug, Default)]
struct Leg {
    /// Seconds from [`Timeline::next`] on.
    seconds: VecDeque<Second>,
    /// The end of what has left: a key that began there may go on.
    tail: Vec<i16>,
    /// Up to where sound has arrived, in samples since the call began.
    arrived_to: u64,
}

/// Stretches in which nobody spoke that are remembered: more than there can be packets in any window.
const QUIET_MAX: usize = 4_096;

/// A stretch of a second, in samples of it, that is not kept: why, and by which rule.
type Against<'a> = (Range<usize>, GapKind, &'a str);

impl Timeline {
    /// Nothing is kept yet. Sound waits for `window_ms` before it leaves.
    pub fn new(window_ms: u32, legs: impl IntoIterator<Item = u8>) -> Self {
        let nothing = Keep::No(GapKind::NotAllowed, String::new());
        Self {
            window_ms,
            legs: legs.into_iter().map(|leg| (leg, Leg::default())).collect(),
            changes: vec![(0, nothing)],
            purges: vec![],
            holds: vec![],
            quiet: vec![],
            keyed: Keyed::default(),
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
        self.hear_voice(leg, 0, at, samples);
    }

    /// Sound of one of several that speak on the same leg. Another sound of the same voice at the same place is put in its
    /// stead; that of other voices is heard with it.
    pub fn hear_voice(&mut self, leg: u8, voice: u8, at: u64, samples: &[i16]) {
        let Some(leg) = self.legs.get_mut(&leg) else { return };
        let first = u64::from(self.next) * SEGMENT_SAMPLES as u64;
        let ahead = u64::from(self.window_ms) * 2 * u64::from(SAMPLES_PER_MS) + 10 * SEGMENT_SAMPLES as u64;
        let too_late = first.saturating_sub(at).min(samples.len() as u64);
        let (mut place, mut rest) = (at.max(first) - first, &samples[too_late as usize..]);
        // A second at a time: what falls into it is copied as a whole.
        while place < ahead && !rest.is_empty() {
            let (second, within) = (place as usize / SEGMENT_SAMPLES, place as usize % SEGMENT_SAMPLES);
            if leg.seconds.len() <= second {
                leg.seconds.resize_with(second + 1, Second::default);
            }
            let room = (SEGMENT_SAMPLES - within).min((ahead - place) as usize);
            let (now, later) = rest.split_at(room.min(rest.len()));
            leg.seconds[second].hear(voice, within, now);
            place += now.len() as u64;
            leg.arrived_to = leg.arrived_to.max(first + place);
            rest = later;
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

    /// Silence keyed tones from `from` on; one that sounds at `from`, from its beginning.
    pub fn mask_keys(&mut self, from: Offset) {
        self.keyed.mask(from);
    }

    /// A key was pressed, as the phone system tells it (RFC 4733, or a protocol's own message). Where keys are silenced,
    /// its span is, whatever is heard in it.
    pub fn key(&mut self, key: Key) {
        self.keyed.told(key);
    }

    /// Keys that are heard in the sound itself up to `until`, and that nobody has told of. Each is given once.
    pub fn heard_keys(&mut self, until: Offset) -> Vec<Key> {
        self.keyed.heard(&self.legs, self.next, until)
    }

    /// A leg is on hold from here: what does not arrive is no loss.
    pub fn hold(&mut self, leg: u8, from: Offset) {
        if !self.holds.iter().any(|(l, _, until)| *l == leg && *until == Offset::MAX) {
            self.holds.push((leg, from, Offset::MAX));
        }
    }

    /// A leg is off hold from here.
    pub fn unhold(&mut self, leg: u8, at: Offset) {
        for (_, _, until) in self.holds.iter_mut().filter(|(l, ..)| *l == leg) {
            *until = at.min(*until);
        }
    }

    /// Nobody spoke on a leg in this stretch, in samples since the call began, so that nothing was sent: what does not arrive
    /// of it is no loss. The end of one that goes on is not known yet (`u64::MAX`); it is given later, with the same beginning.
    pub fn quiet(&mut self, leg: u8, stretch: Range<u64>) {
        let Range { start, end } = stretch;
        match self.quiet.iter().position(|(l, from, _)| (*l, *from) == (leg, start)) {
            Some(known) => self.quiet[known].2 = end,
            None if self.quiet.len() < QUIET_MAX => self.quiet.push((leg, start, end)),
            None => {}
        }
    }

    /// Forgets all sound so far.
    pub fn forget(&mut self) {
        for leg in self.legs.values_mut() {
            leg.tail.clear();
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
        let mut keyed = self.keyed.stretches(second, &self.legs);
        let masks = self.keyed.masks();
        let mut left = Vec::with_capacity(self.legs.len());
        for (number, leg) in &mut self.legs {
            let second = leg.seconds.pop_front();
            leg.tail = match second.as_ref().filter(|_| masks) {
                Some(second) => second.sound()[SEGMENT_SAMPLES - keyed::CONTEXT..].to_vec(),
                None => vec![],
            };
            left.push((*number, second.unwrap_or_default()));
        }
        let mut segment =
            |leg: u8, sound: Second| self.segment(leg, sound, keyed.remove(&leg).unwrap_or_default());
        let ready = left
            .into_iter()
            .map(|(leg, sound)| Ready { leg, second, segment: segment(leg, sound) })
            .collect();
        self.next += 1;
        let oldest = self.oldest();
        self.purges.retain(|(span, _)| span.end > oldest);
        self.holds.retain(|(_, _, until)| *until > oldest);
        self.quiet.retain(|(_, _, until)| *until > u64::from(oldest) * u64::from(SAMPLES_PER_MS));
        self.keyed.forget_before(oldest);
        while self.changes.get(1).is_some_and(|(at, _)| *at <= oldest) {
            self.changes.remove(0);
        }
        ready
    }

    /// The next second of a leg, as it may be kept.
    fn segment(&self, leg: u8, sound: Second, keyed: Vec<Range<usize>>) -> Segment {
        let (mut samples, arrived) = sound.into_parts();
        let gaps = gaps(&self.against(leg, &arrived, keyed));
        for gap in &gaps {
            samples[usize::from(gap.start)..usize::from(gap.end)].fill(0);
        }
        Segment { gaps, samples }
    }

    /// What stands against keeping stretches of the next second; the last that covers a sample counts.
    fn against<'a>(&'a self, leg: u8, arrived: &Arrived, keyed: Vec<Range<usize>>) -> Vec<Against<'a>> {
        let mut against: Vec<Against<'a>> = Vec::new();
        let held = self.holds.iter().filter(|(l, ..)| *l == leg);
        let held: Vec<_> = held.map(|(_, from, until)| self.within(*from, *until)).collect();
        let quiet = self.quiet.iter().filter(|(l, ..)| *l == leg);
        let quiet: Vec<_> = quiet.map(|(_, from, until)| self.samples_within(*from, *until)).collect();
        for missing in arrived.missing(SEGMENT_SAMPLES) {
            let of = |stretch: &Range<usize>| stretch.start.max(missing.start)..stretch.end.min(missing.end);
            against.push((missing.clone(), GapKind::Loss, ""));
            against.extend(quiet.iter().map(|stretch| (of(stretch), GapKind::Quiet, "")));
            against.extend(held.iter().map(|stretch| (of(stretch), GapKind::Hold, "")));
        }
        against.extend(keyed.into_iter().map(|stretch| (stretch, GapKind::KeysMasked, "mask-keys")));
        for (i, (at, keep)) in self.changes.iter().enumerate() {
            let until = self.changes.get(i + 1).map_or(Offset::MAX, |(next, _)| *next);
            if let Keep::No(kind, rule) = keep {
                against.push((self.within(*at, until), *kind, rule));
            }
        }
        for (span, rule) in self.purges.iter().filter(|(span, _)| span.leg.is_none_or(|l| l == leg)) {
            against.push((self.within(span.start, span.end), GapKind::Purged, rule));
        }
        against.retain(|(stretch, ..)| !stretch.is_empty());
        against
    }

    /// Which samples of the next second lie between two offsets.
    fn within(&self, from: Offset, until: Offset) -> Range<usize> {
        let samples = |at: Offset| u64::from(at) * u64::from(SAMPLES_PER_MS);
        self.samples_within(samples(from), samples(until))
    }

    /// Likewise, of samples since the call began.
    fn samples_within(&self, from: u64, until: u64) -> Range<usize> {
        let first = u64::from(self.oldest()) * u64::from(SAMPLES_PER_MS);
        let place = |at: u64| at.saturating_sub(first).min(SEGMENT_SAMPLES as u64) as usize;
        place(from)..place(until)
    }
}

/// Runs of the same reason.
fn gaps(against: &[Against<'_>]) -> Vec<Gap> {
    // Most seconds are whole, and nothing stands against any of it.
    if against.is_empty() {
        return vec![];
    }
    // 0 where nothing stands against a sample, or the number of the last reason that does.
    let mut why = vec![0u32; SEGMENT_SAMPLES];
    for (number, (stretch, ..)) in (1..).zip(against) {
        why[stretch.clone()].fill(number);
    }
    let mut gaps: Vec<Gap> = Vec::new();
    let mut end = 0;
    for run in why.chunk_by(|a, b| a == b) {
        let start = end;
        end += run.len() as u16;
        let reason = (run[0] as usize).checked_sub(1).and_then(|number| against.get(number));
        let Some((_, kind, rule)) = reason else { continue };
        match gaps.last_mut() {
            Some(gap) if gap.end == start && gap.kind == *kind && gap.rule == *rule => gap.end = end,
            _ => gaps.push(Gap { kind: *kind, start, end, rule: (*rule).to_owned() }),
        }
    }
    gaps
}

#[cfg(test)]
mod tests;
