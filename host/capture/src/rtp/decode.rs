//! Payloads to samples at 8,000 Hz, one channel.

use audio_codec::{
    Decoder as _,
    g722::{Bitrate, G722Decoder},
    pcma::PcmaDecoder,
    pcmu::PcmuDecoder,
};
use caveat_audio::SAMPLE_RATE_HZ;
use opus_rs::OpusDecoder;

use super::{
    Encoding, Format,
    resample::{self, Resampler},
};

/// RFC 6716 3.2.5: a packet holds at most 120 ms.
const OPUS_SAMPLES_MAX: usize = 120 * SAMPLE_RATE_HZ as usize / 1_000;
/// How late a codec's sound is, in samples at 8,000 Hz: the filter of G.722's encoder, and the encoder's look-ahead of Opus
/// (6.5 ms in libopus, a little less elsewhere). The delays of G.711 and L16 are none and the resampler's.
const G722_DELAY: i64 = 6;
const OPUS_DELAY: i64 = 50;

/// The decoder of one format of one source.
pub(super) struct Decoder {
    pub(super) format: Format,
    kind: Kind,
}

enum Kind {
    Pcmu(PcmuDecoder),
    Pcma(PcmaDecoder),
    /// It decodes the lower band only: that is the sound at 8,000 Hz.
    G722(Box<G722Decoder>),
    Opus(Box<OpusDecoder>),
    L16(Option<Box<Resampler>>),
}

impl Decoder {
    /// None if the format is no sound, or of a kind that is not taken.
    pub(super) fn new(format: Format) -> Option<Self> {
        let kind = match format.encoding {
            Encoding::Pcmu => Kind::Pcmu(PcmuDecoder::new()),
            Encoding::Pcma => Kind::Pcma(PcmaDecoder::new()),
            Encoding::G722 => {
                Kind::G722(Box::new(G722Decoder::with_options(Bitrate::Mode1_64000, false, true)))
            }
            Encoding::Opus => Kind::Opus(Box::new(OpusDecoder::new(SAMPLE_RATE_HZ as i32, 1).ok()?)),
            Encoding::L16 if format.clock_hz == SAMPLE_RATE_HZ => Kind::L16(None),
            Encoding::L16 => Kind::L16(Some(Box::new(Resampler::new(format.clock_hz)))),
            Encoding::TelephoneEvent | Encoding::ComfortNoise => return None,
        };
        Some(Self { format, kind })
    }

    /// Samples by which the sound is later than its timestamp says.
    pub(super) fn delay(&self) -> i64 {
        match self.kind {
            Kind::Pcmu(_) | Kind::Pcma(_) | Kind::L16(None) => 0,
            Kind::G722(_) => G722_DELAY,
            Kind::Opus(_) => OPUS_DELAY,
            Kind::L16(Some(_)) => resample::DELAY as i64,
        }
    }

    /// Adds what a payload sounds like to `out`; false if it is no such payload.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> bool {
        match &mut self.kind {
            Kind::Pcmu(decoder) => extend(out, payload.len(), |room| decoder.decode_into(payload, room).ok()),
            Kind::Pcma(decoder) => extend(out, payload.len(), |room| decoder.decode_into(payload, room).ok()),
            Kind::G722(decoder) => extend(out, payload.len(), |room| decoder.decode_into(payload, room).ok()),
            Kind::Opus(decoder) => opus(decoder, payload, out),
            Kind::L16(resampler) => {
                let samples = mono(payload, self.format.channels);
                match resampler {
                    Some(resampler) => resampler.take(&samples, out),
                    None => out.extend_from_slice(&samples),
                }
                true
            }
        }
    }
}

/// Whether packets of a format have to be decoded in their order, each once.
pub(super) fn has_memory(format: &Format) -> bool {
    match format.encoding {
        Encoding::Pcmu | Encoding::Pcma | Encoding::TelephoneEvent | Encoding::ComfortNoise => false,
        Encoding::G722 | Encoding::Opus => true,
        Encoding::L16 => format.clock_hz != SAMPLE_RATE_HZ,
    }
}

fn extend(out: &mut Vec<i16>, samples: usize, decode: impl FnOnce(&mut [i16]) -> Option<usize>) -> bool {
    let before = out.len();
    out.resize(before + samples, 0);
    let written = out.get_mut(before..).and_then(decode);
    out.truncate(before + written.unwrap_or(0));
    written.is_some()
}

fn opus(decoder: &mut OpusDecoder, payload: &[u8], out: &mut Vec<i16>) -> bool {
    // One byte says that nothing was said (DTX): that is a gap, and nothing to be made up.
    if payload.len() < 2 {
        return true;
    }
    let mut sound = [0.0f32; OPUS_SAMPLES_MAX];
    match decoder.decode(payload, opus_samples(payload, SAMPLE_RATE_HZ).unwrap_or(0) as usize, &mut sound) {
        Ok(samples) => {
            let sample = |s: &f32| (s * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
            out.extend(sound.iter().take(samples).map(sample));
            true
        }
        Err(_) => false,
    }
}

/// Big-endian samples of any number of channels, as their mean.
fn mono(payload: &[u8], channels: u8) -> Vec<i16> {
    let channels = usize::from(channels.max(1));
    payload
        .chunks_exact(2 * channels)
        .map(|all| {
            let (samples, _) = all.as_chunks::<2>();
            let sum: i32 = samples.iter().map(|s| i32::from(i16::from_be_bytes(*s))).sum();
            (sum / channels as i32) as i16
        })
        .collect()
}

/// How long a payload lasts, in ticks of its RTP timestamp. None if it is no such payload.
pub(super) fn ticks(format: &Format, payload: &[u8]) -> Option<u32> {
    let bytes = payload.len() as u32;
    let ticks = match format.encoding {
        // RFC 3551 4.5.2: the clock of G.722 is 8,000 Hz although it samples at 16,000.
        Encoding::Pcmu | Encoding::Pcma | Encoding::G722 => bytes,
        Encoding::Opus => opus_samples(payload, format.clock_hz)?,
        Encoding::L16 => bytes / (2 * u32::from(format.channels.max(1))),
        Encoding::TelephoneEvent | Encoding::ComfortNoise => return None,
    };
    (ticks > 0).then_some(ticks)
}

/// RFC 6716 3.1 and 3.2: how many samples at this rate a packet holds.
fn opus_samples(packet: &[u8], rate_hz: u32) -> Option<u32> {
    let first = *packet.first()?;
    let tenths_of_ms = match first >> 3 {
        config @ 0..12 => [100, 200, 400, 600][usize::from(config % 4)],
        config @ 12..16 => [100, 200][usize::from(config % 2)],
        config => [25, 50, 100, 200][usize::from(config % 4)],
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let total = frames * tenths_of_ms;
    (1..=1_200).contains(&total).then(|| total * (rate_hz / 100) / 100)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use audio_codec::{Encoder as _, g722::G722Encoder, pcma::PcmaEncoder};

    fn format(encoding: Encoding, clock_hz: u32, channels: u8) -> Format {
        Format { payload_type: 96, encoding, clock_hz, channels }
    }

    /// A chirp: it is like itself at one place only, so that a delay shows.
    fn sound(rate_hz: u32) -> Vec<i16> {
        let at = |n: u32| {
            let t = f64::from(n) / f64::from(rate_hz) - 0.5;
            let swell = (-(t / 0.1).powi(2)).exp();
            (12_000.0 * swell * (std::f64::consts::TAU * (900.0 + 3_000.0 * t) * t).sin()) as i16
        };
        (0..rate_hz).map(at).collect()
    }

    /// By how many samples `late` lags behind `early`: where they go together best.
    fn lag(early: &[i16], late: &[i16]) -> i64 {
        let together = |lag: i64| -> f64 {
            let pairs = early
                .iter()
                .enumerate()
                .filter_map(|(i, a)| Some((a, late.get(usize::try_from(i as i64 + lag).ok()?)?)));
            pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        (-200..200).max_by(|a, b| together(*a).total_cmp(&together(*b))).unwrap()
    }

    fn check(format: Format, packets: &[Vec<u8>]) {
        let mut decoder = Decoder::new(format).unwrap();
        let mut heard = vec![];
        for packet in packets {
            assert_eq!(ticks(&format, packet), Some(format.clock_hz / 50), "{format:?}");
            assert!(decoder.decode(packet, &mut heard));
        }
        assert!(heard.len().abs_diff(8_000) <= 1, "{} samples: {format:?}", heard.len());
        let lag = lag(&sound(8_000), &heard);
        assert!((lag - decoder.delay()).abs() <= 2, "{lag} samples late: {format:?}");
    }

    #[test]
    fn every_codec_is_as_late_as_it_says() {
        let mu = caveat_audio::g711::to_mu_law(&sound(8_000));
        check(format(Encoding::Pcmu, 8_000, 1), &mu.chunks(160).map(<[u8]>::to_vec).collect::<Vec<_>>());

        let mut a_law = PcmaEncoder::new();
        let packets: Vec<_> = sound(8_000).chunks(160).map(|c| a_law.encode(c)).collect();
        check(format(Encoding::Pcma, 8_000, 1), &packets);

        let mut g722 = G722Encoder::with_options(Bitrate::Mode1_64000, false, false);
        let packets: Vec<_> = sound(16_000).chunks(320).map(|c| g722.encode(c)).collect();
        check(format(Encoding::G722, 8_000, 1), &packets);

        for rate in [8_000, 16_000, 44_100, 48_000] {
            for channels in [1, 2] {
                let bytes = |s: &i16| s.to_be_bytes().repeat(channels.into());
                let packets: Vec<Vec<u8>> = sound(rate)
                    .chunks(rate as usize / 50)
                    .map(|c| c.iter().flat_map(bytes).collect())
                    .collect();
                check(format(Encoding::L16, rate, channels), &packets);
            }
        }

        let mut opus = opus_rs::OpusEncoder::new(48_000, 1, opus_rs::Application::Voip).unwrap();
        opus.bitrate_bps = 24_000;
        let packets: Vec<Vec<u8>> = sound(48_000)
            .chunks(960)
            .map(|c| {
                let (samples, mut packet) =
                    (c.iter().map(|s| f32::from(*s) / 32_768.0).collect::<Vec<_>>(), [0; 1_276]);
                let bytes = opus.encode(&samples, 960, &mut packet).unwrap();
                packet[..bytes].to_vec()
            })
            .collect();
        check(format(Encoding::Opus, 48_000, 2), &packets);
    }

    #[test]
    fn opus_packets_say_how_long_they_are() {
        let check = |packet: &[u8], ms: Option<u32>| {
            assert_eq!(ticks(&format(Encoding::Opus, 48_000, 2), packet), ms.map(|ms| ms * 48), "{packet:?}");
        };
        check(&[0x00, 1], Some(10));
        check(&[0x78, 1], Some(20));
        check(&[0xf9, 1, 1], Some(40));
        check(&[0x1b, 2, 1], Some(120));
        check(&[0x1b, 3, 1], None);
        check(&[0xfb, 0], None);
        check(&[], None);
    }

    #[test]
    fn any_payload_at_all_is_no_fault() {
        let mut state = 1u32;
        let formats = [
            format(Encoding::Opus, 48_000, 2),
            format(Encoding::G722, 8_000, 1),
            format(Encoding::L16, 44_100, 2),
            format(Encoding::Pcma, 8_000, 1),
        ];
        for format in formats {
            let mut decoder = Decoder::new(format).unwrap();
            for n in 0..20_000usize {
                let payload: Vec<u8> = (0..n % 97)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (state >> 24) as u8
                    })
                    .collect();
                let mut out = vec![];
                decoder.decode(&payload, &mut out);
                assert!(out.len() <= 960, "{} samples", out.len());
            }
        }
    }
}
