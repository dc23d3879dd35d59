//! The recorder warning tone: 1,400 Hz for half a second, to be repeated every 15 seconds (Federal Standard 1037C,
//! "recorder warning tone"; 47 CFR 64.501(c) takes its characteristics from the FCC's orders in Docket 6787, 1947). How
//! often it sounds is for the rule that asks for it.

use std::f32::consts::TAU;

use crate::SAMPLE_RATE_HZ;

const HZ: f32 = 1_400.0;
const SAMPLES: usize = SAMPLE_RATE_HZ as usize / 2;
/// About -16 dBm0, as loud as people talk: it is to be heard and not to hurt.
const AMPLITUDE: f32 = 3_600.0;
/// It rises and falls within 5 ms, so that it does not click.
const EDGE: usize = 40;

/// The tone, 16-bit samples at 8,000 Hz.
pub fn tone() -> Vec<i16> {
    let edge = |i: usize| (i.min(SAMPLES - 1 - i) as f32 / EDGE as f32).min(1.0);
    let wave = |i: usize| (TAU * HZ * i as f32 / SAMPLE_RATE_HZ as f32).sin();
    (0..SAMPLES).map(|i| (AMPLITUDE * edge(i) * wave(i)) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tone_is_1400_hz_for_half_a_second() {
        let tone = tone();
        assert_eq!((tone.len(), tone[0]), (4_000, 0));
        let rising = tone.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        // One crossing a wave: 700 of them.
        assert!(rising.abs_diff(700) <= 1, "{rising}");
        assert!(crate::dtmf::keys(&tone).is_empty() && crate::dtmf::silenced(&tone).is_empty());
    }
}
