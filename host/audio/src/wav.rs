//! WAV in memory: what listeners get, and what uploads bring.

use std::io::Cursor;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::SAMPLE_RATE_HZ;

/// Interleaves legs into one WAV (16 bits, 8,000 Hz), a channel each; shorter legs are silent at the end.
///
/// # Errors
/// More than 4 GiB of sound, which the format cannot hold.
pub fn of_legs(legs: &[Vec<i16>]) -> Result<Vec<u8>, hound::Error> {
    let spec = WavSpec {
        channels: legs.len().max(1) as u16,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    let length = legs.iter().map(Vec::len).max().unwrap_or(0);
    for i in 0..length {
        for leg in legs {
            writer.write_sample(leg.get(i).copied().unwrap_or(0))?;
        }
    }
    writer.finalize()?;
    Ok(bytes.into_inner())
}

/// The bytes before the sound of such a WAV of so many samples a channel.
///
/// # Errors
/// As [`of_legs`].
pub fn head(channels: usize, samples: u64) -> Result<Vec<u8>, hound::Error> {
    let mut head = of_legs(&vec![Vec::new(); channels.max(1)])?;
    let sound = u32::try_from(samples.saturating_mul(2 * channels.max(1) as u64));
    let rest = u32::try_from(head.len()).unwrap_or(u32::MAX) - 8;
    let sizes = sound.ok().and_then(|sound| Some((sound, sound.checked_add(rest)?)));
    let (sound, all) = sizes.ok_or(hound::Error::TooWide)?;
    // RIFF, the size of the rest, ..., `data`, the size of the sound.
    let end = head.len();
    for (at, size) in [(4, all), (end - 4, sound)] {
        if let Some(place) = head.get_mut(at..at + 4) {
            place.copy_from_slice(&size.to_le_bytes());
        }
    }
    Ok(head)
}

/// What a WAV is that is not telephone sound.
#[derive(Debug, thiserror::Error)]
pub enum NotTelephone {
    /// It cannot be read.
    #[error("it is no WAV that can be read: {0}")]
    Wav(#[from] hound::Error),
    /// It can, and is something else.
    #[error(
        "it has {channels} channels, {bits} bits and {rate_hz} Hz: one channel, 16 bits and 8,000 Hz are wanted \
         (sox IN -r 8000 -b 16 -c 1 OUT)"
    )]
    Form {
        /// Of the file.
        channels: u16,
        /// Of a sample.
        bits: u16,
        /// Samples per second.
        rate_hz: u32,
    },
}

/// Reads a WAV that can be played on a call as it is: one channel, 16 bits, 8,000 Hz.
///
/// # Errors
/// [`NotTelephone`] says what it is instead.
pub fn telephone(bytes: &[u8]) -> Result<Vec<i16>, NotTelephone> {
    let reader = WavReader::new(Cursor::new(bytes))?;
    let spec = reader.spec();
    if (spec.channels, spec.bits_per_sample, spec.sample_rate, spec.sample_format)
        != (1, 16, SAMPLE_RATE_HZ, SampleFormat::Int)
    {
        let (channels, bits, rate_hz) = (spec.channels, spec.bits_per_sample, spec.sample_rate);
        return Err(NotTelephone::Form { channels, bits, rate_hz });
    }
    Ok(reader.into_samples().collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_head_is_that_of_the_whole() {
        for legs in [1, 2, 3] {
            let whole = of_legs(&vec![vec![7; 800]; legs]).unwrap();
            assert_eq!(head(legs, 800).unwrap(), whole[..whole.len() - legs * 1_600], "{legs} legs");
        }
    }

    #[test]
    fn legs_become_channels() {
        let bytes = of_legs(&[vec![1, 2, 3], vec![-1]]).unwrap();
        let read: Vec<i16> =
            hound::WavReader::new(Cursor::new(bytes)).unwrap().samples().map(Result::unwrap).collect();
        assert_eq!(read, [1, -1, 2, 0, 3, 0]);
    }

    #[test]
    fn only_telephone_sound_is_taken() {
        let sound = vec![1, -2, 3];
        assert_eq!(telephone(&of_legs(std::slice::from_ref(&sound)).unwrap()).unwrap(), sound);
        let error = telephone(&of_legs(&[sound.clone(), sound]).unwrap()).unwrap_err().to_string();
        assert!(error.contains("2 channels"), "{error}");
        assert!(telephone(b"RIFF").is_err());
    }
}
