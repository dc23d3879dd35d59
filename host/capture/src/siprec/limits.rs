//! Numbers that bound what a session recording client may send. Every one can be set in `caveat.toml` under
//! `[limits.siprec]`.

use serde::{Deserialize, Serialize};

/// Bounds on signaling; see each field's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiprecLimits {
    /// Recording sessions at the same time, of all trunks; further ones are answered with 503.
    pub sessions_max: usize,
    /// Requests that are being answered at the same time; further ones are answered with 503.
    pub requests_max: usize,
    /// Requests of one recording session that wait for their turn; further ones are answered with 500.
    pub requests_waiting_max: usize,
    /// Open TCP and TLS connections; further ones are closed at once.
    pub connections_max: usize,
    /// A TLS handshake has to be over this long after the connection was opened, in milliseconds.
    pub handshake_ms: u64,
    /// A connection on which nothing comes for this long is closed, in milliseconds. A recording session outlives it.
    pub connection_idle_ms: u32,
    /// Packets and connections from addresses of no trunk that are answered in a second; the rest is dropped.
    pub strangers_per_s: u32,
    /// Bytes of a request's body. One UDP packet holds 8,192 bytes in all; what is longer has to come by TCP or TLS.
    pub body_bytes_max: usize,
    /// Parts of a multipart body.
    pub parts_max: usize,
    /// Media lines of an offer; one with more is refused.
    pub lines_max: usize,
    /// Parties of a call that are told apart when it begins; the recorder has its own limit.
    pub parties_max: usize,
    /// Formats of a media line that are looked at.
    pub formats_max: usize,
    /// Elements of a metadata document; one with more is taken for broken. An update after which a session would have more
    /// sessions, participants, streams and ties between them is passed over.
    pub metadata_elements_max: usize,
    /// Depth of a metadata document; one that is deeper is taken for broken.
    pub metadata_depth_max: usize,
    /// Bytes of one name, address or id; longer ones are cut.
    pub text_bytes_max: usize,
    /// How long a session lasts without a refresh, where the client says nothing, in seconds (RFC 4028).
    pub session_expires_s: u32,
    /// The shortest time that is accepted for it, in seconds; RFC 4028 asks for 90 at least.
    pub session_expires_min_s: u32,
    /// Who asked too early is told to come back after this long, in seconds.
    pub retry_after_s: u32,
    /// What this host asks of a client has to be answered within this time when it stops, in milliseconds.
    pub farewell_ms: u64,
}

impl Default for SiprecLimits {
    fn default() -> Self {
        Self {
            sessions_max: 1_000,
            requests_max: 2_000,
            requests_waiting_max: 16,
            connections_max: 256,
            handshake_ms: 10_000,
            connection_idle_ms: 600_000,
            strangers_per_s: 10,
            body_bytes_max: 60_000,
            parts_max: 16,
            lines_max: 8,
            parties_max: 32,
            formats_max: 32,
            metadata_elements_max: 1_000,
            metadata_depth_max: 16,
            text_bytes_max: 256,
            session_expires_s: 1_800,
            session_expires_min_s: 90,
            retry_after_s: 10,
            farewell_ms: 5_000,
        }
    }
}
