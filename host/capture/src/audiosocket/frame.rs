//! AudioSocket's messages: a kind, a length of 16 bits (big-endian), so many bytes
//! (<https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/>). Pure.

use uuid::Uuid;

/// Bytes before the content.
pub(super) const HEADER_BYTES: usize = 3;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// The other side hangs up.
    Hangup,
    /// Which stream it is.
    Id(Uuid),
    /// A key.
    Dtmf(char),
    /// Signed linear samples of one channel.
    Audio { rate_hz: u32, samples: Vec<i16> },
    /// An error; Asterisk's codes are 1 (hangup), 2 (frame), 4 (memory).
    Error(Option<u8>),
    /// Of a later version.
    Other(u8),
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad(pub(super) &'static str);

/// Kind and length.
pub(super) fn header(bytes: [u8; HEADER_BYTES]) -> (u8, usize) {
    (bytes[0], usize::from(u16::from_be_bytes([bytes[1], bytes[2]])))
}

/// Reads the content of a message of this kind.
pub(super) fn read(kind: u8, content: &[u8]) -> Result<Message, Bad> {
    Ok(match kind {
        0x00 => Message::Hangup,
        0x01 => Message::Id(Uuid::from_slice(content).map_err(|_| Bad("an id is not of 16 bytes"))?),
        0x03 => match content {
            [digit @ (b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D' | b'a'..=b'd')] => {
                Message::Dtmf(char::from(digit.to_ascii_uppercase()))
            }
            _ => return Err(Bad("a key is not one of 0-9, *, #, A-D")),
        },
        SLIN..=SLIN_192 => {
            if !content.len().is_multiple_of(2) {
                return Err(Bad("audio ends in the middle of a sample"));
            }
            let samples =
                content.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            Message::Audio { rate_hz: RATES_HZ[usize::from(kind - SLIN)], samples }
        }
        0xff => Message::Error(content.first().copied()),
        other => Message::Other(other),
    })
}

/// A message of samples at 8,000 Hz; of more than fit into one, the first.
pub(super) fn audio(samples: &[i16]) -> Vec<u8> {
    let samples = samples.iter().take(usize::from(u16::MAX / 2));
    let content: Vec<u8> = samples.flat_map(|sample| sample.to_le_bytes()).collect();
    [&[SLIN][..], &(content.len() as u16).to_be_bytes(), &content].concat()
}

/// Signed linear samples at 8,000 Hz.
const SLIN: u8 = 0x10;
/// The same at 192,000 Hz.
const SLIN_192: u8 = 0x18;
/// Of the kinds from the one to the other.
const RATES_HZ: [u32; 9] = [8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_as_asterisk_writes_them() {
        assert_eq!(header([0x10, 0x01, 0x40]), (0x10, 320));
        let id = Uuid::from_u128(0x4032_5ec2_5efd_4bd3_805f_5357_6e58_1d13);
        assert_eq!(read(0x01, id.as_bytes()), Ok(Message::Id(id)));
        assert_eq!(read(0x00, &[]), Ok(Message::Hangup));
        assert_eq!(read(0x03, b"5"), Ok(Message::Dtmf('5')));
        let audio = Message::Audio { rate_hz: 8_000, samples: vec![1, -2] };
        assert_eq!(read(0x10, &[1, 0, 0xfe, 0xff]), Ok(audio));
        assert_eq!(read(0x12, &[]), Ok(Message::Audio { rate_hz: 16_000, samples: vec![] }));
        assert_eq!(read(0xff, &[4]), Ok(Message::Error(Some(4))));
        assert_eq!(read(0x20, &[4]), Ok(Message::Other(0x20)));
    }

    #[test]
    fn nothing_makes_it_panic() {
        for kind in 0..=u8::MAX {
            for length in [0, 1, 2, 15, 16, 17, 65_535] {
                let _ = read(kind, &vec![0xff; length]);
            }
        }
        assert!(read(0x01, &[0; 15]).is_err() && read(0x03, b"x").is_err() && read(0x10, &[1]).is_err());
    }
}
