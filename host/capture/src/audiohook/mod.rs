//! Genesys AudioHook, protocol version 2: `wss://HOST/v1/audiohook`
//! (<https://developer.genesys.cloud/devapps/audiohook/protocol-reference>).
//!
//! The upgrade request is signed (HTTP Message Signatures, HMAC-SHA256) under the secret of the integration's API key,
//! which says whose calls they are: `[[client.audiohook]]`. A request that is not, or was seen before, is answered 401.
//!
//! The channel `internal` is leg 0 and carries party 0, the agent; `external` is leg 1 and carries party 1, the customer.
//! The call has the id of the conversation, or `CONVERSATION:SESSION` where one of that id runs already. Positions are
//! the stream's own time: what the other side says it discarded, or has passed over, is a loss of that length.
//!
//! Of the `customConfig` of the integration, an object `caveat` holds facts of the call, as the part `call` of an upload
//! does (`direction`, `purposes`, `notices`, `attributes`, `traits`, `parties`); the numbers of the parties come from
//! `participant`.
//!
//! | the other side sends | and |
//! |---|---|
//! | `open` | is answered `opened` with PCMU at 8,000 Hz in two channels, or the one it offers |
//! | `open` for the null conversation | is a probe: `opened` without media, and no call |
//! | audio | 8-bit mu-law, channels interleaved; before `opened` or while paused it ends the session |
//! | `paused`, `resumed` | without being asked: recording pauses for the reason `protocol` |
//! | `discarded` | leaves a loss |
//! | `dtmf` | a key of the customer |
//! | `update`, `ping` | are answered |
//! | `close` | ends the call, and is answered `closed` |
//!
//! When a verdict suspends recording, the host sends `pause`, so that what must not be kept is not even sent; and `resume`
//! when recording goes on. `pause-stream = false` leaves the stream as it is. A session that breaks off is held, as in
//! [`crate::twilio`]: the next session of the same conversation goes on with its recording.

mod message;
mod session;
mod signature;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    http::{HeaderMap, Uri},
    response::Response,
    routing::get,
};
use caveat_model::ClientId;
use tokio::sync::Semaphore;

use crate::{Rooms, error::CaptureError, line::Lines, sources::Secret};
use signature::{Seen, Signed};

/// An integration that calls come from, known by its API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Whose calls they are.
    pub client: ClientId,
    /// Signs upgrade requests.
    pub secret: Secret,
    /// Organizations that it may be used by; empty: any.
    pub organizations: Vec<String>,
    /// Host and port as Genesys sees them, where a proxy changes the `Host` header.
    pub authority: Option<String>,
    /// Whether the stream is paused while a verdict suspends recording.
    pub pause_stream: bool,
}

#[derive(Clone)]
struct Desk {
    rooms: Rooms,
    lines: Lines,
    seats: Arc<Semaphore>,
    seen: Arc<Mutex<Seen>>,
}

/// What the headers of a good request say.
struct Caller {
    key: ApiKey,
    organization: String,
    session: String,
}

/// `/v1/audiohook`.
pub(crate) fn routes(rooms: Rooms) -> Router {
    let seats = Arc::new(Semaphore::new(rooms.limits.streams_max.min(Semaphore::MAX_PERMITS)));
    let seen = Arc::new(Mutex::new(Seen::new(rooms.limits.nonces_max)));
    Router::new().route("/v1/audiohook", get(audiohook)).with_state(Desk {
        rooms,
        lines: Lines::default(),
        seats,
        seen,
    })
}

async fn audiohook(
    State(desk): State<Desk>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, CaptureError> {
    let caller = desk.caller(&uri, &headers)?;
    let Desk { rooms, lines, seats, .. } = desk;
    let limits = &rooms.limits;
    let seat = seats
        .try_acquire_owned()
        .map_err(|_| CaptureError::Busy { what: "streams", limit: limits.streams_max })?;
    Ok(upgrade
        .max_message_size(limits.message_bytes_max)
        .max_frame_size(limits.message_bytes_max)
        .on_upgrade(move |socket| async move {
            session::serve(socket, rooms, lines, caller).await;
            drop(seat);
        }))
}

impl Desk {
    /// Checks everything that can be known before the first message.
    fn caller(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, CaptureError> {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let bad = |why| CaptureError::Signature { why };
        let name = header("x-api-key").ok_or(bad("X-API-KEY is missing"))?;
        let key = self.rooms.sources.audiohook.get(name);
        // An unknown key is checked like a known one: the answer takes as long, and says the same.
        let secret = key.map_or(&[][..], |key| key.secret.bytes());
        let authority = key.and_then(|key| key.authority.as_deref()).or(header("host"));
        let signed = Signed {
            target: uri.path_and_query().map_or(uri.path(), |p| p.as_str()),
            authority: authority.ok_or(bad("Host is missing"))?,
            headers,
        };
        let now_s = self.rooms.clock.now().as_millis() / 1_000;
        let proof = signed.check(secret, name, now_s, self.rooms.limits.signature_age_max_s).map_err(bad)?;
        let key = key.ok_or(bad("it does not fit the request and the API key"))?;
        let organization = header("audiohook-organization-id").unwrap_or_default().to_owned();
        if !key.organizations.is_empty() && !key.organizations.contains(&organization) {
            return Err(bad("the API key is not for this organization"));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.first_time(name, proof, now_s).map_err(bad)?;
        let session = header("audiohook-session-id").unwrap_or_default().to_owned();
        Ok(Caller { key: key.clone(), organization, session })
    }
}

/// See [`crate::fuzz`].
pub(crate) fn fuzz_message(text: &str) -> Result<&'static str, crate::error::CaptureError> {
    let received = message::parse(text)?;
    Ok(match received.message {
        message::Message::Open(open) => {
            if let Some(chosen) = message::choose(&open.media) {
                assert!(open.media.contains(chosen) && matches!(chosen.channels.len(), 1..=2));
            }
            let printed = format!("{:?}", open.participant);
            assert_eq!(printed, "Participant(..)", "numbers of people are never printed");
            "open"
        }
        message::Message::Dtmf { symbol } => {
            assert!("0123456789*#ABCD".contains(symbol));
            "dtmf"
        }
        message::Message::Discarded(d) | message::Message::Resumed(d) => {
            assert!(d.start.checked_add(d.length).is_some());
            "discarded"
        }
        _ => "other",
    })
}
