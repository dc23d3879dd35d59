//! Where RTP arrives, and how much of it. Every one can be set in `caveat.toml` under `[media]`.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The address, the ports and the bounds of RTP; see each field's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Where RTP is received, and what answers say. Not `0.0.0.0`: it has to be an address that can be sent to.
    pub address: IpAddr,
    /// The first port; even. RTP takes even ports, RTCP the odd one above.
    pub port_min: u16,
    /// The last port; odd.
    pub port_max: u16,
    /// Threads that receive. One carries several hundred calls.
    pub threads: usize,
    /// m-lines open at the same time, of all clients.
    pub streams_max: usize,
    /// m-lines of one offer.
    pub streams_per_call_max: usize,
    /// Sources (SSRC) of one m-line that are remembered.
    pub sources_max: usize,
    /// Packets are fetched this often, in milliseconds. Their time of arrival is the kernel's, so it costs no accuracy.
    pub fetch_every_ms: u64,
    /// Bytes of one packet; longer ones are dropped.
    pub packet_bytes_max: usize,
    /// Packets per second of one m-line; more are dropped. G.711 in packets of 20 ms has 50.
    pub packets_per_second_max: u32,
    /// Packets of a codec with memory (G.722, Opus) wait this long for an earlier one that is missing, in milliseconds.
    pub reorder_ms: u64,
    /// A new source, or one whose clock has jumped, is listened to for this long before it is placed in time, in
    /// milliseconds.
    pub settle_ms: u64,
    /// A packet that is this far from where the clock of its source would have it is a jump, in milliseconds.
    pub jump_ms: u64,
    /// After this long without a packet from its address, a stream may come from another one, in milliseconds.
    pub relatch_ms: u64,
    /// About how often receiver reports are sent, in milliseconds (RFC 3550 6.2).
    pub report_every_ms: u64,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_min: 20_000,
            port_max: 29_999,
            threads: 1,
            streams_max: 4_000,
            streams_per_call_max: 8,
            sources_max: 4,
            fetch_every_ms: 100,
            packet_bytes_max: 2_048,
            packets_per_second_max: 500,
            reorder_ms: 100,
            settle_ms: 400,
            jump_ms: 150,
            relatch_ms: 2_000,
            report_every_ms: 5_000,
        }
    }
}
