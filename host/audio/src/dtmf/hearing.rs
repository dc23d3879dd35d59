//! What was keyed, as a fact for packs: a key is only heard where hardly anything else can be meant.

use super::{
    SYMBOLS,
    spectrum::{STEP, Window, steps},
};

/// A key as it was heard, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub symbol: char,
    /// The first sample.
    pub start: usize,
    /// The sample after the last.
    pub end: usize,
}

/// Steps of a window: 20 ms.
const WINDOW: usize = 5;
/// The pair has this part of the power at least: speech never has.
const SHARE: f32 = 0.7;
/// The next tone of a group has this part of the key's at most: 7 dB below.
const RIVALRY: f32 = 0.2;
/// The stronger tone has this many times the power of the weaker at most: 12 dB; Q.24 allows 4 to 8.
const TWIST: f32 = 16.0;
/// Mean square of the weaker tone at least: about -50 dBm0.
const FLOOR: f32 = 2_500.0;
/// So many windows in a row, each a step later: tones from about 30 ms on are heard; Q.24 asks for 40.
const WINDOWS: usize = 4;

/// The keys that sound in `samples` (8,000 Hz), in order.
pub fn keys(samples: &[i16]) -> Vec<Tone> {
    let steps = steps(samples);
    let heard = |window: &[_]| {
        let window = Window::of(window);
        let key = window.strongest();
        let (low, high) = window.pair(key);
        let sure = low.min(high) > FLOOR
            && window.share(key) > SHARE
            && window.rivalry(key) < RIVALRY
            && window.twist(key) < TWIST;
        sure.then_some(SYMBOLS[key.0][key.1])
    };
    let windows: Vec<Option<char>> = steps.windows(WINDOW).map(heard).collect();
    let mut keys = Vec::new();
    let mut at = 0;
    for run in windows.chunk_by(|a, b| a == b) {
        if let Some(symbol) = run[0].filter(|_| run.len() >= WINDOWS) {
            let (start, end) = (at * STEP, (at + run.len() - 1 + WINDOW) * STEP);
            keys.push(Tone { symbol, start, end: end.min(samples.len()) });
        }
        at += run.len();
    }
    joined(keys)
}

/// A crackle in the middle of a key makes no second one.
fn joined(keys: Vec<Tone>) -> Vec<Tone> {
    let mut joined: Vec<Tone> = Vec::with_capacity(keys.len());
    for key in keys {
        match joined.last_mut() {
            Some(last) if last.symbol == key.symbol && key.start < last.end + WINDOW * STEP => {
                last.end = key.end
            }
            _ => joined.push(key),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::super::tone;
    use super::*;

    #[test]
    fn keys_are_heard_in_order_with_their_times() {
        for length_ms in [40, 80, 200] {
            let mut sound = vec![0; 1_111];
            let mut spans = Vec::new();
            for symbol in SYMBOLS.as_flattened() {
                let start = sound.len();
                sound.extend(tone(*symbol, length_ms * 8));
                spans.push((*symbol, start, sound.len()));
                sound.resize(sound.len() + 50 * 8, 0);
            }
            let heard = keys(&sound);
            assert_eq!(heard.len(), spans.len(), "{length_ms} ms: {heard:?}");
            for (key, (symbol, start, end)) in heard.iter().zip(spans) {
                assert_eq!(key.symbol, symbol);
                // Within a window of where it was.
                assert!(
                    key.start.abs_diff(start) <= 160 && key.end.abs_diff(end) <= 160,
                    "{key:?} {start}-{end}"
                );
            }
        }
    }

    #[test]
    fn a_key_pressed_twice_is_two() {
        let sound = [tone('5', 400), vec![0; 400], tone('5', 400)].concat();
        assert_eq!(keys(&sound).iter().map(|k| k.symbol).collect::<String>(), "55");
    }

    #[test]
    fn noise_and_single_tones_are_no_keys() {
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 17) as i16
        });
        assert_eq!(keys(&noise.take(80_000).collect::<Vec<_>>()), []);
        let single =
            (0..8_000).map(|i| (8_000.0 * (std::f32::consts::TAU * 770.0 * i as f32 / 8_000.0).sin()) as i16);
        assert_eq!(keys(&single.collect::<Vec<_>>()), []);
    }
}
