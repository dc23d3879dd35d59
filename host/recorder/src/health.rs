//! How the host is doing, in figures.

use caveat_stores::{Disk, Room};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Recorder;

/// How a host is doing. Nothing of any client is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// The program's version.
    pub version: &'static str,
    /// Running calls, of all clients.
    pub calls: usize,
    /// Of at most so many.
    pub calls_max: usize,
    /// `enough`, `low`, `full`; none: the disk is not watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<&'static str>,
    /// Bytes that are free, where there is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// What waits to be brought to a remote store; none: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingObjects>,
}

/// What waits for a remote store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WaitingObjects {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those whose last attempt failed.
    pub failing: u64,
}

impl Recorder {
    /// How the host is doing now.
    pub fn health(&self) -> Health {
        let storage = &self.house.storage;
        let (disk, disk_free_bytes) = match storage.disk.as_ref().map(Disk::room) {
            None => (None, None),
            Some(Room::Enough) => (Some("enough"), None),
            Some(Room::Low { free }) => (Some("low"), Some(free)),
            Some(Room::Full { free }) => (Some("full"), Some(free)),
        };
        let waiting = storage.spool.as_ref().map(|spool| {
            let backlog = spool.backlog();
            WaitingObjects { objects: backlog.objects, bytes: backlog.bytes, failing: backlog.failing }
        });
        Health {
            version: env!("CARGO_PKG_VERSION"),
            calls: self.calls_running(),
            calls_max: self.house.limits.calls_max,
            disk,
            disk_free_bytes,
            waiting,
        }
    }
}
