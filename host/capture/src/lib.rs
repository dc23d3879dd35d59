//! From the wire to events and audio frames: SIPREC, Twilio Media Streams, Genesys AudioHook, Asterisk AudioSocket,
//! uploaded WAV files and watched folders.
//!
//! Never decides whether a call is recorded and never keeps audio: the recorder is the only door. Never ends a phone
//! call: whatever is wrong with a stream ends the stream, and no other. One module per protocol; start at [`routes`] and
//! [`serve`], then at the protocol's `mod.rs`, which documents what a phone system has to send.

mod audiohook;
mod audiosocket;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod limits;
mod line;
mod rtp;
mod running;
mod siprec;
mod socket;
pub mod sources;
mod twilio;
mod upload;
mod watched;

use std::{io, sync::Arc};

use axum::Router;
use caveat_access::Access;
use caveat_model::Clock;
use caveat_recorder::Recorder;
use caveat_state::{Db, StateError};
use tokio::{net::TcpListener, task::JoinSet};

pub use limits::Limits;
pub use rtp::Media;
pub use siprec::{
    FirstStream, Pattern, Refused, Siprec, SiprecLimits, SiprecServer, Source, Trunk, listen_siprec,
};
pub use sources::Sources;

/// The rooms that capture leads to, opened by the binary.
#[derive(Clone)]
pub struct Rooms {
    /// Takes calls, frames and happenings.
    pub recorder: Recorder,
    /// Knows the machine tokens.
    pub access: Access,
    /// Remembers what was taken from watched folders.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who sends calls, and how they prove it.
    pub sources: Arc<Sources>,
    /// Bounds on what is sent.
    pub limits: Arc<Limits>,
}

/// Every endpoint that takes in calls over HTTP: `GET /v1/twilio/media` and `GET /v1/audiohook` (WebSocket), and
/// `POST /v1/uploads`.
pub fn routes(rooms: Rooms) -> Router {
    twilio::routes(rooms.clone()).merge(audiohook::routes(rooms.clone())).merge(upload::routes(rooms))
}

/// Why what is not HTTP cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its address cannot be had.
    #[error("[audiosocket]: cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Everything that takes in calls otherwise: AudioSocket and watched folders. It goes on until the set is dropped.
pub async fn serve(rooms: Rooms) -> Result<JoinSet<()>, ServeError> {
    let mut tasks = JoinSet::new();
    if let Some(source) = &rooms.sources.audiosocket {
        let address = source.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        tracing::info!(listen = %address, "AudioSocket");
        tasks.spawn(audiosocket::serve(listener, rooms.clone()));
    }
    watched::spawn(&rooms, &mut tasks).await?;
    Ok(tasks)
}
