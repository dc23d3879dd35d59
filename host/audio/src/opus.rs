//! Opus in Ogg (RFC 6716, RFC 7845): an eighth of what a WAV takes. A stream of one channel for each leg, so that nothing of a
//! leg is heard where another is.
//!
//! Every second takes the same number of bytes and is made of the samples around it only: any range can be served without
//! what lies before it, and two who ask get the same bytes. That is why packets are all of one size, and why the encoder
//! begins anew with each second, a tenth of a second early.

use opus_rs::{Application, OpusEncoder};

use crate::{
    SAMPLE_RATE_HZ, SEGMENT_SAMPLES,
    page::{self, PIECES_MAX, page, pieces},
};

/// Bits per second of a leg.
const BITRATE_BPS: i32 = 16_000;
/// Of 10: more is slower, and is not heard at 8,000 Hz.
const COMPLEXITY: i32 = 5;
/// A packet holds 20 ms of each leg.
const PACKETS_PER_SECOND: usize = 50;
const FRAME_SAMPLES: usize = SEGMENT_SAMPLES / PACKETS_PER_SECOND;
/// Of one leg.
const FRAME_BYTES: usize = BITRATE_BPS as usize / 8 / PACKETS_PER_SECOND;
/// Frames that the encoder hears before those that are kept, so that it stands as a decoder does that comes from there.
const EARLY_FRAMES: usize = 5;
/// By so much a decoder's sound comes later than what was encoded (6.5 ms).
const DELAY_SAMPLES: usize = 52;
/// Positions in an Ogg stream of Opus count at 48,000 Hz (RFC 7845, section 4).
const GRANULES_PER_SECOND: u64 = 48_000;
const HEAD_PAGES: u32 = 2;

/// Sound could not be encoded.
#[derive(Debug, thiserror::Error)]
#[error("sound cannot be encoded as Opus: {0}")]
pub struct OpusError(&'static str);

/// The shape of a sound of so many whole seconds.
#[derive(Debug, Clone, Copy)]
pub struct OpusSound {
    legs: usize,
    seconds: u32,
}

impl OpusSound {
    /// Of at least one leg, 255 at most.
    pub fn new(legs: usize, seconds: u32) -> Self {
        Self { legs: legs.clamp(1, usize::from(u8::MAX)), seconds }
    }

    /// The bytes before the sound: what it is, and by whom it was made.
    pub fn head(&self) -> Vec<u8> {
        let channels = self.legs as u8;
        // One channel; two, left and right; more that are no places in a room (RFC 7845, section 5.1.1).
        let family = match channels {
            1 => 0,
            2 => 1,
            _ => 255,
        };
        let mut head = b"OpusHead\x01".to_vec();
        head.push(channels);
        head.extend(0u16.to_le_bytes());
        head.extend(SAMPLE_RATE_HZ.to_le_bytes());
        head.extend(0i16.to_le_bytes());
        head.push(family);
        if family > 0 {
            head.extend([channels, 0]);
            head.extend(0..channels);
        }
        const BY: &[u8] = b"caveat";
        let tags = [b"OpusTags", &(BY.len() as u32).to_le_bytes()[..], BY, &0u32.to_le_bytes()].concat();
        let mut pages = page(page::FIRST, 0, 0, &[head]);
        pages.extend(page(0, 0, 1, &[tags]));
        pages
    }

    /// Bytes of each second.
    pub fn bytes_per_second(&self) -> u64 {
        let silent = vec![vec![0; self.packet_bytes()]; self.packets_per_page()];
        let bytes = page(0, 0, 0, &silent).len();
        (bytes * PACKETS_PER_SECOND / self.packets_per_page()) as u64
    }

    /// Some seconds, from the `first` of the sound on. Of each leg the second before them and the one behind them are wanted,
    /// too: silent, where there is none.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn seconds(&self, first: u32, legs: &[Vec<i16>]) -> Result<Vec<u8>, OpusError> {
        let all = legs.iter().map(Vec::len).max().unwrap_or(0) / SEGMENT_SAMPLES;
        let mut bytes = Vec::new();
        for second in 0..all.saturating_sub(2) {
            let from = (second + 1) * SEGMENT_SAMPLES + DELAY_SAMPLES - EARLY_FRAMES * FRAME_SAMPLES;
            let to = (second + 2) * SEGMENT_SAMPLES + DELAY_SAMPLES;
            let frames = (0..self.legs).map(|leg| {
                let samples = legs.get(leg).and_then(|samples| samples.get(from..to));
                encoded(samples.unwrap_or(&[0; EARLY_FRAMES * FRAME_SAMPLES + SEGMENT_SAMPLES]))
            });
            let frames = frames.collect::<Result<Vec<_>, _>>()?;
            self.second(first + second as u32, &frames, &mut bytes);
        }
        Ok(bytes)
    }

    fn second(&self, at: u32, frames: &[Vec<Vec<u8>>], to: &mut Vec<u8>) {
        let packet = |n: usize| {
            let last = self.legs - 1;
            let of_leg = frames.iter().filter_map(|leg| leg.get(n)).enumerate();
            of_leg
                .flat_map(|(leg, frame)| if leg == last { frame.clone() } else { delimited(frame) })
                .collect()
        };
        let packets: Vec<Vec<u8>> = (0..PACKETS_PER_SECOND).map(packet).collect();
        let a_page = self.packets_per_page();
        let pages = PACKETS_PER_SECOND / a_page;
        for (n, packets) in packets.chunks(a_page).enumerate() {
            let is_last = at + 1 >= self.seconds && n + 1 == pages;
            let before = u64::from(at) * GRANULES_PER_SECOND;
            let granules = before + GRANULES_PER_SECOND * (n as u64 + 1) / pages as u64;
            let number = HEAD_PAGES + at * pages as u32 + n as u32;
            to.extend(page(if is_last { page::LAST } else { 0 }, granules, number, packets));
        }
    }

    /// The last leg's frame ends with the packet; the others tell their length.
    fn packet_bytes(&self) -> usize {
        self.legs * (FRAME_BYTES + 1) - 1
    }

    fn packets_per_page(&self) -> usize {
        let pieces = pieces(self.packet_bytes()).count();
        [PACKETS_PER_SECOND, 25, 10, 5, 2].into_iter().find(|n| n * pieces <= PIECES_MAX).unwrap_or(1)
    }
}

/// The frames of a second of one leg.
fn encoded(samples: &[i16]) -> Result<Vec<Vec<u8>>, OpusError> {
    // Without the filter that `Voip` puts before it: what is served is as it was kept.
    let mut encoder = OpusEncoder::new(SAMPLE_RATE_HZ as i32, 1, Application::Audio).map_err(OpusError)?;
    encoder.bitrate_bps = BITRATE_BPS;
    encoder.complexity = COMPLEXITY;
    encoder.use_cbr = true;
    let mut frames = Vec::new();
    for samples in samples.chunks_exact(FRAME_SAMPLES) {
        let mut frame = vec![0; FRAME_BYTES];
        let bytes = encoder.encode_i16(samples, FRAME_SAMPLES, &mut frame).map_err(OpusError)?;
        if bytes != FRAME_BYTES {
            return Err(OpusError("a frame has another size than the others"));
        }
        frames.push(frame);
    }
    Ok(frames.split_off(EARLY_FRAMES))
}

/// A packet of one frame, which may be padded, with its length in it (RFC 6716, appendix B).
fn delimited(packet: &[u8]) -> Vec<u8> {
    /// Its first byte: several frames, of which the next says how many, and whether padding follows (section 3.2.5).
    const COUNTED: u8 = 3;
    const PADDED: u8 = 0x40;
    let byte = |at: usize| packet.get(at).copied().unwrap_or(0);
    let (mut at, mut padding) = (1, 0);
    if byte(0) & COUNTED == COUNTED {
        at = 2;
        if byte(1) & PADDED != 0 {
            while byte(at) == 255 {
                padding += 254;
                at += 1;
            }
            padding += usize::from(byte(at));
            at += 1;
        }
    }
    let (head, rest) = packet.split_at(at.min(packet.len()));
    // Shorter than 252 bytes: the length is one byte (section 3.2.1).
    let length = rest.len().saturating_sub(padding) as u8;
    [head, &[length], rest].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use opus_rs::{OpusDecoder, multistream::split_self_delimited};

    const SECONDS: usize = 4;

    /// Something like a voice: a tone with overtones that glides, and gets louder and softer.
    fn voice(pitch_hz: f64) -> Vec<i16> {
        let mut phase = 0.0;
        let sample = |n: usize| {
            let at = n as f64 / f64::from(SAMPLE_RATE_HZ);
            phase += (pitch_hz + 20.0 * (at * 3.0).sin()) / f64::from(SAMPLE_RATE_HZ);
            let voice: f64 =
                (1..8).map(|n| (f64::from(n) * phase * std::f64::consts::TAU).sin() / f64::from(n)).sum();
            (voice * (1.2 + (at * 12.0).sin()) * 3_000.0) as i16
        };
        (0..SECONDS * SEGMENT_SAMPLES).map(sample).collect()
    }

    /// With a silent second at each end.
    fn padded(samples: &[i16]) -> Vec<i16> {
        let silence = [0; SEGMENT_SAMPLES];
        [&silence, samples, &silence].concat()
    }

    fn whole(legs: &[Vec<i16>]) -> (OpusSound, Vec<u8>) {
        let sound = OpusSound::new(legs.len(), SECONDS as u32);
        let legs: Vec<_> = legs.iter().map(|leg| padded(leg)).collect();
        (sound, sound.seconds(0, &legs).unwrap())
    }

    /// The packets of some pages behind the head, as another's reader takes them, which checks every page.
    fn packets(sound: &OpusSound, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = ogg::PacketReader::new(std::io::Cursor::new([&sound.head(), bytes].concat()));
        let packets = std::iter::from_fn(|| reader.read_packet().unwrap());
        packets.skip(HEAD_PAGES as usize).map(|packet| packet.data).collect()
    }

    fn decoded(packets: &[Vec<u8>]) -> Vec<f64> {
        let mut decoder = OpusDecoder::new(SAMPLE_RATE_HZ as i32, 1).unwrap();
        let mut sound = Vec::new();
        for packet in packets {
            let mut frame = [0.0; FRAME_SAMPLES];
            decoder.decode(packet, FRAME_SAMPLES, &mut frame).unwrap();
            sound.extend(frame.map(|sample| f64::from(sample) * 32_768.0));
        }
        sound
    }

    /// In dB, how much of it is not as it was.
    fn noise(was: &[i16], is: &[f64]) -> f64 {
        let power =
            |samples: &mut dyn Iterator<Item = f64>| samples.map(|sample| sample * sample).sum::<f64>();
        let signal = power(&mut was.iter().map(|sample| f64::from(*sample)));
        let error = power(&mut was.iter().zip(is).map(|(was, is)| f64::from(*was) - is));
        10.0 * (error / signal).log10()
    }

    #[test]
    fn it_sounds_as_it_did_also_where_seconds_meet() {
        let was = voice(140.0);
        let (sound, bytes) = whole(std::slice::from_ref(&was));
        let is = decoded(&packets(&sound, &bytes));
        assert_eq!(is.len(), was.len());
        let part = |from: usize, to: usize| noise(&was[from..to], &is[from..to]);
        let all = part(0, was.len());
        let around: Vec<f64> = (1..SECONDS)
            .map(|second| second * SEGMENT_SAMPLES)
            .map(|at| part(at - FRAME_SAMPLES, at + 3 * FRAME_SAMPLES))
            .collect();
        println!("{all:.1} dB in all, where seconds meet {around:.1?}");
        assert!(all < -12.0, "{all} dB");
        assert!(around.iter().all(|part| *part < -12.0), "{around:?} dB");
    }

    #[test]
    fn any_seconds_are_the_same_bytes_by_themselves() {
        let legs = [voice(140.0), voice(210.0)];
        let (sound, whole) = whole(&legs);
        let a_second = sound.bytes_per_second() as usize;
        assert_eq!(whole.len(), SECONDS * a_second);
        let padded: Vec<_> = legs.iter().map(|leg| padded(leg)).collect();
        for (from, to) in [(0, 1), (1, 3), (3, 4)] {
            let around: Vec<_> = padded
                .iter()
                .map(|leg| leg[from * SEGMENT_SAMPLES..(to + 2) * SEGMENT_SAMPLES].to_vec())
                .collect();
            let part = sound.seconds(from as u32, &around).unwrap();
            assert!(part == whole[from * a_second..to * a_second], "{from} to {to}");
        }
    }

    #[test]
    fn a_silent_leg_is_silent_beside_a_loud_one() {
        let voice = voice(140.0);
        let (sound, bytes) = whole(&[vec![0; voice.len()], voice.clone()]);
        let (mut first, mut second) = (vec![], vec![]);
        for packet in packets(&sound, &bytes) {
            let mut scratch = vec![];
            let (of_first, bytes) = split_self_delimited(&packet, &mut scratch).unwrap();
            first.push(of_first.to_vec());
            second.push(packet[bytes..].to_vec());
        }
        let loudest = decoded(&first).into_iter().fold(0.0, |most: f64, sample| most.max(sample.abs()));
        assert!(loudest < 8.0, "{loudest}");
        let noise = noise(&voice, &decoded(&second));
        assert!(noise < -8.0, "{noise} dB");
    }

    #[test]
    fn pages_hold_whole_packets_of_many_legs() {
        for legs in [1, 2, 8, 31, 32, 255] {
            let sound = OpusSound::new(legs, 1);
            let bytes = sound.seconds(0, &vec![vec![0; 3 * SEGMENT_SAMPLES]; legs]).unwrap();
            assert_eq!(bytes.len() as u64, sound.bytes_per_second(), "{legs} legs");
            let packets = packets(&sound, &bytes);
            assert_eq!(packets.len(), PACKETS_PER_SECOND, "{legs} legs");
            assert!(packets.iter().all(|packet| packet.len() == sound.packet_bytes()), "{legs} legs");
        }
    }
}
