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
    /// A call whose stream broke off is held for so long, for another stream to go on with it, in milliseconds.
    pub reconnect_ms: u64,
    /// A Twilio stream that has sent nothing for so long may be replaced by another one of its call, in milliseconds.
    pub stale_ms: u64,
    /// A signed request of AudioHook is good for so long after it was signed, in seconds.
    pub signature_age_max_s: u64,
    /// Signed requests that are remembered, so that none is good twice.
    pub nonces_max: usize,
    /// How often watched folders are looked into, in milliseconds.
    pub folder_scan_ms: u64,
    /// A file in a watched folder is whole when it has not changed for so long, in milliseconds.
    pub folder_settle_ms: u64,
    /// A host that stops waits so long for the files that it is taking in, in milliseconds. What is not taken in by then is
    /// in `failed/` after the next start.
    pub folder_finish_ms: u64,
    /// A content that was taken in is known for so long, in days; put there again later, it is taken in again.
    pub folder_remember_days: u32,
    /// Files of one watched folder that are looked at.
    pub folder_files_max: usize,
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
            reconnect_ms: 10_000,
            stale_ms: 2_000,
            signature_age_max_s: 10,
            nonces_max: 10_000,
            folder_scan_ms: 1_000,
            folder_settle_ms: 3_000,
            folder_finish_ms: 10_000,
            folder_remember_days: 400,
            folder_files_max: 10_000,
            upload_bytes_max: 64 << 20,
            upload_facts_bytes_max: 1 << 20,
            upload_events_max: 10_000,
            upload_ms: 300_000,
            uploads_max: 8,
        }
    }
}
