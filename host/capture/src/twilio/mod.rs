//! Twilio Media Streams, version 1.0.0: `wss://HOST/v1/twilio/media`
//! (<https://www.twilio.com/docs/voice/media-streams/websocket-messages>).
//!
//! The track `outbound` is leg 0 and carries party 0, the agent; the track `inbound` is leg 1 and carries party 1, the
//! customer. Twilio names tracks as seen from itself, so this is right for a stream on the customer's call leg, whoever
//! called whom. Twilio gives audio a time (milliseconds since the stream began) and keys none: a key is taken to have
//! ended where the audio heard so far on its track ends, and to have lasted 200 ms.
//!
//! What is known about the call comes as `<Parameter>` elements of the `<Stream>`. An empty value is as good as none; an
//! unknown name is refused.
//!
//! | parameter | value |
//! |---|---|
//! | `token` | required: a machine token with the scope `capture`; it decides whose call it is |
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
//! (error 31924). A unidirectional stream is the better choice: the call does not depend on it.
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
mod stream;

use std::sync::Arc;

use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    response::Response,
    routing::any,
};
use tokio::sync::Semaphore;

use crate::{Rooms, error::CaptureError};

#[derive(Clone)]
struct Desk {
    rooms: Rooms,
    seats: Arc<Semaphore>,
}

/// `/v1/twilio/media`.
pub(crate) fn routes(rooms: Rooms) -> Router {
    let seats = Arc::new(Semaphore::new(rooms.limits.streams_max.min(Semaphore::MAX_PERMITS)));
    Router::new().route("/v1/twilio/media", any(media)).with_state(Desk { rooms, seats })
}

async fn media(State(desk): State<Desk>, upgrade: WebSocketUpgrade) -> Result<Response, CaptureError> {
    let Desk { rooms, seats } = desk;
    let limits = &rooms.limits;
    let seat = seats
        .try_acquire_owned()
        .map_err(|_| CaptureError::Busy { what: "streams", limit: limits.streams_max })?;
    Ok(upgrade
        .max_message_size(limits.message_bytes_max)
        .max_frame_size(limits.message_bytes_max)
        .on_upgrade(move |socket| async move {
            stream::serve(socket, rooms).await;
            drop(seat);
        }))
}
