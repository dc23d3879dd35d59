//! Proofs that travel: each can be checked with the public key alone (RFC 6962 sections 2.1.1 and 2.1.2).

use caveat_model::Digest;
use serde::{Deserialize, Serialize};
use tlog_tiles::Hash;

use crate::{LedgerError, checkpoint};

/// Proves that an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Inclusion {
    /// Of the entry.
    pub index: u64,
    /// Audit path, from the leaf up.
    pub hashes: Vec<Digest>,
    /// The signed tree it leads to.
    pub checkpoint: String,
}

/// A checkpoint whose signature was found good.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    log: String,
    size: u64,
    root: Hash,
}

impl Signed {
    /// Opens a checkpoint with the public key of its log.
    ///
    /// # Errors
    /// [`LedgerError::Proof`] with what does not hold.
    pub fn open(checkpoint: &[u8], vkey: &str) -> Result<Self, LedgerError> {
        let tree = checkpoint::open(checkpoint, vkey).map_err(LedgerError::proof)?;
        Ok(Self { log: tree.origin().to_owned(), size: tree.size(), root: *tree.hash() })
    }

    /// The log's name.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Entries that it vouches for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The signed root.
    pub fn root(&self) -> Digest {
        Digest(self.root.0)
    }

    /// Checks that `entry`, the stored bytes, is at `index`, by the audit path from the leaf up.
    ///
    /// # Errors
    /// [`LedgerError::Proof`] with what does not hold.
    pub fn check(&self, index: u64, entry: &[u8], path: &[Digest]) -> Result<(), LedgerError> {
        if index >= self.size {
            return Err(LedgerError::proof(format!("the checkpoint is older than entry {index}")));
        }
        let leaf = tlog_tiles::record_hash(entry);
        tlog_tiles::check_record(&hashes(path), self.size, self.root, index, leaf)
            .map_err(|e| LedgerError::proof(e.to_string()))
    }
}

impl Inclusion {
    pub(crate) fn new(index: u64, hashes: Vec<Hash>, checkpoint: String) -> Self {
        Self { index, hashes: digests(hashes), checkpoint }
    }

    /// Checks that `entry`, the stored bytes, is at this index in the log whose public key is `vkey`.
    ///
    /// # Errors
    /// [`LedgerError::Proof`] with what does not hold.
    pub fn check(&self, vkey: &str, entry: &[u8]) -> Result<(), LedgerError> {
        Signed::open(self.checkpoint.as_bytes(), vkey)?.check(self.index, entry, &self.hashes)
    }
}

/// Proves that a log has only grown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Consistency {
    /// Size of the earlier tree.
    pub from: u64,
    /// Its root, as the log has it: compare it with the earlier checkpoint.
    pub from_root: Digest,
    /// Size of the later tree.
    pub to: u64,
    /// Its root.
    pub to_root: Digest,
    /// The proof.
    pub hashes: Vec<Digest>,
}

impl Consistency {
    pub(crate) fn new(from: u64, from_root: Hash, to: u64, to_root: Hash, hashes: Vec<Hash>) -> Self {
        Self { from, from_root: Digest(from_root.0), to, to_root: Digest(to_root.0), hashes: digests(hashes) }
    }

    /// Checks that the tree of the `later` checkpoint begins with that of the `earlier` one, both signed with `vkey`.
    ///
    /// # Errors
    /// [`LedgerError::Proof`] with what does not hold.
    pub fn check(&self, vkey: &str, earlier: &str, later: &str) -> Result<(), LedgerError> {
        let open = |text: &str| checkpoint::open(text.as_bytes(), vkey).map_err(LedgerError::proof);
        let (old, new) = (open(earlier)?, open(later)?);
        if (old.size(), new.size()) != (self.from, self.to) {
            return Err(LedgerError::proof(format!(
                "it leads from {} to {}, the checkpoints from {} to {}",
                self.from,
                self.to,
                old.size(),
                new.size()
            )));
        }
        tlog_tiles::check_tree(&hashes(&self.hashes), new.size(), *new.hash(), old.size(), *old.hash())
            .map_err(|e| LedgerError::proof(e.to_string()))
    }
}

fn digests(hashes: Vec<Hash>) -> Vec<Digest> {
    hashes.into_iter().map(|h| Digest(h.0)).collect()
}

fn hashes(digests: &[Digest]) -> Vec<Hash> {
    digests.iter().map(|d| Hash(d.0)).collect()
}
