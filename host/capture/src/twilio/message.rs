//! Twilio's messages: JSON text in, typed values out. Pure.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use caveat_audio::g711;
use caveat_model::Offset;
use serde::Deserialize;

use crate::error::{CaptureError, json_reason, shortened};

/// A message with its place in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Counts up from 1 (`start`); `connected` has none.
    pub(crate) sequence: Option<u64>,
    /// The stream it says it belongs to.
    pub(crate) stream: Option<String>,
    pub(crate) message: Message,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Connected,
    Start(Start),
    Media(Media),
    Dtmf {
        track: Track,
        symbol: char,
    },
    /// Twilio's echo of a mark of ours.
    Mark(String),
    Stop,
    /// An event of a later protocol version.
    Other,
}

impl Message {
    pub(crate) fn event(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Start(_) => "start",
            Self::Media(_) => "media",
            Self::Dtmf { .. } => "dtmf",
            Self::Mark(_) => "mark",
            Self::Stop => "stop",
            Self::Other => "other",
        }
    }
}

/// What a stream says about itself. Its audio is mu-law at 8,000 Hz: nothing else is let through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) stream: String,
    pub(crate) call: String,
    pub(crate) account: Option<String>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) parameters: Parameters,
}

/// Custom parameters. Their values hold a token and numbers, so they are never printed.
#[derive(PartialEq, Eq)]
pub(crate) struct Parameters(pub(crate) BTreeMap<String, String>);

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Audio of one track.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) track: Track,
    /// Of the first sample, in milliseconds since the stream began.
    pub(crate) at: Offset,
    /// 16-bit samples at 8,000 Hz.
    pub(crate) samples: Vec<i16>,
}

/// One side of a call, as Twilio sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Track {
    /// From the phone to Twilio: the customer.
    #[serde(rename = "inbound", alias = "inbound_track")]
    Inbound,
    /// From Twilio to the phone: the agent.
    #[serde(rename = "outbound", alias = "outbound_track")]
    Outbound,
}

impl Track {
    /// The leg of the recording.
    pub(crate) fn leg(self) -> u8 {
        match self {
            Self::Outbound => 0,
            Self::Inbound => 1,
        }
    }
}

/// Reads one text message.
pub(crate) fn parse(text: &str) -> Result<Received, CaptureError> {
    let Envelope { sequence_number, stream_sid, wire } = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            bad(json_reason(&error))
        } else {
            CaptureError::NotJson { line: error.line(), column: error.column() }
        }
    })?;
    let sequence = sequence_number.map(|n| n.count("sequenceNumber")).transpose()?;
    let message = match wire {
        Wire::Connected => Message::Connected,
        Wire::Start { start } => Message::Start(start.check()?),
        Wire::Media { media } => Message::Media(media.decode()?),
        Wire::Dtmf { dtmf } => Message::Dtmf { track: dtmf.track, symbol: dtmf.symbol()? },
        Wire::Mark { mark } => Message::Mark(mark.name),
        Wire::Stop => Message::Stop,
        Wire::Other => Message::Other,
    };
    Ok(Received { sequence, stream: stream_sid, message })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    sequence_number: Option<Number>,
    stream_sid: Option<String>,
    #[serde(flatten)]
    wire: Wire,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Wire {
    Connected,
    Start {
        start: WireStart,
    },
    Media {
        media: WireMedia,
    },
    Dtmf {
        dtmf: WireDtmf,
    },
    Mark {
        #[serde(default)]
        mark: WireMark,
    },
    Stop,
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
struct WireMark {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStart {
    stream_sid: String,
    call_sid: String,
    account_sid: Option<String>,
    tracks: Vec<Track>,
    media_format: WireFormat,
    #[serde(default)]
    custom_parameters: BTreeMap<String, String>,
}

impl WireStart {
    fn check(self) -> Result<Start, CaptureError> {
        self.media_format.check()?;
        if self.tracks.is_empty() {
            return Err(bad("`start` names no track"));
        }
        if self.stream_sid.is_empty() || self.call_sid.is_empty() {
            return Err(bad("`start` has an empty streamSid or callSid"));
        }
        Ok(Start {
            stream: self.stream_sid,
            call: self.call_sid,
            account: self.account_sid,
            tracks: self.tracks,
            parameters: Parameters(self.custom_parameters),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFormat {
    encoding: String,
    sample_rate: Number,
    channels: Number,
}

impl WireFormat {
    fn check(self) -> Result<(), CaptureError> {
        let (rate, channels) = (self.sample_rate.count("sampleRate")?, self.channels.count("channels")?);
        if (self.encoding.as_str(), rate, channels) == ("audio/x-mulaw", 8_000, 1) {
            return Ok(());
        }
        let encoding = shortened(self.encoding, 24);
        Err(CaptureError::MediaFormat {
            given: format!("{encoding} at {rate} Hz with {channels} channel(s)"),
        })
    }
}

#[derive(Deserialize)]
struct WireMedia {
    track: Track,
    timestamp: Number,
    payload: String,
}

impl WireMedia {
    fn decode(self) -> Result<Media, CaptureError> {
        let at = self.timestamp.count("media.timestamp")?;
        let at = Offset::try_from(at).map_err(|_| bad("media.timestamp is beyond 49 days"))?;
        let bytes = STANDARD.decode(self.payload).map_err(|_| bad("media.payload is not base64"))?;
        Ok(Media { track: self.track, at, samples: g711::from_mu_law(&bytes) })
    }
}

#[derive(Deserialize)]
struct WireDtmf {
    track: Track,
    digit: String,
}

impl WireDtmf {
    fn symbol(&self) -> Result<char, CaptureError> {
        let mut symbols = self.digit.chars().map(|c| c.to_ascii_uppercase());
        match (symbols.next(), symbols.next()) {
            (Some(symbol @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => Ok(symbol),
            _ => Err(bad("dtmf.digit is not one of 0-9, *, #, A-D")),
        }
    }
}

/// Twilio writes numbers as text in most places, and as numbers in some.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Text(String),
}

impl Number {
    fn count(self, what: &str) -> Result<u64, CaptureError> {
        let count = match self {
            Self::Whole(n) => u64::try_from(n).ok(),
            Self::Text(text) => text.parse().ok(),
        };
        count.ok_or_else(|| bad(format!("{what} is not a whole number from 0 up")))
    }
}

fn bad(why: impl Into<String>) -> CaptureError {
    CaptureError::BadMessage { why: why.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const START: &str = r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1",
        "callSid":"CA1","tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,
        "channels":1},"customParameters":{"token":"cvt_secret"}},"streamSid":"MZ1"}"#;
    const MEDIA: &str = r#"{"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1",
        "timestamp":"5","payload":"/3+A"},"streamSid":"MZ1"}"#;
    const DTMF: &str = r##"{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track",
        "digit":"#"}}"##;

    #[test]
    fn messages_as_twilio_sends_them() {
        let check = |text: &str, sequence, message| {
            let got = parse(text).unwrap();
            assert_eq!((got.sequence, got.message), (sequence, message), "{text}");
        };
        check(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, None, Message::Connected);
        let start = Start {
            stream: "MZ1".into(),
            call: "CA1".into(),
            account: Some("AC1".into()),
            tracks: vec![Track::Inbound, Track::Outbound],
            parameters: Parameters(BTreeMap::from([("token".into(), "cvt_secret".into())])),
        };
        check(START, Some(1), Message::Start(start));
        // G.711: 0xff and 0x7f are zero, 0x80 is the largest.
        let media = Media { track: Track::Inbound, at: 5, samples: vec![0, 0, 32_124] };
        check(MEDIA, Some(3), Message::Media(media));
        check(DTMF, Some(5), Message::Dtmf { track: Track::Inbound, symbol: '#' });
        check(
            r#"{"event":"mark","sequenceNumber":4,"mark":{"name":"m"}}"#,
            Some(4),
            Message::Mark("m".into()),
        );
        check(r#"{"event":"stop","sequenceNumber":"9","stop":{"callSid":"CA1"}}"#, Some(9), Message::Stop);
        check(r#"{"event":"hologram","media":7,"start":[]}"#, None, Message::Other);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let check = |text: &str, want: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        };
        let change = |text: &str, from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        };
        check("", "not JSON");
        check("{", "line 1, column 1");
        check(&MEDIA[..60], "not JSON");
        check("[]", "wrong kind");
        check(r#"{"media":{}}"#, "missing field `event`");
        check(r#"{"event":"media"}"#, "missing field `media`");
        check(r#"{"event":"start"}"#, "missing field `start`");
        check(&change(MEDIA, r#""5""#, r#""-5""#), "media.timestamp is not");
        check(&change(MEDIA, r#""5""#, "-5"), "media.timestamp is not");
        check(&change(MEDIA, r#""5""#, r#""99999999999""#), "beyond 49 days");
        check(&change(MEDIA, r#""3""#, r#""three""#), "sequenceNumber is not");
        check(&change(MEDIA, "/3+A", "/3+A!"), "not base64");
        check(&change(MEDIA, r#""inbound""#, r#""sideways""#), "wrong kind");
        check(&change(START, "x-mulaw", "x-l16"), "audio/x-l16 at 8000 Hz");
        check(&change(START, "8000", "16000"), "at 16000 Hz");
        check(&change(START, r#""channels":1"#, r#""channels":2"#), "2 channel(s)");
        check(&change(START, r#"["inbound","outbound"]"#, "[]"), "names no track");
        check(&change(START, r#""CA1""#, r#""""#), "empty streamSid or callSid");
        check(&change(DTMF, r##""#""##, r#""12""#), "dtmf.digit");
        check(&change(DTMF, r##""#""##, r#""x""#), "dtmf.digit");
        check(&format!(r#"{{"event":"connected","deep":{}"#, "[".repeat(10_000)), "not JSON");
    }

    #[test]
    fn a_token_is_in_no_error_and_no_log() {
        let received = parse(START).unwrap();
        assert!(!format!("{received:?}").contains("cvt_secret"));
        for text in [
            START.replace(r#"{"token":"cvt_secret"}"#, r#""cvt_secret""#),
            START.replace("8000", r#""cvt_secret""#),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("cvt_secret"));
        }
    }

    /// Every byte of every kind of message is changed, removed and doubled; reading must never panic, and what is read
    /// must be within bounds.
    #[test]
    fn no_message_can_do_harm() {
        let mut read = 0;
        for text in [START, MEDIA, DTMF] {
            for at in 0..text.len() {
                for byte in [b'"', b'{', b'}', b'[', b':', b'0', b'-', b'\\', b'e', 0x00, 0x7f] {
                    let mut changed = text.as_bytes().to_vec();
                    changed[at] = byte;
                    read += usize::from(parse(&String::from_utf8_lossy(&changed)).is_ok());
                    changed.insert(at, byte);
                    read += usize::from(parse(&String::from_utf8_lossy(&changed)).is_ok());
                }
                let mut cut = text.as_bytes().to_vec();
                cut.remove(at);
                read += usize::from(parse(&String::from_utf8_lossy(&cut)).is_ok());
                assert!(parse(&text[..at]).is_err(), "a message cut at {at} was read: {text}");
            }
        }
        // Changes inside free text and between tokens leave a message readable: the loop reached both outcomes.
        assert!(read > 100);
    }
}
