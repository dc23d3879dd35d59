//! Twilio Media Streams, version 1.0.0: `wss://HOST/v1/twilio/media`
//! (<https://www.twilio.com/docs/voice/media-streams/websocket-messages>).
//!
//! The track `outbound` is leg 0 and carries party 0, the agent; the track `inbound` is leg 1 and carries party 1, the
//! customer. Twilio names tracks as seen from itself, so this is right for a stream on the customer's call leg, whoever
//! called whom. Twilio gives audio a time (milliseconds since the stream began) and keys none: a key is taken to have
//! ended where the audio heard so far on its track ends, and to have lasted 200 ms.
//!
//! A stream proves whose it is by a machine token in its parameters, or by Twilio's signature: for that, its URL is
//! `wss://HOST/v1/twilio/media/CLIENT`, and the client has a `[client.twilio]` with the auth token of its account. A wrong
//! signature is refused whatever else comes; so is a token of another client than the URL names.
//!
//! A stream that breaks off leaves its call held for `reconnect_ms`: the next stream with the same `callSid` goes on with
//! the same recording, and what was missed is a loss of its true length. A stream that still sends is not replaced.
//!
//! What is known about the call comes as `<Parameter>` elements of the `<Stream>`. An empty value is as good as none; an
//! unknown name is refused.
//!
//! | parameter | value |
//! |---|---|
//! | `token` | a machine token with the scope `capture`; it decides whose call it is. Not needed on a signed stream |
//! | `direction` | `inbound`, `outbound`, `internal` |
//! | `purposes` | what the recording is for, separated by commas: `quality,training` |
//! | `agent-number`, `customer-number` | E.164; looked up for the place, then dropped |
//! | `agent-region`, `customer-region` | where they said they are: `CA`, `@DE`, `@CA-ON` |
//! | `customer-on-file` | where the client's records have the customer |
//! | `agent-language`, `customer-language` | BCP 47 |
//! | `customer-written-consent` | `true`: the customer consented in writing before the call |
//! | `emergency`, `emergency-line` | `true`: an emergency; a published emergency line |
//! | `notice` | `played`: a spoken notice was completed before the stream began, so it is not in the recording |
//! | `marks` | `true`: the stream is bidirectional; send `mark` messages, and play what is to be played (below) |
//! | `plays-to-all` | `true`: what is played on the stream is heard by everyone on the call, not by the customer alone |
//! | `attr:NAME` | a fact of an industry: `true` and `false` are flags, whole numbers numbers, RFC 3339 times and dates times, all else is text |
//!
//! With `marks`, the host sends `{"event":"mark",..,"mark":{"name":"caveat:STATE"}}` after the call began and whenever its
//! state changes; `STATE` is `recording`, `suspended` or `not-recorded`. It has to be asked for because Twilio takes
//! messages on bidirectional streams (`<Connect><Stream>`) only and fails a unidirectional one (`<Start><Stream>`) on any
//! (error 31924). Twilio sends a mark back; such an echo is counted and means nothing else. A unidirectional stream is the
//! better choice: the call does not depend on it.
//!
//! On such a stream the host itself plays the notice or the tone that a rule asks for, if the client has an announcement,
//! and takes it for given when Twilio gives back the mark behind it. On any other it tells the phone system to (webhook,
//! live stream, alert) and keeps nothing until the notice is confirmed as an event of the call.
//!
//! A stream that cannot go on is closed with a code and a reason; the call it belongs to goes on.

pub(crate) mod message;
mod order;
mod parameters;
mod play;
mod signature;
mod stream;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State, WebSocketUpgrade},
    http::{HeaderMap, Uri},
    response::Response,
    routing::get,
};
use caveat_model::ClientId;
use tokio::sync::Semaphore;

use crate::{Rooms, error::CaptureError, line::Lines, sources::Secret};

/// A client's account at Twilio.
#[derive(Debug, Clone)]
pub struct Account {
    /// Signs upgrade requests.
    pub auth_token: Secret,
    /// What stands before the path in the URL that Twilio is given: `wss://recorder.example.com`.
    pub public_url: String,
    /// The account that streams have to be of (`AC...`); none: any that signs with the token.
    pub account_sid: Option<String>,
    /// A signed stream needs a machine token too.
    pub require_token: bool,
}

#[derive(Clone)]
struct Desk {
    rooms: Rooms,
    lines: Lines,
    seats: Arc<Semaphore>,
}

/// Who a stream is known to be of before its first message.
struct Caller {
    /// The client that its URL names.
    client: Option<ClientId>,
    /// Whether Twilio's signature says so.
    signed: bool,
    account: Option<Account>,
}

/// `/v1/twilio/media` and `/v1/twilio/media/{client}`.
pub(crate) fn routes(rooms: Rooms) -> Router {
    let seats = Arc::new(Semaphore::new(rooms.limits.streams_max.min(Semaphore::MAX_PERMITS)));
    let desk = Desk { rooms, lines: Lines::default(), seats };
    Router::new()
        .route("/v1/twilio/media", get(media))
        .route("/v1/twilio/media/{client}", get(media))
        .with_state(desk)
}

async fn media(
    State(desk): State<Desk>,
    client: Option<Path<ClientId>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, CaptureError> {
    let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let caller = desk.caller(client.map(|Path(client)| client), path, &headers)?;
    let Desk { rooms, lines, seats } = desk;
    let limits = &rooms.limits;
    let seat = seats
        .try_acquire_owned()
        .map_err(|_| CaptureError::Busy { what: "streams", limit: limits.streams_max })?;
    Ok(upgrade
        .max_message_size(limits.message_bytes_max)
        .max_frame_size(limits.message_bytes_max)
        .on_upgrade(move |socket| async move {
            stream::serve(socket, rooms, lines, caller).await;
            drop(seat);
        }))
}

impl Desk {
    /// Checks the signature, where the URL names a client and there is one.
    fn caller(
        &self,
        client: Option<ClientId>,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Caller, CaptureError> {
        let account = client.as_ref().and_then(|client| self.rooms.sources.twilio.get(client)).cloned();
        let given = headers.get("x-twilio-signature").filter(|_| client.is_some());
        let signed = match (given, &account) {
            (None, _) => false,
            (Some(given), Some(account)) => {
                let url = format!("{}{path}", account.public_url.trim_end_matches('/'));
                let given = given.to_str().unwrap_or_default();
                if !signature::is_right(account.auth_token.bytes(), &url, given) {
                    return Err(CaptureError::Signature { why: "it does not fit the URL and the account" });
                }
                true
            }
            (Some(_), None) => {
                return Err(CaptureError::Signature { why: "no account is configured for this client" });
            }
        };
        Ok(Caller { client, signed, account })
    }
}
