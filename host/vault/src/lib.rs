//! Sealed recordings: key hierarchy, segments, write-ahead log, objects. The only crate that names a cipher
//! (`suite`).
//!
//! Never writes plaintext to a disk, never uses a key twice, never deletes what it has not been told to: a restart
//! seals what it finds. It does not judge (packs do) and does not schedule (`retention` does).
//!
//! Start at [`Vault`], then [`Writer`] and [`Reader`]; [`Opener`] reads beside a running host. The bytes are described in `FORMAT.md`; `tree` is the key tree,
//! `layers` what redactions made of it, `once` the only use of the ciphers, `container` the object, `wal` the write-ahead log,
//! `tails` what other hosts can seal of it, `pages` keys in SQL.

#[doc(hidden)]
pub mod bench;
mod container;
mod disclosure;
mod error;
mod escrow;
#[doc(hidden)]
pub mod fuzz;
mod header;
mod keys;
mod layers;
mod merkle;
mod once;
mod opener;
mod pages;
mod patch;
mod reader;
mod redact;
mod rotation;
mod seal;
mod secrets;
mod segment;
mod suite;
mod tails;
mod takeover;
mod tree;
mod vault;
mod wal;
mod writer;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use disclosure::{Disclosed, Disclosure, open_disclosed_detail};
pub use error::VaultError;
pub use header::{Codec, Header, LegInfo};
pub use keys::{AwsKms, AwsKmsConfig, KeySource, Keyring, Transit, TransitConfig};
pub use opener::Opener;
pub use patch::Edge;
pub use reader::{Reader, Verified};
pub use redact::{Cut, Mask, Taken};
pub use rotation::KeyStatus;
pub use seal::{SealReason, SealRecord};
pub use segment::{Kind, SECONDS_PER_LEG, Segment, SegmentInfo};
pub use suite::Suite;
pub use tails::TailLimits;
pub use vault::{LogFolder, Recovered, Vault};
pub use writer::{Interim, Writer};

/// Brings the tables of this room up to date.
///
/// # Errors
/// [`caveat_state::StateError`].
pub async fn migrate(db: &caveat_state::Db) -> Result<(), caveat_state::StateError> {
    pages::Pages::migrate(db).await
}

/// Where and how much.
#[derive(Debug, Clone)]
pub struct VaultConfig {
    /// Folder of the write-ahead log; one process at a time.
    pub dir: PathBuf,
    /// How much of anything.
    pub limits: Limits,
}

/// Every limit of the vault. The defaults carry ten hours of two legs.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Plaintext of one segment, in bytes.
    pub segment_bytes: usize,
    /// Legs of one recording, a count.
    pub leg_count: usize,
    /// Segments of one recording, a count.
    pub segment_count: usize,
    /// One sealed object, in bytes; it is built in memory.
    pub object_bytes: u64,
    /// One file of the write-ahead log, in bytes; written out in full when the file is made.
    pub log_file_bytes: u64,
    /// What one `fdatasync` of the log covers at most, in bytes.
    pub log_batch_bytes: usize,
    /// Segments waiting for the log, a count; whoever comes later waits.
    pub log_queue_count: usize,
    /// Recordings that are put into the store at the same time, a count; each is built in memory, and others wait.
    pub seal_count: usize,
    /// Recordings that share a page key, a count.
    pub page_recording_count: u32,
    /// Plaintext of one detail beside the ledger, in bytes.
    pub detail_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 20,
            leg_count: 16,
            segment_count: 500_000,
            object_bytes: 2 << 30,
            log_file_bytes: 16 << 20,
            log_batch_bytes: 4 << 20,
            log_queue_count: 1024,
            seal_count: 16,
            page_recording_count: 4096,
            detail_bytes: 1 << 20,
        }
    }
}

/// A lock whose last holder panicked is still consistent here: every critical section writes its fields in one go.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
