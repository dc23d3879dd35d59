//! One stream from its first message to its last: a socket in, a call out.

use std::{pin::pin, time::Duration};

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket};
use caveat_access::Scope;
use caveat_model::{ClientId, Key, Offset};
use caveat_recorder::{Happening, RecordingState, Who};
use caveat_vault::SealReason;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Caller,
    message::{Message, Start, Track, parse},
    order::Order,
    parameters::{self, Offered},
    play,
};
use crate::{
    Limits, Rooms,
    error::CaptureError,
    line::{Line, Lines},
    player::{Audience, Player, Playing},
    running,
    socket::{self, Content},
};

/// How long whoever is sent a close frame has to take it.
const CLOSE: Duration = Duration::from_secs(5);

/// Takes a stream in until it ends, one way or another, and closes its socket.
pub(super) async fn serve(mut socket: WebSocket, rooms: Rooms, lines: Lines, caller: Caller) {
    let closing = match take_in(&mut socket, &rooms, &lines, &caller).await {
        Ok(()) => None,
        Err(error) => {
            if error.is_the_hosts() {
                tracing::error!(%error, "a stream was closed because the host failed");
            } else {
                tracing::info!(%error, "a stream was closed");
            }
            let (code, reason) = error.close();
            Some(CloseFrame { code, reason: reason.into() })
        }
    };
    // Whoever is gone needs no goodbye, and whoever does not take it is waited for no longer.
    let _ = timeout(CLOSE, socket.send(Frame::Close(closing))).await;
}

async fn take_in(
    socket: &mut WebSocket,
    rooms: &Rooms,
    lines: &Lines,
    caller: &Caller,
) -> Result<(), CaptureError> {
    let ms = rooms.limits.first_message_ms;
    let start = timeout(Duration::from_millis(ms), start_of(socket))
        .await
        .map_err(|_| CaptureError::TooLate { what: "`start` message", ms })??;
    // A stream that ends before it starts is no call.
    let Some((start, sequence)) = start else { return Ok(()) };
    let mut stream = Stream::begin(start, sequence, rooms, lines, caller).await?;
    let outcome = stream.listen(socket).await;
    stream.end(&outcome).await?;
    outcome.map(|_| ())
}

/// The `start` message and its number; none if the other side went away before.
async fn start_of(socket: &mut WebSocket) -> Result<Option<(Start, Option<u64>)>, CaptureError> {
    while let Some(text) = next(socket).await? {
        let received = parse(&text)?;
        match received.message {
            Message::Start(start) => return Ok(Some((start, received.sequence))),
            Message::Stop => return Ok(None),
            message @ (Message::Media(_) | Message::Dtmf { .. }) => {
                return Err(CaptureError::OutOfOrder {
                    event: message.event(),
                    wanted: "`start` comes first",
                });
            }
            Message::Connected | Message::Mark(_) | Message::Other => {}
        }
    }
    Ok(None)
}

/// How a stream came to its end without an error.
enum End {
    /// It said so.
    Stopped,
    /// The socket was closed or broke before.
    Dropped,
    /// Another stream goes on with its call.
    Replaced,
}

struct Stream {
    id: String,
    line: Line,
    order: Order,
    /// When the stream's own time began, as this host saw it.
    began: Instant,
    /// Frames that the recorder was too busy for.
    lost: u64,
    /// Marks of ours that came back.
    echoes: u64,
    /// What is being done with the call's audio, if marks are wanted.
    states: Option<watch::Receiver<RecordingState>>,
    told: Option<RecordingState>,
    /// What is to be played, if the stream takes sound.
    player: Option<Player>,
    idle_ms: u64,
    ahead_max_ms: Offset,
}

impl Stream {
    async fn begin(
        start: Start,
        sequence: Option<u64>,
        rooms: &Rooms,
        lines: &Lines,
        caller: &Caller,
    ) -> Result<Self, CaptureError> {
        let &Limits { parameters_max, idle_ms, stale_ms, ahead_max_ms, .. } = &*rooms.limits;
        let (began, id, account) = (Instant::now(), start.stream.clone(), start.account.clone());
        let Offered { token, marks, plays_to_all, call } = parameters::read(start, parameters_max)?;
        let client = whose(&token, account.as_deref(), rooms, caller).await?;
        let line = lines.open(&rooms.recorder, &client, call, &rooms.limits, stale_ms).await?;
        let states = marks.then(|| running::states(line.call()));
        let player = match marks {
            true => {
                let audience = if plays_to_all { Audience::All } else { Audience::Party(play::CUSTOMER) };
                Some(Player::new(line.call().cues().await?, audience))
            }
            false => None,
        };
        let mut order = Order::default();
        order.follows(sequence);
        Ok(Self {
            id,
            line,
            order,
            began,
            lost: 0,
            echoes: 0,
            states,
            told: None,
            player,
            idle_ms,
            ahead_max_ms,
        })
    }

    async fn listen(&mut self, socket: &mut WebSocket) -> Result<End, CaptureError> {
        let call = self.line.call().clone();
        let mut over = pin!(call.sealed());
        let mut heard = Instant::now();
        loop {
            let idle = heard + Duration::from_millis(self.idle_ms);
            let text = tokio::select! {
                text = timeout_at(idle, next(socket)) => match text {
                    Ok(text) => text?,
                    // A line that is dead may come back, like one that breaks off.
                    Err(_) => return Ok(End::Dropped),
                },
                state = followed(&mut self.states) => {
                    self.tell(socket, state).await?;
                    continue;
                }
                playing = played(&mut self.player) => {
                    self.play(socket, playing).await?;
                    continue;
                }
                () = self.line.replaced() => return Ok(End::Replaced),
                () = &mut over => return Err(CaptureError::CallOver),
            };
            let Some(text) = text else { return Ok(End::Dropped) };
            heard = Instant::now();
            self.line.heard();
            if let Some(end) = self.take(&text).await? {
                return Ok(end);
            }
        }
    }

    async fn take(&mut self, text: &str) -> Result<Option<End>, CaptureError> {
        let received = parse(text)?;
        if received.stream.is_some_and(|stream| stream != self.id) {
            let why = "its streamSid is not the one that `start` gave".to_owned();
            return Err(CaptureError::BadMessage { why });
        }
        if !self.order.follows(received.sequence) {
            tracing::debug!(
                call = self.line.call().id(),
                "a message came twice or too late, and was passed over"
            );
            return Ok(None);
        }
        match received.message {
            Message::Start(_) => {
                let wanted = "a stream has one `start`";
                return Err(CaptureError::OutOfOrder { event: "start", wanted });
            }
            Message::Media(media) => {
                let now = Offset::try_from(self.began.elapsed().as_millis()).unwrap_or(Offset::MAX);
                if let Some(media) = self.order.place(media, now.saturating_add(self.ahead_max_ms)) {
                    let at = self.line.from.saturating_add(media.at);
                    let frame = caveat_recorder::Frame::at_ms(media.track.leg(), at, media.samples);
                    let taken = self.line.call().hear(frame);
                    self.lost += u64::from(!taken);
                }
            }
            Message::Dtmf { track, symbol } => {
                let (start, end) = self.order.key_span(track);
                let (start, end) = (self.line.from.saturating_add(start), self.line.from.saturating_add(end));
                let key = Key { leg: track.leg(), start, end, symbol };
                // What changed is told like every other change.
                self.line.call().happened(Happening::Key(key)).await?;
            }
            Message::Stop => return Ok(Some(End::Stopped)),
            Message::Mark(name) => {
                self.echoes += 1;
                let heard = self.player.as_mut().zip(play::number(&name));
                if let Some(notice) = heard.and_then(|(player, number)| player.heard(number)) {
                    let who = Who::new("host", "played on the stream");
                    self.line.call().happened_by(Happening::NoticePlayed(notice), who).await?;
                }
            }
            Message::Connected => {}
            Message::Other => {
                tracing::debug!(call = self.line.call().id(), "an unknown event was passed over")
            }
        }
        Ok(None)
    }

    /// Plays to the people on the call. It is the track `outbound` of a bidirectional stream, which Twilio does not send
    /// back, and so it is heard here as well.
    async fn play(&mut self, socket: &mut WebSocket, playing: Playing) -> Result<(), CaptureError> {
        const PIECE_MS: Offset = 20;
        let at = Offset::try_from(self.began.elapsed().as_millis()).unwrap_or(Offset::MAX);
        let at = self.line.from.saturating_add(at);
        if let Some(player) = &mut self.player {
            player.begins(&playing, at);
        }
        let pieces = playing.sound.chunks(PIECE_MS as usize * 8);
        for (start, piece) in (at..).step_by(PIECE_MS as usize).zip(pieces) {
            let frame = caveat_recorder::Frame::at_ms(Track::Outbound.leg(), start, piece.to_vec());
            self.lost += u64::from(!self.line.call().hear(frame));
        }
        for message in play::messages(&self.id, &playing) {
            self.send(socket, message).await?;
        }
        Ok(())
    }

    /// Sends a mark, if it says something new.
    async fn tell(&mut self, socket: &mut WebSocket, state: RecordingState) -> Result<(), CaptureError> {
        if self.told == Some(state) {
            return Ok(());
        }
        self.told = Some(state);
        let word = match state {
            RecordingState::Recording => "recording",
            RecordingState::Suspended => "suspended",
            RecordingState::NotRecorded => "not-recorded",
        };
        let name = format!("caveat:{word}");
        let mark = json!({ "event": "mark", "streamSid": self.id, "mark": { "name": name } });
        self.send(socket, mark.to_string()).await
    }

    async fn send(&self, socket: &mut WebSocket, message: String) -> Result<(), CaptureError> {
        // A socket that cannot be written to is found out by the next read.
        timeout(Duration::from_millis(self.idle_ms), socket.send(Frame::text(message))).await.map_or_else(
            |_| Err(CaptureError::TooLate { what: "reading of a message", ms: self.idle_ms }),
            |_| Ok(()),
        )
    }

    /// Ends the call, unless its stream only broke off.
    async fn end(self, outcome: &Result<End, CaptureError>) -> Result<(), CaptureError> {
        let Order { missed, stray, .. } = self.order;
        let (client, call, lost, echoes) =
            (self.line.call().client(), self.line.call().id(), self.lost, self.echoes);
        let how = match outcome {
            Ok(End::Stopped) => "stopped",
            Ok(End::Dropped) => "dropped",
            Ok(End::Replaced) => "replaced",
            Err(_) => "failed",
        };
        tracing::info!(%client, call, how, missed, stray, lost, echoes, "a stream ended");
        match outcome {
            Ok(End::Dropped | End::Replaced) => Ok(()),
            Ok(End::Stopped) => Ok(self.line.end(SealReason::Ended).await?),
            Err(_) => Ok(self.line.end(SealReason::Interrupted).await?),
        }
    }
}

/// The state after it has changed, or is not known yet; never, if no marks are wanted.
async fn followed(states: &mut Option<watch::Receiver<RecordingState>>) -> RecordingState {
    match states {
        Some(states) => running::changed(states).await,
        None => std::future::pending().await,
    }
}

/// What is to be played next; never, if the stream takes no sound.
async fn played(player: &mut Option<Player>) -> Playing {
    match player {
        Some(player) => player.next().await,
        None => std::future::pending().await,
    }
}

/// The client whose call a stream carries: as signed, as a token says, or as both say.
async fn whose(
    token: &str,
    account: Option<&str>,
    rooms: &Rooms,
    caller: &Caller,
) -> Result<ClientId, CaptureError> {
    let known = caller.account.as_ref().filter(|_| caller.signed);
    if let Some(sid) = known.and_then(|known| known.account_sid.as_deref())
        && account != Some(sid)
    {
        return Err(CaptureError::Signature { why: "the stream is of another account" });
    }
    if let (Some(known), Some(client)) = (known, &caller.client)
        && !known.require_token
        && token.is_empty()
    {
        return Ok(client.clone());
    }
    if token.is_empty() {
        return Err(CaptureError::BadParameter { name: "token".to_owned(), wanted: "a machine token" });
    }
    let machine = rooms.access.machine(token, Scope::Capture).await?;
    match &caller.client {
        Some(client) if *client != machine.client => {
            Err(CaptureError::Signature { why: "the token is of another client than the URL" })
        }
        _ => Ok(machine.client),
    }
}

/// The next text message; none when the other side is gone.
async fn next(socket: &mut WebSocket) -> Result<Option<Utf8Bytes>, CaptureError> {
    match socket::next(socket).await? {
        Some(Content::Text(text)) => Ok(Some(text)),
        Some(Content::Binary(_)) => Err(CaptureError::Binary),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use axum::{Router, extract::WebSocketUpgrade, routing::any};
    use futures::{SinkExt, StreamExt};
    use tokio::{io::AsyncWriteExt, net::TcpListener};
    use tokio_tungstenite::tungstenite::Message as Sent;

    const MESSAGE_BYTES_MAX: usize = 1_000;

    /// Waits for `start` on a real socket, and closes with what came of it.
    async fn host() -> String {
        let media = |upgrade: WebSocketUpgrade| async {
            let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
            upgrade.on_upgrade(|mut socket| async move {
                let error = start_of(&mut socket).await.err();
                let closing = error.map(|error| error.close());
                let closing = closing.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
                let _ = socket.send(Frame::Close(closing)).await;
            })
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", any(media))).await });
        format!("ws://{address}/")
    }

    async fn closed_with(host: &str, message: Sent) -> Option<u16> {
        let (mut socket, _) = tokio_tungstenite::connect_async(host).await.unwrap();
        socket.send(message).await.unwrap();
        loop {
            if let Sent::Close(frame) = socket.next().await.unwrap().unwrap() {
                return frame.map(|frame| frame.code.into());
            }
        }
    }

    #[tokio::test]
    async fn a_socket_is_closed_with_the_code_for_what_came() {
        let host = host().await;
        let media = r#"{"event":"media","media":{"track":"inbound","timestamp":"5","payload":""}}"#;
        let large = " ".repeat(MESSAGE_BYTES_MAX + 1);
        let cases = [
            (Sent::text("{"), Some(1003)),
            (Sent::binary(vec![1, 2, 3]), Some(1003)),
            (Sent::text(media), Some(1008)),
            (Sent::text(r#"{"event":"start"}"#), Some(1008)),
            (Sent::text(large), Some(1009)),
            (Sent::text(r#"{"event":"stop"}"#), None),
        ];
        for (message, want) in cases {
            let shown = message.to_string();
            assert_eq!(closed_with(&host, message).await, want, "{shown}");
        }
    }

    #[tokio::test]
    async fn bytes_that_are_no_frames_are_a_protocol_error() {
        let (mut socket, _) = tokio_tungstenite::connect_async(host().await).await.unwrap();
        socket.get_mut().write_all(&[0xff; 64]).await.unwrap();
        let Sent::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
            panic!("no close frame")
        };
        assert_eq!(u16::from(frame.code), 1002);
    }
}
