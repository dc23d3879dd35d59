//! The header of a sealed recording: what a reader must know before the first frame.

use caveat_model::{ClientId, Moment, RecordingId};

use crate::{Limits, Suite, VaultError, error::Flaw};

/// Marks an object, with the version of its format.
pub(crate) const MAGIC: &[u8; 8] = b"caveat\x00\x01";

const FIXED_BYTES: usize = 1 + 1 + 16 + 8 + 1;
const LEG_BYTES: usize = 1 + 1 + 4;

/// How audio is coded; the number is the RTP payload type of RFC 3551, table 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Codec {
    /// G.711 mu-law, one byte a sample.
    Pcmu = 0,
}

impl Codec {
    pub(crate) fn sample_bytes(self) -> u64 {
        match self {
            Self::Pcmu => 1,
        }
    }
}

/// One leg of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegInfo {
    /// Its number, unique in the recording.
    pub leg: u8,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// How they are coded.
    pub codec: Codec,
}

/// What is known of a recording when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// When its first second begins.
    pub began: Moment,
    /// Every leg it will have.
    pub legs: Vec<LegInfo>,
    /// What its segments, and its keys at rest, are sealed with.
    pub suite: Suite,
}

impl Header {
    /// Refuses what the format cannot hold.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), VaultError> {
        let allowed = limits.leg_count.min(usize::from(u8::MAX));
        if self.legs.len() > allowed {
            let given = self.legs.len() as u64;
            return Err(VaultError::TooLarge { limit: "leg_count", given, allowed: allowed as u64 });
        }
        self.well_formed().map_err(|flaw| flaw.at("header"))
    }

    fn well_formed(&self) -> Result<(), Flaw> {
        for (i, leg) in self.legs.iter().enumerate() {
            if leg.sample_rate_hz == 0 {
                return Err(Flaw::Damaged("a leg has no sample rate"));
            }
            if self.legs[..i].iter().any(|l| l.leg == leg.leg) {
                return Err(Flaw::Damaged("two legs have one number"));
            }
        }
        Ok(())
    }

    /// The bytes that every frame is bound to.
    pub(crate) fn encode(&self, client: &ClientId, recording: RecordingId) -> Vec<u8> {
        let name = client.as_str().as_bytes();
        let mut out = Vec::with_capacity(FIXED_BYTES + name.len() + LEG_BYTES * self.legs.len());
        out.push(self.suite as u8);
        out.push(name.len() as u8);
        out.extend_from_slice(name);
        out.extend_from_slice(recording.0.as_bytes());
        out.extend_from_slice(&self.began.as_millis().to_be_bytes());
        out.push(self.legs.len() as u8);
        for leg in &self.legs {
            out.extend_from_slice(&[leg.leg, leg.codec as u8]);
            out.extend_from_slice(&leg.sample_rate_hz.to_be_bytes());
        }
        out
    }

    /// The header in `bytes`, which must be the one of this recording.
    pub(crate) fn decode(bytes: &[u8], client: &ClientId, recording: RecordingId) -> Result<Self, Flaw> {
        const BROKEN: Flaw = Flaw::Damaged("its header is malformed");
        let (&[suite, name_len], rest) = bytes.split_first_chunk().ok_or(BROKEN)?;
        let suite = Suite::from_byte(suite).ok_or(Flaw::Suite(suite))?;
        let (name, rest) = rest.split_at_checked(name_len.into()).ok_or(BROKEN)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(BROKEN)?;
        let (began, rest) = rest.split_first_chunk().ok_or(BROKEN)?;
        let (&[legs], rest) = rest.split_first_chunk().ok_or(BROKEN)?;
        if name != client.as_str().as_bytes() || id != recording.0.as_bytes() {
            return Err(Flaw::Damaged("its header names another recording"));
        }
        if rest.len() != usize::from(legs) * LEG_BYTES {
            return Err(BROKEN);
        }
        let legs = rest.chunks_exact(LEG_BYTES).map(|leg| {
            let codec = match leg[1] {
                0 => Codec::Pcmu,
                _ => return Err(Flaw::Damaged("a leg has an unknown codec")),
            };
            let sample_rate_hz = u32::from_be_bytes([leg[2], leg[3], leg[4], leg[5]]);
            Ok(LegInfo { leg: leg[0], sample_rate_hz, codec })
        });
        let began_ms = u64::from_be_bytes(*began);
        let began = Moment::from_millis(began_ms);
        if began.as_millis() != began_ms {
            return Err(Flaw::Damaged("it begins later than time is counted"));
        }
        let header = Self { began, legs: legs.collect::<Result<_, _>>()?, suite };
        header.well_formed().map(|()| header)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sample() -> (ClientId, RecordingId, Header) {
        let leg = |leg| LegInfo { leg, sample_rate_hz: 8000, codec: Codec::Pcmu };
        let began = Moment::from_millis(1_795_000_000_123);
        (
            "acme".parse().unwrap(),
            RecordingId::new(began),
            Header { began, legs: vec![leg(0), leg(1)], suite: Suite::Aes256Gcm },
        )
    }

    #[test]
    fn a_header_survives_its_bytes() {
        let (client, id, header) = sample();
        let bytes = header.encode(&client, id);
        assert_eq!(Header::decode(&bytes, &client, id), Ok(header));
        for len in 0..bytes.len() {
            assert!(Header::decode(&bytes[..len], &client, id).is_err(), "{len}");
        }
        assert!(Header::decode(&bytes, &"other".parse().unwrap(), id).is_err());
        let began_at = FIXED_BYTES - 9 + client.as_str().len();
        let mut late = bytes;
        late[began_at] = 0x56;
        assert!(
            Header::decode(&late, &client, id).is_err(),
            "another header than the one it would be written as"
        );
    }

    #[test]
    fn an_unknown_suite_is_refused_by_name() {
        let (client, id, header) = sample();
        let mut bytes = header.encode(&client, id);
        bytes[0] = 3;
        let err = Header::decode(&bytes, &client, id).unwrap_err();
        assert!(err.at("recordings/x").to_string().contains("suite 3"));
    }

    #[test]
    fn legs_are_told_apart() {
        let (_, _, mut header) = sample();
        header.legs[1].leg = 0;
        assert!(header.check(&Limits::default()).is_err());
        header.legs[1] = LegInfo { leg: 1, sample_rate_hz: 0, codec: Codec::Pcmu };
        assert!(header.check(&Limits::default()).is_err());
    }
}
