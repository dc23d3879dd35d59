//! The handle of one m-line, and what it shares with whoever receives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Plan;

/// One m-line that is received. Dropped, its sockets are closed and its ports go back to the pool, within a fetch.
#[derive(Debug)]
pub(crate) struct Stream {
    desk: Arc<Desk>,
}

/// What came on one m-line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stats {
    /// Packets that were taken, RTP only.
    pub(crate) packets: u64,
    /// Their bytes, headers included.
    pub(crate) bytes: u64,
    /// Packets that never came, by their numbers.
    pub(crate) lost: u64,
    /// That came after their turn: their codec has a memory, so they were dropped.
    pub(crate) late: u64,
    /// That came twice.
    pub(crate) duplicate: u64,
    /// That came out of order, and were put in order.
    pub(crate) reordered: u64,
    /// That came while nothing was to be received.
    pub(crate) inactive: u64,
    /// That are no RTP, of no format that was agreed on, forged, too long or too many.
    pub(crate) bad: u64,
    /// That came from elsewhere, or from a source that was never heard.
    pub(crate) stray: u64,
    /// Frames that the recorder had no room for.
    pub(crate) unheard: u64,
    /// Keys.
    pub(crate) keys: u64,
    /// Interarrival jitter (RFC 3550 6.4.1) of the newest source, in microseconds.
    pub(crate) jitter_us: u32,
    /// How much slower than ours the clock of the newest source is, in parts per million.
    pub(crate) drift_ppm: f64,
    /// The payload types that came.
    pub(crate) payload_types: Vec<u8>,
}

/// Where the handle leaves orders, and the receiver what it counted.
#[derive(Debug, Default)]
pub(super) struct Desk(Mutex<Papers>);

#[derive(Debug, Default)]
pub(super) struct Papers {
    /// Not yet in force.
    pub(super) plan: Option<Plan>,
    pub(super) over: bool,
    pub(super) stats: Stats,
}

impl Desk {
    pub(super) fn papers(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    pub(super) fn new() -> (Self, Arc<Desk>) {
        let desk = Arc::<Desk>::default();
        (Self { desk: desk.clone() }, desk)
    }

    /// What was negotiated anew: other formats, a pause or its end, a new key. It holds from the next fetch on.
    pub(crate) fn update(&self, plan: Plan) {
        self.desk.papers().plan = Some(plan);
    }

    /// What came up to about a second ago.
    pub(crate) fn stats(&self) -> Stats {
        self.desk.papers().stats.clone()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.desk.papers().over = true;
    }
}
