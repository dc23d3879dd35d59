//! How much room is left on the disks that the host writes to.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::statvfs::statvfs;

/// How long an answer holds.
const LOOKED_FOR: Duration = Duration::from_millis(500);

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Enough.
    Enough,
    /// Somebody should make room.
    Low {
        /// What is left, in bytes.
        free: u64,
    },
    /// Nothing new is begun.
    Full {
        /// What is left, in bytes.
        free: u64,
    },
}

/// The disks that the host writes to; cheap to clone.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folders: Vec<PathBuf>,
    warn: u64,
    min: u64,
    last: Mutex<Option<(Instant, Room)>>,
}

impl Disk {
    /// Watches the disks of these folders.
    pub fn new(folders: Vec<PathBuf>, limits: &crate::Limits) -> Self {
        let (warn, min) = (limits.disk_free_bytes_warn, limits.disk_free_bytes_min);
        Self(Arc::new(Inner { folders, warn, min, last: Mutex::default() }))
    }

    /// The scarcest of them, as it was within the last half second.
    pub fn room(&self) -> Room {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, room)) = *last
            && at.elapsed() < LOOKED_FOR
        {
            return room;
        }
        let room = self.look();
        *last = Some((Instant::now(), room));
        room
    }

    fn look(&self) -> Room {
        let Some(free) = self.0.folders.iter().filter_map(free_bytes).min() else { return Room::Enough };
        metrics::gauge!("caveat_disk_free_bytes").set(free as f64);
        match free {
            free if free < self.0.min => Room::Full { free },
            free if free < self.0.warn => Room::Low { free },
            _ => Room::Enough,
        }
    }
}

/// What an ordinary user may still write; none, and a line in the log, where the disk cannot be asked.
fn free_bytes(folder: &PathBuf) -> Option<u64> {
    match statvfs(folder) {
        Ok(stat) => Some(stat.blocks_available() * stat.fragment_size()),
        Err(error) => {
            tracing::error!(folder = %folder.display(), %error, "how much room is left cannot be told");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn room_is_judged_by_both_marks() {
        let check = |warn, min, wanted: fn(Room) -> bool| {
            let limits = Limits { disk_free_bytes_warn: warn, disk_free_bytes_min: min, ..Limits::default() };
            let room = Disk::new(vec![std::env::temp_dir()], &limits).room();
            assert!(wanted(room), "{warn} {min}: {room:?}");
        };
        check(0, 0, |r| r == Room::Enough);
        check(u64::MAX, 0, |r| matches!(r, Room::Low { .. }));
        check(u64::MAX, u64::MAX, |r| matches!(r, Room::Full { .. }));
    }
}
