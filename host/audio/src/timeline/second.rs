//! A second of a leg while it is in memory. What several speak at the same time is kept apart until it leaves, so that
//! whichever comes late or twice, each is in it once.

use std::borrow::Cow;

use super::arrived::Arrived;
use crate::SEGMENT_SAMPLES;

static SILENCE: [i16; SEGMENT_SAMPLES] = [0; SEGMENT_SAMPLES];

#[derive(Debug, Default)]
pub(super) struct Second {
    /// By voice: samples of the whole second. Nearly always there is one.
    voices: Vec<(u8, Vec<i16>)>,
    arrived: Arrived,
}

impl Second {
    /// Sound of a voice, from a sample of the second on. It does not go beyond the second.
    pub(super) fn hear(&mut self, voice: u8, from: usize, sound: &[i16]) {
        let place = self.voices.iter().position(|(v, _)| *v == voice).unwrap_or_else(|| {
            self.voices.push((voice, SILENCE.to_vec()));
            self.voices.len() - 1
        });
        let stretch = from..from + sound.len();
        self.voices[place].1[stretch.clone()].copy_from_slice(sound);
        self.arrived.add(stretch);
    }

    /// How it sounds: all voices at once.
    pub(super) fn sound(&self) -> Cow<'_, [i16]> {
        match self.voices.as_slice() {
            [] => Cow::Borrowed(&SILENCE),
            [(_, only)] => Cow::Borrowed(only),
            [(_, first), others @ ..] => Cow::Owned(mixed(first.clone(), others)),
        }
    }

    /// How it sounds, and what of it has arrived.
    pub(super) fn into_parts(mut self) -> (Vec<i16>, Arrived) {
        let sound = match self.voices.pop() {
            None => SILENCE.to_vec(),
            Some((_, last)) => mixed(last, &self.voices),
        };
        (sound, self.arrived)
    }
}

fn mixed(mut sound: Vec<i16>, others: &[(u8, Vec<i16>)]) -> Vec<i16> {
    for (_, other) in others {
        for (sample, more) in sound.iter_mut().zip(other) {
            *sample = sample.saturating_add(*more);
        }
    }
    sound
}
