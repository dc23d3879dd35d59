//! Where objects lie: a local folder, S3, Google Cloud Storage, Azure. The only crate that knows cloud stores.
//!
//! A remote store may answer errors, hang, be slow, or lie. So nobody waits for it: [`Spool`] is an object store that
//! takes a write for done when it is on the local disk, brings it to the remote store in the background, and frees the
//! local copy only after it has read the remote one back and a grace period has passed. It never overwrites or deletes
//! what lies in an object's way. [`ObjectLock`] has a store refuse to change or delete an object until a date; [`Disk`]
//! says when there is too little room to begin anything.
//!
//! Start at [`Settings::open`], then [`Spool`].

mod address;
mod client;
mod disk;
mod lock;
mod marks;
mod spool;
mod worker;

pub use address::{Address, AtHand, Opened, Settings, nothing_at_hand};
pub use disk::{Disk, Room};
pub use lock::ObjectLock;
pub use spool::{Backlog, Spool};

use std::{io, path::PathBuf, time::Duration};

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is no store we know.
    #[error(
        "`{address}` is no store: use a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
    )]
    Address {
        /// As given.
        address: String,
    },
    /// Settings that contradict each other, or are missing.
    #[error("the store's settings: {why}")]
    Settings {
        /// What is wrong and what to do.
        why: String,
    },
    /// A secret that is not where the settings say.
    #[error("the store's `{key}`: {why}")]
    Secret {
        /// The key of the settings.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The store said no, or nothing.
    #[error("the store failed to {what}: {source}")]
    Store {
        /// What was attempted.
        what: &'static str,
        /// Its answer.
        #[source]
        source: object_store::Error,
    },
    /// The store did not lock an object, or says that it did not.
    #[error("the store did not lock `{object}`: {why}")]
    NotLocked {
        /// Which.
        object: String,
        /// What it answered.
        why: String,
    },
    /// Another process brings what lies in the spool.
    #[error("the spool `{}` is in use by another process: it belongs to one host", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The disk said no.
    #[error("failed to {what} `{}`: {source}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Every limit of stores and spool.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Until a remote store has taken a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Until a remote store has answered a request, or sent more of its answer, in milliseconds.
    pub request_timeout_ms: u64,
    /// A larger object may take longer: by its size over so many bytes a second.
    pub transfer_bytes_per_s_min: u64,
    /// Before the second attempt to bring an object to the store, in milliseconds; doubled before each further one.
    pub retry_ms: u64,
    /// Between two attempts at most, in milliseconds.
    pub retry_max_ms: u64,
    /// Objects on their way at once, a count; each is in memory as a whole.
    pub uploads_max: usize,
    /// An object waits so long before it is brought to the store, in milliseconds: many are deleted again at once.
    pub spool_delay_ms: u64,
    /// An object stays on the local disk so long after it was read back, in milliseconds.
    pub spool_grace_ms: u64,
    /// Fewer free bytes on a disk that the host writes to raise an alert.
    pub disk_free_bytes_warn: u64,
    /// Below so many free bytes no new recording is begun.
    pub disk_free_bytes_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 5_000,
            request_timeout_ms: 30_000,
            transfer_bytes_per_s_min: 1 << 20,
            retry_ms: 500,
            retry_max_ms: 60_000,
            uploads_max: 4,
            spool_delay_ms: 1_000,
            spool_grace_ms: 3_600_000,
            disk_free_bytes_warn: 4 << 30,
            disk_free_bytes_min: 1 << 30,
        }
    }
}

impl Limits {
    /// What is wrong with them, if anything.
    pub fn check(&self) -> Result<(), String> {
        let positive = [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("transfer_bytes_per_s_min", self.transfer_bytes_per_s_min),
            ("retry_ms", self.retry_ms),
            ("uploads_max", self.uploads_max as u64),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{name}` of [limits.store] is 0: give it 1 or more"));
        }
        if self.retry_max_ms < self.retry_ms {
            return Err("`retry_max_ms` of [limits.store] is below `retry_ms`".into());
        }
        if self.disk_free_bytes_warn < self.disk_free_bytes_min {
            return Err("`disk_free_bytes_warn` of [limits.store] is below `disk_free_bytes_min`".into());
        }
        Ok(())
    }

    /// How long moving so many bytes may take.
    pub(crate) fn time_for(&self, bytes: u64) -> Duration {
        let moving = bytes.saturating_mul(1_000) / self.transfer_bytes_per_s_min.max(1);
        Duration::from_millis(self.request_timeout_ms.saturating_add(moving))
    }

    /// How long to wait after so many attempts that failed.
    pub(crate) fn back_off(&self, failures: u32) -> Duration {
        let doubled = self.retry_ms.saturating_mul(1 << failures.saturating_sub(1).min(30));
        Duration::from_millis(doubled.min(self.retry_max_ms))
    }
}

pub(crate) fn io_error(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.into();
    move |source| StoreError::Io { what, path, source }
}
