//! What can be wrong with what is sent, and how much of it the sender is told.

use std::{net::SocketAddr, path::PathBuf};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use caveat_access::AccessError;
use caveat_recorder::RecorderError;
use serde::Serialize;

/// An error of capture. [`CaptureError::told`] is what leaves the host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// A message, part or body is too large.
    #[error("the {what} is too large: the limit is {limit_bytes} bytes")]
    TooLarge { what: &'static str, limit_bytes: usize },
    /// There are too many of something.
    #[error("too many {what}: the limit is {limit}")]
    TooMany { what: &'static str, limit: usize },
    /// The host is full.
    #[error("{limit} {what} are open already: try again later")]
    Busy { what: &'static str, limit: usize },
    /// What was expected did not come in time.
    #[error("no {what} within {ms} ms")]
    TooLate { what: &'static str, ms: u64 },

    /// The bytes on the socket are no WebSocket messages.
    #[error("this is not the WebSocket protocol (RFC 6455)")]
    NotWebSocket,
    /// A binary message.
    #[error("a binary message came: Media Streams sends JSON in text messages")]
    Binary,
    /// A text message that is no JSON.
    #[error("a message is not JSON: see its line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    /// A message that lacks something, or holds what it cannot.
    #[error("a message cannot be used: {why}")]
    BadMessage { why: String },
    /// A message that cannot come now.
    #[error("`{event}` cannot come now: {wanted}")]
    OutOfOrder { event: &'static str, wanted: &'static str },
    /// Audio in a form that is not taken.
    #[error("{given} is not taken: audio/x-mulaw at 8000 Hz with 1 channel is")]
    MediaFormat { given: String },
    /// A custom parameter that means nothing here.
    #[error("parameter `{name}` is unknown{}", did_you_mean(.nearest))]
    UnknownParameter { name: String, nearest: Option<&'static str> },
    /// A custom parameter whose value cannot be used. The value is not repeated: it may be a secret or a number.
    #[error("parameter `{name}`: {wanted} is wanted")]
    BadParameter { name: String, wanted: &'static str },
    /// A signature is missing or wrong.
    #[error("the signature is refused: {why}")]
    Signature { why: &'static str },
    /// No form of audio that is offered is taken.
    #[error("no offered media are taken: audio of PCMU at 8000 Hz, external or internal or both, are")]
    NoMedia,
    /// A stream that nobody announced.
    #[error("the stream was not announced: POST /v1/calls/announced first, or set `client` in [audiosocket]")]
    NotAnnounced,
    /// The recorder ended the call: it lasted too long, or the host stops.
    #[error("the call has ended on this host")]
    CallOver,

    /// No token came with an upload.
    #[error("send `Authorization: Bearer` with a machine token")]
    NoToken,
    /// The body is not what `multipart/form-data` should be.
    #[error("the body cannot be read as multipart/form-data: {why}")]
    Multipart { why: String },
    /// A part of an upload is missing, doubled or unknown.
    #[error("part `{name}` {why}: `call`, `audio` and perhaps `events` are wanted, each once")]
    Part { name: String, why: &'static str },
    /// A part of an upload is not the JSON that it should be.
    #[error("part `{name}` cannot be used: {why}")]
    BadPart { name: &'static str, why: String },
    /// An uploaded file is no WAV file that is taken.
    #[error("part `audio` cannot be used: {why}")]
    Wav { why: String },
    /// An uploaded file stops before its end.
    #[error(
        "part `audio` is cut short: its {what} reaches to byte {end}, but the file ends at byte {bytes}; nothing of it \
         was recorded, send it again whole"
    )]
    WavTruncated { what: &'static str, end: u64, bytes: usize },

    /// The settings of RTP cannot be.
    #[error("[media] {what}")]
    Media { what: String },
    /// A socket of RTP cannot be opened.
    #[error("no media port can be opened on {address}: {why}")]
    MediaPort { address: std::net::IpAddr, why: String },
    /// Keys of SRTP that are not taken.
    #[error("`a=crypto` cannot be used: {why}")]
    Srtp { why: String },
    /// An offer of which nothing can be recorded, or none at all.
    #[error("there is no media line that can be recorded: audio in G.711, G.722, Opus or L16 is")]
    NothingToRecord,
    /// A socket that cannot be opened.
    #[error("cannot listen for SIP on {transport} {address}: {source}")]
    Listen { transport: &'static str, address: SocketAddr, source: std::io::Error },
    /// A certificate or key that cannot be used.
    #[error("{}: {why}", path.display())]
    Certificate { path: PathBuf, why: String },
    /// The SIP stack failed.
    #[error("SIP: {0}")]
    Sip(#[from] rsipstack::Error),
    /// What was taken from watched folders cannot be remembered.
    #[error(transparent)]
    State(#[from] caveat_state::StateError),

    /// The door said no, or failed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The recorder said no, or failed.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
}

/// RFC 6455 section 5.5: a control frame holds 125 bytes, of which two are the code.
const CLOSE_REASON_BYTES_MAX: usize = 123;

impl CaptureError {
    /// Whether the host failed, and not the sender.
    pub(crate) fn is_the_hosts(&self) -> bool {
        match self {
            Self::Recorder(error) => !error.is_the_senders(),
            Self::State(_) => true,
            Self::Access(error) => {
                !matches!(error, AccessError::NoToken | AccessError::NoSidecar | AccessError::Scope { .. })
            }
            Self::Listen { .. } | Self::Certificate { .. } | Self::Sip(_) => true,
            Self::Media { .. } | Self::MediaPort { .. } => true,
            _ => false,
        }
    }

    /// What the sender is told.
    pub(crate) fn told(&self) -> String {
        if self.is_the_hosts() { "the host failed; its log says why".to_owned() } else { self.to_string() }
    }

    /// The close code of RFC 6455 section 7.4.1, and the reason as far as a close frame can hold it.
    pub(crate) fn close(&self) -> (u16, String) {
        use axum::extract::ws::close_code as code;
        let number = match self {
            error if error.is_the_hosts() => code::ERROR,
            Self::NotWebSocket => code::PROTOCOL,
            Self::TooLarge { .. } => code::SIZE,
            Self::Binary | Self::NotJson { .. } | Self::MediaFormat { .. } | Self::NoMedia => {
                code::UNSUPPORTED
            }
            Self::CallOver => code::AWAY,
            _ => code::POLICY,
        };
        (number, shortened(self.told(), CLOSE_REASON_BYTES_MAX))
    }

    fn status(&self) -> StatusCode {
        match self {
            error if error.is_the_hosts() => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Recorder(error) if error.is_full() => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLate { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::NoToken | Self::Signature { .. } | Self::Access(AccessError::NoToken) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Access(_) => StatusCode::FORBIDDEN,
            Self::Recorder(RecorderError::CallExists { .. }) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// RFC 9457 problem details, as everywhere in this host.
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    status: u16,
    title: &'static str,
    detail: String,
}

impl IntoResponse for CaptureError {
    fn into_response(self) -> Response {
        let status = self.status();
        if self.is_the_hosts() {
            tracing::error!(error = %self, "a call could not be taken in");
        }
        let title = status.canonical_reason().unwrap_or("Error");
        let kind = format!("urn:caveat:{}", title.to_lowercase().replace(' ', "-"));
        let problem = Problem { kind, status: status.as_u16(), title, detail: self.told() };
        let mut response = (status, Json(problem)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// Why `serde_json` could not read something, without repeating values: they may be secrets or numbers of people.
pub(crate) fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") || text.starts_with("unknown field") {
        text
    } else if error.line() > 0 {
        format!("a value of the wrong kind at line {}, column {}", error.line(), error.column())
    } else {
        "a value is of the wrong kind".to_owned()
    }
}

/// The beginning of `text`, at most `bytes_max` long, cut between characters.
pub(crate) fn shortened(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

fn did_you_mean(nearest: &Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use caveat_access::Scope;

    #[test]
    fn every_error_has_its_close_code() {
        let check = |error: CaptureError, want: u16| assert_eq!(error.close().0, want, "{error}");
        check(CaptureError::NotWebSocket, 1002);
        check(CaptureError::Binary, 1003);
        check(CaptureError::NotJson { line: 1, column: 1 }, 1003);
        check(CaptureError::OutOfOrder { event: "media", wanted: "`start` comes first" }, 1008);
        check(CaptureError::Access(AccessError::NoToken), 1008);
        check(CaptureError::Access(AccessError::Scope { scope: Scope::Capture }), 1008);
        check(CaptureError::Recorder(RecorderError::CallExists { id: "CA1".into() }), 1008);
        check(CaptureError::TooLarge { what: "message", limit_bytes: 9 }, 1009);
        check(CaptureError::Recorder(RecorderError::Audio("disk 7 is on fire".into())), 1011);
    }

    #[test]
    fn a_reason_fits_a_close_frame_and_tells_nothing_internal() {
        let long = CaptureError::UnknownParameter { name: "é".repeat(500), nearest: None };
        assert!(long.close().1.len() <= CLOSE_REASON_BYTES_MAX);
        let internal = CaptureError::Recorder(RecorderError::Audio("disk 7 is on fire".into()));
        assert_eq!(internal.close().1, "the host failed; its log says why");
    }
}
