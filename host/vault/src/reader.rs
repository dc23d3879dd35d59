//! A sealed recording, read segment by segment.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use caveat_model::Digest;
use object_store::{ObjectStoreExt, path::Path};
use zeroize::Zeroizing;

use crate::{
    Header, Kind, Opener, SealRecord, Segment, SegmentInfo, VaultError,
    container::{self, ENTRY, Entry, TRAILER, Trailer},
    disclosure::{self, Disclosure},
    error::Flaw,
    header::MAGIC,
    layers::Lies,
    once::{Key, OVERHEAD, sha256},
    pages::State,
    patch,
    seal::{object_path, store_error},
    secrets::RecordingKeys,
    segment::{Binding, FRAME_HEAD, Frame},
    tree::Walk,
    wal::Name,
};

/// So many frames are held in memory, sealed and opened, while a run of them is read.
const FRAMES_AT_ONCE: usize = 4_096;

/// What [`Reader::verify`] found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Segments there, each as it was sealed.
    pub frames: u64,
    /// Of these, redacted ones: nobody can open them, their bytes are still vouched for by the root.
    pub shredded: u64,
    /// Segments that patches hold of redacted seconds.
    pub patched: u64,
    /// Merkle root over all of them.
    pub root: Digest,
}

/// Opens segments of one sealed recording with the keys it had when the reader was made.
pub struct Reader {
    vault: Opener,
    name: Name,
    path: Path,
    header: Header,
    header_bytes: Vec<u8>,
    binding: Binding,
    keys: RecordingKeys,
    seal: SealRecord,
    entries: Vec<Entry>,
    by_segment: HashMap<Segment, usize>,
}

impl Reader {
    pub(crate) async fn open(vault: Opener, name: &Name) -> Result<Self, VaultError> {
        let row = vault.pages().row(name).await?;
        let keys = vault.pages().keys_of(name, &row).await?;
        let (State::Sealed, Some(seal)) = (row.state, row.seal) else {
            return Err(VaultError::NotSealed { client: name.0.clone(), recording: name.1 });
        };
        let path = object_path(name);
        let header = Header::decode(&row.header, &name.0, name.1).map_err(|f| f.at(&path))?;
        let entries = index(&vault, &path, &row.header, &keys, &seal).await?;
        let by_segment = entries.iter().enumerate().map(|(i, e)| (e.segment, i)).collect();
        let binding = Binding::new(&name.0, name.1, &row.header);
        let (name, header_bytes) = (name.clone(), row.header);
        Ok(Self { vault, name, path, header, header_bytes, binding, keys, seal, entries, by_segment })
    }

    /// What was known when it began.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What was noted when it was sealed.
    pub fn seal(&self) -> &SealRecord {
        &self.seal
    }

    /// Names what its keys open: another one as soon as something is redacted or brought back.
    pub fn edition(&self) -> Digest {
        let mut shape = Vec::new();
        let layers = &self.keys.layers;
        layers.cover.shape(&mut shape);
        for patch in &layers.patches {
            shape.extend_from_slice(&patch.digest);
            patch.cover.shape(&mut shape);
        }
        Digest(sha256(&[&self.header_bytes, &shape]))
    }

    /// Every segment, in the order it was written; redacted ones too.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = SegmentInfo> + '_ {
        let plain = |len: u32| len.saturating_sub((FRAME_HEAD + OVERHEAD) as u32);
        self.entries.iter().map(move |e| SegmentInfo { segment: e.segment, bytes: plain(e.len) })
    }

    /// Opens one segment, with one ranged read of the object, or of what a redaction has left of that second.
    pub async fn read(&self, leg: u8, index: u32, kind: Kind) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let segment = Segment { leg, index, kind };
        let entry = self.by_segment.get(&segment).and_then(|i| self.entries.get(*i));
        let entry = entry.ok_or(VaultError::NoSuchSegment { segment })?;
        match self.keys.layers.leaf(segment.leaf()) {
            None => Err(VaultError::Shredded { segment }),
            Some(Lies::InObject(leaf)) => self.read_object(segment, entry, &leaf).await,
            Some(Lies::InPatch(patch, leaf)) => self.read_patch(segment, patch, &leaf).await,
        }
    }

    /// Opens everything of one kind that the seconds of a leg have, in their order; none for a second that was redacted.
    /// What lies side by side in the object is read in one go.
    pub async fn read_all(
        &self,
        leg: u8,
        seconds: Range<u32>,
        kind: Kind,
    ) -> Result<Vec<(u32, Option<Zeroizing<Vec<u8>>>)>, VaultError> {
        let wanted =
            |e: &&Entry| (e.segment.leg, e.segment.kind) == (leg, kind) && seconds.contains(&e.segment.index);
        let mut found = Vec::new();
        let (mut in_object, mut walk) = (Vec::new(), Walk::default());
        for entry in self.entries.iter().filter(wanted) {
            let segment = entry.segment;
            let plain = match self.keys.layers.leaf_by(&mut walk, segment.leaf()) {
                None => None,
                Some(Lies::InPatch(patch, leaf)) => match self.read_patch(segment, patch, &leaf).await {
                    Err(VaultError::Shredded { .. }) => None,
                    plain => Some(plain?),
                },
                Some(Lies::InObject(leaf)) => {
                    in_object.push((found.len(), entry, leaf));
                    None
                }
            };
            found.push((segment.index, plain));
        }
        for some in in_object.chunks(FRAMES_AT_ONCE) {
            let ranges: Vec<_> = some.iter().map(|(_, entry, _)| entry.range()).collect();
            let frames = self.vault.store().get_ranges(&self.path, &ranges).await;
            let frames = frames.map_err(store_error("read", &self.path))?;
            for ((at, entry, leaf), bytes) in some.iter().zip(frames) {
                let plain = self.open_frame(entry.segment, &bytes, leaf)?;
                if let Some((_, found)) = found.get_mut(*at) {
                    *found = Some(plain);
                }
            }
        }
        found.sort_unstable_by_key(|(second, _)| *second);
        Ok(found)
    }

    async fn read_object(
        &self,
        segment: Segment,
        entry: &Entry,
        leaf: &Key,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let bytes = self.vault.store().get_range(&self.path, entry.range()).await;
        self.open_frame(segment, &bytes.map_err(store_error("read", &self.path))?, leaf)
    }

    fn open_frame(
        &self,
        segment: Segment,
        bytes: &[u8],
        leaf: &Key,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let open = || {
            let frame = Frame::parse(bytes)?;
            if frame.segment != segment || frame.len() != bytes.len() {
                return Err(Flaw::Damaged("another frame lies where the index points"));
            }
            frame.open(leaf, &self.binding)
        };
        open().map_err(|f| f.at(&self.path))
    }

    /// All that somebody outside needs to see that the `wanted` segments are what was sealed; of the others, digests
    /// only. Reads and checks the whole object.
    ///
    /// # Errors
    /// As [`Reader::verify`].
    pub async fn disclose(&self, wanted: &HashSet<Segment>) -> Result<Disclosure, VaultError> {
        let object = self.vault.get(&self.path).await?;
        self.check(&object)?;
        let start = MAGIC.len() + 4 + self.header_bytes.len();
        let end = self.entries.last().map_or(start, |e| (e.offset + u64::from(e.len)) as usize);
        let frames = object.get(start..end).unwrap_or_default();
        let disclosed = disclosure::frames(frames, &self.keys.layers.cover, wanted);
        let frames = disclosed.map_err(|f| f.at(&self.path))?;
        Ok(Disclosure { header: self.header_bytes.clone(), frames })
    }

    async fn read_patch(
        &self,
        segment: Segment,
        patch: usize,
        leaf: &Key,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let Some(keys) = self.keys.layers.patches.get(patch) else {
            return Err(VaultError::Shredded { segment });
        };
        let path = patch::path((self.name.0.as_str(), self.name.1), keys.number);
        let object = self.vault.get(&path).await?;
        let frames = patch::frames(&object, keys).map_err(|f| f.at(&path))?;
        let frame = frames.iter().find(|f| f.segment == segment).ok_or(VaultError::Shredded { segment })?;
        frame.open(leaf, &self.binding).map_err(|f| f.at(&path))
    }

    /// Reads the whole object and checks all of it: every frame authenticates, and count, order, length, root, index
    /// and digest are those that were sealed.
    /// Every patch that is still of use is checked likewise.
    pub async fn verify(&self) -> Result<Verified, VaultError> {
        let patched = self.verify_patches().await?;
        let object = self.vault.get(&self.path).await?;
        Ok(Verified { patched, ..self.check(&object)? })
    }

    fn check(&self, object: &[u8]) -> Result<Verified, VaultError> {
        let check = || {
            let checked =
                container::check(object, &self.header, &self.header_bytes, &self.binding, &self.keys)?;
            if sha256(&[object]) != self.seal.object_digest.0 || checked.trailer.root != self.seal.root.0 {
                return Err(Flaw::Damaged("it is not the object that was sealed"));
            }
            Ok(Verified {
                frames: checked.trailer.frames,
                shredded: checked.shredded,
                patched: 0,
                root: Digest(checked.trailer.root),
            })
        };
        check().map_err(|f| f.at(&self.path))
    }

    /// How many segments they hold.
    async fn verify_patches(&self) -> Result<u64, VaultError> {
        let mut patched = 0;
        for keys in &self.keys.layers.patches {
            let path = patch::path((self.name.0.as_str(), self.name.1), keys.number);
            let object = self.vault.get(&path).await?;
            for frame in patch::frames(&object, keys).map_err(|f| f.at(&path))? {
                // A later redaction may have taken a part of a patch.
                if let Some(leaf) = keys.cover.leaf(frame.segment.leaf()) {
                    frame.open(&leaf, &self.binding).map_err(|f| f.at(&path))?;
                    patched += 1;
                }
            }
        }
        Ok(patched)
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn keys(&self) -> &RecordingKeys {
        &self.keys
    }

    pub(crate) fn binding(&self) -> &Binding {
        &self.binding
    }
}

/// Reads index and trailer, which end the object, in one go: how long they are follows from what was sealed.
async fn index(
    vault: &Opener,
    path: &Path,
    header: &[u8],
    keys: &RecordingKeys,
    seal: &SealRecord,
) -> Result<Vec<Entry>, VaultError> {
    let damaged = |flaw| Flaw::Damaged(flaw).at(path);
    let start = (MAGIC.len() + 4 + header.len()) as u64;
    let from = seal.frames.checked_mul(ENTRY as u64).and_then(|index| {
        seal.bytes.checked_sub(TRAILER as u64)?.checked_sub(index).filter(|from| *from >= start)
    });
    let from = from.ok_or_else(|| damaged("its length is not what was sealed"))?;
    let end = vault.store().get_range(path, from..seal.bytes).await.map_err(store_error("read", path))?;
    let (index, tail) = end.split_last_chunk().ok_or_else(|| damaged("its end is missing"))?;
    let trailer = Trailer::decode(tail, &keys.seal, header).map_err(|f| f.at(path))?;
    if trailer.root != seal.root.0 {
        return Err(damaged("its trailer is not the one that was sealed"));
    }
    if (trailer.index_offset, trailer.frames) != (from, seal.frames) {
        return Err(damaged("its index is missing"));
    }
    container::decode_index(index, &trailer).map_err(|f| f.at(path))
}
