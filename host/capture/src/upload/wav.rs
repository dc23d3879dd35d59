//! WAV files: RIFF chunks, 16-bit PCM or mu-law at 8,000 Hz (RFC 2361; Microsoft, "Multiple Channel Audio Data and WAVE
//! Files"). Read here and not by a library because phone systems write mu-law, and because a file that was cut short has
//! to be found out before its first sample is used. Pure.

use std::ops::Range;

use caveat_audio::g711;
use caveat_model::Offset;

use crate::error::CaptureError;

const RATE_HZ: u32 = 8_000;
const SAMPLES_PER_MS: usize = RATE_HZ as usize / 1_000;
/// `RIFF`, its size, `WAVE`.
const HEADER_BYTES: usize = 12;
const FORMAT_PCM: u16 = 1;
const FORMAT_MU_LAW: u16 = 7;
/// The format is in the first bytes of the `SubFormat` GUID.
const FORMAT_EXTENSIBLE: u16 = 0xfffe;

/// A WAV file whose audio is all there. It stays as it came; samples are decoded as they are asked for.
pub(crate) struct Wav {
    file: Vec<u8>,
    data: Range<usize>,
    format: Format,
}

impl std::fmt::Debug for Wav {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wav({:?}, {} ms)", self.format, self.duration_ms())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    coding: Coding,
    channels: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Pcm16,
    MuLaw,
}

impl Wav {
    /// Checks a whole file.
    pub(crate) fn read(file: Vec<u8>) -> Result<Self, CaptureError> {
        let riff = file.get(..4) == Some(b"RIFF") && file.get(8..12) == Some(b"WAVE");
        if !riff {
            return Err(bad("it is no WAV file: it does not begin with RIFF and WAVE"));
        }
        let (mut format, mut data) = (None, None);
        let mut at = HEADER_BYTES;
        while at < file.len() && data.is_none() {
            let (Some(id), Some(size)) = (file.get(at..at + 4), u32_at(&file, at + 4)) else {
                return Err(cut_short("last chunk header", at as u64 + 8, &file));
            };
            let (start, end) = (at + 8, at as u64 + 8 + u64::from(size));
            let what = match id {
                b"fmt " => "format",
                b"data" => "audio",
                _ => "chunk",
            };
            if end > file.len() as u64 {
                return Err(cut_short(what, end, &file));
            }
            let body = start..start + size as usize;
            match id {
                b"fmt " => format = Some(Format::read(&file[body.clone()])?),
                b"data" => data = Some(body.clone()),
                _ => {}
            }
            // Chunks begin at even bytes.
            at = body.end + body.len() % 2;
        }
        let data = match data {
            Some(data) => data,
            None if riff_end(&file) > file.len() as u64 => {
                return Err(cut_short("RIFF header", riff_end(&file), &file));
            }
            None => return Err(bad("it has no audio chunk")),
        };
        let format = format.ok_or_else(|| bad("it has no format chunk before its audio"))?;
        if data.is_empty() {
            return Err(bad("it holds no audio"));
        }
        if data.len() % format.block_bytes() != 0 {
            return Err(bad(format!("its audio of {} bytes ends in the middle of a sample", data.len())));
        }
        if u32::try_from(data.len() / format.block_bytes()).is_err() {
            return Err(bad("it lasts longer than a call can"));
        }
        Ok(Self { file, data, format })
    }

    /// How many legs it has.
    pub(crate) fn legs(&self) -> u8 {
        self.format.channels
    }

    /// How long it lasts, rounded up to whole milliseconds.
    pub(crate) fn duration_ms(&self) -> Offset {
        Offset::try_from(self.blocks().div_ceil(SAMPLES_PER_MS)).unwrap_or(Offset::MAX)
    }

    /// The samples of a leg from `at` on, for `ms` or until the end.
    pub(crate) fn samples(&self, leg: u8, at: Offset, ms: Offset) -> Vec<i16> {
        let from = (at as usize).saturating_mul(SAMPLES_PER_MS).min(self.blocks());
        let until = from.saturating_add(ms as usize * SAMPLES_PER_MS).min(self.blocks());
        let (block, sample) = (self.format.block_bytes(), self.format.coding.bytes());
        let data = &self.file[self.data.clone()];
        let blocks = data[from * block..until * block].chunks_exact(block);
        let of_leg = blocks.filter_map(|block| block.chunks_exact(sample).nth(leg.into()));
        self.format.coding.decode(&of_leg.flatten().copied().collect::<Vec<u8>>())
    }

    fn blocks(&self) -> usize {
        self.data.len() / self.format.block_bytes()
    }
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, CaptureError> {
        let word = |at| u16_at(chunk, at).ok_or_else(|| bad("its format chunk is too short"));
        let (mut tag, channels, bits) = (word(0)?, word(2)?, word(14)?);
        let rate = u32_at(chunk, 4).unwrap_or(0);
        if tag == FORMAT_EXTENSIBLE {
            tag = word(24)?;
        }
        let coding = match (tag, bits) {
            (FORMAT_PCM, 16) => Coding::Pcm16,
            (FORMAT_MU_LAW, 8) => Coding::MuLaw,
            _ => {
                return Err(bad(format!(
                    "its format {tag} with {bits} bits is not taken: 16-bit PCM (1) and mu-law (7) are"
                )));
            }
        };
        if rate != RATE_HZ {
            return Err(bad(format!("its rate of {rate} Hz is not taken: resample it to {RATE_HZ} Hz")));
        }
        if !(1..=2).contains(&channels) {
            return Err(bad(format!("its {channels} channels are not taken: mono and stereo are")));
        }
        Ok(Self { coding, channels: channels as u8 })
    }

    /// One sample of every channel.
    fn block_bytes(self) -> usize {
        self.coding.bytes() * usize::from(self.channels)
    }
}

impl Coding {
    fn bytes(self) -> usize {
        match self {
            Self::Pcm16 => 2,
            Self::MuLaw => 1,
        }
    }

    fn decode(self, bytes: &[u8]) -> Vec<i16> {
        match self {
            Self::Pcm16 => bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(),
            Self::MuLaw => g711::from_mu_law(bytes),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn riff_end(file: &[u8]) -> u64 {
    8 + u64::from(u32_at(file, 4).unwrap_or(0))
}

fn cut_short(what: &'static str, end: u64, file: &[u8]) -> CaptureError {
    CaptureError::WavTruncated { what, end, bytes: file.len() }
}

fn bad(why: impl Into<String>) -> CaptureError {
    CaptureError::Wav { why: why.into() }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn file(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut format = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
        format.extend([rate.to_le_bytes(), (rate * u32::from(block)).to_le_bytes()].concat());
        format.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
        let chunk = |id: &[u8], body: &[u8]| {
            let pad = &[0][..body.len() % 2];
            [id, &(body.len() as u32).to_le_bytes(), body, pad].concat()
        };
        // A chunk of odd length that nobody asked for.
        let chunks =
            [b"WAVE".to_vec(), chunk(b"fmt ", &format), chunk(b"LIST", b"odd"), chunk(b"data", data)];
        chunk(b"RIFF", &chunks.concat())
    }

    pub(crate) fn mu_law(channels: u16, data: &[u8]) -> Vec<u8> {
        file(FORMAT_MU_LAW, channels, RATE_HZ, 8, data)
    }

    pub(crate) fn pcm(channels: u16, samples: &[i16]) -> Vec<u8> {
        let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        file(FORMAT_PCM, channels, RATE_HZ, 16, &data)
    }

    #[test]
    fn legs_come_apart() {
        let wav = Wav::read(pcm(2, &[1, -1, 2, -2, 3, -3])).unwrap();
        assert_eq!((wav.legs(), wav.duration_ms()), (2, 1));
        assert_eq!(wav.samples(0, 0, 20), [1, 2, 3]);
        assert_eq!(wav.samples(1, 0, 20), [-1, -2, -3]);
        assert!(wav.samples(0, 1, 20).is_empty());
        assert!(wav.samples(2, 0, 20).is_empty());
        assert!(wav.samples(0, Offset::MAX, Offset::MAX).is_empty());
    }

    #[test]
    fn mu_law_is_decoded() {
        let wav = Wav::read(mu_law(1, &[0xff, 0x80, 0x00])).unwrap();
        assert_eq!(wav.samples(0, 0, 20), [0, 32_124, -32_124]);
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let check = |file: Vec<u8>, want: &str| {
            let error = Wav::read(file).unwrap_err().to_string();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        };
        check(vec![], "no WAV file");
        check(b"OggS, and more than twelve bytes".to_vec(), "no WAV file");
        check(file(FORMAT_PCM, 1, 44_100, 16, &[0; 4]), "44100 Hz is not taken: resample it to 8000 Hz");
        check(file(FORMAT_PCM, 1, RATE_HZ, 24, &[0; 6]), "format 1 with 24 bits");
        check(file(3, 1, RATE_HZ, 32, &[0; 4]), "format 3 with 32 bits");
        check(file(FORMAT_PCM, 3, RATE_HZ, 16, &[0; 6]), "3 channels");
        check(file(FORMAT_PCM, 0, RATE_HZ, 16, &[0; 6]), "0 channels");
        check(file(FORMAT_PCM, 2, RATE_HZ, 16, &[0; 6]), "in the middle of a sample");
        check(file(FORMAT_PCM, 1, RATE_HZ, 16, &[]), "no audio");
        check(b"RIFF\x0c\0\0\0WAVEdata\0\0\0\0".to_vec(), "no format chunk");
        check(b"RIFF\x04\0\0\0WAVE".to_vec(), "no audio chunk");
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_and_says_where() {
        let whole = pcm(1, &[7; 100]);
        assert!(Wav::read(whole.clone()).is_ok());
        for bytes in 0..whole.len() {
            let error = Wav::read(whole[..bytes].to_vec()).unwrap_err();
            let told = match &error {
                CaptureError::WavTruncated { bytes: told, .. } => *told == bytes,
                CaptureError::Wav { .. } => bytes < HEADER_BYTES,
                _ => false,
            };
            assert!(told, "cut at {bytes}: {error}");
        }
        let error = Wav::read(whole[..150].to_vec()).unwrap_err().to_string();
        assert!(error.contains("its audio reaches to byte 256, but the file ends at byte 150"), "{error}");
    }

    #[test]
    fn no_file_can_do_harm() {
        let whole = pcm(2, &[7; 20]);
        for at in 0..whole.len() {
            for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                if let Ok(wav) = Wav::read(changed) {
                    let samples: usize = (0..wav.legs()).map(|leg| wav.samples(leg, 0, 1_000).len()).sum();
                    assert!(samples <= whole.len());
                }
            }
        }
    }
}
