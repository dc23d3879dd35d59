//! AudioHook's messages: JSON text in, typed values out, and the answers. Pure.

use caveat_recorder::NewCall;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{CaptureError, json_reason};

/// A message of the other side.
#[derive(Debug)]
pub(super) struct Received {
    /// The session's id.
    pub(super) id: String,
    /// Counts its messages, from 1.
    pub(super) seq: u64,
    /// The last of ours that it has seen.
    pub(super) serverseq: u64,
    /// Where its stream is, in samples at 8,000 Hz; none if it says nothing that can be read.
    pub(super) position: Option<u64>,
    pub(super) message: Message,
}

#[derive(Debug)]
pub(super) enum Message {
    Open(Box<Open>),
    Close {
        reason: String,
    },
    Ping,
    Paused,
    Resumed(Discarded),
    Discarded(Discarded),
    Dtmf {
        symbol: char,
    },
    Update {
        language: String,
    },
    Error {
        code: u64,
        message: String,
    },
    /// Of a later version.
    Other {
        kind: String,
    },
}

/// What a session says about itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open {
    pub(super) organization_id: String,
    pub(super) conversation_id: String,
    #[serde(default)]
    pub(super) participant: Participant,
    #[serde(default)]
    pub(super) media: Vec<Media>,
    #[serde(default)]
    pub(super) language: String,
    #[serde(default)]
    pub(super) custom_config: CustomConfig,
}

/// The customer. Numbers of people: never printed.
#[derive(Default, Deserialize)]
pub(super) struct Participant {
    #[serde(default)]
    pub(super) ani: String,
    #[serde(default)]
    pub(super) dnis: String,
}

impl std::fmt::Debug for Participant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Participant(..)")
    }
}

/// What the integration was configured with; others may put things there too.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CustomConfig {
    pub(super) caveat: Option<NewCall>,
}

/// A form of audio that is offered, or chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Media {
    #[serde(rename = "type")]
    kind: String,
    format: String,
    pub(super) channels: Vec<Channel>,
    rate: u32,
}

/// One side of a call, as Genesys sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channel {
    /// The customer.
    External,
    /// The agent.
    Internal,
}

impl Channel {
    /// The leg of the recording.
    pub(super) fn leg(self) -> u8 {
        match self {
            Self::Internal => 0,
            Self::External => 1,
        }
    }
}

/// Audio that was not sent, in samples at 8,000 Hz since the stream began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Discarded {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// What no conversation has: a connection probe.
pub(super) fn is_null(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c == '0' || c == '-')
}

/// The richest form that is taken: PCMU at 8,000 Hz, of both sides, or of one.
pub(super) fn choose(offered: &[Media]) -> Option<&Media> {
    let taken = |m: &&Media| {
        let twice = m.channels.len() == 2 && m.channels[0] == m.channels[1];
        m.kind == "audio"
            && m.format == "PCMU"
            && m.rate == 8_000
            && !twice
            && matches!(m.channels.len(), 1..=2)
    };
    let taken: Vec<&Media> = offered.iter().filter(taken).collect();
    taken.iter().find(|m| m.channels.len() == 2).or(taken.first()).copied()
}

/// Reads one text message.
pub(super) fn parse(text: &str) -> Result<Received, CaptureError> {
    let wire: Wire = serde_json::from_str(text).map_err(|error| unread(&error))?;
    if wire.version != "2" {
        return Err(bad("its version is not 2"));
    }
    let message = match wire.kind.as_str() {
        "open" => Message::Open(Box::new(parameters(wire.parameters)?)),
        "close" => {
            let Close { reason } = parameters(wire.parameters)?;
            Message::Close { reason }
        }
        "ping" => Message::Ping,
        "paused" => Message::Paused,
        "resumed" => Message::Resumed(parameters::<WireDiscarded>(wire.parameters)?.check()?),
        "discarded" => Message::Discarded(parameters::<WireDiscarded>(wire.parameters)?.check()?),
        "dtmf" => {
            let Dtmf { digit } = parameters(wire.parameters)?;
            Message::Dtmf { symbol: symbol(&digit)? }
        }
        "update" => {
            let Update { language } = parameters(wire.parameters)?;
            Message::Update { language }
        }
        "error" => {
            let WireError { code, message } = parameters(wire.parameters)?;
            Message::Error { code, message }
        }
        _ => Message::Other { kind: wire.kind },
    };
    let position = wire.position.as_str().and_then(duration);
    Ok(Received { id: wire.id, seq: wire.seq, serverseq: wire.serverseq, position, message })
}

#[derive(Deserialize)]
struct Wire {
    version: String,
    id: String,
    #[serde(rename = "type")]
    kind: String,
    seq: u64,
    serverseq: u64,
    #[serde(default)]
    position: Value,
    #[serde(default)]
    parameters: Value,
}

#[derive(Deserialize)]
struct Close {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Dtmf {
    digit: String,
}

#[derive(Deserialize)]
struct Update {
    #[serde(default)]
    language: String,
}

#[derive(Deserialize)]
struct WireError {
    code: u64,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct WireDiscarded {
    start: String,
    discarded: String,
}

impl WireDiscarded {
    fn check(&self) -> Result<Discarded, CaptureError> {
        let samples = |text: &str| {
            duration(text).ok_or_else(|| bad("a duration is not of the form PT1.5S, up to 49 days"))
        };
        Ok(Discarded { start: samples(&self.start)?, length: samples(&self.discarded)? })
    }
}

/// `PT1.25S` as samples at 8,000 Hz, rounded down.
fn duration(text: &str) -> Option<u64> {
    const SECONDS_MAX: u64 = 4_294_967;
    let digits = text.strip_prefix("PT")?.strip_suffix('S')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |digits: &str| {
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse::<u64>().ok())?
    };
    let seconds = number(whole).filter(|s| *s <= SECONDS_MAX)?;
    let fraction = match fraction {
        "" if digits.ends_with('.') => return None,
        "" => 0,
        // Beyond nine digits nothing changes a sample.
        digits => {
            let kept = digits.get(..digits.len().min(9))?;
            number(digits.get(9..).filter(|rest| !rest.is_empty()).unwrap_or("0").get(..1)?)?;
            number(kept)? * 8_000 / 10u64.pow(u32::try_from(kept.len()).ok()?)
        }
    };
    Some(seconds * 8_000 + fraction)
}

fn symbol(digit: &str) -> Result<char, CaptureError> {
    let mut symbols = digit.chars().map(|c| c.to_ascii_uppercase());
    match (symbols.next(), symbols.next()) {
        (Some(symbol @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => Ok(symbol),
        _ => Err(bad("dtmf.digit is not one of 0-9, *, #, A-D")),
    }
}

fn parameters<'de, T: Deserialize<'de>>(value: Value) -> Result<T, CaptureError> {
    T::deserialize(value).map_err(|error| bad(json_reason(&error)))
}

fn unread(error: &serde_json::Error) -> CaptureError {
    if error.is_data() {
        bad(json_reason(error))
    } else {
        CaptureError::NotJson { line: error.line(), column: error.column() }
    }
}

fn bad(why: impl Into<String>) -> CaptureError {
    CaptureError::BadMessage { why: why.into() }
}

/// A message of ours.
pub(super) fn write(id: &str, kind: &str, seq: u64, clientseq: u64, parameters: &Value) -> String {
    json!({ "version": "2", "type": kind, "seq": seq, "clientseq": clientseq, "id": id, "parameters": parameters })
        .to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn message(kind: &str, parameters: &Value) -> String {
        json!({"version": "2", "id": "e160e428", "type": kind, "seq": 1, "serverseq": 0, "position": "PT0S",
            "parameters": parameters})
        .to_string()
    }

    fn media(format: &str, channels: &[&str]) -> Value {
        json!({"type": "audio", "format": format, "channels": channels, "rate": 8000})
    }

    #[test]
    fn an_open_is_read_with_the_facts_it_carries() {
        let open = json!({"organizationId": "d7934305", "conversationId": "090eaa2f",
            "participant": {"id": "883efee8", "ani": "+14045550102", "aniName": "J", "dnis": "+13055550101"},
            "media": [media("PCMU", &["external", "internal"]), media("PCMU", &["external"])], "language": "en-US",
            "customConfig": {"theirs": 1, "caveat": {"direction": "inbound", "purposes": ["quality"]}}});
        let received = parse(&message("open", &open)).unwrap();
        assert_eq!(received.position, Some(0));
        let Message::Open(open) = received.message else { panic!("it is an open") };
        assert_eq!(open.custom_config.caveat.unwrap().purposes.len(), 1);
        assert_eq!((open.participant.ani.as_str(), open.language.as_str()), ("+14045550102", "en-US"));
        assert_eq!(choose(&open.media).unwrap().channels, [Channel::External, Channel::Internal]);
        assert!(!format!("{:?}", open.participant).contains("555"));
    }

    #[test]
    fn both_sides_are_chosen_before_one() {
        let offer = |offered: &[Value]| -> Option<Vec<Channel>> {
            let offered: Vec<Media> =
                offered.iter().map(|m| serde_json::from_value(m.clone()).unwrap()).collect();
            choose(&offered).map(|m| m.channels.clone())
        };
        let (both, one) = (media("PCMU", &["internal", "external"]), media("PCMU", &["external"]));
        assert_eq!(offer(&[one.clone(), both]), Some(vec![Channel::Internal, Channel::External]));
        assert_eq!(offer(&[media("L16", &["external", "internal"]), one]), Some(vec![Channel::External]));
        assert_eq!(offer(&[media("PCMU", &["external", "external"]), media("PCMU", &[])]), None);
    }

    #[test]
    fn durations_are_samples() {
        for (text, want) in [
            ("PT0S", Some(0)),
            ("PT1.25S", Some(10_000)),
            ("PT3.0001254S", Some(24_001)),
            ("PT0.00012500000000001S", Some(1)),
            ("PT4294967S", Some(34_359_736_000)),
            ("PT4294968S", None),
            ("PT99999999999999999999S", None),
            ("PT-1S", None),
            ("PT1.S", None),
            ("PT1.2x3S", None),
            ("1S", None),
            ("PTS", None),
            ("", None),
            ("PT1.\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}S", None),
        ] {
            assert_eq!(duration(text), want, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let check = |text: &str, want: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "`{error}` instead of `{want}`");
        };
        check("{", "not JSON");
        check("[]", "cannot be used");
        check(&message("open", &json!({})), "missing field `organizationId`");
        check(&message("ping", &json!({})).replace("\"2\"", "\"1\""), "version");
        check(&message("ping", &json!({})).replace("\"seq\":1", "\"seq\":-1"), "wrong kind");
        check(&message("discarded", &json!({"start": "soon", "discarded": "PT1S"})), "PT1.5S");
        check(&message("dtmf", &json!({"digit": "12"})), "digit");
        let facts =
            json!({"organizationId": "a", "conversationId": "b", "customConfig": {"caveat": {"x": 1}}});
        check(&message("open", &facts), "unknown field `x`");
        assert!(matches!(parse(&message("new", &json!(7))).unwrap().message, Message::Other { .. }));
        assert!(is_null("00000000-0000-0000-0000-000000000000") && !is_null("") && !is_null("0a"));
    }
}
