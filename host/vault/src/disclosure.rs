//! What somebody outside is given of a sealed recording: chosen seconds with the key of each, digests of all the rest.
//!
//! The frames are those of the object, so that their Merkle root is the one in the ledger. The key of a second opens that
//! second of that leg (every kind of it) and nothing else; the commitment in the frame names it, so there is one plaintext
//! that a frame can be shown to hold. `FORMAT.md`, "Disclosure", has the bytes.

use std::collections::{BTreeMap, HashSet};

use caveat_model::{ClientId, Digest, RecordingId};
use zeroize::Zeroizing;

use crate::{
    Header, Segment, VaultError,
    error::Flaw,
    merkle::{self, Tree},
    once::{Key, open_blob_alone},
    secrets::detail_of,
    segment::{Binding, Frame},
    tree::{Cover, Walk},
};

/// Before the digest of a frame that is withheld.
const WITHHELD: u8 = 0;
/// Before a frame and its key.
const SHOWN: u8 = 1;
const DIGEST: usize = 32;
const KEY: usize = 32;

/// The two parts that are handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The header of the object, to which every frame is bound.
    pub header: Vec<u8>,
    /// A record per frame of the object, in its order. Holds keys: whoever has it hears what was chosen.
    pub frames: Vec<u8>,
}

/// What a disclosure was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// When the recording began, and its legs.
    pub header: Header,
    /// Frames, shown or withheld.
    pub count: u64,
    /// Of these, shown.
    pub shown: u64,
    /// Merkle root over all of them.
    pub root: Digest,
    /// The root over the first so many, for each count asked for that there are as many frames.
    pub roots: BTreeMap<u64, Digest>,
}

/// The records of `frames`, which lie one after the other as in the object. A second whose key was destroyed is withheld.
pub(crate) fn frames(mut frames: &[u8], cover: &Cover, wanted: &HashSet<Segment>) -> Result<Vec<u8>, Flaw> {
    let (mut out, mut walk) = (vec![], Walk::default());
    while !frames.is_empty() {
        let frame = Frame::parse(frames)?;
        let (bytes, rest) = frames.split_at(frame.len());
        frames = rest;
        let key = wanted.contains(&frame.segment).then(|| walk.leaf(cover, frame.segment.leaf())).flatten();
        match key {
            Some(key) => {
                out.push(SHOWN);
                out.extend_from_slice(bytes);
                out.extend_from_slice(&key[..]);
            }
            None => {
                out.push(WITHHELD);
                out.extend_from_slice(&merkle::leaf_hash(bytes));
            }
        }
    }
    Ok(out)
}

impl Disclosure {
    /// Opens every frame that is shown and gives it to `each` with its plaintext; counts and hashes all of them. `at` are
    /// the counts whose roots are wanted too.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::Suite`]: it is not of this recording, or a byte of it was changed.
    pub fn open(
        &self,
        client: &ClientId,
        recording: RecordingId,
        at: &[u64],
        mut each: impl FnMut(Segment, &[u8]),
    ) -> Result<Disclosed, VaultError> {
        self.read(client, recording, at, &mut each)
            .map_err(|flaw| flaw.at(format!("disclosure of {recording}")))
    }

    fn read(
        &self,
        client: &ClientId,
        recording: RecordingId,
        at: &[u64],
        each: &mut impl FnMut(Segment, &[u8]),
    ) -> Result<Disclosed, Flaw> {
        let header = Header::decode(&self.header, client, recording)?;
        let binding = Binding::new(client, recording, &self.header);
        let (mut rest, mut tree, mut shown, mut roots) =
            (self.frames.as_slice(), Tree::default(), 0, BTreeMap::new());
        if at.contains(&0) {
            roots.insert(0, Digest(tree.root()));
        }
        while let Some((&mark, after)) = rest.split_first() {
            let digest;
            (digest, rest) = match mark {
                WITHHELD => {
                    let split = after.split_first_chunk::<DIGEST>();
                    let (digest, rest) = split.ok_or(Flaw::Damaged("a digest ends early"))?;
                    (*digest, rest)
                }
                SHOWN => {
                    let frame = Frame::parse(after)?;
                    let (bytes, rest) = after.split_at(frame.len());
                    let split = rest.split_first_chunk::<KEY>();
                    let (key, rest) = split.ok_or(Flaw::Damaged("a key ends early"))?;
                    let key: Key = Zeroizing::new(*key);
                    each(frame.segment, &frame.open(&key, &binding)?);
                    shown += 1;
                    (merkle::leaf_hash(bytes), rest)
                }
                _ => return Err(Flaw::Damaged("a record is of an unknown kind")),
            };
            tree.push(digest);
            if at.contains(&tree.count()) {
                roots.insert(tree.count(), Digest(tree.root()));
            }
        }
        Ok(Disclosed { header, count: tree.count(), shown, root: Digest(tree.root()), roots })
    }
}

/// Opens a detail with the key that [`crate::Opener::disclose_detail`] gave for it; none when the key, the client, the
/// context or a bit of it is another.
pub fn open_disclosed_detail(
    client: &ClientId,
    context: &str,
    sealed: &[u8],
    key: &[u8; 32],
) -> Option<Zeroizing<Vec<u8>>> {
    open_blob_alone(&Zeroizing::new(*key), &detail_of(client, context), sealed)
}
