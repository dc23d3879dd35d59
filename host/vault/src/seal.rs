//! From the write-ahead log to a sealed object: build, put if absent, read back, note, free the log.

use std::sync::Arc;

use caveat_model::Digest;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    Header, VaultError,
    container::{self, Builder, Trailer},
    error::{Flaw, io_error},
    merkle::{self, Tree},
    once::sha256,
    pages::{Row, State, blocking},
    secrets::RecordingKeys,
    segment::Binding,
    vault::Inner,
    wal::{Location, LogReader, Name},
};

/// Why a recording was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum SealReason {
    /// The call was over.
    Ended = 1,
    /// The host stopped in the middle; what was acknowledged is there.
    Interrupted = 2,
}

impl SealReason {
    pub(crate) fn from_byte(byte: u8) -> Result<Self, Flaw> {
        match byte {
            1 => Ok(Self::Ended),
            2 => Ok(Self::Interrupted),
            _ => Err(Flaw::Damaged("its reason for being sealed is unknown")),
        }
    }
}

/// What the ledger keeps of a sealed recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SealRecord {
    /// How many segments it has.
    pub frames: u64,
    /// From its beginning to the end of its last audio.
    pub duration_ms: u64,
    /// Why it was sealed.
    pub end: SealReason,
    /// Merkle root (RFC 6962) over its frames.
    pub root: Digest,
    /// The object's path in the store.
    pub object: String,
    /// SHA-256 of the object.
    pub object_digest: Digest,
    /// Size of the object.
    pub bytes: u64,
}

/// A recording that waits to be sealed.
pub(crate) struct Pending {
    pub(crate) name: Name,
    pub(crate) end: SealReason,
    /// In order.
    pub(crate) frames: Arc<[Location]>,
    /// Merkle root over them.
    pub(crate) root: [u8; 32],
}

impl Pending {
    /// What an earlier run of this host, or another host, left.
    pub(crate) fn left(name: Name, frames: impl Iterator<Item = Held>) -> Self {
        let (mut tree, mut places) = (Tree::default(), vec![]);
        for held in frames {
            tree.push(held.digest);
            places.push(held.at);
        }
        Self { name, end: SealReason::Interrupted, frames: places.into(), root: tree.root() }
    }
}

/// A frame that the log holds.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) at: Location,
    /// Its Merkle leaf hash.
    pub(crate) digest: [u8; 32],
}

/// Where a recording's object lies.
pub(crate) fn object_path((client, recording): &Name) -> Path {
    Path::from(format!("recordings/{client}/{recording}.caveat"))
}

pub(crate) fn store_error<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(object_store::Error) -> VaultError + 'a {
    move |source| VaultError::Store { what, object: path.to_string(), source }
}

impl Inner {
    /// Seals, or finds sealed. On an error nothing is lost: the log is freed only at the end.
    pub(crate) async fn seal(&self, pending: &Pending) -> Result<SealRecord, VaultError> {
        let name = &pending.name;
        let row = self.opener.pages().row(name).await?;
        if let (State::Sealed, Some(seal)) = (row.state, &row.seal) {
            self.release(name);
            return Ok(seal.clone());
        }
        let keys = match self.opener.pages().keys_of(name, &row).await {
            Err(gone @ VaultError::Gone { .. }) => {
                self.release(name);
                return Err(gone);
            }
            keys => keys?,
        };
        let path = object_path(name);
        let header = Header::decode(&row.header, &name.0, name.1).map_err(|f| f.at(&path))?;
        let (object, trailer) = self.build(pending, header, row.header.clone(), keys.clone()).await?;
        let (bytes, digest) = (object.len() as u64, sha256(&[&object]));

        let seal = match self.put(&path, object).await {
            Ok(()) if self.digest_of(&path).await? == digest => record(&path, trailer, digest, bytes),
            Ok(()) => return Err(VaultError::ReadBack { object: path.to_string() }),
            Err(VaultError::ObjectConflict { .. }) => self.adopt(pending, &path, &row, &keys).await?,
            Err(e) => return Err(e),
        };
        if !self.opener.pages().note_sealed(name, &seal).await? {
            return Err(VaultError::Contended { recording: name.1 });
        }
        self.release(name);
        Ok(seal)
    }

    async fn build(
        &self,
        pending: &Pending,
        header: Header,
        header_bytes: Vec<u8>,
        keys: RecordingKeys,
    ) -> Result<(Vec<u8>, Trailer), VaultError> {
        let (frames, root, end) = (pending.frames.clone(), pending.root, pending.end);
        let (mut log, dir) = (self.wal.reader(), self.dir.clone());
        blocking(move || {
            let bytes = frames.iter().map(|at| u64::from(at.bytes())).sum();
            let mut builder = Builder::new(header, header_bytes, frames.len(), bytes);
            each_of(&frames, &mut log, &dir, |frame| builder.push(frame))?;
            if builder.root() != root {
                return Err(Flaw::Damaged("a frame changed after it was written").at(dir.display()));
            }
            Ok(builder.finish(&keys.seal, end))
        })
        .await
    }

    /// The Merkle leaf hashes of what the log holds.
    async fn leaf_hashes(&self, pending: &Pending) -> Result<Vec<[u8; 32]>, VaultError> {
        let (frames, mut log, dir) = (pending.frames.clone(), self.wal.reader(), self.dir.clone());
        blocking(move || {
            let mut hashes = vec![];
            each_of(&frames, &mut log, &dir, |frame| {
                hashes.push(merkle::leaf_hash(frame));
                Ok(())
            })?;
            Ok(hashes)
        })
        .await
    }

    async fn put(&self, path: &Path, object: Vec<u8>) -> Result<(), VaultError> {
        let create = PutOptions::from(PutMode::Create);
        match self.opener.store().put_opts(path, PutPayload::from(object), create).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                Err(VaultError::ObjectConflict { object: path.to_string() })
            }
            Err(e) => Err(store_error("put", path)(e)),
        }
    }

    async fn digest_of(&self, path: &Path) -> Result<[u8; 32], VaultError> {
        let mut stream =
            self.opener.store().get(path).await.map_err(store_error("read back", path))?.into_stream();
        let mut hash = Sha256::new();
        while let Some(chunk) = stream.try_next().await.map_err(store_error("read back", path))? {
            hash.update(&chunk);
        }
        Ok(hash.finalize().into())
    }

    /// An earlier attempt got as far as the store: its object counts when it holds all that the log does.
    async fn adopt(
        &self,
        pending: &Pending,
        path: &Path,
        row: &Row,
        keys: &RecordingKeys,
    ) -> Result<SealRecord, VaultError> {
        let object = self.opener.get(path).await?;
        let conflict = || VaultError::ObjectConflict { object: path.to_string() };
        let header = Header::decode(&row.header, &pending.name.0, pending.name.1).map_err(|f| f.at(path))?;
        let binding = Binding::new(&pending.name.0, pending.name.1, &row.header);
        let checked =
            container::check(&object, &header, &row.header, &binding, keys).map_err(|_| conflict())?;
        let there: std::collections::HashSet<_> = checked.digests.iter().collect();
        if !self.leaf_hashes(pending).await?.iter().all(|hash| there.contains(hash)) {
            return Err(conflict());
        }
        Ok(record(path, checked.trailer, sha256(&[&object]), object.len() as u64))
    }
}

/// Calls `take` with each of these frames of a log, in order.
fn each_of(
    frames: &[Location],
    log: &mut LogReader,
    dir: &std::path::Path,
    mut take: impl FnMut(&[u8]) -> Result<(), Flaw>,
) -> Result<(), VaultError> {
    for at in frames {
        let frame = log.read(*at).map_err(io_error("read the write-ahead log in", dir))?;
        take(&frame).map_err(|flaw| flaw.at(dir.display()))?;
    }
    Ok(())
}

fn record(path: &Path, trailer: Trailer, object_digest: [u8; 32], bytes: u64) -> SealRecord {
    SealRecord {
        frames: trailer.frames,
        duration_ms: trailer.duration_ms,
        end: trailer.end,
        root: Digest(trailer.root),
        object: path.to_string(),
        object_digest: Digest(object_digest),
        bytes,
    }
}
