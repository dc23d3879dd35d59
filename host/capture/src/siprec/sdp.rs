//! The offer of a session recording client, and what it is answered (RFC 8866, RFC 3264, RFC 7866 section 7). Pure.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use sdp_types::{Connection, Media, RtpMap, Session};

use super::{SiprecLimits, metadata::cut};
use crate::{
    error::CaptureError,
    rtp::{Encoding, Format},
};

/// An offer, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Its media lines, in order; an answer has as many.
    pub(crate) lines: Vec<Line>,
}

/// One media line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// `audio`, `video`, ...
    pub(crate) kind: String,
    /// 0: not in use.
    pub(crate) port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, ...
    pub(crate) protocol: String,
    /// Its formats as they stand in the line.
    pub(crate) all_formats: String,
    /// Of these, what can be recorded, in the order of the line.
    pub(crate) formats: Vec<Format>,
    /// What it is called in the metadata (RFC 4574).
    pub(crate) label: Option<String>,
    /// Who sends.
    pub(crate) direction: Direction,
    /// Its address is `0.0.0.0`: hold, as it was said before RFC 3264.
    pub(crate) held: bool,
    /// Where its sender wants RTCP.
    pub(crate) rtcp_to: Option<SocketAddr>,
    /// RTP and RTCP share a port (RFC 5761).
    pub(crate) rtcp_mux: bool,
    /// Keys by SDES, as the values of `a=crypto` (RFC 4568), in order of preference.
    pub(crate) keys: Vec<String>,
}

/// Who sends, as an offer or answer says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    SendOnly,
    RecvOnly,
    SendRecv,
    Inactive,
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::SendRecv => "sendrecv",
            Self::Inactive => "inactive",
        }
    }
}

impl Line {
    /// Whether it can be recorded at all.
    pub(crate) fn is_usable(&self) -> bool {
        let plain = matches!(self.protocol.as_str(), "RTP/AVP" | "RTP/AVPF");
        let keyed = matches!(self.protocol.as_str(), "RTP/SAVP" | "RTP/SAVPF") && !self.keys.is_empty();
        self.kind == "audio" && self.port != 0 && (plain || keyed) && self.has_voice()
    }

    /// Whether its sender sends now. `sendonly` is what a recording session always says, and never means hold.
    pub(crate) fn sends(&self) -> bool {
        matches!(self.direction, Direction::SendOnly | Direction::SendRecv) && !self.held && self.port != 0
    }

    /// Whether keys are asked for.
    pub(crate) fn is_secure(&self) -> bool {
        self.protocol.starts_with("RTP/SAVP")
    }

    fn has_voice(&self) -> bool {
        self.formats.iter().any(|f| f.encoding.is_sound())
    }
}

/// Reads an offer or an answer. Attributes that mean nothing here are passed over.
///
/// # Errors
/// It is no session description, or it has too many media lines.
pub(crate) fn parse(bytes: &[u8], limits: &SiprecLimits) -> Result<Offer, CaptureError> {
    let bad = |e| CaptureError::BadMessage { why: format!("its session description: {e}") };
    // Indented lines come from hand-written scenarios; no line of an SDP begins with a space.
    let session = Session::parse(bytes.trim_ascii_start()).map_err(bad)?;
    if session.medias.len() > limits.lines_max {
        return Err(CaptureError::TooMany { what: "media lines", limit: limits.lines_max });
    }
    Ok(Offer { lines: session.medias.iter().map(|media| line(&session, media, limits)).collect() })
}

fn line(session: &Session, media: &Media, limits: &SiprecLimits) -> Line {
    let connection = media.connections.first().or(session.connection.as_ref());
    let address = connection.and_then(address);
    let label = media.get_first_attribute_value("label").flatten();
    let direction = direction(|name| media.has_attribute(name))
        .or_else(|| direction(|name| session.has_attribute(name)))
        .unwrap_or(Direction::SendRecv);
    let keys = media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case("crypto"));
    Line {
        kind: media.media.to_ascii_lowercase(),
        port: media.port,
        protocol: media.proto.to_ascii_uppercase(),
        all_formats: cut(&media.fmt, limits.text_bytes_max),
        formats: formats(media, limits),
        label: label
            .map(|label| cut(label.trim(), limits.text_bytes_max).trim_end().to_owned())
            .filter(|l| !l.is_empty()),
        direction,
        held: address.is_some_and(|ip| ip.is_unspecified()),
        rtcp_to: rtcp(media, address),
        rtcp_mux: media.has_attribute("rtcp-mux"),
        keys: keys.filter_map(|a| a.value.clone()).take(limits.formats_max).collect(),
    }
}

fn direction(has: impl Fn(&str) -> bool) -> Option<Direction> {
    [Direction::Inactive, Direction::SendOnly, Direction::RecvOnly, Direction::SendRecv]
        .into_iter()
        .find(|direction| has(direction.as_str()))
}

fn address(connection: &Connection) -> Option<IpAddr> {
    connection.connection_address.split('/').next()?.parse().ok()
}

/// Where RTCP goes: the port after that of RTP, unless it is said (RFC 3605).
fn rtcp(media: &Media, address: Option<IpAddr>) -> Option<SocketAddr> {
    let address = address.filter(|ip| !ip.is_unspecified() && !ip.is_multicast())?;
    if media.has_attribute("rtcp-mux") {
        return Some(SocketAddr::new(address, media.port));
    }
    let said = media.get_first_attribute_value("rtcp").flatten().map(|value| {
        let mut words = value.split_ascii_whitespace();
        let port = words.next().and_then(|port| port.parse().ok());
        (port, words.nth(2).and_then(|ip| ip.parse().ok()))
    });
    match said {
        Some((Some(port), ip)) => Some(SocketAddr::new(ip.unwrap_or(address), port)),
        _ => Some(SocketAddr::new(address, media.port.checked_add(1)?)),
    }
}

fn formats(media: &Media, limits: &SiprecLimits) -> Vec<Format> {
    let maps: Vec<RtpMap> = media.attributes_typed::<RtpMap>().filter_map(Result::ok).collect();
    let numbers = media.fmt.split_ascii_whitespace().filter_map(|number| number.parse::<u8>().ok());
    numbers
        .take(limits.formats_max)
        .filter_map(|payload_type| match maps.iter().find(|map| map.payload_type == payload_type) {
            Some(map) => mapped(map),
            None => assigned(payload_type),
        })
        .collect()
}

fn mapped(map: &RtpMap) -> Option<Format> {
    let encoding = match map.encoding_name.to_ascii_lowercase().as_str() {
        "pcmu" => Encoding::Pcmu,
        "pcma" => Encoding::Pcma,
        "g722" => Encoding::G722,
        "opus" => Encoding::Opus,
        "l16" => Encoding::L16,
        "telephone-event" => Encoding::TelephoneEvent,
        "cn" => Encoding::ComfortNoise,
        _ => return None,
    };
    let channels = map.encoding_params.as_deref().map_or(Some(1), |n| n.parse().ok())?;
    checked(Format { payload_type: map.payload_type, encoding, clock_hz: map.clock_rate, channels })
}

/// What a payload type means without an `rtpmap` (RFC 3551 section 6).
fn assigned(payload_type: u8) -> Option<Format> {
    let (encoding, clock_hz, channels) = match payload_type {
        0 => (Encoding::Pcmu, 8_000, 1),
        8 => (Encoding::Pcma, 8_000, 1),
        9 => (Encoding::G722, 8_000, 1),
        10 => (Encoding::L16, 44_100, 2),
        11 => (Encoding::L16, 44_100, 1),
        13 => (Encoding::ComfortNoise, 8_000, 1),
        _ => return None,
    };
    checked(Format { payload_type, encoding, clock_hz, channels })
}

/// Nothing if it is of a rate, or has as many channels, as nobody can decode.
fn checked(format: Format) -> Option<Format> {
    let (rates, channels): (&[u32], u8) = match format.encoding {
        Encoding::Pcmu | Encoding::Pcma | Encoding::G722 | Encoding::ComfortNoise => (&[8_000], 1),
        Encoding::Opus => (&[48_000], 2),
        Encoding::L16 => (&[8_000, 16_000, 44_100, 48_000], 2),
        Encoding::TelephoneEvent => (&[8_000, 16_000, 32_000, 44_100, 48_000], 1),
    };
    let fits = rates.contains(&format.clock_hz) && (1..=channels).contains(&format.channels);
    (fits && format.payload_type < 128).then_some(format)
}

/// What this host says of its own side: an answer, or an offer of its own.
#[derive(Debug)]
pub(crate) struct Ours<'a> {
    /// Where media has to be sent.
    pub(crate) address: IpAddr,
    /// The number of the session, the same as long as it lasts.
    pub(crate) session: u64,
    /// Grows with every description.
    pub(crate) version: u64,
    /// One for every line of the offer.
    pub(crate) lines: Vec<OurLine<'a>>,
}

/// One line of ours.
#[derive(Debug)]
pub(crate) struct OurLine<'a> {
    /// The line it answers.
    pub(crate) offered: &'a Line,
    /// Where it is received; none: it is refused.
    pub(crate) port: Option<u16>,
    /// Whether this host listens.
    pub(crate) direction: Direction,
    /// The value of its `a=crypto`, for a secure line.
    pub(crate) key: Option<String>,
}

impl Ours<'_> {
    /// The description as it is sent.
    pub(crate) fn to_sdp(&self) -> String {
        let family = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        let Self { address, session, version, .. } = self;
        let mut text = format!(
            "v=0\r\no=caveat {session} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
        );
        for line in &self.lines {
            // Writing into a string does not fail.
            let _ = line.write(&mut text);
        }
        text
    }
}

impl OurLine<'_> {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Line { kind, protocol, all_formats, label, formats, rtcp_mux, .. } = self.offered;
        let Some(port) = self.port else {
            writeln!(text, "m={kind} 0 {protocol} {all_formats}\r")?;
            return label.iter().try_for_each(|label| writeln!(text, "a=label:{label}\r"));
        };
        write!(text, "m={kind} {port} {protocol}")?;
        formats.iter().try_for_each(|format| write!(text, " {}", format.payload_type))?;
        writeln!(text, "\r")?;
        for &Format { payload_type, encoding, clock_hz, channels } in formats {
            let name = name(encoding);
            let channels = if channels > 1 { format!("/{channels}") } else { String::new() };
            writeln!(text, "a=rtpmap:{payload_type} {name}/{clock_hz}{channels}\r")?;
            if encoding == Encoding::TelephoneEvent {
                writeln!(text, "a=fmtp:{payload_type} 0-16\r")?;
            }
        }
        if *rtcp_mux {
            writeln!(text, "a=rtcp-mux\r")?;
        }
        self.key.iter().try_for_each(|key| writeln!(text, "a=crypto:{key}\r"))?;
        label.iter().try_for_each(|label| writeln!(text, "a=label:{label}\r"))?;
        writeln!(text, "a={}\r", self.direction.as_str())
    }
}

fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Pcmu => "PCMU",
        Encoding::Pcma => "PCMA",
        Encoding::G722 => "G722",
        Encoding::Opus => "opus",
        Encoding::L16 => "L16",
        Encoding::TelephoneEvent => "telephone-event",
        Encoding::ComfortNoise => "CN",
    }
}

#[cfg(test)]
mod tests;
