//! From stretches of a recording to seconds whose keys go, and what survives of them.
//!
//! Over-inclusive where it has to choose: a word that a stretch touches goes whole, with its sound; a second that cannot be
//! read goes whole.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
};

use caveat_audio::{Peaks, SAMPLES_PER_MS, SEGMENT_SAMPLES, Segment as Sound};
use caveat_model::{Offset, Span, Word};
use caveat_vault::{Cut, Edge, Kind, Reader, Segment, VaultError};
use zeroize::Zeroizing;

use crate::RecorderError;

/// So many seconds are looked at before they go: what is gone already is left as it is.
const LOOKED_AT_S: usize = 600;

/// No word is longer, in seconds: so far before a stretch one may begin that lasts into it.
const WORD_S: u32 = 10;

/// Which seconds of which legs go for `spans`. The gaps that are left in what survives name `rule`.
pub(super) async fn cuts(reader: &Reader, spans: &[Span], rule: &str) -> Result<Vec<Cut>, RecorderError> {
    let there: HashSet<Segment> = reader.frames().map(|f| f.segment).collect();
    let mut cuts = Vec::new();
    for leg in reader.header().legs.iter().map(|l| l.leg) {
        let of_leg = Leg { reader, there: &there, leg, rule };
        let wanted = of_leg.stretches(spans);
        if !wanted.is_empty() {
            let words = of_leg.words_near(&wanted).await?;
            of_leg.cut(&with_whole_words(wanted, &words), &words, &mut cuts).await?;
        }
    }
    Ok(cuts)
}

/// Whether anything would go for `spans`.
pub(super) async fn any(reader: &Reader, spans: &[Span]) -> Result<bool, RecorderError> {
    let there: HashSet<Segment> = reader.frames().map(|f| f.segment).collect();
    for leg in reader.header().legs.iter().map(|l| l.leg) {
        let of_leg = Leg { reader, there: &there, leg, rule: "" };
        let wanted = of_leg.stretches(spans);
        if !wanted.is_empty() {
            let words = of_leg.words_near(&wanted).await?;
            if of_leg.has_any(&with_whole_words(wanted, &words), &words).await? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Of one leg, by the second in which they begin.
type Words = BTreeMap<u32, Vec<Word>>;

struct Leg<'a> {
    reader: &'a Reader,
    there: &'a HashSet<Segment>,
    leg: u8,
    rule: &'a str,
}

impl Leg<'_> {
    fn stretches(&self, spans: &[Span]) -> Vec<Range<Offset>> {
        let of_leg = self.there.iter().filter(|s| s.leg == self.leg);
        stretches(spans, self.leg, of_leg.map(|s| s.index + 1).max().unwrap_or(0))
    }

    async fn words_near(&self, wanted: &[Range<Offset>]) -> Result<Words, RecorderError> {
        let around = |at: Offset| (at / 1_000).saturating_sub(WORD_S)..=at / 1_000 + WORD_S;
        let near: BTreeSet<u32> = wanted.iter().flat_map(|w| around(w.start).chain(around(w.end))).collect();
        let mut words = Words::new();
        for second in near {
            if let Some(plain) = self.read(second, Kind::Transcript).await? {
                words.insert(second, serde_json::from_slice(&plain).unwrap_or_default());
            }
        }
        Ok(words)
    }

    async fn cut(
        &self,
        gone: &[Range<Offset>],
        words: &Words,
        cuts: &mut Vec<Cut>,
    ) -> Result<(), RecorderError> {
        let seconds = touched(gone, words);
        let few = seconds.len() <= LOOKED_AT_S;
        for second in seconds {
            if few && self.is_gone(second, gone, words).await? {
                continue;
            }
            let edges = self.edges(second, gone, words).await?;
            match cuts.last_mut() {
                Some(last) if last.leg == self.leg && last.seconds.end == second => {
                    last.seconds.end += 1;
                    last.edges.extend(edges);
                }
                _ => cuts.push(Cut { leg: self.leg, seconds: second..second + 1, edges }),
            }
        }
        Ok(())
    }

    async fn has_any(&self, gone: &[Range<Offset>], words: &Words) -> Result<bool, RecorderError> {
        for second in touched(gone, words) {
            if !self.is_gone(second, gone, words).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a second has nothing there that would go: it was removed before, or never kept.
    async fn is_gone(
        &self,
        second: u32,
        gone: &[Range<Offset>],
        words: &Words,
    ) -> Result<bool, RecorderError> {
        if words.get(&second).into_iter().flatten().any(|w| goes(w, gone)) {
            return Ok(false);
        }
        // Words of the middle of a long stretch were not read.
        if !words.contains_key(&second) && self.read(second, Kind::Transcript).await?.is_some() {
            return Ok(false);
        }
        let Some(plain) = self.read(second, Kind::Audio).await? else { return Ok(true) };
        let Ok(sound) = Sound::decode(&plain) else { return Ok(false) };
        let missing = |out: &Range<u16>| {
            let inside = sound.gaps.iter().map(|g| g.end.min(out.end).saturating_sub(g.start.max(out.start)));
            inside.map(usize::from).sum::<usize>() >= out.len()
        };
        Ok(within(second, gone).iter().all(missing))
    }

    /// What survives of a second.
    async fn edges(
        &self,
        second: u32,
        gone: &[Range<Offset>],
        words: &Words,
    ) -> Result<Vec<Edge>, RecorderError> {
        let out = within(second, gone);
        if out.iter().any(|o| usize::from(o.end - o.start) >= SEGMENT_SAMPLES) {
            return Ok(vec![]);
        }
        let mut edges = Vec::new();
        let plain = self.read(second, Kind::Audio).await?;
        if let Some(mut sound) = plain.and_then(|plain| Sound::decode(&plain).ok()) {
            sound.redact(&out, self.rule);
            if self.has(second, Kind::Waveform) {
                let plain = Zeroizing::new(Peaks::of(&sound).encode());
                edges.push(Edge { second, kind: Kind::Waveform, plain });
            }
            edges.push(Edge { second, kind: Kind::Audio, plain: Zeroizing::new(sound.encode()) });
        }
        let left: Vec<&Word> = words.get(&second).into_iter().flatten().filter(|w| !goes(w, gone)).collect();
        if !left.is_empty() {
            let plain = serde_json::to_vec(&left).map_err(|e| RecorderError::Audio(e.to_string()))?;
            edges.push(Edge { second, kind: Kind::Transcript, plain: Zeroizing::new(plain) });
        }
        Ok(edges)
    }

    fn has(&self, second: u32, kind: Kind) -> bool {
        self.there.contains(&Segment { leg: self.leg, index: second, kind })
    }

    /// None where nothing is, or nothing opens any more.
    async fn read(&self, second: u32, kind: Kind) -> Result<Option<Zeroizing<Vec<u8>>>, RecorderError> {
        if !self.has(second, kind) {
            return Ok(None);
        }
        match self.reader.read(self.leg, second, kind).await {
            Err(VaultError::Shredded { .. }) => Ok(None),
            plain => Ok(Some(plain?)),
        }
    }
}

/// The seconds of which something goes.
fn touched(gone: &[Range<Offset>], words: &Words) -> BTreeSet<u32> {
    let seconds = gone.iter().flat_map(|g| g.start / 1_000..g.end.div_ceil(1_000));
    let says = |(second, said): (&u32, &Vec<Word>)| said.iter().any(|w| goes(w, gone)).then_some(*second);
    seconds.chain(words.iter().filter_map(says)).collect()
}

/// What `spans` take of a leg of so many seconds: sorted, apart from each other.
fn stretches(spans: &[Span], leg: u8, seconds: u32) -> Vec<Range<Offset>> {
    let end = seconds.saturating_mul(1_000);
    let of_leg = spans.iter().filter(|s| s.leg.is_none_or(|l| l == leg));
    apart(of_leg.map(|s| s.start..s.end.min(end)).collect())
}

/// The same stretches, sorted and apart from each other.
pub(crate) fn apart(mut ranges: Vec<Range<Offset>>) -> Vec<Range<Offset>> {
    ranges.retain(|r| r.start < r.end);
    ranges.sort_unstable_by_key(|r| r.start);
    let mut apart: Vec<Range<Offset>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// A word that a stretch touches goes whole.
fn with_whole_words(wanted: Vec<Range<Offset>>, words: &Words) -> Vec<Range<Offset>> {
    let touched = words.values().flatten().filter(|w| goes(w, &wanted)).map(|w| w.start..w.end);
    apart(touched.chain(wanted.iter().cloned()).collect())
}

fn goes(word: &Word, gone: &[Range<Offset>]) -> bool {
    gone.iter().any(|g| g.start < word.end.max(word.start + 1) && word.start < g.end)
}

/// Which samples of a second go.
fn within(second: u32, gone: &[Range<Offset>]) -> Vec<Range<u16>> {
    let from = second * 1_000;
    let sample = |at: Offset| (at.clamp(from, from + 1_000) - from) as u16 * SAMPLES_PER_MS as u16;
    gone.iter().map(|g| sample(g.start)..sample(g.end)).filter(|r| !r.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "stretches are ranges, and some tests have one")]
    use super::*;

    fn word(start: Offset, end: Offset) -> Word {
        Word { leg: 0, start, end, text: "w".into() }
    }

    #[test]
    fn a_word_that_is_touched_goes_whole() {
        let words: Words =
            [(0, vec![word(800, 1_200), word(300, 600)]), (2, vec![word(2_900, 3_400)])].into();
        let gone = with_whole_words(vec![1_100..2_950], &words);
        assert_eq!(gone, [800..3_400]);
        assert!(goes(&word(3_399, 3_399), &gone) && !goes(&word(3_400, 3_500), &gone));
        assert_eq!(within(0, &gone), [6_400..8_000]);
        assert_eq!(within(1, &gone), [0..8_000]);
        assert_eq!(within(3, &gone), [0..3_200]);
        assert!(within(4, &gone).is_empty());
    }

    #[test]
    fn stretches_of_a_leg_end_with_it() {
        let span = |leg, start, end| Span { leg, start, end };
        let spans = [
            span(Some(1), 0, 500),
            span(None, 400, 900),
            span(Some(0), 5_000, u32::MAX),
            span(Some(1), 850, 860),
        ];
        assert_eq!(stretches(&spans, 0, 7), [400..900, 5_000..7_000]);
        assert_eq!(stretches(&spans, 1, 7), [0..900]);
        assert!(stretches(&spans, 0, 0).is_empty());
    }
}
