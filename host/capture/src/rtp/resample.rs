//! From any sampling rate down to 8,000 Hz: a windowed sinc, evaluated only where a sample is wanted.

use caveat_audio::SAMPLE_RATE_HZ;

/// Samples at 8,000 Hz by which what comes out is late.
pub(super) const DELAY: usize = 24;
/// Where the filter halves the amplitude, in Hz. Half a transition below 4,000 Hz, so that nothing folds back into speech.
const CUTOFF_HZ: f64 = 3_700.0;
/// Kaiser's window: stop band at about -60 dB.
const BETA: f64 = 5.65;

/// A stream of samples on its way down to 8,000 Hz.
#[derive(Debug)]
pub(super) struct Resampler {
    /// Output positions per input sample, and input positions per output sample, in lowest terms.
    up: usize,
    down: usize,
    /// By phase, the weights of the newest [`Self::taps`] samples, oldest first.
    weights: Vec<f32>,
    taps: usize,
    /// The last input samples.
    history: Vec<f32>,
    /// From the next input sample to the next output sample, in units of 1/`up` of an input sample.
    next: usize,
}

impl Resampler {
    /// For a rate above 8,000 Hz.
    pub(super) fn new(rate_hz: u32) -> Self {
        let common = gcd(rate_hz, SAMPLE_RATE_HZ);
        let (up, down) = ((SAMPLE_RATE_HZ / common) as usize, (rate_hz / common) as usize);
        let per_output = f64::from(rate_hz) / f64::from(SAMPLE_RATE_HZ);
        let half = DELAY as f64 * per_output;
        let taps = (2.0 * half).ceil() as usize + 1;
        let weight = |phase: usize, tap: usize| {
            // How far the tap lies from the middle of the filter, in input samples. The newest tap is the last.
            let age = (taps - 1 - tap) as f64 + phase as f64 / up as f64;
            let x = age - half;
            let window = kaiser(x / half);
            window * sinc(2.0 * CUTOFF_HZ * x / f64::from(rate_hz))
        };
        let mut weights = Vec::with_capacity(up * taps);
        for phase in 0..up {
            let row: Vec<f64> = (0..taps).map(|tap| weight(phase, tap)).collect();
            let sum: f64 = row.iter().sum();
            weights.extend(row.iter().map(|w| (w / sum) as f32));
        }
        Self { up, down, weights, taps, history: vec![0.0; taps - 1], next: 0 }
    }

    /// Takes the next samples, and adds what they complete to `out`.
    pub(super) fn take(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.history.extend(samples.iter().map(|s| f32::from(*s)));
        let end = samples.len() * self.up;
        while self.next < end {
            let (newest, phase) = (self.next / self.up, self.next % self.up);
            let heard = self.history.get(newest..newest + self.taps).unwrap_or_default();
            let weights = self.weights.get(phase * self.taps..(phase + 1) * self.taps).unwrap_or_default();
            let sum: f32 = heard.iter().zip(weights).map(|(s, w)| s * w).sum();
            out.push(sum.round() as i16);
            self.next += self.down;
        }
        self.next -= end;
        self.history.drain(..samples.len());
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) }
}

fn kaiser(x: f64) -> f64 {
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    (1..40).fold(1.0, |sum, k| {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum + term
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How loud a tone of this frequency is after resampling, in dB of what it was.
    fn gain(rate_hz: u32, tone_hz: f64) -> f64 {
        let tone = |n: u32| {
            (10_000.0 * (std::f64::consts::TAU * tone_hz * f64::from(n) / f64::from(rate_hz)).sin()) as i16
        };
        let samples: Vec<i16> = (0..rate_hz).map(tone).collect();
        let mut resampler = Resampler::new(rate_hz);
        let mut out = vec![];
        // In packets of an odd length: nothing may depend on where they end.
        samples.chunks(331).for_each(|packet| resampler.take(packet, &mut out));
        assert!(out.len().abs_diff(8_000) <= 1, "{} samples of a second at {rate_hz} Hz", out.len());
        let power = |samples: &[i16]| {
            samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
        };
        10.0 * ((power(&out[100..]) + 1e-9) / power(&samples)).log10()
    }

    #[test]
    fn speech_passes_and_nothing_folds_back() {
        for rate in [16_000, 32_000, 44_100, 48_000] {
            for tone in [300.0, 1_000.0, 3_300.0] {
                assert!(gain(rate, tone).abs() < 0.3, "{tone} Hz of {rate}: {} dB", gain(rate, tone));
            }
            for tone in [4_400.0, 5_000.0, 7_000.0] {
                assert!(gain(rate, tone) < -50.0, "{tone} Hz of {rate}: {} dB", gain(rate, tone));
            }
        }
    }

    #[test]
    fn a_click_comes_out_late_by_the_stated_delay() {
        for rate in [16_000u32, 44_100, 48_000] {
            let mut samples = vec![0; rate as usize / 2];
            samples[rate as usize / 4] = 30_000;
            let mut out = vec![];
            Resampler::new(rate).take(&samples, &mut out);
            let loudest = out.iter().enumerate().max_by_key(|(_, s)| s.unsigned_abs()).map(|(i, _)| i);
            assert_eq!(loudest, Some(2_000 + DELAY), "{rate} Hz");
        }
    }
}
