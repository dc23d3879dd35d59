//! One session from its first message to its last: a socket in, a call out.

use std::{pin::pin, time::Duration};

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message as Frame, WebSocket},
};
use caveat_audio::{SAMPLES_PER_MS, g711};
use caveat_model::{Asker, Direction, Key, Offset, PartyRole};
use caveat_recorder::{Call, Happening, NewCall, NewParty, RecorderError, RecordingState};
use caveat_vault::SealReason;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Caller,
    message::{self, Channel, Discarded, Message, Open, Received},
};
use crate::{
    Rooms,
    error::CaptureError,
    line::{Line, Lines},
    running,
    socket::{self, Content},
};

/// How long the other side has to say goodbye after it was sent away, and to take a close frame.
const CLOSE: Duration = Duration::from_secs(5);
/// How long a key is taken to have been held: AudioHook tells neither its beginning nor its length.
const KEY_MS: Offset = 200;
/// A stream that says it is this many samples further than its audio has missed some of it; less is rounding.
const JUMP: u64 = 100 * SAMPLES_PER_MS as u64;

/// Takes a session in until it ends, one way or another, and closes its socket.
pub(super) async fn serve(socket: WebSocket, rooms: Rooms, lines: Lines, caller: Caller) {
    let mut session = Session { socket, seq: 0, clientseq: 0, position: 0, id: caller.session.clone() };
    let closing = match session.take_in(&rooms, &lines, &caller).await {
        Ok(()) => None,
        Err(error) => {
            if error.is_the_hosts() {
                tracing::error!(%error, "a session was closed because the host failed");
            } else {
                tracing::info!(%error, "a session was closed");
            }
            // Whoever is gone hears nothing.
            let _ = timeout(CLOSE, session.send_away(&error)).await;
            let (code, reason) = error.close();
            Some(CloseFrame { code, reason: reason.into() })
        }
    };
    let _ = timeout(CLOSE, session.socket.send(Frame::Close(closing))).await;
}

/// The socket, and the numbers of what went over it.
struct Session {
    socket: WebSocket,
    id: String,
    /// Of our last message.
    seq: u64,
    /// Of their last message.
    clientseq: u64,
    /// Where they said their stream is, in samples since it began.
    position: u64,
}

/// What comes in.
enum Incoming {
    Message(Message),
    Audio(Bytes),
}

impl Session {
    async fn take_in(&mut self, rooms: &Rooms, lines: &Lines, caller: &Caller) -> Result<(), CaptureError> {
        let ms = rooms.limits.first_message_ms;
        let open = timeout(Duration::from_millis(ms), self.open())
            .await
            .map_err(|_| CaptureError::TooLate { what: "`open` message", ms })??;
        // A session that ends before it opens is no call.
        let Some(open) = open else { return Ok(()) };
        if open.organization_id != caller.organization {
            return Err(CaptureError::Signature { why: "the session is of another organization" });
        }
        if message::is_null(&open.conversation_id) {
            self.send("opened", &json!({ "media": [], "startPaused": false })).await?;
            return self.probe(rooms.limits.idle_ms).await;
        }
        let began = Instant::now();
        let chosen = message::choose(&open.media).ok_or(CaptureError::NoMedia)?.clone();
        let call = facts(&open, &chosen.channels);
        let line = line(rooms, lines, caller, call).await?;
        self.send("opened", &json!({ "media": [&chosen], "startPaused": false })).await?;
        let mut stream = Stream {
            line,
            channels: chosen.channels,
            began,
            position: 0,
            pausing: Pausing::default(),
            may_pause: caller.key.pause_stream,
            dropped: 0,
            ahead_max_ms: rooms.limits.ahead_max_ms,
        };
        let outcome = self.listen(&mut stream, rooms.limits.idle_ms).await;
        let (client, call, dropped) = (stream.line.call().client(), stream.line.call().id(), stream.dropped);
        let ended = outcome.as_ref().ok().copied();
        tracing::info!(%client, call, ?ended, dropped, "a session ended");
        match outcome {
            // A line that is let go of without an end is held.
            Ok(End::Dropped | End::Replaced) => Ok(()),
            Ok(End::Closed(reason)) => {
                stream.line.end(reason).await?;
                self.send("closed", &json!({})).await
            }
            Err(error) => {
                stream.line.end(SealReason::Interrupted).await?;
                Err(error)
            }
        }
    }

    /// The `open` message; none if the other side went away before.
    async fn open(&mut self) -> Result<Option<Open>, CaptureError> {
        while let Some(incoming) = self.next().await? {
            match incoming {
                Incoming::Message(Message::Open(open)) => return Ok(Some(*open)),
                Incoming::Message(Message::Ping) => self.send("pong", &json!({})).await?,
                Incoming::Message(Message::Close { .. }) => {
                    self.send("closed", &json!({})).await?;
                    return Ok(None);
                }
                Incoming::Message(Message::Error { .. } | Message::Other { .. }) => {}
                Incoming::Audio(_) => return Err(out_of_order("audio", "`open` comes first")),
                Incoming::Message(_) => return Err(out_of_order("a message", "`open` comes first")),
            }
        }
        Ok(None)
    }

    /// Somebody tries whether they get through.
    async fn probe(&mut self, idle_ms: u64) -> Result<(), CaptureError> {
        loop {
            let next = timeout(Duration::from_millis(idle_ms), self.next()).await;
            match next.map_err(|_| CaptureError::TooLate { what: "message", ms: idle_ms })?? {
                None => return Ok(()),
                Some(Incoming::Message(Message::Close { .. })) => {
                    return self.send("closed", &json!({})).await;
                }
                Some(Incoming::Message(Message::Ping)) => self.send("pong", &json!({})).await?,
                Some(Incoming::Message(Message::Update { .. })) => self.send("updated", &json!({})).await?,
                Some(Incoming::Audio(_)) => return Err(out_of_order("audio", "a probe has no media")),
                Some(Incoming::Message(Message::Open(_))) => {
                    return Err(out_of_order("open", "a session has one `open`"));
                }
                Some(Incoming::Message(_)) => {}
            }
        }
    }

    async fn listen(&mut self, stream: &mut Stream, idle_ms: u64) -> Result<End, CaptureError> {
        let call: Call = stream.line.call().clone();
        let mut over = pin!(call.sealed());
        let mut states = running::states(&call);
        let mut heard = Instant::now();
        loop {
            let idle = heard + Duration::from_millis(idle_ms);
            let incoming = tokio::select! {
                incoming = timeout_at(idle, self.next()) => match incoming {
                    Ok(incoming) => incoming?,
                    Err(_) => return Ok(End::Dropped),
                },
                state = running::changed(&mut states) => {
                    if let Some(kind) = stream.follow(state) {
                        self.send(kind, &json!({})).await?;
                    }
                    continue;
                }
                () = stream.line.replaced() => return Ok(End::Replaced),
                () = &mut over => return Err(CaptureError::CallOver),
            };
            heard = Instant::now();
            stream.line.heard();
            if matches!(incoming, Some(Incoming::Message(_))) {
                stream.reach(self.position);
            }
            match incoming {
                None => return Ok(End::Dropped),
                Some(Incoming::Audio(bytes)) => stream.hear(&bytes)?,
                Some(Incoming::Message(Message::Ping)) => self.send("pong", &json!({})).await?,
                Some(Incoming::Message(Message::Update { language })) => {
                    tracing::debug!(call = call.id(), language, "the language changed");
                    self.send("updated", &json!({})).await?;
                }
                Some(Incoming::Message(message)) => {
                    if let Some(end) = stream.take(message).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// The next message, with its numbers checked; none when the other side is gone. Safe to give up on while it waits.
    async fn next(&mut self) -> Result<Option<Incoming>, CaptureError> {
        let text = match socket::next(&mut self.socket).await? {
            None => return Ok(None),
            Some(Content::Binary(bytes)) => return Ok(Some(Incoming::Audio(bytes))),
            Some(Content::Text(text)) => text,
        };
        let bad = |why: &str| Err(CaptureError::BadMessage { why: why.to_owned() });
        let Received { id, seq, serverseq, position, message } = message::parse(&text)?;
        if id != self.id {
            return bad("its id is not the session's");
        }
        if seq != self.clientseq.saturating_add(1) {
            return bad("its seq does not follow the one before");
        }
        if serverseq > self.seq {
            return bad("its serverseq is one that was never sent");
        }
        self.clientseq = seq;
        self.position = position.unwrap_or(0);
        Ok(Some(Incoming::Message(message)))
    }

    async fn send(&mut self, kind: &str, parameters: &Value) -> Result<(), CaptureError> {
        self.seq += 1;
        let text = message::write(&self.id, kind, self.seq, self.clientseq, parameters);
        let ms = u64::try_from(CLOSE.as_millis()).unwrap_or(u64::MAX);
        // A socket that cannot be written to is found out by the next read.
        let sent = timeout(CLOSE, self.socket.send(Frame::text(text))).await;
        sent.map_or(Err(CaptureError::TooLate { what: "reading of a message", ms }), |_| Ok(()))
    }

    /// Says why, and waits for the goodbye.
    async fn send_away(&mut self, error: &CaptureError) {
        let reason = if matches!(error, CaptureError::Signature { .. }) { "unauthorized" } else { "error" };
        let said = self.send("disconnect", &json!({ "reason": reason, "info": error.told() })).await;
        while said.is_ok() {
            match self.next().await {
                Ok(Some(Incoming::Message(Message::Close { .. }))) => {
                    let _ = self.send("closed", &json!({})).await;
                    return;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// The call's line. A second session of a running conversation is a call of its own.
async fn line(rooms: &Rooms, lines: &Lines, caller: &Caller, call: NewCall) -> Result<Line, CaptureError> {
    let (recorder, client, limits) = (&rooms.recorder, &caller.key.client, &rooms.limits);
    // A session that is paused sends little, and is not gone for that.
    let stale_ms = limits.idle_ms;
    match lines.open(recorder, client, call.clone(), limits, stale_ms).await {
        Err(RecorderError::CallExists { id }) => {
            let call = NewCall { external_id: format!("{id}:{}", caller.session), ..call };
            Ok(lines.open(recorder, client, call, limits, stale_ms).await?)
        }
        line => Ok(line?),
    }
}

/// How a session came to its end without an error.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It said so.
    Closed(SealReason),
    /// The socket was closed or broke before, or it will come back.
    Dropped,
    /// Another session goes on with its call.
    Replaced,
}

/// Who asked for the pause of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
enum Pausing {
    #[default]
    Runs,
    /// We did, because of a verdict.
    ByUs,
    /// They did.
    ByThem,
}

struct Stream {
    line: Line,
    channels: Vec<Channel>,
    /// When the stream's own time began, as this host saw it.
    began: Instant,
    /// Where the next audio is, in samples since the stream began.
    position: u64,
    pausing: Pausing,
    may_pause: bool,
    /// Frames from the future, or that the recorder was too busy for.
    dropped: u64,
    ahead_max_ms: Offset,
}

impl Stream {
    fn hear(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        if self.pausing == Pausing::ByThem {
            return Err(out_of_order("audio", "the stream is paused"));
        }
        let count = self.channels.len();
        if !bytes.len().is_multiple_of(count) {
            let why = format!("{} bytes of audio are not of {count} channels", bytes.len());
            return Err(CaptureError::BadMessage { why });
        }
        let samples = (bytes.len() / count) as u64;
        if self.position > self.latest() {
            self.dropped += 1;
        } else {
            for (i, channel) in self.channels.iter().enumerate() {
                let of_channel: Vec<u8> = bytes.iter().skip(i).step_by(count).copied().collect();
                let at = u64::from(self.line.from) * u64::from(SAMPLES_PER_MS) + self.position;
                let samples = g711::from_mu_law(&of_channel);
                let frame = caveat_recorder::Frame { leg: channel.leg(), voice: 0, at, samples };
                self.dropped += u64::from(!self.line.call().hear(frame));
            }
        }
        self.position = self.position.saturating_add(samples);
        Ok(())
    }

    async fn take(&mut self, message: Message) -> Result<Option<End>, CaptureError> {
        match message {
            Message::Close { reason } => {
                return Ok(Some(match reason.as_str() {
                    "reconnect" => End::Dropped,
                    "error" => End::Closed(SealReason::Interrupted),
                    _ => End::Closed(SealReason::Ended),
                }));
            }
            Message::Paused if self.pausing == Pausing::Runs => {
                self.pausing = Pausing::ByThem;
                self.line.call().happened(Happening::PauseAsked(Asker::Protocol)).await?;
            }
            Message::Resumed(discarded) => {
                self.skip(discarded)?;
                if self.pausing == Pausing::ByThem {
                    self.line.call().happened(Happening::ResumeAsked(Asker::Protocol)).await?;
                }
                self.pausing = Pausing::Runs;
            }
            Message::Discarded(discarded) => self.skip(discarded)?,
            Message::Dtmf { symbol } => {
                let heard =
                    Offset::try_from(self.position / u64::from(SAMPLES_PER_MS)).unwrap_or(Offset::MAX);
                let end = self.line.from.saturating_add(heard);
                let (leg, start) = (Channel::External.leg(), end.saturating_sub(KEY_MS));
                self.line.call().happened(Happening::Key(Key { leg, start, end, symbol })).await?;
            }
            Message::Error { code, message } => {
                tracing::info!(
                    call = self.line.call().id(),
                    code,
                    message,
                    "the other side reports an error"
                );
            }
            Message::Open(_) => return Err(out_of_order("open", "a session has one `open`")),
            Message::Other { kind } => {
                tracing::debug!(call = self.line.call().id(), kind, "an unknown message was passed over");
            }
            Message::Paused | Message::Ping | Message::Update { .. } => {}
        }
        Ok(None)
    }

    /// Goes on where the other side says it is, if that is further than what it has sent.
    fn reach(&mut self, position: u64) {
        if position > self.position.saturating_add(JUMP) && position <= self.latest() {
            self.position = position;
        }
    }

    /// Goes on behind what was not sent.
    fn skip(&mut self, Discarded { start, length }: Discarded) -> Result<(), CaptureError> {
        let end = start.saturating_add(length);
        if end > self.latest() {
            let why = "it discards audio of a time that has not come".to_owned();
            return Err(CaptureError::BadMessage { why });
        }
        self.position = self.position.max(end);
        Ok(())
    }

    /// What has to be asked of the other side after a verdict.
    fn follow(&mut self, state: RecordingState) -> Option<&'static str> {
        match (state, &self.pausing) {
            (RecordingState::Suspended, Pausing::Runs) if self.may_pause => {
                self.pausing = Pausing::ByUs;
                Some("pause")
            }
            (RecordingState::Recording, Pausing::ByUs) => Some("resume"),
            _ => None,
        }
    }

    /// The last sample that can have been heard by now, with the grace for clocks and networks.
    fn latest(&self) -> u64 {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        now.saturating_add(self.ahead_max_ms.into()).saturating_mul(SAMPLES_PER_MS.into())
    }
}

/// What an `open` message says of the call.
fn facts(open: &Open, channels: &[Channel]) -> NewCall {
    let mut call = open.custom_config.caveat.clone().unwrap_or_default();
    call.external_id = open.conversation_id.clone();
    call.began = None;
    let on = |channel: Channel| channels.contains(&channel).then(|| channel.leg());
    if call.parties.is_empty() {
        let party = |role, leg| NewParty { role, leg, ..NewParty::default() };
        call.parties = vec![
            party(PartyRole::Agent, on(Channel::Internal)),
            party(PartyRole::Customer, on(Channel::External)),
        ];
    }
    // The agent's side of the two is the business's number, which says little of where the agent is.
    let number = match call.direction {
        Direction::Outbound => &open.participant.dnis,
        _ => &open.participant.ani,
    };
    let number = number.strip_prefix("tel:").unwrap_or(number);
    if let Some(customer) = call.parties.iter_mut().find(|p| p.role == PartyRole::Customer) {
        if customer.number.is_none() && !number.is_empty() {
            customer.number = Some(number.to_owned());
        }
        if customer.language.is_empty() {
            customer.language.clone_from(&open.language);
        }
    }
    call
}

fn out_of_order(event: &'static str, wanted: &'static str) -> CaptureError {
    CaptureError::OutOfOrder { event, wanted }
}
