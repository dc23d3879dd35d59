//! From the wire to events and audio frames: Twilio Media Streams and uploaded WAV files.
//!
//! Never decides whether a call is recorded and never keeps audio: the recorder is the only door. Never ends a phone
//! call: whatever is wrong with a stream ends the stream, and no other. One module per protocol, each with its own
//! `routes`; start at [`routes`], then `twilio/mod.rs`, which documents what a phone system has to send.

mod error;
#[doc(hidden)]
pub mod fuzz;
mod limits;
mod twilio;
mod upload;

use std::sync::Arc;

use axum::Router;
use caveat_access::Access;
use caveat_recorder::Recorder;

pub use limits::Limits;

/// The rooms that capture leads to, opened by the binary.
#[derive(Clone)]
pub struct Rooms {
    /// Takes calls, frames and happenings.
    pub recorder: Recorder,
    /// Knows the machine tokens.
    pub access: Access,
    /// Bounds on what is sent.
    pub limits: Arc<Limits>,
}

/// Every endpoint that takes in calls: `GET /v1/twilio/media` (WebSocket) and `POST /v1/uploads`.
pub fn routes(rooms: Rooms) -> Router {
    twilio::routes(rooms.clone()).merge(upload::routes(rooms))
}
