//! WAV in memory: what listeners get, and what uploads bring.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn legs_become_channels() {
        let bytes = of_legs(&[vec![1, 2, 3], vec![-1]]).unwrap();
        let read: Vec<i16> =
            hound::WavReader::new(Cursor::new(bytes)).unwrap().samples().map(Result::unwrap).collect();
        assert_eq!(read, [1, -1, 2, 0, 3, 0]);
    }
}
