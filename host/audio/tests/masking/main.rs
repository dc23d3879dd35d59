//! No digit survives masking, and the speech around it does: shown by a decoder that nobody here wrote (multimon-ng).
#![allow(clippy::unwrap_used, reason = "tests")]

mod decoder;
mod scene;

use caveat_audio::{GapKind, Segment, Timeline, dtmf, g711};

use decoder::decoded;
use scene::{Keyed, Random, Scene, speech};

/// Milliseconds beyond a tone that masking may take with it: a window of the detector, its step, and the guard.
const AROUND_MS: usize = 70;
/// Of speech without any key, masking may take at most this part.
const FALSE_SHARE: f64 = 0.05;

/// What is kept of a sound on the way that every call goes: in frames of 20 ms, sealed a second at a time; and where
/// keys were masked.
fn kept(sound: &[i16]) -> (Vec<i16>, Vec<bool>) {
    let seconds = sound.len().div_ceil(8_000) as u32;
    let mut timeline = Timeline::new(2_000, [0]);
    timeline.go(0);
    timeline.mask_keys(0);
    let (mut kept, mut masked) = (Vec::new(), Vec::new());
    for (i, frame) in sound.chunks(160).enumerate() {
        timeline.hear(0, i as u64 * 160, frame);
        for ready in timeline.take_ready(i as u32 * 20) {
            take(&ready.segment, &mut kept, &mut masked);
        }
    }
    for ready in timeline.take_all(seconds * 1_000) {
        take(&ready.segment, &mut kept, &mut masked);
    }
    kept.truncate(sound.len());
    masked.truncate(sound.len());
    (kept, masked)
}

fn take(segment: &Segment, kept: &mut Vec<i16>, masked: &mut Vec<bool>) {
    let sealed = Segment::decode(&segment.encode()).unwrap();
    let first = masked.len();
    masked.resize(first + 8_000, false);
    for gap in sealed.gaps.iter().filter(|g| g.kind == GapKind::KeysMasked) {
        masked[first + usize::from(gap.start)..first + usize::from(gap.end)].fill(true);
    }
    kept.extend(sealed.samples);
}

/// As it comes from the wire: through mu-law once.
fn on_the_wire(sound: &[i16]) -> Vec<i16> {
    g711::from_mu_law(&g711::to_mu_law(sound))
}

/// Whether a sample is further from every key than masking may reach.
fn far(keys: &[Keyed], length: usize) -> Vec<bool> {
    let mut far = vec![true; length];
    for key in keys {
        let (from, until) = (key.start.saturating_sub(AROUND_MS * 8), key.end + AROUND_MS * 8);
        far[from.min(length)..until.min(length)].fill(false);
    }
    far
}

fn spoiled(far: &[bool], masked: &[bool]) -> usize {
    far.iter().zip(masked).filter(|(far, masked)| **far && **masked).count()
}

#[test]
fn no_digit_of_any_level_twist_or_length_survives() {
    for (on_ms, off_ms, detuned) in
        [(40, 40, 0.002), (50, 60, 0.002), (80, 80, 0.002), (200, 200, 0.002), (80, 80, 0.015)]
    {
        let mut random = Random::new(20_261_126);
        let mut scene = Scene { detuned, ..Scene::default() };
        for level in [0.0, -3.0, -10.0, -18.0, -25.0, -30.0, -35.0] {
            for twist in [-8.0, -4.0, 0.0, 4.0, 8.0] {
                scene.key(&mut random, level, twist, on_ms, off_ms);
                scene.silence(400 + random.below(400));
            }
        }
        let sound = on_the_wire(&scene.sound);
        let (before, keys) = (decoded(&sound).len(), scene.keys.len());
        // The decoder reads every key whose tones are up to 4 dB apart, which are three of five here; else it is no witness.
        assert!(before * 5 >= keys * 3, "{before} of {keys} keys of {on_ms} ms are read");
        let (kept, masked) = kept(&sound);
        assert_eq!(decoded(&kept), "", "of {keys} keys of {on_ms} ms");
        // Every sample of every key is gone, so that no better decoder reads one either.
        for key in &scene.keys {
            assert!(masked[key.start..key.end].iter().all(|m| *m), "a key of {on_ms} ms at {}", key.start);
        }
        assert_eq!(
            spoiled(&far(&scene.keys, masked.len()), &masked),
            0,
            "silence beyond the guard was masked"
        );
        println!("{on_ms} ms: {keys} keys, {before} read before masking, none after");
    }
}

#[test]
fn no_digit_under_speech_survives_and_the_speech_beside_it_does() {
    for (voice, seed) in [("en-us", 1), ("en-us+f3", 2), ("en-gb+m3", 3)] {
        let mut random = Random::new(seed);
        let mut scene = Scene { detuned: 0.002, ..Scene::default() };
        for level in [-5.0, -10.0, -15.0, -20.0, -25.0] {
            for (on_ms, off_ms) in [(40, 60), (80, 80), (200, 150)] {
                let twist = random.spread(6.0);
                scene.key(&mut random, level, twist, on_ms, off_ms);
                scene.silence(900 + random.below(900));
            }
        }
        let spoken = speech(voice, scene.sound.len());
        let mix: Vec<i16> = scene.sound.iter().zip(&spoken).map(|(a, b)| a.saturating_add(*b)).collect();
        let mix = on_the_wire(&mix);
        let before = decoded(&mix);
        let (kept, masked) = kept(&mix);
        // What the same decoder takes for keys in the speech alone, with the same stretches silenced, is no key.
        let silent = |sound: &[i16]| -> Vec<i16> {
            sound.iter().zip(&masked).map(|(s, masked)| if *masked { 0 } else { *s }).collect()
        };
        let alone = decoded(&silent(&on_the_wire(&spoken)));
        assert_eq!(decoded(&kept), alone, "{voice}");
        assert!(
            before.len() > alone.len() + scene.keys.len() / 3,
            "{voice}: {} are read under speech",
            before.len()
        );

        // Outside the masked stretches every sample is what it was; and what is masked lies about the keys.
        assert_eq!(kept, silent(&mix));
        let far = far(&scene.keys, masked.len());
        let away = far.iter().filter(|far| **far).count();
        let spoiled = spoiled(&far, &masked);
        assert!((spoiled as f64) < FALSE_SHARE * away as f64, "{voice}: {spoiled} of {away} samples");
        println!(
            "{voice}: {} keys, {} read under speech before masking, none after; {:.2} % of the speech beside them masked",
            scene.keys.len(),
            before.len() - alone.len(),
            100.0 * spoiled as f64 / away as f64
        );
    }
}

#[test]
fn speech_alone_is_left_alone() {
    for voice in ["en-us", "en-us+f3", "en-us+f5", "en-gb+m3", "de+f2"] {
        let sound = on_the_wire(&speech(voice, 60 * 8_000));
        let (_, masked) = kept(&sound);
        let share = masked.iter().filter(|m| **m).count() as f64 / masked.len() as f64;
        assert!(share < FALSE_SHARE, "{voice}: {:.2} % of a minute is masked", 100.0 * share);
        assert!(dtmf::keys(&sound).is_empty(), "{voice}: a key is heard in speech");
        println!("{voice}: {:.2} % of a minute of speech masked", 100.0 * share);
    }
}
