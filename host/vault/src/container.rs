//! The sealed object: header, frames, index, trailer. Pure: bytes in, bytes out.

use std::{collections::HashSet, ops::Range};

use crate::{
    SealReason, Segment,
    error::Flaw,
    header::{Header, MAGIC},
    merkle::{self, Tree},
    once::{Key, equal, hmac, sha256},
    secrets::RecordingKeys,
    segment::{Binding, Frame, NAME, ends_at_ms},
};

const END_MAGIC: &[u8; 8] = b"\x01taevac\n";
/// Bytes that the index has for each frame.
pub(crate) const ENTRY: usize = NAME + 8 + 4;
const SIGNED: usize = 8 + 8 + 1 + 32 + 8 + 32;
/// Bytes of the trailer, always the last of the object.
pub(crate) const TRAILER: usize = SIGNED + 32 + END_MAGIC.len();

/// Bytes of an object that are not frames, at most: the longest header, the index, the trailer.
pub(crate) fn rest_bytes(frames: usize) -> u64 {
    const START: usize = MAGIC.len() + 4 + 2048;
    (START + frames * ENTRY + TRAILER) as u64
}

/// Where one frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) segment: Segment,
    /// Of the frame's first byte in the object.
    pub(crate) offset: u64,
    /// The whole frame, in bytes.
    pub(crate) len: u32,
}

impl Entry {
    /// Of its bytes in the object.
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.len)
    }
}

/// What the recording's keys vouch for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) frames: u64,
    pub(crate) duration_ms: u64,
    pub(crate) end: SealReason,
    pub(crate) root: [u8; 32],
    pub(crate) index_offset: u64,
    pub(crate) index_digest: [u8; 32],
}

impl Trailer {
    pub(crate) fn encode(&self, seal_key: &Key, header: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(TRAILER);
        out.extend_from_slice(&self.frames.to_be_bytes());
        out.extend_from_slice(&self.duration_ms.to_be_bytes());
        out.push(self.end as u8);
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&self.index_offset.to_be_bytes());
        out.extend_from_slice(&self.index_digest);
        let mac = hmac(&seal_key[..], &[&sha256(&[header]), &out]);
        out.extend_from_slice(&mac);
        out.extend_from_slice(END_MAGIC);
        out
    }

    pub(crate) fn decode(bytes: &[u8; TRAILER], seal_key: &Key, header: &[u8]) -> Result<Self, Flaw> {
        let (signed, rest) = bytes.split_at(SIGNED);
        let (mac, magic) = rest.split_at(32);
        if magic != END_MAGIC {
            return Err(Flaw::Damaged("its end is missing"));
        }
        if !equal(mac, &hmac(&seal_key[..], &[&sha256(&[header]), signed])) {
            return Err(Flaw::Damaged("its trailer does not authenticate"));
        }
        Ok(Self {
            frames: u64_at(signed, 0),
            duration_ms: u64_at(signed, 8),
            end: SealReason::from_byte(signed[16])?,
            root: digest_at(signed, 17),
            index_offset: u64_at(signed, 49),
            index_digest: digest_at(signed, 57),
        })
    }
}

/// Puts an object together, frame by frame.
pub(crate) struct Builder {
    header: Header,
    header_bytes: Vec<u8>,
    object: Vec<u8>,
    index: Vec<u8>,
    tree: Tree,
    duration_ms: u64,
}

impl Builder {
    /// `frame_bytes` is how much will be pushed: the object is put together where it stays.
    pub(crate) fn new(header: Header, header_bytes: Vec<u8>, frames: usize, frame_bytes: u64) -> Self {
        let room = frame_bytes.saturating_add(rest_bytes(frames));
        let mut object = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        object.extend_from_slice(MAGIC);
        object.extend_from_slice(&(header_bytes.len() as u32).to_be_bytes());
        object.extend_from_slice(&header_bytes);
        Self { header, header_bytes, object, index: vec![], tree: Tree::default(), duration_ms: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        let frame = Frame::parse(bytes)?;
        if frame.len() != bytes.len() {
            return Err(Flaw::Damaged("a frame is longer than it says"));
        }
        let entry =
            Entry { segment: frame.segment, offset: self.object.len() as u64, len: bytes.len() as u32 };
        encode_entry(entry, &mut self.index);
        self.tree.push(merkle::leaf_hash(bytes));
        self.duration_ms = self.duration_ms.max(ends_at_ms(&self.header, frame.segment, frame.plain_len()));
        self.object.extend_from_slice(bytes);
        Ok(())
    }

    /// Merkle root over the frames so far.
    pub(crate) fn root(&self) -> [u8; 32] {
        self.tree.root()
    }

    pub(crate) fn finish(mut self, seal_key: &Key, end: SealReason) -> (Vec<u8>, Trailer) {
        let trailer = Trailer {
            frames: self.tree.count(),
            duration_ms: self.duration_ms,
            end,
            root: self.tree.root(),
            index_offset: self.object.len() as u64,
            index_digest: sha256(&[&self.index]),
        };
        self.object.extend_from_slice(&self.index);
        self.object.extend_from_slice(&trailer.encode(seal_key, &self.header_bytes));
        (self.object, trailer)
    }
}

/// What [`check`] found to be right.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) trailer: Trailer,
    /// Frames whose keys were destroyed: their bytes are as sealed, nobody can open them.
    pub(crate) shredded: u64,
    /// Of every frame, in order.
    pub(crate) digests: Vec<[u8; 32]>,
}

/// Checks every byte of an object against the recording's keys and the header it was begun with.
pub(crate) fn check(
    object: &[u8],
    header: &Header,
    header_bytes: &[u8],
    binding: &Binding,
    keys: &RecordingKeys,
) -> Result<Checked, Flaw> {
    let start = check_start(object, header_bytes)?;
    let tail = object[start..].last_chunk::<TRAILER>().ok_or(Flaw::Damaged("its end is missing"))?;
    let trailer = Trailer::decode(tail, &keys.seal, header_bytes)?;
    let tail_at = object.len() - TRAILER;
    let index_at = usize::try_from(trailer.index_offset).ok().filter(|at| (start..=tail_at).contains(at));
    let index_at = index_at.ok_or(Flaw::Damaged("its index is missing"))?;
    if sha256(&[&object[index_at..tail_at]]) != trailer.index_digest {
        return Err(Flaw::Damaged("its index was changed"));
    }

    let (mut at, mut index, mut tree, mut duration_ms) = (start, vec![], Tree::default(), 0);
    let (mut seen, mut digests, mut shredded) = (HashSet::new(), vec![], 0);
    let mut walks = crate::tree::Walk::default();
    while at < index_at {
        let frame = Frame::parse(&object[at..index_at])?;
        if !seen.insert(frame.segment) {
            return Err(Flaw::Damaged("a segment is there twice"));
        }
        match walks.leaf(&keys.layers.cover, frame.segment.leaf()) {
            Some(leaf) => drop(frame.open(&leaf, binding)?),
            None => shredded += 1,
        }
        encode_entry(
            Entry { segment: frame.segment, offset: at as u64, len: frame.len() as u32 },
            &mut index,
        );
        let digest = merkle::leaf_hash(&object[at..at + frame.len()]);
        tree.push(digest);
        digests.push(digest);
        duration_ms = duration_ms.max(ends_at_ms(header, frame.segment, frame.plain_len()));
        at += frame.len();
    }
    if index != object[index_at..tail_at] {
        return Err(Flaw::Damaged("its index does not match its frames"));
    }
    if (tree.count(), tree.root(), duration_ms) != (trailer.frames, trailer.root, trailer.duration_ms) {
        return Err(Flaw::Damaged("its frames do not match its trailer"));
    }
    Ok(Checked { trailer, shredded, digests })
}

/// The offset of the first frame, once magic and header are those expected.
fn check_start(object: &[u8], header_bytes: &[u8]) -> Result<usize, Flaw> {
    let rest =
        object.strip_prefix(MAGIC).ok_or(Flaw::Damaged("it is no sealed recording of this version"))?;
    let rest = rest
        .strip_prefix(&(header_bytes.len() as u32).to_be_bytes())
        .and_then(|r| r.strip_prefix(header_bytes))
        .ok_or(Flaw::Damaged("its header is not the one it was begun with"))?;
    Ok(object.len() - rest.len())
}

/// The index in `bytes`, which the trailer vouches for.
pub(crate) fn decode_index(bytes: &[u8], trailer: &Trailer) -> Result<Vec<Entry>, Flaw> {
    if sha256(&[bytes]) != trailer.index_digest || !bytes.len().is_multiple_of(ENTRY) {
        return Err(Flaw::Damaged("its index was changed"));
    }
    bytes.chunks_exact(ENTRY).map(decode_entry).collect()
}

fn encode_entry(entry: Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(&entry.segment.encode());
    out.extend_from_slice(&entry.offset.to_be_bytes());
    out.extend_from_slice(&entry.len.to_be_bytes());
}

fn decode_entry(bytes: &[u8]) -> Result<Entry, Flaw> {
    let (name, rest) = bytes.split_first_chunk::<NAME>().ok_or(Flaw::Damaged("its index ends early"))?;
    let len = u32::from_be_bytes([rest[8], rest[9], rest[10], rest[11]]);
    Ok(Entry { segment: Segment::decode(*name)?, offset: u64_at(rest, 0), len })
}

/// Callers know that the eight bytes are there.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn digest_at(bytes: &[u8], at: usize) -> [u8; 32] {
    std::array::from_fn(|i| bytes[at + i])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use caveat_model::{ClientId, Moment, RecordingId};

    use super::*;
    use crate::{Codec, Kind, LegInfo, Suite, segment::seal_frame};

    struct Sample {
        header: Header,
        header_bytes: Vec<u8>,
        binding: Binding,
        keys: RecordingKeys,
        frames: Vec<Vec<u8>>,
    }

    impl Sample {
        fn new(client: &str) -> Self {
            Self::sealed_with(Suite::default(), client)
        }

        fn sealed_with(suite: Suite, client: &str) -> Self {
            let client: ClientId = client.parse().unwrap();
            let leg = |leg| LegInfo { leg, sample_rate_hz: 8000, codec: Codec::Pcmu };
            let header = Header { began: Moment::from_millis(1), legs: vec![leg(0), leg(1)], suite };
            let id = RecordingId::new(header.began);
            let header_bytes = header.encode(&client, id);
            let binding = Binding::new(&client, id, &header_bytes);
            let mut sample =
                Self { header, header_bytes, binding, keys: RecordingKeys::random(suite), frames: vec![] };
            for (leg, index, kind) in [(0, 0, Kind::Audio), (1, 0, Kind::Audio), (1, 2, Kind::Transcript)] {
                let frame = sample.frame(Segment { leg, index, kind }, b"0123456789abcdef");
                sample.frames.push(frame);
            }
            sample
        }

        fn frame(&self, segment: Segment, plain: &[u8]) -> Vec<u8> {
            seal_frame(&self.keys.layers.cover.leaf(segment.leaf()).unwrap(), &self.binding, segment, plain)
        }

        /// An object of these frames, with a trailer that vouches for them.
        fn object(&self, frames: &[Vec<u8>]) -> Vec<u8> {
            let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
            let mut builder =
                Builder::new(self.header.clone(), self.header_bytes.clone(), frames.len(), bytes);
            frames.iter().for_each(|f| builder.push(f).unwrap());
            builder.finish(&self.keys.seal, SealReason::Ended).0
        }

        fn check(&self, object: &[u8]) -> Result<Checked, Flaw> {
            check(object, &self.header, &self.header_bytes, &self.binding, &self.keys)
        }
    }

    #[test]
    fn every_bit_and_every_length_matters() {
        Suite::ALL.into_iter().for_each(|suite| every_bit_matters(Sample::sealed_with(suite, "acme")));
    }

    fn every_bit_matters(sample: Sample) {
        let object = sample.object(&sample.frames);
        let checked = sample.check(&object).unwrap();
        assert_eq!((checked.trailer.frames, checked.trailer.duration_ms, checked.shredded), (3, 2, 0));
        for bit in 0..object.len() * 8 {
            let mut flipped = object.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(sample.check(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..object.len() {
            assert!(sample.check(&object[..len]).is_err(), "length {len}");
        }
        assert!(sample.check(&[object.as_slice(), &[0]].concat()).is_err(), "one byte more");
    }

    /// Even someone who could forge the trailer cannot move a frame: it is bound to its place.
    #[test]
    fn a_frame_opens_nowhere_else() {
        let (here, there) = (Sample::new("acme"), Sample::new("other"));
        let refused = |frames: &[Vec<u8>], why: &str| {
            assert!(here.check(&here.object(frames)).is_err(), "{why}");
        };
        refused(&[here.frames[0].clone(), there.frames[1].clone()], "from another client's recording");
        refused(&[here.frames[0].clone(), here.frames[0].clone()], "twice");
        for (byte, what) in [(0, "leg"), (4, "index"), (5, "kind")] {
            let mut moved = here.frames[0].clone();
            moved[byte] = if byte == 5 { 2 } else { 1 };
            refused(&[moved], what);
        }
    }

    #[test]
    fn order_is_part_of_the_seal() {
        let sample = Sample::new("acme");
        let object = sample.object(&sample.frames);
        let mut swapped = sample.frames.clone();
        swapped.swap(0, 1);
        let other = sample.object(&swapped);
        // The frames of one, the index and trailer of the other.
        let tail = object.len() - TRAILER - 3 * ENTRY;
        assert!(sample.check(&[&other[..tail], &object[tail..]].concat()).is_err());
        assert!(sample.check(&other).is_ok());
    }

    #[test]
    fn what_was_punctured_is_still_vouched_for() {
        let mut sample = Sample::new("acme");
        let object = sample.object(&sample.frames);
        sample.keys.layers.cover = sample.keys.layers.cover.without(&(0..1));
        assert_eq!(sample.check(&object).unwrap().shredded, 1);
        let mut flipped = object.clone();
        let first_frame = MAGIC.len() + 4 + sample.header_bytes.len();
        flipped[first_frame + 50] ^= 1;
        assert!(sample.check(&flipped).is_err());
    }
}
