//! How a leg sounded, in numbers: enough to tell a recording that went wrong, and nothing of what was said.

use serde::{Deserialize, Serialize};

use crate::{GapKind, SEGMENT_SAMPLES, Segment};

/// Samples of one block that is silent or not: 20 ms.
const BLOCK: usize = 160;
/// The largest sample that mu-law holds (G.711). Whatever was louder is stored as this.
const FULL_SCALE: u16 = 32_124;

/// What is counted of one leg, in samples at 8,000 Hz.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Levels {
    /// Kept as sound, or quiet.
    pub kept: u64,
    /// Never arrived.
    pub lost: u64,
    /// Arrived or not, and not kept because of a rule, a pause, a mask.
    pub withheld: u64,
    /// Of what was kept: in blocks of 20 ms that are louder than silence.
    pub sounding: u64,
    /// Of what was kept: at full scale.
    pub clipped: u64,
    /// The loudest, from 0 to 32,767.
    pub peak: u16,
    /// Before the first sample that was not lost, since the call began; none: all was lost.
    pub first: Option<u64>,
}

/// The mean square of a block that counts as silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence(f64);

impl Silence {
    /// Everything below so many decibels of full scale, from -90 to 0.
    pub fn below_dbfs(dbfs: i32) -> Self {
        let amplitude = 32_768.0 * 10f64.powf(f64::from(dbfs.clamp(-90, 0)) / 20.0);
        Self(amplitude * amplitude)
    }

    fn holds(self, block: &[i16]) -> bool {
        let squares: u64 = block.iter().map(|s| u64::from(s.unsigned_abs()).pow(2)).sum();
        (squares as f64) < self.0 * block.len() as f64
    }
}

impl Levels {
    /// Counts the second that is about to be sealed as the call's `second`.
    pub fn count(&mut self, second: u32, segment: &Segment, silence: Silence) {
        let length = |counts: fn(GapKind) -> bool| -> u64 {
            let gaps = segment.gaps.iter().filter(|g| counts(g.kind));
            gaps.map(|g| u64::from(g.end.saturating_sub(g.start))).sum()
        };
        let lost = length(|kind| kind == GapKind::Loss);
        let withheld = length(|kind| !matches!(kind, GapKind::Loss | GapKind::Quiet));
        self.lost += lost;
        self.withheld += withheld;
        self.kept += (SEGMENT_SAMPLES as u64).saturating_sub(lost + withheld);
        if self.first.is_none() && lost < SEGMENT_SAMPLES as u64 {
            let before = segment.gaps.first().filter(|g| g.kind == GapKind::Loss && g.start == 0);
            let before = before.map_or(0, |g| u64::from(g.end));
            self.first = Some(u64::from(second) * SEGMENT_SAMPLES as u64 + before);
        }
        // What is in a gap is silence, so that only what was kept counts here.
        for block in segment.samples.chunks(BLOCK) {
            if !silence.holds(block) {
                self.sounding += block.len() as u64;
            }
            for sample in block.iter().map(|s| s.unsigned_abs()) {
                self.peak = self.peak.max(sample);
                self.clipped += u64::from(sample >= FULL_SCALE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gap, g711};

    fn count(gaps: Vec<Gap>, samples: Vec<i16>) -> Levels {
        let mut levels = Levels::default();
        levels.count(2, &Segment { gaps, samples }, Silence::below_dbfs(-50));
        levels
    }

    fn gap(kind: GapKind, start: u16, end: u16) -> Gap {
        Gap { kind, start, end, rule: String::new() }
    }

    #[test]
    fn what_is_lost_withheld_and_kept_adds_up() {
        let gaps = vec![gap(GapKind::Loss, 0, 800), gap(GapKind::Pause, 4_000, 6_000)];
        let mut samples = vec![1_000; 8_000];
        samples[..800].fill(0);
        samples[4_000..6_000].fill(0);
        let levels = count(gaps, samples);
        assert_eq!((levels.lost, levels.withheld, levels.kept), (800, 2_000, 5_200));
        // 6,000 is in the middle of a block, which is loud enough as a whole.
        assert_eq!((levels.sounding, levels.first), (5_280, Some(16_800)));
    }

    #[test]
    fn a_second_that_never_came_begins_nothing() {
        let levels = count(vec![gap(GapKind::Loss, 0, 8_000)], vec![0; 8_000]);
        assert_eq!(levels, Levels { lost: 8_000, ..Levels::default() });
    }

    #[test]
    fn hiss_is_silence_and_speech_is_not() {
        // -50 dB of full scale is an amplitude of 104.
        assert_eq!(count(vec![], [90, -90].repeat(4_000)).sounding, 0);
        assert_eq!(count(vec![], [120, -120].repeat(4_000)).sounding, 8_000);
    }

    #[test]
    fn full_scale_survives_mu_law() {
        let stored = g711::from_mu_law(&g711::to_mu_law(&[i16::MAX, i16::MIN, 30_000]));
        let mut samples = vec![0; 8_000];
        samples[..3].copy_from_slice(&stored);
        let levels = count(vec![], samples);
        assert_eq!((levels.clipped, levels.peak), (2, FULL_SCALE));
    }
}
