//! How much of a stretch of sound is which of the eight tones.
//!
//! The sound is cut into steps of 4 ms. Each step holds its share of eight correlations, all against the same running
//! phase, so that a window of any number of steps is their sum: what Goertzel's algorithm gives for that window, for the
//! price of looking at each sample once.

use std::{f64::consts::TAU, sync::LazyLock};

use super::HZ;
use crate::SAMPLE_RATE_HZ;

/// Samples of a step: 4 ms, the resolution in time.
pub(super) const STEP: usize = 32;

/// What one step adds to every window that it is part of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    re: [f32; 8],
    im: [f32; 8],
    energy: f32,
}

/// What sounds in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Mean square of each tone, in squared sample units.
    tones: [f32; 8],
    /// Mean square of all of it.
    pub(super) power: f32,
}

/// The eight tones over a step, and how far each turns in it.
struct Waves {
    samples: [[(f32, f32); 8]; STEP],
    turns: [(f64, f64); 8],
}

static WAVES: LazyLock<Waves> = LazyLock::new(|| {
    let wave = |t: usize, n: usize| {
        let angle = TAU * f64::from(HZ[t]) * n as f64 / f64::from(SAMPLE_RATE_HZ);
        (angle.cos(), angle.sin())
    };
    let sample = |n: usize, t: usize| {
        let (cos, sin) = wave(t, n);
        (cos as f32, sin as f32)
    };
    Waves {
        samples: std::array::from_fn(|n| std::array::from_fn(|t| sample(n, t))),
        turns: std::array::from_fn(|t| wave(t, STEP)),
    }
});

/// Cuts sound into steps; what is left at its end is filled up with silence.
pub(super) fn steps(samples: &[i16]) -> Vec<Step> {
    let Waves { samples: waves, turns } = &*WAVES;
    // Where the phase of each tone stands at the beginning of the step.
    let mut phases = [(1.0, 0.0); 8];
    let mut step = |chunk: &[i16]| {
        let mut step = Step::default();
        for (sample, waves) in chunk.iter().zip(waves) {
            let x = f32::from(*sample);
            step.energy += x * x;
            for (t, (cos, sin)) in waves.iter().enumerate() {
                step.re[t] += x * cos;
                step.im[t] += x * sin;
            }
        }
        for (t, (phase, turn)) in phases.iter_mut().zip(turns).enumerate() {
            let (cos, sin) = (phase.0 as f32, phase.1 as f32);
            let (re, im) = (step.re[t], step.im[t]);
            (step.re[t], step.im[t]) = (re * cos - im * sin, re * sin + im * cos);
            *phase = (phase.0 * turn.0 - phase.1 * turn.1, phase.0 * turn.1 + phase.1 * turn.0);
        }
        step
    };
    samples.chunks(STEP).map(&mut step).collect()
}

impl Window {
    pub(super) fn of(steps: &[Step]) -> Self {
        let samples = (steps.len() * STEP).max(1) as f32;
        let mut sum = Step::default();
        for step in steps {
            for t in 0..8 {
                sum.re[t] += step.re[t];
                sum.im[t] += step.im[t];
            }
            sum.energy += step.energy;
        }
        let tones = std::array::from_fn(|t| {
            2.0 * (sum.re[t] * sum.re[t] + sum.im[t] * sum.im[t]) / (samples * samples)
        });
        Self { tones, power: sum.energy / samples }
    }

    /// The strongest row and column.
    pub(super) fn strongest(&self) -> (usize, usize) {
        let of = |tones: &[f32]| {
            let by_power = |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1);
            tones.iter().enumerate().max_by(by_power).map_or(0, |(t, _)| t)
        };
        (of(&self.tones[..4]), of(&self.tones[4..]))
    }

    /// The mean square of the tone of a row and of that of a column.
    pub(super) fn pair(&self, (row, column): (usize, usize)) -> (f32, f32) {
        (self.tones[row], self.tones[4 + column])
    }

    /// The part of all power that the pair has.
    pub(super) fn share(&self, key: (usize, usize)) -> f32 {
        let (low, high) = self.pair(key);
        (low + high) / self.power.max(f32::MIN_POSITIVE)
    }

    /// How strong the next tone of the same group is beside that of the key, in the group where it is nearer.
    pub(super) fn rivalry(&self, (row, column): (usize, usize)) -> f32 {
        let next = |tones: &[f32], best: usize| {
            let others = tones.iter().enumerate().filter(|(t, _)| *t != best).map(|(_, p)| *p);
            others.fold(0.0, f32::max) / tones[best].max(f32::MIN_POSITIVE)
        };
        next(&self.tones[..4], row).max(next(&self.tones[4..], column))
    }

    /// How many times the stronger of the pair has the power of the weaker.
    pub(super) fn twist(&self, key: (usize, usize)) -> f32 {
        let (low, high) = self.pair(key);
        low.max(high) / low.min(high).max(f32::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tone;
    use super::*;

    #[test]
    fn a_window_measures_what_sounds_in_it_wherever_it_begins() {
        let mut sound = vec![0; 40];
        sound.extend(tone('8', 4_000));
        let steps = steps(&sound);
        for from in [2, 11, 57] {
            let window = Window::of(&steps[from..from + 5]);
            assert_eq!(window.strongest(), (2, 1));
            let (low, high) = window.pair((2, 1));
            // A sine of amplitude 6,000 has a mean square of 18,000,000.
            assert!((low / 18e6 - 1.0).abs() < 0.15 && (high / 18e6 - 1.0).abs() < 0.15, "{low} {high}");
            assert!(window.share((2, 1)) > 0.9 && window.rivalry((2, 1)) < 0.1);
        }
    }
}
