//! What has to be silenced so that no key can be read in what is left.
//!
//! A window is suspect if a decoder might accept it: decoders ask for a pair of tones that has most of the power (82 % in
//! spandsp, 40 % in multimon-ng) for at least 12 to 40 ms, with other tones of each group well below. The rules here are
//! laxer than those, at every step of 4 ms, so that edges are found wherever they fall; and what is left after silencing
//! is looked at again, because an edge beside silence is a purer tone than it was.

use std::ops::Range;

use super::{
    place,
    spectrum::{STEP, Step, Window, steps},
};

/// When a window counts as keyed.
struct Rule {
    /// Its length.
    steps: usize,
    /// The pair has this part of the power at least.
    share: f32,
    /// The next tone of a group has this part of the key's at most.
    rivalry: f32,
    /// The stronger tone has this many times the power of the weaker at most.
    twist: f32,
}

/// A clean tone, even a short one, cut off or off its frequency: 16 ms. Twist up to 16 dB; Q.24 allows 4 to 8.
const CLEAN: Rule = Rule { steps: 4, share: 0.55, rivalry: 0.4, twist: 40.0 };
/// A tone under speech: 40 ms. Twist up to 20 dB: beyond it, no decoder known to us reads a key.
const COVERED: Rule = Rule { steps: 10, share: 0.35, rivalry: 0.15, twist: 100.0 };
/// What a known key may look like where it only echoes: 40 ms.
const ECHO: Rule = Rule { steps: 10, share: 0.1, rivalry: 0.5, twist: 100.0 };

/// Mean square of the weaker tone below which nothing is heard: about -58 dBm0, the noise of mu-law.
const FLOOR: f32 = 300.0;
/// Samples that are silenced beyond each end of what was found: 10 ms.
const GUARD: usize = 80;
/// An edge under speech is followed as far as the tones keep this part of their power.
const EDGE_POWER: f32 = 0.25;
/// An edge is followed no further than this: 60 ms.
const EDGE_STEPS: usize = 15;
/// How often what is left is looked at again.
const ROUNDS: usize = 4;

/// Stretches of `samples` (8,000 Hz), sorted and apart, without which no key can be read.
pub fn silenced(samples: &[i16]) -> Vec<Range<usize>> {
    let mut left = samples.to_vec();
    let mut found: Vec<Range<usize>> = Vec::new();
    for _ in 0..ROUNDS {
        let steps = steps(&left);
        let suspects = [CLEAN, COVERED].iter().flat_map(|rule| suspects(&steps, rule)).collect::<Vec<_>>();
        if suspects.is_empty() {
            break;
        }
        for (window, key) in suspects {
            found.push(with_edges(&steps, window, key, samples.len()));
        }
        found = joined(found);
        found.iter().for_each(|stretch| left[stretch.clone()].fill(0));
    }
    found
}

/// Stretches in which a key that is known to have sounded close by can still be made out, however faintly.
pub fn echoes(samples: &[i16], symbol: char) -> Vec<Range<usize>> {
    let Some(key) = place(symbol) else { return vec![] };
    let steps = steps(samples);
    let windows = steps.windows(ECHO.steps).enumerate();
    let heard = windows.filter(|(_, window)| ECHO.accepts(&Window::of(window), key));
    let stretch = |(at, _)| guarded(at..at + ECHO.steps, samples.len());
    joined(heard.map(stretch).collect())
}

impl Rule {
    fn accepts(&self, window: &Window, key: (usize, usize)) -> bool {
        let (low, high) = window.pair(key);
        low.min(high) > FLOOR
            && window.share(key) > self.share
            && window.rivalry(key) < self.rivalry
            && window.twist(key) < self.twist
    }
}

/// Windows (in steps) that a rule accepts, and as which key.
fn suspects(steps: &[Step], rule: &Rule) -> Vec<(Range<usize>, (usize, usize))> {
    let windows = steps.windows(rule.steps).enumerate();
    let suspect = |(at, window): (usize, &[Step])| {
        let window = Window::of(window);
        let key = window.strongest();
        rule.accepts(&window, key).then_some((at..at + rule.steps, key))
    };
    windows.filter_map(suspect).collect()
}

/// A window, and what lies beside it of the same key, in samples.
fn with_edges(steps: &[Step], window: Range<usize>, key: (usize, usize), length: usize) -> Range<usize> {
    let (low, high) = Window::of(&steps[window.clone()]).pair(key);
    let sounds = |at: usize| {
        let (l, h) = Window::of(&steps[at..(at + CLEAN.steps).min(steps.len())]).pair(key);
        l > low * EDGE_POWER && h > high * EDGE_POWER
    };
    let before = (0..window.start).rev().take(EDGE_STEPS).take_while(|at| sounds(*at)).count();
    let last = window.end.saturating_sub(CLEAN.steps);
    let after = (last + 1..steps.len()).take(EDGE_STEPS).take_while(|at| sounds(*at)).count();
    guarded(window.start - before..window.end + after, length)
}

fn guarded(window: Range<usize>, length: usize) -> Range<usize> {
    (window.start * STEP).saturating_sub(GUARD)..(window.end * STEP + GUARD).min(length)
}

/// Sorted; those that touch become one.
fn joined(mut stretches: Vec<Range<usize>>) -> Vec<Range<usize>> {
    stretches.sort_unstable_by_key(|s| (s.start, s.end));
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = last.end.max(stretch.end),
            _ => joined.push(stretch),
        }
    }
    joined
}
