//! RTP (RFC 3550): what arrives on a pair of ports, as frames of one leg on the call's own clock.
//!
//! Signalling reserves ports with [`Ports::open`], says in its answer which, and hands each to [`Reserved::receive`] with
//! what was negotiated. From then on what is heard goes to the call by itself, until the [`Stream`] is dropped.

mod align;
mod allowance;
mod clock;
mod counts;
mod decode;
mod events;
mod fetch;
mod fuzz;
mod heard;
mod line;
mod order;
mod ports;
mod receiver;
mod report;
mod resample;
mod rtcp;
mod settings;
mod source;
mod srtp;
mod stream;
mod sweep;

use std::net::SocketAddr;

pub use settings::Media;

pub(crate) use fuzz::fuzz_datagrams;
pub(crate) use ports::{Ports, Reserved};
pub(crate) use srtp::SrtpKeys;
pub(crate) use stream::{Stats, Stream};

/// What was negotiated for one m-line.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The leg that is heard on it.
    pub(crate) leg: u8,
    /// What its payload types mean; packets of any other type are dropped.
    pub(crate) formats: Vec<Format>,
    /// SDES keys (RFC 4568); none: plain RTP.
    pub(crate) srtp: Option<SrtpKeys>,
    /// False while the m-line is `inactive`: what arrives all the same is dropped and counted.
    pub(crate) receiving: bool,
    /// Where receiver reports go; none: to where sender reports come from.
    pub(crate) rtcp_to: Option<SocketAddr>,
    /// RTCP comes and goes on the RTP port (RFC 5761).
    pub(crate) rtcp_mux: bool,
}

/// What one payload type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// 0 to 127.
    pub(crate) payload_type: u8,
    /// The codec.
    pub(crate) encoding: Encoding,
    /// Ticks of the RTP timestamp per second, as `a=rtpmap` gives it (8,000 for G.722, 48,000 for Opus).
    pub(crate) clock_hz: u32,
    /// As `a=rtpmap` gives it; 1 if it does not.
    pub(crate) channels: u8,
}

/// The codecs that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// RFC 7587.
    Opus,
    /// RFC 3551 4.5.11: 16 bits, big-endian, at 8,000, 16,000, 44,100 or 48,000 Hz.
    L16,
    /// RFC 4733 keys.
    TelephoneEvent,
    /// RFC 3389: nobody speaks from here on, and nothing is sent until somebody does. No sound by itself.
    ComfortNoise,
}

impl Encoding {
    /// Whether its packets are sound.
    pub(crate) fn is_sound(self) -> bool {
        !matches!(self, Self::TelephoneEvent | Self::ComfortNoise)
    }
}
