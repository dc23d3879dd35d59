//! SIPREC: a session recording server (RFC 7866) for the session recording clients of phone systems.
//!
//! A client offers a recording session by an INVITE whose body holds a session description, with a media line per stream,
//! and metadata that says who is heard on which. Each line that can be recorded becomes a leg: the first is leg 0. The
//! call's id, for `POST /v1/calls/{id}/events` and everywhere else, is the `Call-ID` of that INVITE: every dialect has
//! one, and it stays the same as long as the session lasts. Ids that the metadata gives are attributes of the call:
//! `siprec.session`, `siprec.sip-session` (RFC 7989), `siprec.group`, `siprec.reason`.
//!
//! | what a client does | what becomes of it |
//! |---|---|
//! | INVITE | the call begins; the answer mirrors its lines, `sendonly` as `recvonly`, `inactive` and port 0 as they are |
//! | every line `inactive` (or at `0.0.0.0`) | a pause by protocol, until one is sent again |
//! | one line `inactive`, a participant without a stream | a party on hold |
//! | metadata, whole or in part, by re-INVITE or UPDATE | parties join, leave, are held |
//! | BYE | the call ends |
//!
//! What the rules say reaches the client too: a call that may not be recorded is answered as its trunk wants it, and a
//! pause is asked for by a re-INVITE. Notices and consents come by the API, as for every protocol. A request that cannot
//! be used is refused with a reason in `Warning`, one of a method that nobody knows with 501; metadata that cannot be
//! used costs nobody a recording. Retransmissions, timers and CANCEL are the SIP stack's. No provisional response but 100
//! is ever sent, so that a client which requires `100rel` has none to acknowledge by PRACK (RFC 3262 section 3). Never
//! answers before it has ruled, never ends a phone call: only the session that records it.

pub(crate) mod body;
mod carried;
mod desk;
mod dialog;
pub(crate) mod fuzz;
mod limits;
mod listen;
mod media;
pub(crate) mod metadata;
mod opening;
pub(crate) mod parties;
mod peer;
mod replies;
pub(crate) mod sdp;
pub(crate) mod settings;
mod timer;
pub(crate) mod unknown;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use caveat_recorder::Recorder;
use rsipstack::platform::CancellationToken;
use tokio::{task::JoinHandle, time::timeout};

pub use limits::SiprecLimits;
pub use settings::{FirstStream, Pattern, Refused, Siprec, Source, Trunk};

use crate::{
    error::CaptureError,
    rtp::{Media, Ports},
};
use desk::Desk;

/// A running session recording server.
pub struct SiprecServer {
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

/// Opens the sockets that `siprec` names, and takes recording sessions from now on.
///
/// # Errors
/// A socket, a certificate or a range of ports that cannot be used, in words for whoever runs the host.
pub async fn listen_siprec(
    recorder: Recorder,
    siprec: Siprec,
    limits: SiprecLimits,
    media: Media,
) -> Result<SiprecServer, impl std::error::Error + Send + Sync + 'static> {
    listen(recorder, siprec, limits, media).await
}

async fn listen(
    recorder: Recorder,
    siprec: Siprec,
    limits: SiprecLimits,
    media: Media,
) -> Result<SiprecServer, CaptureError> {
    let media_address = siprec.advertise_media.unwrap_or(media.address);
    let siprec = Arc::new(ArcSwap::from_pointee(siprec));
    let ports = Ports::new(media)?;
    let listening = listen::open(&siprec, &limits).await?;
    let heard_by = (listening.endpoint, listening.certificates);
    let desk = Arc::new(Desk::new(recorder, siprec, limits, (ports, media_address), heard_by));
    let serving = tokio::spawn(desk.clone().serve(listening.incoming));
    Ok(SiprecServer { desk, serving, stop: listening.stop })
}

impl SiprecServer {
    /// Takes new recording sessions by these trunks from now on; those that run go on.
    pub fn take_trunks(&self, trunks: &[Trunk]) {
        self.desk.siprec.rcu(|current| Siprec { trunk: trunks.to_vec(), ..Siprec::clone(current) });
    }

    /// New recording sessions are refused from now on; those that run go on.
    pub fn refuse_new(&self) {
        self.desk.stop();
    }

    /// Waits until every client has been told that its session is over, and closes the sockets. The calls have to be over
    /// and sealed.
    pub async fn close(&self) {
        let limits = &self.desk.limits;
        let all = u32::try_from(limits.sessions_max).unwrap_or(u32::MAX);
        let farewell = Duration::from_millis(limits.farewell_ms);
        if timeout(farewell, self.desk.seats.acquire_many(all)).await.is_err() {
            tracing::warn!("some clients have not said goodbye");
        }
        self.stop.cancel();
        self.serving.abort();
    }
}
