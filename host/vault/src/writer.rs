//! A recording while the call runs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use caveat_model::Digest;
use tokio::sync::oneshot;

use crate::{
    Header, Kind, SECONDS_PER_LEG, SealReason, SealRecord, Segment, VaultError, locked,
    merkle::{self, Tree},
    seal::Pending,
    segment::{Binding, seal_frame},
    tree::{Cover, Walk},
    vault::Inner,
    wal::{Append, Location, Name},
};

/// What is durable of a recording so far: an RFC 6962 tree that later ones extend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interim {
    /// How many segments it covers.
    pub frames: u64,
    /// Merkle root over their frames.
    pub root: Digest,
    /// Of the log's tail, where it has one.
    round: u64,
}

/// Takes the segments of one recording. Dropped without [`Writer::seal`] or [`Writer::discard`], the recording stays
/// open until the next start recovers it.
pub struct Writer {
    vault: Arc<Inner>,
    name: Arc<Name>,
    header: Header,
    binding: Binding,
    cover: Cover,
    tape: Arc<Mutex<Tape>>,
}

/// What is kept of a recording while the call runs: for each of its seconds, where it lies, and nothing more.
#[derive(Default)]
struct Tape {
    /// Of the frames that are durable, in order, up to the first that waits.
    stored: Vec<Location>,
    /// Over them.
    tree: Tree,
    /// The frames behind: the first is number `settled`.
    waiting: VecDeque<Slot>,
    settled: u32,
    seen: Seen,
    walks: HashMap<u8, Walk>,
    /// Frames so far.
    bytes: u64,
}

struct Slot {
    digest: [u8; 32],
    place: Place,
}

enum Place {
    Queued,
    Stored(Location),
    /// May or may not be on the disk; counts as not recorded.
    Failed,
}

impl Tape {
    /// How many frames were given so far.
    fn count(&self) -> u32 {
        self.settled + self.waiting.len() as u32
    }

    fn settle(&mut self, seq: u32, place: Place) {
        let nth = seq.checked_sub(self.settled).map(|nth| nth as usize);
        if let Some(slot) = nth.and_then(|nth| self.waiting.get_mut(nth)) {
            slot.place = place;
        }
        while let Some(slot) = self.waiting.pop_front_if(|slot| !matches!(slot.place, Place::Queued)) {
            if let Place::Stored(at) = slot.place {
                self.stored.push(at);
                self.tree.push(slot.digest);
            }
            self.settled += 1;
        }
    }
}

/// Which segments came, a bit for each second.
#[derive(Default)]
struct Seen(HashMap<(u8, Kind), Vec<u64>>);

impl Seen {
    /// False: it came before.
    fn insert(&mut self, Segment { leg, index, kind }: Segment) -> bool {
        let (word, bit) = ((index / u64::BITS) as usize, 1 << (index % u64::BITS));
        let words = self.0.entry((leg, kind)).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let is_new = words[word] & bit == 0;
        words[word] |= bit;
        is_new
    }
}

impl Writer {
    pub(crate) fn new(vault: Arc<Inner>, name: Name, header: Header, binding: Binding, cover: Cover) -> Self {
        Self { vault, name: Arc::new(name), header, binding, cover, tape: Arc::default() }
    }

    /// Seals one second of one leg and returns when it is durable in the write-ahead log. Seconds may be left out and
    /// come in any order; each (leg, index, kind) comes once, even when it failed: its key is used up.
    pub async fn append(&self, leg: u8, index: u32, kind: Kind, plain: &[u8]) -> Result<(), VaultError> {
        let segment = Segment { leg, index, kind };
        self.check(segment, plain)?;
        if self.vault.tail.as_ref().is_some_and(|tail| tail.is_closed()) {
            return Err(VaultError::TakenOver);
        }
        let slot = self.vault.wal.slot().await?;
        let (tell, told) = oneshot::channel();
        // The frame's number and its place in the queue are taken under one lock, so that both orders are the same.
        {
            let mut tape = locked(&self.tape);
            let frame = self.frame(&mut tape, segment, plain)?;
            let seq = tape.count();
            tape.bytes += frame.len() as u64;
            tape.waiting.push_back(Slot { digest: merkle::leaf_hash(&frame), place: Place::Queued });
            let settling = self.tape.clone();
            let done = Box::new(move |result: Result<Location, VaultError>| {
                let (place, answer) = match result {
                    Ok(at) => (Place::Stored(at), Ok(())),
                    Err(e) => (Place::Failed, Err(e)),
                };
                locked(&settling).settle(seq, place);
                // Whoever asked may have gone away; the frame is kept all the same.
                let _ = tell.send(answer);
            });
            slot.send(Append { name: self.name.clone(), seq, frame, done });
        }
        told.await.map_err(|_| VaultError::Closed)?
    }

    /// The Merkle root over what is durable so far.
    pub fn interim(&self) -> Interim {
        let (frames, root) = {
            let tape = locked(&self.tape);
            (tape.tree.count(), Digest(tape.tree.root()))
        };
        // Afterward: what is in the tree was in the tail before.
        Interim { frames, root, round: self.vault.tail.as_ref().map_or(0, |tail| tail.round()) }
    }

    /// Whether another host could seal all of that, too. Before, nothing may rest on it: who takes over may find less. A vault
    /// of one host has it at once.
    ///
    /// # Errors
    /// [`VaultError::TakenOver`]; [`VaultError::NotInStore`]: perhaps not, and nobody will know.
    pub fn is_shared(&self, interim: &Interim) -> Result<bool, VaultError> {
        self.vault.tail.as_ref().map_or(Ok(true), |tail| tail.has(interim.round))
    }

    /// Destroys the keys of everything so far: nothing of it opens any more, in the log neither.
    ///
    /// # Errors
    /// [`VaultError::TakenOver`]: another host has it, and seals it; its keys are as they were.
    pub async fn discard(self) -> Result<(), VaultError> {
        self.vault.opener.pages().discard(&self.name, &self.vault.log).await?;
        self.vault.wal.flush().await?;
        self.vault.release(&self.name);
        Ok(())
    }

    /// Puts the object into the store, reads it back, and frees the log. When that fails nothing is lost:
    /// [`crate::Vault::recover`] tries again, now or after a restart.
    pub async fn seal(self, end: SealReason) -> Result<SealRecord, VaultError> {
        self.vault.wal.flush().await?;
        let (frames, root) = {
            let mut tape = locked(&self.tape);
            (std::mem::take(&mut tape.stored).into(), tape.tree.root())
        };
        let pending = Pending { name: (*self.name).clone(), end, frames, root };
        self.vault.seal_or_keep(pending).await
    }

    fn check(&self, segment: Segment, plain: &[u8]) -> Result<(), VaultError> {
        let at_most = |limit, given: u64, allowed: u64| match given <= allowed {
            true => Ok(()),
            false => Err(VaultError::TooLarge { limit, given, allowed }),
        };
        at_most("segment_bytes", plain.len() as u64, self.vault.limits.segment_bytes as u64)?;
        at_most("seconds per leg", u64::from(segment.index) + 1, u64::from(SECONDS_PER_LEG))?;
        if !self.header.legs.iter().any(|l| l.leg == segment.leg) {
            return Err(VaultError::UnknownLeg { leg: segment.leg });
        }
        let tape = locked(&self.tape);
        let bytes = tape.bytes + plain.len() as u64;
        at_most("segment_count", u64::from(tape.count()) + 1, self.vault.limits.segment_count as u64)?;
        at_most(
            "object_bytes",
            self.vault.object_bytes(bytes, tape.count() as usize + 1),
            self.vault.limits.object_bytes,
        )
    }

    fn frame(&self, tape: &mut Tape, segment: Segment, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        if !tape.seen.insert(segment) {
            return Err(VaultError::Duplicate { segment });
        }
        let walk = tape.walks.entry(segment.leg).or_default();
        let leaf = walk.leaf(&self.cover, segment.leaf()).ok_or(VaultError::Shredded { segment })?;
        Ok(seal_frame(&leaf, &self.binding, segment, plain))
    }
}
