//! One second of one leg as it is sealed: what was kept, and typed gaps where nothing was.
//!
//! Bytes: version 1; codec 0 (mu-law, 8,000 Hz); number of gaps (16 bits); per gap its kind, start and end in samples (big-endian,
//! 16 bits each), length of the rule's name and the name; then 8,000 mu-law bytes, or none when the gaps cover it all.

use std::ops::Range;

use crate::{SEGMENT_SAMPLES, g711};

const VERSION: u8 = 1;
const MU_LAW: u8 = 0;

/// Why nothing was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GapKind {
    /// Suspended: somebody, or a verdict, asked for a pause.
    Pause = 1,
    /// The rules did not allow it.
    NotAllowed = 2,
    /// Nothing arrived.
    Loss = 3,
    /// A rule had it removed.
    Purged = 4,
    /// Keyed tones were silenced.
    KeysMasked = 5,
    /// Nothing arrived, because the party was on hold.
    Hold = 6,
    /// Removed after it was sealed, by a person or a rule.
    Redacted = 7,
    /// Nothing was sent, because nobody spoke: discontinuous transmission, or comfort noise (RFC 3551 section 4.1, RFC 3389).
    Quiet = 8,
}

impl GapKind {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::NotAllowed => "not-allowed",
            Self::Loss => "loss",
            Self::Purged => "purged",
            Self::KeysMasked => "keys-masked",
            Self::Hold => "hold",
            Self::Redacted => "redacted",
            Self::Quiet => "quiet",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        use GapKind::*;
        let all = [Pause, NotAllowed, Loss, Purged, KeysMasked, Hold, Redacted, Quiet];
        all.into_iter().find(|k| *k as u8 == byte)
    }
}

/// A stretch of a second in which nothing was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub kind: GapKind,
    /// First sample of it, within the second.
    pub start: u16,
    /// The sample after the last.
    pub end: u16,
    /// The rule behind it; empty for a loss, a hold and what was quiet.
    pub rule: String,
}

/// A second of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Sorted, without overlap.
    pub gaps: Vec<Gap>,
    /// 8,000 samples, silent in the gaps.
    pub samples: Vec<i16>,
}

/// Bytes that are no segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the segment cannot be read: {0}")]
pub struct SegmentError(pub(crate) &'static str);

impl Segment {
    /// As sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, MU_LAW];
        encode_gaps(&self.gaps, &mut out);
        if missing(&self.gaps) < SEGMENT_SAMPLES {
            out.extend(g711::to_mu_law(&self.samples));
        }
        out
    }

    /// Takes stretches of samples out, sorted and without overlap; each becomes a gap, in place of what gaps were there.
    pub fn redact(&mut self, stretches: &[Range<u16>], rule: &str) {
        for Range { start, end } in stretches.iter().cloned() {
            let end = end.min(SEGMENT_SAMPLES as u16);
            if start >= end {
                continue;
            }
            self.samples[usize::from(start)..usize::from(end)].fill(0);
            let mut gaps = Vec::with_capacity(self.gaps.len() + 2);
            for gap in self.gaps.drain(..) {
                let (before, after) = (gap.end.min(start), gap.start.max(end));
                if gap.start < before {
                    gaps.push(Gap { end: before, ..gap.clone() });
                }
                if after < gap.end {
                    gaps.push(Gap { start: after, ..gap });
                }
            }
            gaps.push(Gap { kind: GapKind::Redacted, start, end, rule: rule.to_owned() });
            gaps.sort_unstable_by_key(|gap| gap.start);
            self.gaps = gaps;
        }
    }

    /// Reads what [`Segment::encode`] made.
    ///
    /// # Errors
    /// Says which part is not as it should be.
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentError> {
        let mut rest = bytes;
        if take(&mut rest, 1)? != [VERSION] {
            return Err(SegmentError("its version is unknown"));
        }
        if take(&mut rest, 1)? != [MU_LAW] {
            return Err(SegmentError("its codec is unknown"));
        }
        let gaps = decode_gaps(&mut rest)?;
        let samples = match rest.len() {
            0 if missing(&gaps) == SEGMENT_SAMPLES => vec![0; SEGMENT_SAMPLES],
            SEGMENT_SAMPLES => g711::from_mu_law(rest),
            _ => return Err(SegmentError("it is not one second long")),
        };
        Ok(Self { gaps, samples })
    }
}

/// How many samples of a second lie in gaps.
pub(crate) fn missing(gaps: &[Gap]) -> usize {
    gaps.iter().map(|g| usize::from(g.end.saturating_sub(g.start))).sum()
}

/// Their number, then per gap what the head of this file says.
pub(crate) fn encode_gaps(gaps: &[Gap], out: &mut Vec<u8>) {
    // Gaps do not overlap, so a second has no more of them than samples.
    out.extend((gaps.len().min(SEGMENT_SAMPLES) as u16).to_be_bytes());
    for gap in gaps.iter().take(SEGMENT_SAMPLES) {
        out.push(gap.kind as u8);
        out.extend(gap.start.to_be_bytes());
        out.extend(gap.end.to_be_bytes());
        let rule = &gap.rule[..gap.rule.floor_char_boundary(255)];
        out.push(rule.len() as u8);
        out.extend(rule.as_bytes());
    }
}

/// Reads what [`encode_gaps`] wrote, and leaves what is behind it.
pub(crate) fn decode_gaps(rest: &mut &[u8]) -> Result<Vec<Gap>, SegmentError> {
    let count = u16::from_be_bytes(take(rest, 2)?.try_into().unwrap_or_default());
    if usize::from(count) > SEGMENT_SAMPLES {
        return Err(SegmentError("it has more gaps than samples"));
    }
    let mut gaps = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        gaps.push(gap(rest, &gaps)?);
    }
    Ok(gaps)
}

fn gap(rest: &mut &[u8], before: &[Gap]) -> Result<Gap, SegmentError> {
    let kind = GapKind::from_byte(take(rest, 1)?[0]).ok_or(SegmentError("a gap is of an unknown kind"))?;
    let mut sample = || Ok(u16::from_be_bytes(take(rest, 2)?.try_into().unwrap_or_default()));
    let (start, end) = (sample()?, sample()?);
    let sorted = before.last().is_none_or(|g| g.end <= start);
    if start >= end || usize::from(end) > SEGMENT_SAMPLES || !sorted {
        return Err(SegmentError("a gap lies where it cannot"));
    }
    let length = take(rest, 1)?[0];
    let rule = std::str::from_utf8(take(rest, length.into())?)
        .map_err(|_| SegmentError("a rule's name is no text"))?
        .to_owned();
    Ok(Gap { kind, start, end, rule })
}

pub(crate) fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], SegmentError> {
    let (head, tail) = rest.split_at_checked(n).ok_or(SegmentError("it is cut short"))?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn with_gaps() -> Segment {
        let gap = |kind, start, end, rule: &str| Gap { kind, start, end, rule: rule.into() };
        let gaps =
            vec![gap(GapKind::Pause, 0, 400, "pci.pause-card-entry"), gap(GapKind::Loss, 7_000, 8_000, "")];
        let samples = (0..8_000).map(|i| if (400..7_000).contains(&i) { 1_000 } else { 0 }).collect();
        Segment { gaps, samples }
    }

    #[test]
    fn a_segment_survives() {
        let back = Segment::decode(&with_gaps().encode()).unwrap();
        assert_eq!(back.gaps, with_gaps().gaps);
        assert!(back.samples.iter().zip(with_gaps().samples).all(|(a, b)| a.abs_diff(b) < 40));
    }

    #[test]
    fn a_second_without_sound_has_no_samples() {
        let gaps = vec![Gap { kind: GapKind::Loss, start: 0, end: 8_000, rule: String::new() }];
        let bytes = Segment { gaps, samples: vec![0; 8_000] }.encode();
        assert!(bytes.len() < 20);
        assert_eq!(Segment::decode(&bytes).unwrap().samples.len(), 8_000);
    }

    #[test]
    fn many_gaps_and_long_rules_survive() {
        let gap =
            |i: u16| Gap { kind: GapKind::Loss, start: i * 20, end: i * 20 + 20, rule: "\u{e9}".repeat(200) };
        let back =
            Segment::decode(&Segment { gaps: (0..400).map(gap).collect(), samples: vec![0; 8_000] }.encode());
        let gaps = back.unwrap().gaps;
        assert_eq!((gaps.len(), gaps[399].end, gaps[0].rule.len()), (400, 8_000, 254));
    }

    #[test]
    fn what_is_redacted_is_silent_and_a_gap() {
        let mut segment = with_gaps();
        segment.redact(&[300..500, 6_999..7_001, 7_500..60_000, 9_000..9_001], "r");
        let gaps: Vec<_> = segment.gaps.iter().map(|g| (g.kind, g.start, g.end)).collect();
        use GapKind::{Loss, Pause, Redacted};
        let expected =
            [(Pause, 0, 300), (Redacted, 300, 500), (Redacted, 6_999, 7_001), (Loss, 7_001, 7_500)];
        assert_eq!(gaps, [expected.as_slice(), &[(Redacted, 7_500, 8_000)]].concat());
        assert!(segment.samples[400..500].iter().chain(&segment.samples[6_999..]).all(|s| *s == 0));
        assert!(segment.samples[500..6_999].iter().all(|s| *s == 1_000));
        assert_eq!(Segment::decode(&segment.encode()).unwrap().gaps, segment.gaps);
    }

    #[test]
    fn what_is_cut_or_changed_never_panics() {
        let bytes = with_gaps().encode();
        for cut in 0..bytes.len() {
            assert!(Segment::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..40 {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                // Authenticity is the vault's to check; here it only must not panic.
                let _ = Segment::decode(&changed);
            }
        }
    }
}
