//! What requests are answered: headers that say what this host is and can do, and refusals that say why.

use rsipstack::{
    sip::{Header, HeadersExt, Method, Request, StatusCode},
    transaction::Transaction,
};

use super::SiprecLimits;
use crate::error::{CaptureError, shortened};
use caveat_recorder::RecorderError;

/// Extensions that a request may require (RFC 7866 section 11, RFC 4028, RFC 3262). Responses before the final one are
/// never sent but for 100, so that there is none to be acknowledged by a PRACK.
const SUPPORTED: [&str; 3] = ["siprec", "timer", "100rel"];
pub(super) const ALLOWED: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, PRACK";
const ACCEPTED: &str =
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed";
const WARNING_BYTES_MAX: usize = 200;

/// Why a request is not done, and what its sender is told.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    pub(super) why: String,
}

impl Refusal {
    pub(super) fn new(status: u16, why: impl Into<String>) -> Self {
        Self { status, headers: vec![], why: why.into() }
    }

    pub(super) fn with(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// The host is full, or stops.
    pub(super) fn later(why: impl Into<String>, limits: &SiprecLimits) -> Self {
        Self::new(503, why).with(Header::RetryAfter(limits.retry_after_s.to_string().into()))
    }

    /// An error as its sender is told of it.
    pub(super) fn of(error: &CaptureError, limits: &SiprecLimits) -> Self {
        let told = error.told();
        match error {
            CaptureError::Busy { .. } => Self::later(told, limits),
            CaptureError::Recorder(error) if error.is_full() => Self::later(told, limits),
            CaptureError::Recorder(RecorderError::CallExists { .. }) => Self::new(482, told),
            CaptureError::TooLarge { .. } => Self::new(413, told),
            CaptureError::NothingToRecord | CaptureError::TooMany { what: "media lines", .. } => {
                Self::new(488, told)
            }
            error if error.is_the_hosts() => Self::new(500, told),
            _ => Self::new(400, told),
        }
    }

    /// Sends it. A sender that is gone needs no answer.
    pub(super) async fn send(self, tx: &mut Transaction) {
        let Self { status, mut headers, why } = self;
        let method = tx.original.method;
        tracing::info!(%method, status, why, "a SIP request was refused");
        headers.push(Header::Warning(format!("399 caveat \"{}\"", quotable(&why)).into()));
        answer(tx, status, headers, None).await;
    }
}

/// Sends a response.
pub(super) async fn answer(tx: &mut Transaction, status: u16, mut headers: Vec<Header>, sdp: Option<String>) {
    if sdp.is_some() {
        headers.push(Header::ContentType("application/sdp".into()));
    }
    let method = tx.original.method;
    count(&method.to_string(), status);
    if let Err(error) = tx.reply_with(StatusCode::from(status), headers, sdp.map(String::into_bytes)).await {
        tracing::warn!(%method, status, %error, "a SIP response could not be sent");
    }
}

/// Counts a request and what it was answered.
pub(super) fn count(method: &str, status: u16) {
    let (method, status) = (method.to_owned(), status.to_string());
    metrics::counter!("caveat_siprec_requests_total", "method" => method, "status" => status).increment(1);
}

/// What this host can do, for OPTIONS and for every answer that begins or changes a session.
pub(super) fn abilities() -> Vec<Header> {
    vec![
        Header::Allow(ALLOWED.into()),
        Header::Supported(SUPPORTED.join(", ").into()),
        Header::Accept(ACCEPTED.into()),
    ]
}

/// Refuses a request that requires what nobody here can do (RFC 3261 section 8.2.2.3).
pub(super) fn check_required(request: &Request) -> Result<(), Refusal> {
    let unknown: Vec<String> =
        tokens(request, "Require").filter(|t| !SUPPORTED.contains(&t.as_str())).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let why = "it requires an extension that is not supported";
    Err(Refusal::new(420, why).with(Header::Unsupported(unknown.join(", ").into())))
}

/// A method that is not served.
pub(super) fn not_allowed(method: Method) -> Refusal {
    Refusal::new(405, format!("{method} is not served")).with(Header::Allow(ALLOWED.into()))
}

/// Refuses a request of which a part is missing on the wire: a UDP packet that was cut at its largest size.
pub(super) fn check_whole(request: &Request) -> Result<(), Refusal> {
    let said = request.header_value("Content-Length").and_then(|length| length.parse::<usize>().ok());
    match said {
        Some(said) if said > request.body.len() => {
            Err(Refusal::new(513, "the message was cut short: send it by TCP or TLS"))
        }
        _ => Ok(()),
    }
}

/// The items of every header of a name, in lower case.
pub(super) fn tokens<'a>(request: &'a Request, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let headers = request.headers.iter().filter(move |h| h.name().eq_ignore_ascii_case(name));
    let items = headers.flat_map(|h| h.value().split(',').map(|item| item.trim().to_ascii_lowercase()));
    items.filter(|item| !item.is_empty())
}

/// A text as it may stand between quotes in a header.
fn quotable(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ' { c } else { '\'' };
    shortened(text.chars().map(plain).collect(), WARNING_BYTES_MAX)
}
