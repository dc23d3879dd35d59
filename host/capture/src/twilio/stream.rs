//! One stream from its first message to its last: a socket in, a call out.

use std::{pin::pin, time::Duration};

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket};
use caveat_access::Scope;
use caveat_model::{Key, Offset};
use caveat_recorder::{Answer, Call, Happening, Live, RecorderError, RecordingState, Who};
use caveat_vault::SealReason;
use serde_json::json;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite;

use super::{
    message::{Message, Start, parse},
    order::Order,
    parameters::{self, Offered},
    play::Player,
};
use crate::{Limits, Rooms, error::CaptureError};

/// How long whoever is sent a close frame has to take it.
const CLOSE: Duration = Duration::from_secs(5);

/// Takes a stream in until it ends, one way or another, and closes its socket.
pub(super) async fn serve(mut socket: WebSocket, rooms: Rooms) {
    let closing = match take_in(&mut socket, &rooms).await {
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

async fn take_in(socket: &mut WebSocket, rooms: &Rooms) -> Result<(), CaptureError> {
    let ms = rooms.limits.first_message_ms;
    let start = timeout(Duration::from_millis(ms), start_of(socket))
        .await
        .map_err(|_| CaptureError::TooLate { what: "`start` message", ms })??;
    // A stream that ends before it starts is no call.
    let Some((start, sequence)) = start else { return Ok(()) };
    let (mut stream, answer) = Stream::begin(start, sequence, rooms).await?;
    let outcome = stream.listen(socket, answer).await;
    let reason = if let Ok(End::Stopped) = outcome { SealReason::Ended } else { SealReason::Interrupted };
    stream.end(reason).await?;
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
}

struct Stream {
    id: String,
    call: Call,
    order: Order,
    /// When the stream's own time began, as this host saw it.
    began: Instant,
    /// Frames that the recorder was too busy for.
    lost: u64,
    /// What happens on the host, if marks are wanted.
    watch: Option<broadcast::Receiver<Live>>,
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
    ) -> Result<(Self, Answer), CaptureError> {
        let &Limits { parameters_max, idle_ms, ahead_max_ms, .. } = &*rooms.limits;
        let (began, id) = (Instant::now(), start.stream.clone());
        let Offered { token, marks, plays_to_all, call } = parameters::read(start, parameters_max)?;
        let machine = rooms.access.machine(&token, Scope::Capture).await?;
        let watch = marks.then(|| rooms.recorder.watch().watch());
        let (call, answer) = rooms.recorder.open(&machine.client, call).await?;
        let player = match marks {
            true => Some(Player::new(call.cues().await?, plays_to_all)),
            false => None,
        };
        let mut order = Order::default();
        order.follows(sequence);
        Ok((
            Self { id, call, order, began, lost: 0, watch, told: None, player, idle_ms, ahead_max_ms },
            answer,
        ))
    }

    async fn listen(&mut self, socket: &mut WebSocket, answer: Answer) -> Result<End, CaptureError> {
        self.tell(socket, answer.state).await?;
        let call = self.call.clone();
        let mut over = pin!(call.sealed());
        let mut heard = Instant::now();
        loop {
            let idle = heard + Duration::from_millis(self.idle_ms);
            let text = tokio::select! {
                text = timeout_at(idle, next(socket)) => {
                    text.map_err(|_| CaptureError::TooLate { what: "message", ms: self.idle_ms })??
                }
                state = changed(&mut self.watch, &call) => {
                    self.tell(socket, state).await?;
                    continue;
                }
                messages = played(&mut self.player, &self.id) => {
                    for message in messages {
                        self.send(socket, message).await?;
                    }
                    continue;
                }
                () = &mut over => return Err(CaptureError::CallOver),
            };
            let Some(text) = text else { return Ok(End::Dropped) };
            heard = Instant::now();
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
            tracing::debug!(call = self.call.id(), "a message came twice or too late, and was passed over");
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
                    let frame = caveat_recorder::Frame::at_ms(media.track.leg(), media.at, media.samples);
                    let taken = self.call.hear(frame);
                    self.lost += u64::from(!taken);
                }
            }
            Message::Dtmf { track, symbol } => {
                let (start, end) = self.order.key_span(track);
                let key = Key { leg: track.leg(), start, end, symbol };
                // What changed is told by the watch, like every other change.
                self.call.happened(Happening::Key(key)).await?;
            }
            Message::Stop => return Ok(Some(End::Stopped)),
            Message::Mark(name) => {
                if let Some(notice) = self.player.as_mut().and_then(|player| player.heard(&name)) {
                    let who = Who::new("host", "played on the stream");
                    self.call.happened_by(Happening::NoticePlayed(notice), who).await?;
                }
            }
            Message::Connected => {}
            Message::Other => tracing::debug!(call = self.call.id(), "an unknown event was passed over"),
        }
        Ok(None)
    }

    /// Sends a mark, if marks are wanted and this one says something new.
    async fn tell(&mut self, socket: &mut WebSocket, state: RecordingState) -> Result<(), CaptureError> {
        if self.watch.is_none() || self.told == Some(state) {
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

    async fn end(&self, reason: SealReason) -> Result<(), CaptureError> {
        let Order { missed, stray, .. } = self.order;
        let (client, call, lost) = (self.call.client(), self.call.id(), self.lost);
        tracing::info!(%client, call, ?reason, missed, stray, lost, "a stream ended");
        match self.call.end(reason).await {
            // Somebody else ended it first.
            Ok(()) | Err(RecorderError::CallOver) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The messages of what is to be played next; never, if the stream takes no sound.
async fn played(player: &mut Option<Player>, stream: &str) -> Vec<String> {
    match player {
        Some(player) => player.next(stream).await,
        None => std::future::pending().await,
    }
}

/// The state of `call` after the next verdict on it; never, if nobody watches.
async fn changed(watch: &mut Option<broadcast::Receiver<Live>>, call: &Call) -> RecordingState {
    let Some(watch) = watch else { return std::future::pending().await };
    loop {
        match watch.recv().await {
            Ok(Live { client, call: id, state: Some(state), .. })
                if client == *call.client() && id == call.id() =>
            {
                return state;
            }
            // What was missed is made up for by the next verdict on the call.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// The next text message; none when the other side is gone.
async fn next(socket: &mut WebSocket) -> Result<Option<Utf8Bytes>, CaptureError> {
    loop {
        match socket.recv().await {
            Some(Ok(Frame::Text(text))) => return Ok(Some(text)),
            Some(Ok(Frame::Binary(_))) => return Err(CaptureError::Binary),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
            None | Some(Ok(Frame::Close(_))) => return Ok(None),
            Some(Err(error)) => return broken(error),
        }
    }
}

fn broken<T>(error: axum::Error) -> Result<Option<T>, CaptureError> {
    use tungstenite::error::{CapacityError, Error, ProtocolError};
    match error.into_inner().downcast_ref() {
        Some(&Error::Capacity(CapacityError::MessageTooLong { max_size, .. })) => {
            Err(CaptureError::TooLarge { what: "message", limit_bytes: max_size })
        }
        Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Ok(None),
        Some(Error::Protocol(_) | Error::Utf8(_)) => Err(CaptureError::NotWebSocket),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use axum::{Router, extract::WebSocketUpgrade, routing::any};
    use futures::{SinkExt, StreamExt};
    use tokio::{io::AsyncWriteExt, net::TcpListener};
    use tungstenite::Message as Sent;

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
