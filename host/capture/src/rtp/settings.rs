//! Where RTP arrives, and how much of it. Every one can be set in `caveat.toml` under `[media]`.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::error::CaptureError;

/// The address, the ports and the bounds of RTP; see each field's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
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
    /// Sources (SSRC) of one m-line that are remembered, and so that can be heard at once: at most 16.
    pub sources_max: usize,
    /// Packets are fetched this often, in milliseconds. Their time of arrival is the kernel's, so it costs no accuracy.
    pub fetch_every_ms: u64,
    /// Bytes of one packet; longer ones are dropped.
    pub packet_bytes_max: usize,
    /// Packets per second of one source that is heard, and of all others of its m-line; more are dropped. G.711 in packets of
    /// 20 ms has 50.
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

impl Media {
    /// Pairs of ports there are.
    pub(super) fn pairs(&self) -> usize {
        (usize::from(self.port_max) + 1).saturating_sub(self.port_min.into()) / 2
    }

    /// The RTP port of a pair.
    pub(super) fn port(&self, pair: usize) -> u16 {
        self.port_min.saturating_add(u16::try_from(2 * pair).unwrap_or(u16::MAX))
    }

    /// Whether it can be received with these settings.
    ///
    /// # Errors
    /// Names the key, and what is wanted.
    pub(crate) fn check(&self) -> Result<(), CaptureError> {
        let wrong = [
            (
                self.address.is_unspecified(),
                "`address` has to be one that can be sent to: not 0.0.0.0, not ::",
            ),
            (!self.port_min.is_multiple_of(2), "`port-min` has to be even: RTP takes even ports"),
            (self.port_max.is_multiple_of(2), "`port-max` has to be odd: RTCP takes odd ports"),
            (self.port_min < 1_024, "`port-min` has to be 1024 or more"),
            (self.port_min > self.port_max, "`port-max` has to be above `port-min`"),
            (self.streams_max > self.pairs(), "`streams-max` is more than there are pairs of ports"),
            (self.threads == 0 || self.threads > 64, "`threads` has to be 1 to 64"),
            (!(10..=1_000).contains(&self.fetch_every_ms), "`fetch-every-ms` has to be 10 to 1000"),
            (!(256..=65_535).contains(&self.packet_bytes_max), "`packet-bytes-max` has to be 256 to 65535"),
            (self.packets_per_second_max < 50, "`packets-per-second-max` has to be 50 or more"),
            (!(1..=16).contains(&self.sources_max), "`sources-max` has to be 1 to 16"),
            (self.streams_per_call_max == 0, "`streams-per-call-max` has to be 1 or more"),
            (self.jump_ms < 20, "`jump-ms` has to be 20 or more"),
            (self.settle_ms > 2_000, "`settle-ms` has to be 2000 or less"),
            (self.reorder_ms > 2_000, "`reorder-ms` has to be 2000 or less"),
            (self.report_every_ms < 1_000, "`report-every-ms` has to be 1000 or more"),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, what)) => Err(CaptureError::Media { what: what.to_owned() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused_by_name() {
        assert!(Media::default().check().is_ok());
        let check = |change: fn(&mut Media), key: &str| {
            let mut media = Media::default();
            change(&mut media);
            let error = media.check().err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(key), "{key}: {error}");
        };
        check(|m| m.address = IpAddr::V4(Ipv4Addr::UNSPECIFIED), "`address`");
        check(|m| m.port_min = 20_001, "`port-min`");
        check(|m| m.port_max = 20_002, "`port-max`");
        check(|m| m.port_max = 20_003, "`streams-max`");
        check(|m| m.threads = 0, "`threads`");
    }
}
