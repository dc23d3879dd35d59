//! One second of one leg: its name, and its frame in the object.

use std::fmt;

use caveat_model::{ClientId, RecordingId};
use zeroize::Zeroizing;

use crate::{
    Suite,
    error::Flaw,
    header::Header,
    once::{self, Key, OVERHEAD, context, sha256},
};

/// Bits of a leaf's number that name the leg.
pub(crate) const LEG_BITS: u8 = 8;
/// Bits of a leaf's number that name the second.
pub(crate) const INDEX_BITS: u8 = 17;
/// Seconds that a leg can have: 36 hours.
pub const SECONDS_PER_LEG: u32 = 1 << INDEX_BITS;

/// Bytes of a frame before its commitment: leg, index, kind, length.
pub(crate) const FRAME_HEAD: usize = NAME + 4;
/// Bytes of a segment's name: leg, index, kind.
pub(crate) const NAME: usize = 1 + 4 + 1;

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Samples in the codec of the leg.
    Audio = 1,
    /// Peaks for display.
    Waveform = 2,
    /// Words.
    Transcript = 3,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Waveform, Self::Transcript];

    /// What its key is derived for.
    fn purpose(self) -> &'static str {
        match self {
            Self::Audio => "caveat-vault/1 audio",
            Self::Waveform => "caveat-vault/1 waveform",
            Self::Transcript => "caveat-vault/1 transcript",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Waveform => "waveform",
            Self::Transcript => "transcript",
        })
    }
}

/// The name of a segment within its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    /// Which leg.
    pub leg: u8,
    /// Which second since the recording began; below [`SECONDS_PER_LEG`].
    pub index: u32,
    /// What it holds.
    pub kind: Kind,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of second {} on leg {}", self.kind, self.index, self.leg)
    }
}

impl Segment {
    /// Its leaf in the key tree.
    pub(crate) fn leaf(self) -> u32 {
        leaf(self.leg, self.index)
    }

    pub(crate) fn encode(self) -> [u8; NAME] {
        let i = self.index.to_be_bytes();
        [self.leg, i[0], i[1], i[2], i[3], self.kind as u8]
    }

    pub(crate) fn decode([leg, i0, i1, i2, i3, kind]: [u8; NAME]) -> Result<Self, Flaw> {
        let index = u32::from_be_bytes([i0, i1, i2, i3]);
        if index >= SECONDS_PER_LEG {
            return Err(Flaw::Damaged("a segment lies beyond the last second"));
        }
        let kind = Kind::ALL.into_iter().find(|k| *k as u8 == kind);
        Ok(Self { leg, index, kind: kind.ok_or(Flaw::Damaged("a segment is of an unknown kind"))? })
    }
}

/// The leaf of a second of a leg in the key tree.
pub(crate) fn leaf(leg: u8, index: u32) -> u32 {
    u32::from(leg) << INDEX_BITS | index
}

/// A segment that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Which.
    pub segment: Segment,
    /// Its plaintext, in bytes.
    pub bytes: u32,
}

/// What every frame of one recording is bound to.
#[derive(Clone)]
pub(crate) struct Binding {
    suite: Suite,
    context: Vec<u8>,
}

impl Binding {
    pub(crate) fn new(client: &ClientId, recording: RecordingId, header: &[u8]) -> Self {
        let digest = sha256(&[header]);
        // Who has decoded the header knows that there is such a suite; it is its first byte.
        let suite = header.first().and_then(|byte| Suite::from_byte(*byte)).unwrap_or_default();
        let context = context(&[&digest, client.as_str().as_bytes(), recording.0.as_bytes()]);
        Self { suite, context }
    }

    /// Associated data of one segment.
    fn of(&self, segment: Segment) -> Vec<u8> {
        [self.context.as_slice(), &segment.encode()].concat()
    }
}

/// A frame's parts.
pub(crate) struct Frame<'a> {
    pub(crate) segment: Segment,
    /// Commitment, ciphertext, tag.
    sealed: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`, its length first checked against what is there.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Flaw> {
        const SHORT: Flaw = Flaw::Damaged("a frame ends early");
        let (name, rest) = bytes.split_first_chunk::<NAME>().ok_or(SHORT)?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let segment = Segment::decode(*name)?;
        let len = u32::from_be_bytes(*len) as usize;
        if len < OVERHEAD {
            return Err(SHORT);
        }
        Ok(Self { segment, sealed: rest.get(..len).ok_or(SHORT)? })
    }

    /// The whole frame, in bytes.
    pub(crate) fn len(&self) -> usize {
        FRAME_HEAD + self.sealed.len()
    }

    /// Its plaintext, in bytes.
    pub(crate) fn plain_len(&self) -> usize {
        self.sealed.len() - OVERHEAD
    }

    pub(crate) fn open(&self, leaf: &Key, binding: &Binding) -> Result<Zeroizing<Vec<u8>>, Flaw> {
        let purpose = self.segment.kind.purpose();
        once::open(binding.suite, leaf, purpose, &binding.of(self.segment), self.sealed)
            .ok_or(Flaw::Damaged("a frame does not authenticate"))
    }
}

/// The frame of one segment. `leaf` is the segment's key in the tree; each (leaf, kind) is sealed once.
pub(crate) fn seal_frame(leaf: &Key, binding: &Binding, segment: Segment, plain: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEAD + OVERHEAD + plain.len());
    frame.extend_from_slice(&segment.encode());
    frame.extend_from_slice(&((OVERHEAD + plain.len()) as u32).to_be_bytes());
    once::seal(binding.suite, leaf, segment.kind.purpose(), &binding.of(segment), plain, &mut frame);
    frame
}

/// Milliseconds from the start to the end of this segment's audio; zero for other kinds.
pub(crate) fn ends_at_ms(header: &Header, segment: Segment, plain_len: usize) -> u64 {
    let leg = header.legs.iter().find(|l| l.leg == segment.leg);
    match (segment.kind, leg) {
        (Kind::Audio, Some(leg)) => {
            let samples = plain_len as u64 / leg.codec.sample_bytes();
            u64::from(segment.index) * 1000 + samples * 1000 / u64::from(leg.sample_rate_hz)
        }
        _ => 0,
    }
}
