#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::dtmf;

const WINDOW: u32 = 3_000;

/// Both legs hear a ramp that names its own place, in frames of 20 ms.
fn heard(seconds: u32) -> Timeline {
    let mut timeline = Timeline::new(WINDOW, [0, 1]);
    timeline.go(0);
    for frame in 0..seconds * 50 {
        let samples: Vec<i16> = (0..160).map(|i| ((frame * 160 + i) % 30_000) as i16 + 1).collect();
        timeline.hear(0, u64::from(frame) * 160, &samples);
        timeline.hear(1, u64::from(frame) * 160, &samples);
    }
    timeline
}

fn all(timeline: &mut Timeline, leg: u8, seconds: u32) -> Vec<i16> {
    let ready = timeline.take_all(seconds * 1_000);
    ready.into_iter().filter(|r| r.leg == leg).flat_map(|r| r.segment.samples).collect()
}

#[test]
fn nothing_leaves_before_its_window_has_passed() {
    let mut timeline = heard(6);
    assert!(timeline.take_ready(3_999).is_empty());
    assert_eq!(timeline.take_ready(4_000).len(), 2);
    assert_eq!(timeline.oldest(), 1_000);
}

#[test]
fn pause_loss_and_purge_have_their_true_length() {
    let mut timeline = heard(5);
    timeline.stop(1_500, GapKind::Pause, "pci.pause-card-entry");
    timeline.go(2_250);
    let late = timeline.purge(&[Span { leg: Some(1), start: 3_100, end: 3_300 }], "pci.code");
    assert!(late.is_empty());
    let ready = timeline.take_all(5_000);
    let of = |leg, second| &ready.iter().find(|r| r.leg == leg && r.second == second).unwrap().segment;
    let gap = |kind, start, end, rule: &str| Gap { kind, start, end, rule: rule.into() };
    assert_eq!(of(0, 1).gaps, [gap(GapKind::Pause, 4_000, 8_000, "pci.pause-card-entry")]);
    assert_eq!(of(0, 2).gaps, [gap(GapKind::Pause, 0, 2_000, "pci.pause-card-entry")]);
    assert_eq!(of(1, 3).gaps, [gap(GapKind::Purged, 800, 2_400, "pci.code")]);
    assert!(of(0, 3).gaps.is_empty());
    // After all of that, what is kept still stands where it was said.
    for leg in [0, 1] {
        for (i, sample) in of(leg, 4).samples.iter().enumerate() {
            assert_eq!(*sample, ((4 * 8_000 + i) % 30_000) as i16 + 1);
        }
    }
}

#[test]
fn what_is_purged_in_time_leaves_no_trace() {
    let mut timeline = heard(4);
    timeline.purge(&[Span { leg: None, start: 1_000, end: 2_000 }], "r");
    let samples = all(&mut timeline, 0, 4);
    assert!(samples[8_000..16_000].iter().all(|s| *s == 0));
    assert!(samples[..8_000].iter().all(|s| *s != 0));
}

#[test]
fn what_is_purged_too_late_is_given_back() {
    let mut timeline = heard(8);
    assert_eq!(timeline.take_ready(5_500).len(), 4);
    let span = Span { leg: Some(0), start: 1_200, end: 3_000 };
    assert_eq!(timeline.purge(&[span], "r"), [Span { end: 2_000, ..span }]);
}

#[test]
fn a_purge_covers_what_arrives_after_it() {
    let mut timeline = Timeline::new(WINDOW, [0]);
    timeline.go(0);
    timeline.purge(&[Span { leg: Some(0), start: 0, end: 500 }], "r");
    timeline.hear(0, 0, &[9; 8_000]);
    let samples = all(&mut timeline, 0, 1);
    assert_eq!(samples.iter().position(|s| *s != 0), Some(4_000));
}

#[test]
fn a_stop_in_the_past_drops_what_is_still_in_memory() {
    let mut timeline = heard(5);
    timeline.stop(2_000, GapKind::NotAllowed, "consent.all-party");
    assert!(!timeline.keeps());
    let samples = all(&mut timeline, 1, 5);
    assert!(samples[16_000..].iter().all(|s| *s == 0));
}

#[test]
fn recording_begins_with_a_notice_that_is_still_in_memory() {
    let mut timeline = heard(3);
    timeline.stop(0, GapKind::NotAllowed, "r");
    timeline.go(1_000);
    let samples = all(&mut timeline, 0, 3);
    assert!(samples[..8_000].iter().all(|s| *s == 0) && samples[8_000..].iter().all(|s| *s != 0));
}

#[test]
fn no_key_survives_masking_and_speech_around_it_does() {
    let mut timeline = Timeline::new(WINDOW, [0]);
    timeline.go(0);
    timeline.mask_keys(0);
    let mut state = 7u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16 / 8
    });
    let mut sound: Vec<i16> = noise.take(24_000).collect();
    // Across a boundary of seconds and of blocks; and one that ends just behind a boundary.
    sound[7_950..9_100].copy_from_slice(&dtmf::tone('7', 1_150));
    sound[15_040..16_064].copy_from_slice(&dtmf::tone('7', 1_024));
    timeline.hear(0, 0, &sound);
    let kept = all(&mut timeline, 0, 3);
    assert_eq!(dtmf::keys(&kept), []);
    assert!(kept[16_000..16_064].iter().all(|s| *s == 0));
    assert!(kept[..7_600] == sound[..7_600] && kept[9_600..14_700] == sound[9_600..14_700]);
    assert!(kept[16_500..] == sound[16_500..]);
}

#[test]
fn voices_of_a_leg_are_heard_at_once_and_each_once() {
    let mut timeline = Timeline::new(WINDOW, [0]);
    timeline.go(0);
    timeline.hear_voice(0, 1, 4_000, &[300; 8_000]);
    timeline.hear_voice(0, 0, 0, &[20; 10_000]);
    // Again, and one more that is too loud for both to fit.
    timeline.hear_voice(0, 0, 0, &[20; 10_000]);
    timeline.hear_voice(0, 2, 11_900, &[i16::MAX; 200]);
    let ready = timeline.take_all(2_000);
    let sound: Vec<i16> = ready.iter().flat_map(|r| r.segment.samples.clone()).collect();
    let runs: Vec<(i16, usize)> = sound.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    assert_eq!(runs, [(20, 4_000), (320, 6_000), (300, 1_900), (i16::MAX, 200), (0, 3_900)]);
    let gap = Gap { kind: GapKind::Loss, start: 4_100, end: 8_000, rule: String::new() };
    assert_eq!((&ready[0].segment.gaps, &ready[1].segment.gaps), (&vec![], &vec![gap]));
}

#[test]
fn duplicates_disorder_and_nonsense_are_borne() {
    let mut timeline = Timeline::new(WINDOW, [0]);
    timeline.go(0);
    timeline.hear(0, 4_000, &[2; 4_000]);
    timeline.hear(0, 0, &[1; 4_000]);
    timeline.hear(0, 0, &[1; 4_000]);
    timeline.hear(7, 0, &[5; 100]);
    timeline.hear(0, u64::MAX, &[5; 100]);
    let samples = all(&mut timeline, 0, 1);
    assert!(samples[..4_000].iter().all(|s| *s == 1) && samples[4_000..].iter().all(|s| *s == 2));
}

#[test]
fn legs_stay_aligned_to_the_sample_through_pause_loss_and_hold() {
    // Two legs of a signal in which every sample names its place, and frames that begin at odd samples.
    let at = |leg: u64, i: u64| ((i * 7 + leg * 3) % 30_000) as i16 + 1;
    let mut timeline = Timeline::new(WINDOW, [0, 1]);
    timeline.go(0);
    timeline.hold(1, 4_000);
    timeline.unhold(1, 5_500);
    timeline.stop(2_000, GapKind::Pause, "pause");
    timeline.go(2_750);
    for frame in 0..8 * 50u64 {
        let start = frame * 160 + 3;
        // Leg 0 loses 100 ms, leg 1 sends nothing while on hold.
        let arrives = |leg| match leg {
            0 => !(300..305).contains(&frame),
            _ => !(200..275).contains(&frame),
        };
        for leg in (0..2).filter(|leg| arrives(*leg)) {
            let samples: Vec<i16> = (start..start + 160).map(|i| at(leg, i)).collect();
            timeline.hear(leg as u8, start, &samples);
        }
    }
    let ready = timeline.take_all(8_000);
    let mut gaps: Vec<(u8, GapKind, u64, u64)> = Vec::new();
    for Ready { leg, second, segment } in &ready {
        let first = u64::from(*second) * 8_000;
        for gap in &segment.gaps {
            let (start, end) = (first + u64::from(gap.start), first + u64::from(gap.end));
            match gaps.iter_mut().find(|g| g.0 == *leg && g.1 == gap.kind && g.3 == start) {
                Some(before) => before.3 = end,
                None => gaps.push((*leg, gap.kind, start, end)),
            }
        }
        for (i, sample) in segment.samples.iter().enumerate() {
            let place = first + i as u64;
            let missing = gaps.iter().any(|g| g.0 == *leg && (g.2..g.3).contains(&place));
            assert_eq!(
                *sample,
                if missing { 0 } else { at(u64::from(*leg), place) },
                "leg {leg}, sample {place}"
            );
        }
    }
    gaps.sort_by_key(|g| (g.0, g.2));
    assert_eq!(
        gaps,
        [
            (0, GapKind::Loss, 0, 3),
            (0, GapKind::Pause, 16_000, 22_000),
            (0, GapKind::Loss, 48_003, 48_803),
            (1, GapKind::Loss, 0, 3),
            (1, GapKind::Pause, 16_000, 22_000),
            (1, GapKind::Hold, 32_003, 44_000),
            (1, GapKind::Loss, 44_000, 44_003),
        ]
    );
}

#[test]
fn a_key_that_is_told_is_silenced_whatever_is_heard() {
    let mut timeline = heard(4);
    timeline.mask_keys(0);
    timeline.key(Key { leg: 1, start: 1_950, end: 2_050, symbol: '4' });
    let ready = timeline.take_all(4_000);
    let of = |leg, second| &ready.iter().find(|r| r.leg == leg && r.second == second).unwrap().segment.gaps;
    let gap = |start, end| Gap { kind: GapKind::KeysMasked, start, end, rule: "mask-keys".into() };
    assert_eq!((of(1, 1).as_slice(), of(1, 2).as_slice()), (&[gap(7_360, 8_000)][..], &[gap(0, 640)][..]));
    assert!(of(0, 1).is_empty() && of(0, 2).is_empty());
}

#[test]
fn keys_before_masking_was_asked_for_stay_but_the_one_that_sounds_goes_whole() {
    let mut timeline = Timeline::new(WINDOW, [0]);
    timeline.go(0);
    let pause = vec![0; 1_600];
    let sound = [pause.clone(), dtmf::tone('1', 800), pause.clone(), dtmf::tone('2', 800), pause].concat();
    timeline.hear(0, 0, &sound);
    // In the middle of the second key.
    timeline.mask_keys(550);
    let kept = all(&mut timeline, 0, 1);
    assert_eq!(dtmf::keys(&kept).iter().map(|k| k.symbol).collect::<String>(), "1");
    assert!(kept[4_000..4_800].iter().all(|s| *s == 0));
}

#[test]
fn an_echo_on_the_other_leg_is_silenced_too() {
    let mut timeline = Timeline::new(WINDOW, [0, 1]);
    timeline.go(0);
    timeline.mask_keys(0);
    let mut keyed = vec![0i16; 24_000];
    let mut echo = vec![0i16; 24_000];
    let mut state = 3u32;
    for sample in &mut echo {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Noise about as loud as the echo, which is 30 dB below the key and 80 ms late.
        *sample = ((state >> 16) as i16) / 90;
    }
    for (n, digit) in "4711".chars().enumerate() {
        let at = 7_600 + n * 1_600;
        let tone = dtmf::tone(digit, 800);
        keyed[at..at + 800].copy_from_slice(&tone);
        for (i, t) in tone.iter().enumerate() {
            echo[at + 640 + i] += t / 32;
        }
    }
    timeline.hear(0, 0, &keyed);
    timeline.hear(1, 0, &echo);
    let kept = all(&mut timeline, 1, 3);
    for n in 0..4 {
        let at = 7_600 + n * 1_600 + 640;
        let left = kept[at..at + 800].iter().filter(|s| **s != 0).count();
        assert!(left < 80, "{left} samples of echo {n} are left");
    }
    assert!(kept[16_000..].iter().any(|s| *s != 0));
}

#[test]
fn keys_in_the_sound_are_given_once_and_not_if_they_were_told() {
    let mut timeline = Timeline::new(WINDOW, [0, 1]);
    timeline.go(0);
    let mut sound = vec![0i16; 40_000];
    for (n, digit) in "4714".chars().enumerate() {
        let at = 7_700 + n * 8_000;
        sound[at..at + 800].copy_from_slice(&dtmf::tone(digit, 800));
    }
    timeline.hear(0, 0, &sound);
    // The other side hears it as well, a little later.
    timeline.hear(1, 400, &sound[..39_600]);
    timeline.key(Key { leg: 0, start: 2_900, end: 3_100, symbol: '1' });
    let mut heard = Vec::new();
    for until in (500..=5_000).step_by(500) {
        heard.extend(timeline.heard_keys(until));
        timeline.take_ready(until + 1_000);
    }
    let symbols: String = heard.iter().map(|k| k.symbol).collect();
    assert_eq!(symbols, "474", "{heard:?}");
    assert!(heard.iter().all(|k| k.leg == 0 && k.end - k.start >= 90), "{heard:?}");
    assert!(heard[1].start.abs_diff(1_962) < 25, "{heard:?}");
}

#[test]
fn what_is_quiet_is_no_loss_and_what_arrives_in_it_is_heard() {
    let mut timeline = Timeline::new(WINDOW, [0]);
    timeline.go(0);
    timeline.hear(0, 0, &[9; 2_000]);
    // Nobody knows yet for how long.
    timeline.quiet(0, 2_000..u64::MAX);
    timeline.hear(0, 10_000, &[9; 1_000]);
    let first = timeline.take_ready(4_000).remove(0).segment;
    timeline.quiet(0, 2_000..9_000);
    timeline.quiet(1, 11_000..12_000);
    timeline.hold(0, 1_500);
    let second = timeline.take_ready(5_000).remove(0).segment;
    let gap = |kind, start, end| Gap { kind, start, end, rule: String::new() };
    assert_eq!(first.gaps, [gap(GapKind::Quiet, 2_000, 8_000)]);
    let rest = [(GapKind::Quiet, 0, 1_000), (GapKind::Loss, 1_000, 2_000), (GapKind::Loss, 3_000, 4_000)];
    let rest = rest.into_iter().chain([(GapKind::Hold, 4_000, 8_000)]);
    assert_eq!(second.gaps, rest.map(|(kind, start, end)| gap(kind, start, end)).collect::<Vec<_>>());
    assert_eq!(Segment::decode(&first.encode()).unwrap().gaps, first.gaps);
    assert!(timeline.quiet.is_empty(), "it is over, and forgotten");
}
