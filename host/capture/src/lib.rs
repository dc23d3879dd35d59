//! From the wire to events and audio frames: SIPREC, Twilio Media Streams, Genesys AudioHook, Asterisk AudioSocket,
//! uploaded WAV files and watched folders.
//!
//! Never decides whether a call is recorded and never keeps audio: the recorder is the only door. Never ends a phone
//! call: whatever is wrong with a stream ends the stream, and no other. One module per protocol; start at [`routes`] and
//! [`serve`], then at the protocol's `mod.rs`, which documents what a phone system has to send.

mod audiohook;
mod audiosocket;
mod documented;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod limits;
mod line;
mod player;
mod rtp;
mod running;
mod siprec;
mod socket;
pub mod sources;
mod twilio;
mod upload;
mod watched;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use caveat_access::Access;
use caveat_model::Clock;
use caveat_recorder::Recorder;
use caveat_state::{Db, StateError};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

pub use documented::documented;
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

/// Brings the tables of this room up to date.
///
/// # Errors
/// [`StateError`].
pub async fn migrate(db: &Db) -> Result<(), StateError> {
    watched::migrate(db).await
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

/// What takes in calls otherwise: AudioSocket and watched folders.
#[derive(Debug)]
pub struct Intake {
    sockets: JoinSet<()>,
    folders: JoinSet<()>,
    stop: watch::Sender<bool>,
    finish: Duration,
}

/// Begins to take in calls from AudioSocket and watched folders. It goes on until [`Intake::finish`].
pub async fn serve(rooms: Rooms) -> Result<Intake, ServeError> {
    let mut sockets = JoinSet::new();
    if let Some(source) = &rooms.sources.audiosocket {
        let address = source.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        tracing::info!(listen = %address, "AudioSocket");
        sockets.spawn(audiosocket::serve(listener, rooms.clone()));
    }
    let (stop, stopping) = watch::channel(false);
    let folders = watched::spawn(&rooms, &stopping).await?;
    let finish = Duration::from_millis(rooms.limits.folder_finish_ms);
    Ok(Intake { sockets, folders, stop, finish })
}

impl Intake {
    /// Nothing more is begun. Waits `folder_finish_ms` for files that are being taken in: a recording that is taken in by
    /// half has to be sent again.
    pub async fn finish(mut self) {
        self.sockets.shutdown().await;
        self.stop.send_replace(true);
        if timeout(self.finish, async { while self.folders.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("a file in a watched folder is not taken in whole: the next start says which");
        }
    }
}
