//! Numbers that bound what a phone system may send. Every one can be set in `caveat.toml` under `[limits.media]`.

use serde::{Deserialize, Serialize};

/// Bounds on streams and uploads; see each field's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one WebSocket message. Twilio's are below 1,000.
    pub message_bytes_max: usize,
    /// A stream has to have said what it is (`start`) this long after it was opened, in milliseconds.
    pub first_message_ms: u64,
    /// A stream that sends no message for this long is taken for dead, in milliseconds. Twilio sends silence too, so a
    /// quiet call is not idle.
    pub idle_ms: u64,
    /// Streams open at the same time, of all clients.
    pub streams_max: usize,
    /// Custom parameters of one stream.
    pub parameters_max: usize,
    /// Audio stamped further ahead than this of the time that has passed is dropped and counted, in milliseconds. The
    /// recorder holds about ten seconds more than its late window in memory, and would drop it uncounted.
    pub ahead_max_ms: u32,
    /// Bytes of one upload, all parts together. It stays in memory until it is sealed.
    pub upload_bytes_max: usize,
    /// Bytes of the `call` part, and of the `events` part, of an upload.
    pub upload_facts_bytes_max: usize,
    /// Events of one upload.
    pub upload_events_max: usize,
    /// An upload has to have arrived within this time, in milliseconds.
    pub upload_ms: u64,
    /// Uploads taken in at the same time, of all clients.
    pub uploads_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 << 10,
            first_message_ms: 10_000,
            idle_ms: 30_000,
            streams_max: 1_000,
            parameters_max: 64,
            ahead_max_ms: 20_000,
            upload_bytes_max: 64 << 20,
            upload_facts_bytes_max: 1 << 20,
            upload_events_max: 10_000,
            upload_ms: 300_000,
            uploads_max: 8,
        }
    }
}
