//! A recording session from its answer to its end: what its client changes, what the rules change, signs of life.
//!
//! One task holds it, so that everything happens one after the other. Requests of this host run beside it and report back.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use caveat_model::Asker;
use caveat_recorder::{Answer, Happening, RecordingState};
use caveat_vault::SealReason;
use rsipstack::{
    sip::{Header, HeadersExt, Method, Response, SipMessage, StatusCodeKind},
    transaction::Transaction,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{sleep_until, timeout},
};

use super::{
    body,
    desk::{Desk, Entered},
    media::Media,
    metadata::Metadata,
    opening::told,
    parties::{Change, Parties},
    peer::{self, Peer},
    replies::{Refusal, abilities, answer, check_required, check_whole, not_allowed},
    sdp,
    settings::Trunk,
    timer::Timer,
};
use crate::running::Running;

/// What reaches a recording session.
pub(super) enum Order {
    /// A request of its client, and its seat among those that are being answered.
    Request(Box<Transaction>, OwnedSemaphorePermit),
    /// An answer was acknowledged, perhaps with a session description.
    Acknowledged(Vec<u8>),
    /// An answer to an INVITE was never acknowledged.
    Unacknowledged,
    /// What came of a request of this host.
    Answered(Asked, Option<Box<Response>>),
}

/// What this host asks of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A sign of life.
    Refresh,
    /// Silence, or sound again.
    Media,
    /// All metadata once more.
    Metadata,
}

/// How a session goes on after something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    On,
    /// Its client said goodbye.
    Left,
    /// It is over, and its client has to be told.
    Over(SealReason),
}

/// After a glare (RFC 3261 section 14.1), whoever was called tries again within two seconds.
const GLARE_MS_MAX: u64 = 2_000;

/// All metadata is wanted once more (RFC 7866 section 9.2).
const SNAPSHOT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\"/>\r\n";

pub(super) struct Dialog {
    desk: Arc<Desk>,
    trunk: Trunk,
    running: Running,
    peer: Peer,
    media: Media,
    metadata: Metadata,
    parties: Parties,
    timer: Timer,
    state: RecordingState,
    /// The client pauses: none of its streams is sent.
    paused: bool,
    /// A request of this host that is not answered yet.
    asked: Option<Method>,
    /// What the client was last told, and knows: to send, or to be silent.
    told_muted: bool,
    /// The metadata names what it never explained, and was not asked for again.
    lacks_metadata: bool,
    /// Not before then may it be told again.
    ask_again: Option<Instant>,
    pauses_at_client: bool,
    is_acknowledged: bool,
}

impl Dialog {
    #[expect(clippy::too_many_arguments, reason = "a session is all of these")]
    pub(super) fn new(
        desk: Arc<Desk>,
        trunk: Trunk,
        running: Running,
        peer: Peer,
        media: Media,
        (metadata, parties): (Metadata, Parties),
        timer: Timer,
        state: RecordingState,
    ) -> Self {
        let clients = desk.recorder.clients();
        let can_pause = || clients.get(&trunk.client).is_some_and(|client| client.can_pause);
        let pauses_at_client = trunk.pause_at_client.unwrap_or_else(can_pause);
        let told_muted = media.muted;
        Self {
            desk,
            trunk,
            running,
            peer,
            media,
            metadata,
            parties,
            timer,
            state,
            paused: false,
            asked: None,
            told_muted,
            lacks_metadata: false,
            ask_again: None,
            pauses_at_client,
            is_acknowledged: false,
        }
    }

    /// Lives until the session is over. `entered` and `seat` are given up then.
    pub(super) async fn live(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        inbox: mpsc::Sender<Order>,
        (entered, seat): (Entered, OwnedSemaphorePermit),
    ) {
        let (client, trunk, call) =
            (self.trunk.client.clone(), self.trunk.name.clone(), self.peer.call_id.clone());
        tracing::info!(%client, trunk, call, state = ?self.state, "a recording session began");
        self.note_pause().await;
        let sealed = self.running.call.clone();
        let mut sealed = pin!(async move { sealed.sealed().await });
        let next = loop {
            let wakes = self.wakes_at();
            let next = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take(order, &inbox).await,
                    None => Next::Over(SealReason::Interrupted),
                },
                state = self.running.changed() => {
                    self.follow(state);
                    Next::On
                }
                () = &mut sealed => Next::Over(SealReason::Ended),
                () = sleep_until(wakes.into()) => self.wake(),
            };
            if next != Next::On {
                break next;
            }
            self.ask_for_what_is_due(&inbox);
        };
        let (end, reason) = match next {
            Next::Over(SealReason::Interrupted) => ("interrupted", SealReason::Interrupted),
            Next::Over(_) => ("closed", SealReason::Ended),
            Next::Left | Next::On => ("left", SealReason::Ended),
        };
        // Later requests are answered that there is no such session.
        drop(entered);
        self.media.log(&call);
        if let Err(error) = self.running.end(reason).await {
            tracing::error!(%error, call, "a call could not be ended");
        }
        if let Next::Over(_) = next {
            self.say_goodbye().await;
        }
        let client = client.to_string();
        metrics::counter!("caveat_siprec_sessions_total", "client" => client, "end" => end).increment(1);
        tracing::info!(trunk, call, end, "a recording session ended");
        drop(seat);
    }

    async fn take(&mut self, order: Order, inbox: &mpsc::Sender<Order>) -> Next {
        match order {
            Order::Request(tx, seat) => self.answer(*tx, seat, inbox).await,
            Order::Acknowledged(sdp) => {
                self.is_acknowledged = true;
                self.hear_answer(&sdp).await;
                Next::On
            }
            Order::Unacknowledged if self.is_acknowledged => {
                tracing::info!(
                    call = self.peer.call_id,
                    "an answer was not acknowledged; the session goes on"
                );
                Next::On
            }
            Order::Unacknowledged => Next::Over(SealReason::Interrupted),
            Order::Answered(asked, response) => self.answered(asked, response.as_deref()).await,
        }
    }

    /// A request of the client.
    async fn answer(
        &mut self,
        mut tx: Transaction,
        seat: OwnedSemaphorePermit,
        inbox: &mpsc::Sender<Order>,
    ) -> Next {
        let method = tx.original.method;
        let done = match self.peer.hears(&tx) {
            Err(refusal) => Err(refusal),
            Ok(()) => match method {
                Method::Bye => {
                    answer(&mut tx, 200, vec![], None).await;
                    return Next::Left;
                }
                Method::Invite | Method::Update => self.modify(&mut tx).await,
                Method::Options => {
                    answer(&mut tx, 200, abilities(), None).await;
                    Ok(())
                }
                // No answer of this host ever asks for one.
                Method::PRack => Err(Refusal::new(481, "there is nothing to acknowledge")),
                method => Err(not_allowed(method)),
            },
        };
        let is_answered = done.is_ok();
        if let Err(refusal) = done {
            refusal.send(&mut tx).await;
        }
        if method == Method::Invite {
            let inbox = inbox.clone();
            tokio::spawn(async move {
                if is_answered {
                    until_acknowledged(&mut tx, inbox).await;
                } else {
                    while tx.receive().await.is_some() {}
                }
                drop(seat);
            });
        }
        Next::On
    }

    /// A re-INVITE or UPDATE: of media, of metadata, of both, or only a sign of life.
    async fn modify(&mut self, tx: &mut Transaction) -> Result<(), Refusal> {
        let limits = &self.desk.limits;
        let method = tx.original.method;
        if method == Method::Invite {
            let _ = tx.send_trying().await;
        }
        check_required(&tx.original)?;
        check_whole(&tx.original)?;
        let refused = |error| Refusal::of(&error, limits);
        let kind = tx.original.header_value("Content-Type");
        let body = body::parse(kind.as_deref(), &tx.original.body, limits).map_err(refused)?;
        let offer = body.sdp.map(|text| sdp::parse(text, limits)).transpose().map_err(refused)?;
        let changes_media = offer.is_some() || method == Method::Invite;
        if changes_media && self.asked == Some(Method::Invite) {
            return Err(Refusal::new(491, "a change that this host asked for is still open"));
        }
        let (timer, mut headers) = Timer::agreed(&tx.original, limits, Instant::now())?;
        let news = body.metadata.and_then(|text| told(text, &self.desk));
        self.timer = timer;
        if let Some(offer) = offer {
            self.media.change(offer).await;
        }
        if let Some(news) = news {
            let all = self.metadata.clone().merged(news);
            // Updates that only ever add would fill the memory.
            if all.len() <= limits.metadata_elements_max {
                self.metadata = all;
                self.lacks_metadata = self.metadata.has_unknown_ids();
            } else {
                tracing::warn!(
                    call = self.peer.call_id,
                    "an update of metadata was passed over: it is too much in all"
                );
            }
        }
        self.note_pause().await;
        self.note_parties().await;
        headers.extend(abilities());
        headers.push(self.peer.contact());
        let sdp = changes_media.then(|| self.media.describe());
        if changes_media {
            self.told_muted = self.media.muted;
        }
        answer(tx, 200, headers, sdp).await;
        Ok(())
    }

    /// Tells the recorder of a pause that the client made, or ended.
    async fn note_pause(&mut self) {
        let paused = self.media.is_paused();
        if paused == std::mem::replace(&mut self.paused, paused) {
            return;
        }
        let asker = Asker::Protocol;
        let happening = if paused { Happening::PauseAsked(asker) } else { Happening::ResumeAsked(asker) };
        if let Some(answer) = self.happened(happening).await {
            // A client that goes on is answered by what holds now, and not by what held before.
            self.follow(answer.state);
        }
    }

    async fn note_parties(&mut self) {
        let legs = self.media.legs();
        for change in self.parties.update(&self.metadata, &legs, &self.trunk, self.paused) {
            match change {
                Change::Other(happening) => {
                    self.happened(happening).await;
                }
                Change::Joined(participant, new) => {
                    let leg = new.leg;
                    let answer = self.happened(Happening::PartyJoined(new)).await;
                    if let Some(party) = answer.and_then(|answer| answer.joined) {
                        self.parties.joined(participant, party, leg);
                    }
                }
            }
        }
    }

    async fn happened(&mut self, happening: Happening) -> Option<Answer> {
        let said = self.running.call.happened(happening).await;
        let call = &self.peer.call_id;
        said.inspect_err(|error| tracing::warn!(%error, call, "what happened could not be ruled on")).ok()
    }

    /// What the rules say now: silence from the client where it was recorded and is not any more, sound where it is again.
    /// Before it was ever recorded it goes on sending: the recording may begin with what is still in memory.
    fn follow(&mut self, state: RecordingState) {
        let was = std::mem::replace(&mut self.state, state);
        match state {
            RecordingState::Recording => self.media.mute(false),
            _ if self.pauses_at_client && was == RecordingState::Recording && !self.paused => {
                self.media.mute(true)
            }
            _ => {}
        }
    }

    /// Asks the client for what is wanted of it, unless it has been asked for something that it has not answered yet.
    fn ask_for_what_is_due(&mut self, inbox: &mpsc::Sender<Order>) {
        let now = Instant::now();
        let may_ask =
            self.is_acknowledged && self.asked.is_none() && self.ask_again.is_none_or(|at| at <= now);
        if !may_ask {
            return;
        }
        // A client that pauses anyhow hears of it when it goes on.
        if self.media.muted != self.told_muted && !self.paused {
            self.told_muted = self.media.muted;
            let sdp = self.media.describe();
            self.ask(Asked::Media, Method::Invite, Some((peer::SDP, sdp)), inbox);
        } else if self.lacks_metadata {
            self.lacks_metadata = false;
            tracing::warn!(call = self.peer.call_id, "metadata names an id that was never explained");
            if self.peer.takes_metadata_requests && self.peer.takes_update {
                let request = Some((peer::METADATA_REQUEST, SNAPSHOT.to_owned()));
                self.ask(Asked::Metadata, Method::Update, request, inbox);
            }
        } else if self.timer.refresh_at().is_some_and(|at| at <= now) {
            self.timer.refreshed(now);
            if self.peer.takes_update {
                self.ask(Asked::Refresh, Method::Update, None, inbox);
            } else {
                let sdp = self.media.describe();
                self.ask(Asked::Refresh, Method::Invite, Some((peer::SDP, sdp)), inbox);
            }
        }
    }

    fn ask(
        &mut self,
        what: Asked,
        method: Method,
        body: Option<(&'static str, String)>,
        inbox: &mpsc::Sender<Order>,
    ) {
        self.ask_again = None;
        let mut headers = abilities();
        headers.push(self.timer.header());
        headers.push(Header::Require("siprec".into()));
        match self.peer.ask(method, headers, body) {
            Ok(tx) => {
                self.asked = Some(method);
                let inbox = inbox.clone();
                tokio::spawn(async move {
                    let (response, tx) = peer::asked(tx).await;
                    // A session that is over asks no more.
                    let _ = inbox.send(Order::Answered(what, response.map(Box::new))).await;
                    drop(tx);
                });
            }
            Err(error) => tracing::warn!(%error, call = self.peer.call_id, "a SIP request could not be made"),
        }
    }

    async fn answered(&mut self, what: Asked, response: Option<&Response>) -> Next {
        self.asked = None;
        let status = response.map_or(408, |response| response.status_code.code());
        let call = &self.peer.call_id;
        match status {
            200..300 => {
                let sdp = response.map(|response| response.body.clone()).unwrap_or_default();
                self.hear_answer(&sdp).await;
                Next::On
            }
            491 => {
                if what == Asked::Media {
                    self.told_muted = !self.media.muted;
                }
                self.ask_again =
                    Some(Instant::now() + Duration::from_millis(rand::random_range(0..GLARE_MS_MAX)));
                Next::On
            }
            // RFC 5057 section 5.1: these mean that there is no such session any more.
            408 | 481 => {
                tracing::warn!(call, status, "the client of a recording session is gone");
                Next::Over(SealReason::Interrupted)
            }
            _ => {
                tracing::warn!(call, status, ?what, "a client did not do what it was asked for");
                Next::On
            }
        }
    }

    /// The client's answer to an offer of this host.
    async fn hear_answer(&mut self, sdp: &[u8]) {
        if sdp.is_empty() {
            return;
        }
        match sdp::parse(sdp, &self.desk.limits) {
            Ok(answer) => {
                self.media.answered(answer);
                self.note_pause().await;
            }
            Err(error) => tracing::warn!(%error, call = self.peer.call_id, "an answer cannot be used"),
        }
    }

    fn wakes_at(&self) -> Instant {
        let over = self.timer.over_at();
        let may_ask = self.is_acknowledged && self.asked.is_none() && self.ask_again.is_none();
        let due = [self.timer.refresh_at().filter(|_| may_ask), self.ask_again];
        due.into_iter().flatten().fold(over, Instant::min)
    }

    fn wake(&mut self) -> Next {
        let now = Instant::now();
        if self.ask_again.is_some_and(|at| at <= now) {
            self.ask_again = None;
        }
        if self.timer.over_at() <= now {
            tracing::warn!(call = self.peer.call_id, "a recording session gave no sign of life, and is over");
            return Next::Over(SealReason::Interrupted);
        }
        Next::On
    }

    async fn say_goodbye(&mut self) {
        let Ok(tx) = self.peer.ask(Method::Bye, vec![], None) else { return };
        let farewell = Duration::from_millis(self.desk.limits.farewell_ms);
        let goodbye = timeout(farewell, peer::asked(tx)).await;
        let is_taken =
            matches!(&goodbye, Ok((Some(r), _)) if r.status_code.kind() == StatusCodeKind::Successful);
        if !is_taken {
            tracing::info!(call = self.peer.call_id, "a BYE was not answered");
        }
    }
}

/// Waits for the ACK of an answer to an INVITE; the answer is sent again until it comes.
pub(super) async fn until_acknowledged(tx: &mut Transaction, inbox: mpsc::Sender<Order>) {
    let order = loop {
        match tx.receive().await {
            Some(SipMessage::Request(request)) if request.method == Method::Ack => {
                break Order::Acknowledged(request.body);
            }
            Some(_) => {}
            None => break Order::Unacknowledged,
        }
    };
    // A session that is over needs no acknowledgement.
    let _ = inbox.send(order).await;
}
