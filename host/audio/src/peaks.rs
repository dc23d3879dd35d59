//! What a display draws of a second of one leg: the lowest and the highest sample of each step of 50 ms, and the gaps.
//!
//! Bytes: version 1; gaps as in a segment; then per step its lowest and its highest sample in 8 bits (-127 to 127), or nothing
//! when the gaps cover it all.

use crate::{
    Gap, SEGMENT_SAMPLES, Segment, SegmentError,
    segment::{decode_gaps, encode_gaps, missing, take},
};

const VERSION: u8 = 1;

/// Steps of a second.
pub const STEPS_PER_SECOND: usize = 20;
/// One step, in milliseconds.
pub const STEP_MS: u32 = 1_000 / STEPS_PER_SECOND as u32;

/// A second of one leg, as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peaks {
    /// Those of the segment.
    pub gaps: Vec<Gap>,
    /// Per step the lowest and the highest sample, from -127 to 127; zero in the gaps.
    pub steps: [(i8, i8); STEPS_PER_SECOND],
}

impl Peaks {
    /// Of a second as it is sealed.
    pub fn of(segment: &Segment) -> Self {
        let mut steps = [(0, 0); STEPS_PER_SECOND];
        for (step, samples) in
            steps.iter_mut().zip(segment.samples.chunks(SEGMENT_SAMPLES / STEPS_PER_SECOND))
        {
            let lowest = samples.iter().min().copied().unwrap_or(0);
            let highest = samples.iter().max().copied().unwrap_or(0);
            *step = (in_8_bits(lowest), in_8_bits(highest));
        }
        Self { gaps: segment.gaps.clone(), steps }
    }

    /// As sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        encode_gaps(&self.gaps, &mut out);
        if missing(&self.gaps) < SEGMENT_SAMPLES {
            out.extend(self.steps.iter().flat_map(|(lowest, highest)| [*lowest as u8, *highest as u8]));
        }
        out
    }

    /// Reads what [`Peaks::encode`] made.
    ///
    /// # Errors
    /// Says which part is not as it should be.
    pub fn decode(bytes: &[u8]) -> Result<Self, SegmentError> {
        let mut rest = bytes;
        if take(&mut rest, 1)? != [VERSION] {
            return Err(SegmentError("the version of its peaks is unknown"));
        }
        let gaps = decode_gaps(&mut rest)?;
        let mut steps = [(0, 0); STEPS_PER_SECOND];
        match rest.len() {
            0 if missing(&gaps) == SEGMENT_SAMPLES => {}
            len if len == 2 * STEPS_PER_SECOND => {
                for (step, pair) in steps.iter_mut().zip(rest.chunks_exact(2)) {
                    *step = (pair[0] as i8, pair[1] as i8);
                }
            }
            _ => return Err(SegmentError("its peaks are not one second long")),
        }
        Ok(Self { gaps, steps })
    }
}

/// From 16 bits, so that both ends are as far from zero.
fn in_8_bits(sample: i16) -> i8 {
    (i32::from(sample) * 127 / 32_768) as i8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::GapKind;

    fn second() -> Segment {
        let gaps = vec![Gap { kind: GapKind::Pause, start: 0, end: 800, rule: "r".into() }];
        let mut samples = vec![0; SEGMENT_SAMPLES];
        samples[800] = i16::MAX;
        samples[1_199] = -16_384;
        samples[1_200] = i16::MIN;
        Segment { gaps, samples }
    }

    #[test]
    fn a_step_has_its_lowest_and_its_highest_sample() {
        let peaks = Peaks::of(&second());
        assert_eq!(peaks.steps[..5], [(0, 0), (0, 0), (-63, 126), (-127, 0), (0, 0)]);
        assert_eq!(Peaks::decode(&peaks.encode()), Ok(peaks));
    }

    #[test]
    fn a_second_without_sound_has_no_steps() {
        let gaps = vec![Gap { kind: GapKind::Hold, start: 0, end: 8_000, rule: String::new() }];
        let peaks = Peaks::of(&Segment { gaps, samples: vec![0; SEGMENT_SAMPLES] });
        assert_eq!(peaks.encode().len(), 9);
        assert_eq!(Peaks::decode(&peaks.encode()), Ok(peaks));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let bytes = Peaks::of(&second()).encode();
        for cut in 0..bytes.len() {
            assert!(Peaks::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
