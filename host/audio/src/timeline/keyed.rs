//! Keys on a timeline: those that the phone system tells of, those that are heard, and what is silenced of both.

use std::{collections::BTreeMap, ops::Range};

use caveat_model::{Key, Offset};

use super::Leg;
use crate::{SAMPLES_PER_MS, SEGMENT_SAMPLES, dtmf};

/// Samples before and after a second that are looked at with it: 400 ms. Edges are found across the boundary, and so is
/// an echo of what was keyed before it.
pub(super) const CONTEXT: usize = 3_200;
/// Silenced before and after a key that the phone system tells of: its times are those of packets, not of sound.
const TOLD_GUARD_MS: Offset = 30;
/// An echo of a key may come this long after it.
const ECHO_MS: Offset = 300;
/// Told and heard within this time, the same symbol is the same key, on whichever legs.
const SAME_KEY_MS: Offset = 700;
/// How far back what was heard is looked at again, so that a key across the seam is heard whole.
const SEAM_MS: Offset = 400;
/// A key that goes on for this long is told of before it ends.
const LONG_KEY_MS: Offset = 2_000;

/// What is known of keys.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    /// From when on they are silenced.
    mask_from: Option<Offset>,
    /// Told by the phone system; as long as they can matter.
    told: Vec<Key>,
    /// Heard by us, and given out.
    heard: Vec<Key>,
    /// Up to where each leg was listened to.
    listened: BTreeMap<u8, Offset>,
}

impl Keyed {
    pub(super) fn mask(&mut self, from: Offset) {
        self.mask_from = Some(self.mask_from.map_or(from, |f| f.min(from)));
    }

    pub(super) fn masks(&self) -> bool {
        self.mask_from.is_some()
    }

    pub(super) fn told(&mut self, key: Key) {
        self.told.push(key);
    }

    /// A key matters for as long as its echo, or its twin from the other source, may come.
    pub(super) fn forget_before(&mut self, oldest: Offset) {
        let from = oldest.saturating_sub(SAME_KEY_MS.max(ECHO_MS));
        self.told.retain(|key| key.end >= from);
        self.heard.retain(|key| key.end >= from);
    }

    /// By leg, what is to be silenced of second `second`, in samples of it. `legs` begin with that second.
    pub(super) fn stretches(&self, second: u32, legs: &BTreeMap<u8, Leg>) -> BTreeMap<u8, Vec<Range<usize>>> {
        let Some(from) = self.mask_from else { return BTreeMap::new() };
        let place = Place::of(second);
        // A key that sounds when masking is asked for may have begun in the second before.
        if place.begins + i64::from(place.length) + CONTEXT as i64 <= place.sample(from) {
            return BTreeMap::new();
        }
        let sounds: BTreeMap<u8, Vec<i16>> = legs.iter().map(|(leg, l)| (*leg, around(l))).collect();
        let mut known: Vec<(u8, char, Range<i64>)> = Vec::new();
        for key in &self.told {
            let (start, end) =
                (key.start.saturating_sub(TOLD_GUARD_MS), key.end.saturating_add(TOLD_GUARD_MS));
            known.push((key.leg, key.symbol, place.sample(start)..place.sample(end)));
        }
        let told = known.len();
        for (leg, sound) in &sounds {
            let heard = dtmf::keys(sound).into_iter();
            known.extend(heard.map(|k| (*leg, k.symbol, k.start as i64..k.end as i64)));
        }
        let of = |(leg, sound): (&u8, &Vec<i16>)| {
            let mut stretches: Vec<Range<i64>> =
                dtmf::silenced(sound).into_iter().map(|s| s.start as i64..s.end as i64).collect();
            stretches.extend(known[..told].iter().filter(|(l, ..)| l == leg).map(|(.., span)| span.clone()));
            // Under speech, or on another leg, what is known to be there is found more easily.
            for (i, (l, symbol, span)) in known.iter().enumerate() {
                if i < told || l != leg {
                    stretches.extend(echoes(sound, *symbol, span));
                }
            }
            let from = place.sample(from);
            // What began before masking was asked for goes with the rest of it.
            stretches.retain(|s| s.end > from);
            (*leg, stretches.iter().filter_map(|s| place.within_second(s)).collect())
        };
        sounds.iter().map(of).collect()
    }

    /// Keys up to `until` that are heard on a leg and were not told. `legs` begin with second `first`.
    pub(super) fn heard(&mut self, legs: &BTreeMap<u8, Leg>, first: u32, until: Offset) -> Vec<Key> {
        let oldest = first.saturating_mul(1_000);
        let mut new = Vec::new();
        for (leg, sound) in legs {
            let listened = self.listened.get(leg).copied().unwrap_or(0);
            let from = listened.saturating_sub(SEAM_MS).max(oldest);
            // What is still on its way is listened to when it is there.
            let arrived = sound.arrived_to / u64::from(SAMPLES_PER_MS);
            let until = until.min(Offset::try_from(arrived).unwrap_or(Offset::MAX));
            if until <= listened || until <= from {
                continue;
            }
            let sound = stretch(sound, from - oldest, until - oldest);
            let ms = |sample: usize| from + (sample / SAMPLES_PER_MS as usize) as Offset;
            let mut next = until;
            for tone in dtmf::keys(&sound) {
                let key = Key { leg: *leg, start: ms(tone.start), end: ms(tone.end), symbol: tone.symbol };
                // It may go on behind the end: then it is heard whole the next time.
                if key.end + 40 >= until && key.end - key.start < LONG_KEY_MS {
                    next = next.min(key.start);
                } else if key.end > listened && !self.is_known(&key) {
                    self.heard.push(key);
                    new.push(key);
                }
            }
            self.listened.insert(*leg, next.max(listened));
        }
        new.sort_by_key(|key| (key.start, key.leg));
        new
    }

    /// Whether the phone system told of it, or it was heard before or as itself on another leg.
    fn is_known(&self, key: &Key) -> bool {
        let near = |other: &Key, ms: Offset| {
            other.symbol == key.symbol
                && other.start < key.end.saturating_add(ms)
                && key.start < other.end.saturating_add(ms)
        };
        self.told.iter().any(|told| near(told, SAME_KEY_MS))
            || self.heard.iter().any(|heard| near(heard, if heard.leg == key.leg { 0 } else { ECHO_MS }))
    }
}

/// Where a second and the sound around it lie: sample 0 is the first of the sound before the second.
struct Place {
    first_ms: i64,
    begins: i64,
    length: u32,
}

impl Place {
    fn of(second: u32) -> Self {
        Self { first_ms: i64::from(second) * 1_000, begins: CONTEXT as i64, length: SEGMENT_SAMPLES as u32 }
    }

    fn sample(&self, at: Offset) -> i64 {
        (i64::from(at) - self.first_ms) * i64::from(SAMPLES_PER_MS) + self.begins
    }

    /// The part of a stretch that lies in the second, counted from its beginning.
    fn within_second(&self, stretch: &Range<i64>) -> Option<Range<usize>> {
        let clamp = |at: i64| (at - self.begins).clamp(0, i64::from(self.length)) as usize;
        let within = clamp(stretch.start)..clamp(stretch.end);
        (!within.is_empty()).then_some(within)
    }
}

/// The next second of a leg, with what came before it and what comes after it.
fn around(leg: &Leg) -> Vec<i16> {
    let mut sound = vec![0; CONTEXT - leg.tail.len().min(CONTEXT)];
    sound.extend(&leg.tail);
    let mut seconds = leg.seconds.iter();
    match seconds.next() {
        Some(second) => sound.extend(&*second.sound()),
        None => sound.resize(CONTEXT + SEGMENT_SAMPLES, 0),
    }
    if let Some(next) = seconds.next() {
        sound.extend(&next.sound()[..CONTEXT]);
    }
    sound
}

/// The sound of a leg between two offsets from its first second on.
fn stretch(leg: &Leg, from: Offset, until: Offset) -> Vec<i16> {
    let mut sound = Vec::with_capacity((until - from) as usize * SAMPLES_PER_MS as usize);
    for second in from / 1_000..until.div_ceil(1_000) {
        let part = |at: Offset| {
            (at.clamp(second * 1_000, second * 1_000 + 1_000) - second * 1_000) as usize
                * SAMPLES_PER_MS as usize
        };
        match leg.seconds.get(second as usize) {
            Some(there) => sound.extend(&there.sound()[part(from)..part(until)]),
            None => sound.resize(sound.len() + part(until) - part(from), 0),
        }
    }
    sound
}

/// Where a key that sounds in `span` on another leg can be made out in `sound`.
fn echoes(sound: &[i16], symbol: char, span: &Range<i64>) -> Vec<Range<i64>> {
    let echo = i64::from(ECHO_MS * SAMPLES_PER_MS);
    let clamp = |at: i64| at.clamp(0, sound.len() as i64) as usize;
    let (from, until) = (clamp(span.start - echo), clamp(span.end + echo));
    let found = dtmf::echoes(&sound[from..until], symbol);
    found.into_iter().map(|s| (s.start + from) as i64..(s.end + from) as i64).collect()
}
