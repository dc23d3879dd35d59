//! Keyed tones (ITU-T Q.23): finding them in sound, and making them for tests and demonstrations.

use std::f32::consts::TAU;

use crate::SAMPLE_RATE_HZ;

/// Samples of one block that is looked at: 20 ms.
pub const BLOCK: usize = 160;

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const SYMBOLS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Mean square below which a block is silence: about -50 dB of full scale.
const SILENCE: f32 = 10_000.0;
/// How much of a block's power the two tones must have. A block that is half tone, half silence shows half of it: leading
/// edges matter more than a syllable lost to caution.
const SHARE: f32 = 0.45;
/// How far apart in power the two tones may be: 8 dB, with room (Q.24 allows 4 to 8).
const TWIST: f32 = 10.0;

/// The key that sounds in a block, if one does.
pub fn detect(block: &[i16]) -> Option<char> {
    let samples: Vec<f32> = block.iter().map(|s| f32::from(*s)).collect();
    let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
    if power < SILENCE {
        return None;
    }
    let strongest = |tones: &[f32; 4]| {
        let powers = tones.map(|hz| goertzel(&samples, hz));
        let best = (0..4).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0);
        (best, powers[best])
    };
    let ((low, low_power), (high, high_power)) = (strongest(&LOW_HZ), strongest(&HIGH_HZ));
    let balanced = low_power < high_power * TWIST && high_power < low_power * TWIST;
    (balanced && low_power + high_power > SHARE * power).then(|| SYMBOLS[low][high])
}

/// Mean-square power of one frequency (Goertzel's algorithm).
fn goertzel(samples: &[f32], hz: f32) -> f32 {
    let k = 2.0 * (TAU * hz / SAMPLE_RATE_HZ as f32).cos();
    let (s1, s2) = samples.iter().fold((0.0, 0.0), |(s1, s2), x| (x + k * s1 - s2, s1));
    let n = samples.len().max(1) as f32;
    (s1 * s1 + s2 * s2 - k * s1 * s2) * 2.0 / (n * n)
}

/// A key as it sounds for so many samples; silence for what is no key.
pub fn tone(symbol: char, samples: usize) -> Vec<i16> {
    let place = (0..16).find(|i| SYMBOLS[i / 4][i % 4] == symbol);
    let Some(place) = place else { return vec![0; samples] };
    let (low, high) = (LOW_HZ[place / 4], HIGH_HZ[place % 4]);
    let wave = |i: usize, hz: f32| (TAU * hz * i as f32 / SAMPLE_RATE_HZ as f32).sin();
    (0..samples).map(|i| (6_000.0 * (wave(i, low) + wave(i, high))) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_whole_and_by_its_edge() {
        for symbol in SYMBOLS.as_flattened() {
            assert_eq!(detect(&tone(*symbol, BLOCK)), Some(*symbol));
            let mut edge = vec![0; BLOCK / 2];
            edge.extend(tone(*symbol, BLOCK / 2));
            assert!(detect(&edge).is_some(), "the edge of {symbol}");
        }
    }

    #[test]
    fn one_tone_noise_and_silence_are_no_keys() {
        let mut state = 1u32;
        let noise: Vec<i16> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 17) as i16
        })
        .take(BLOCK)
        .collect();
        let single: Vec<i16> =
            (0..BLOCK).map(|i| (8_000.0 * (TAU * 770.0 * i as f32 / 8_000.0).sin()) as i16).collect();
        for (what, block) in [("noise", noise), ("one tone", single), ("silence", vec![0; BLOCK])] {
            assert_eq!(detect(&block), None, "{what}");
        }
    }
}
