//! The handle of one m-line.

use std::time::Instant;

use caveat_recorder::Call;

use super::Plan;

/// One m-line that is received. Dropped, its sockets are closed and its ports go back to the pool.
#[derive(Debug)]
pub(crate) struct Stream;

/// What came on one m-line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stats {
    /// Packets that were taken, RTP only.
    pub(crate) packets: u64,
    /// Their bytes, headers included.
    pub(crate) bytes: u64,
    /// Packets that never came, by their numbers.
    pub(crate) lost: u64,
    /// That came after their place had been passed.
    pub(crate) late: u64,
    /// That came twice.
    pub(crate) duplicate: u64,
    /// That came out of order, and were put in order.
    pub(crate) reordered: u64,
    /// That came while nothing was to be received.
    pub(crate) inactive: u64,
    /// That are no RTP, of no format that was agreed on, forged, too long or too many.
    pub(crate) bad: u64,
    /// That came from elsewhere.
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

impl Stream {
    pub(super) fn new(_plan: Plan, _call: Call, _began: Instant) -> Self {
        Self
    }

    /// What was negotiated anew: other formats, a pause or its end, a new key. It holds within a fetch.
    pub(crate) fn update(&self, _plan: Plan) {}

    /// What came so far.
    pub(crate) fn stats(&self) -> Stats {
        Stats::default()
    }
}
