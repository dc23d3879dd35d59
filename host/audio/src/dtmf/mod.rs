//! Keyed tones (ITU-T Q.23): what has to be silenced so that nobody can read them, what was keyed, and how keys sound.
//!
//! Two questions with two answers. [`silenced`] is wide: it covers whatever a decoder might take for a key, its edges
//! included, weak or uneven tones and tones under speech too; a syllable lost to caution costs little where masking is
//! asked for. [`keys`] is narrow: what it hears goes to the packs as a fact.

mod hearing;
mod masking;
mod spectrum;

use std::f32::consts::TAU;

pub use hearing::{Tone, keys};
pub use masking::{echoes, silenced};

use crate::SAMPLE_RATE_HZ;

/// Frequencies of the rows of a keypad, then of its columns, in hertz (ITU-T Q.23).
const HZ: [f32; 8] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
const SYMBOLS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Row and column of a key; none for what is no key.
fn place(symbol: char) -> Option<(usize, usize)> {
    (0..16).map(|i| (i / 4, i % 4)).find(|(row, column)| SYMBOLS[*row][*column] == symbol)
}

/// A key as it sounds for so many samples, both tones at about -11 dBm0; silence for what is no key.
pub fn tone(symbol: char, samples: usize) -> Vec<i16> {
    let Some((row, column)) = place(symbol) else { return vec![0; samples] };
    let wave = |i: usize, hz: f32| (TAU * hz * i as f32 / SAMPLE_RATE_HZ as f32).sin();
    (0..samples).map(|i| (6_000.0 * (wave(i, HZ[row]) + wave(i, HZ[4 + column]))) as i16).collect()
}
