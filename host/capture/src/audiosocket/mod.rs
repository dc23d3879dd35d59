//! Asterisk's AudioSocket: TCP, off unless `[audiosocket] listen` is set.
//!
//! A connection says an id and then sends the audio of one leg; it carries no facts and no secret. So a call is announced
//! first: `POST /v1/calls/announced` with `{"call": {..}, "streams": [{"id": UUID, "leg": 0}, ..]}`. One stream is one leg,
//! and what Asterisk mixed stays mixed. For two legs, two connections (a snoop channel per direction) are announced as two
//! streams of one call: the first that comes begins it, the other joins, and it ends when the last has gone. An id that
//! nobody announced belongs to `[audiosocket] client`, with unknown parties, which packs treat strictly; without one it is
//! refused.
//!
//! Asterisk sends while there is audio, and the protocol has no time: a frame lies where the one before it ended, or
//! where it came, if nothing had come for [`JUMP_MS`]. Rates above 8,000 Hz are resampled.
//!
//! A stream that is announced with `"plays": true` carries sound both ways: whoever is on the channel of a dialplan's
//! `AudioSocket()` is played the notice and the tone that the rules ask for. Otherwise the host sends nothing back, as it
//! has to be on a channel that only listens in.

mod frame;
mod play;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use audio_codec::BoxedResampler;
use caveat_audio::{SAMPLE_RATE_HZ, SAMPLES_PER_MS};
use caveat_model::{ClientId, Key, Offset, PartyRole};
use caveat_recorder::{Arrived, Call, Frame, Happening, NewCall, NewParty, RecorderError};
use caveat_vault::SealReason;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use crate::{Limits, Rooms, error::CaptureError};
use frame::{HEADER_BYTES, Message};

/// When nothing comes for so long, nobody spoke; less is jitter.
const JUMP_MS: u64 = 200;
/// How long a key is taken to have been held: AudioSocket tells neither its beginning nor its length.
const KEY_MS: Offset = 200;

/// Takes connections in until the process ends.
pub(crate) async fn serve(listener: TcpListener, rooms: Rooms) {
    let seats = Arc::new(Semaphore::new(rooms.limits.streams_max.min(Semaphore::MAX_PERMITS)));
    let calls = Calls::default();
    loop {
        let (socket, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: others may be given back meanwhile.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(seat) = seats.clone().try_acquire_owned() else {
            tracing::warn!(%from, limit = rooms.limits.streams_max, "too many streams: a connection was closed");
            continue;
        };
        let (rooms, calls) = (rooms.clone(), calls.clone());
        tokio::spawn(async move {
            match take_in(socket, &rooms, &calls).await {
                Ok(()) => {}
                Err(error) if error.is_the_hosts() => {
                    tracing::error!(%from, %error, "a connection was closed")
                }
                Err(error) => tracing::info!(%from, %error, "a connection was closed"),
            }
            drop(seat);
        });
    }
}

async fn take_in(mut socket: TcpStream, rooms: &Rooms, calls: &Calls) -> Result<(), CaptureError> {
    let ms = rooms.limits.first_message_ms;
    let first = timeout(Duration::from_millis(ms), next(&mut socket))
        .await
        .map_err(|_| CaptureError::TooLate { what: "id of the stream", ms })??;
    let id = match first {
        None | Some(Message::Hangup) => return Ok(()),
        Some(Message::Id(id)) => id,
        Some(_) => return Err(CaptureError::OutOfOrder { event: "a message", wanted: "the id comes first" }),
    };
    let mut stream = calls.join(rooms, id, Instant::now()).await?;
    let (mut reading, writing) = socket.into_split();
    let speaker = stream.side.plays.then(|| stream.speaker(rooms.limits.idle_ms));
    let outcome = tokio::select! {
        outcome = stream.listen(&mut reading, rooms.limits.idle_ms) => outcome,
        never = play::play(speaker, writing) => match never {},
    };
    let reason = if let Ok(()) = outcome { SealReason::Ended } else { SealReason::Interrupted };
    calls.leave(stream, reason).await?;
    outcome
}

/// The next message; none when the other side is gone.
async fn next(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<Message>, CaptureError> {
    let mut head = [0; HEADER_BYTES];
    if socket.read_exact(&mut head).await.is_err() {
        return Ok(None);
    }
    let (kind, length) = frame::header(head);
    let mut content = vec![0; length];
    if socket.read_exact(&mut content).await.is_err() {
        return Ok(None);
    }
    let message = frame::read(kind, &content);
    message.map(Some).map_err(|bad| CaptureError::BadMessage { why: bad.0.to_owned() })
}

/// Running calls, by client and id, with the number of their streams.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<HashMap<(ClientId, String), Running>>>);

struct Running {
    call: Call,
    began: Instant,
    streams: usize,
}

impl Calls {
    /// The stream's call: one that its other streams have begun, or a new one.
    async fn join(&self, rooms: &Rooms, id: Uuid, came: Instant) -> Result<Stream, CaptureError> {
        let announced = rooms.recorder.announced().take(id).await;
        let unannounced = || {
            let client = rooms.sources.audiosocket.as_ref()?.client.clone()?;
            Some(Arrived { client, call: unknown(id), leg: 0, plays: false })
        };
        let arrived = announced.or_else(unannounced).ok_or(CaptureError::NotAnnounced)?;
        let Arrived { client, call, leg, plays } = arrived;
        let side = Side { leg, plays };
        let key = (client.clone(), call.external_id.clone());
        if let Some(stream) = self.joined(&key, side, came, &rooms.limits) {
            return Ok(stream);
        }
        match rooms.recorder.open(&client, call).await {
            Ok((call, _)) => {
                let running = Running { call: call.clone(), began: came, streams: 1 };
                self.table().insert(key, running);
                Ok(Stream::new(call, side, (came, came), &rooms.limits))
            }
            // Another stream of the call came at the same time: it has the table soon.
            Err(error @ RecorderError::CallExists { .. }) => {
                let patience = Duration::from_millis(rooms.limits.first_message_ms);
                timeout(patience, self.comes(&key, side, came, &rooms.limits)).await.map_err(|_| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn comes(&self, key: &(ClientId, String), side: Side, came: Instant, limits: &Limits) -> Stream {
        loop {
            if let Some(stream) = self.joined(key, side, came, limits) {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn joined(&self, key: &(ClientId, String), side: Side, came: Instant, limits: &Limits) -> Option<Stream> {
        let mut table = self.table();
        let running = table.get_mut(key)?;
        running.streams += 1;
        Some(Stream::new(running.call.clone(), side, (running.began, came), limits))
    }

    /// The stream has gone; with the last one, the call ends.
    async fn leave(&self, stream: Stream, reason: SealReason) -> Result<(), CaptureError> {
        let key = (stream.call.client().clone(), stream.call.id().to_owned());
        let (client, call, leg, lost) = (&key.0, &key.1, stream.side.leg, stream.lost);
        tracing::info!(%client, call, leg, ?reason, lost, "a stream ended");
        let last = match self.table().entry(key) {
            Entry::Occupied(mut entry) => {
                let streams = entry.get().streams.saturating_sub(1);
                entry.get_mut().streams = streams;
                (streams == 0).then(|| entry.remove()).is_some()
            }
            Entry::Vacant(_) => true,
        };
        if !last {
            return Ok(());
        }
        match stream.call.end(reason).await {
            // Somebody else ended it first.
            Ok(()) | Err(RecorderError::CallOver) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<(ClientId, String), Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call of which only an id is known: two parties, somewhere, mixed on one leg.
fn unknown(id: Uuid) -> NewCall {
    let party = |role| NewParty { role, leg: Some(0), ..NewParty::default() };
    NewCall {
        external_id: id.to_string(),
        parties: vec![party(PartyRole::Agent), party(PartyRole::Customer)],
        ..NewCall::default()
    }
}

/// Which side of a call a stream is.
#[derive(Debug, Clone, Copy)]
struct Side {
    leg: u8,
    /// Those on the leg hear what is sent back.
    plays: bool,
}

struct Stream {
    call: Call,
    side: Side,
    began: Instant,
    /// Where the audio heard so far ends, in samples since the call began; at first, when the stream began.
    heard: u64,
    resampler: Option<(u32, BoxedResampler)>,
    /// How far ahead of the time that has passed audio may be, in samples.
    ahead_max: u64,
    /// Frames that the recorder was too busy for, or that came far faster than time.
    lost: u64,
}

impl Stream {
    /// Of a call that began at one time, in a stream that came at another.
    fn new(call: Call, side: Side, (began, came): (Instant, Instant), limits: &Limits) -> Self {
        let ahead_max = u64::from(limits.ahead_max_ms) * u64::from(SAMPLES_PER_MS);
        let came = u64::try_from(came.duration_since(began).as_millis()).unwrap_or(0);
        let heard = came.saturating_mul(SAMPLES_PER_MS.into());
        Self { call, side, began, heard, resampler: None, ahead_max, lost: 0 }
    }

    /// Whoever plays on it. What is written has to be taken within `idle_ms`.
    fn speaker(&self, idle_ms: u64) -> play::Speaker {
        play::Speaker { call: self.call.clone(), leg: self.side.leg, began: self.began, idle_ms }
    }

    async fn listen(&mut self, reading: &mut OwnedReadHalf, idle_ms: u64) -> Result<(), CaptureError> {
        let call = self.call.clone();
        loop {
            let asked = Instant::now();
            let idle = asked + Duration::from_millis(idle_ms);
            let message = tokio::select! {
                message = timeout_at(idle, next(reading)) => {
                    message.map_err(|_| CaptureError::TooLate { what: "message", ms: idle_ms })??
                }
                () = call.sealed() => return Err(CaptureError::CallOver),
            };
            match message {
                None | Some(Message::Hangup) => return Ok(()),
                Some(Message::Audio { rate_hz, samples }) => self.hear(rate_hz, &samples, asked.elapsed())?,
                Some(Message::Dtmf(symbol)) => {
                    let end = self.heard / u64::from(SAMPLES_PER_MS);
                    let end = Offset::try_from(end).unwrap_or(Offset::MAX);
                    let key = Key { leg: self.side.leg, start: end.saturating_sub(KEY_MS), end, symbol };
                    self.call.happened(Happening::Key(key)).await?;
                }
                Some(Message::Error(code)) => {
                    tracing::info!(call = self.call.id(), ?code, "the other side reports an error");
                    return Err(CaptureError::BadMessage {
                        why: "the other side reports an error".to_owned(),
                    });
                }
                Some(Message::Id(_)) => {
                    return Err(CaptureError::OutOfOrder { event: "id", wanted: "a stream has one id" });
                }
                Some(Message::Other(kind)) => {
                    tracing::debug!(call = self.call.id(), kind, "an unknown message was passed over");
                }
            }
        }
    }

    fn hear(&mut self, rate_hz: u32, samples: &[i16], waited: Duration) -> Result<(), CaptureError> {
        let samples = self.at_our_rate(rate_hz, samples)?;
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = now.saturating_mul(SAMPLES_PER_MS.into());
        let length = samples.len() as u64;
        // It was spoken before it came. What waited while we were busy is not late.
        let at = match waited >= Duration::from_millis(JUMP_MS) {
            true => self.heard.max(now.saturating_sub(length)),
            false => self.heard,
        };
        if at > now.saturating_add(self.ahead_max) {
            self.lost += 1;
            return Ok(());
        }
        if at > self.heard {
            // By TCP nothing is lost.
            self.call.quiet(self.side.leg, self.heard..at);
        }
        self.heard = at.saturating_add(length);
        let taken = self.call.hear(Frame { leg: self.side.leg, voice: 0, at, samples });
        self.lost += u64::from(!taken);
        Ok(())
    }

    fn at_our_rate(&mut self, rate_hz: u32, samples: &[i16]) -> Result<Vec<i16>, CaptureError> {
        if rate_hz == SAMPLE_RATE_HZ {
            return Ok(samples.to_vec());
        }
        let resampler = match &mut self.resampler {
            Some((rate, resampler)) if *rate == rate_hz => resampler,
            slot => {
                let made = BoxedResampler::new(rate_hz as usize, SAMPLE_RATE_HZ as usize);
                let made =
                    made.map_err(|_| CaptureError::MediaFormat { given: format!("audio at {rate_hz} Hz") })?;
                &mut slot.insert((rate_hz, made)).1
            }
        };
        Ok(resampler.resample(samples))
    }
}

/// See [`crate::fuzz`].
pub(crate) fn fuzz_stream(mut stream: &[u8]) -> usize {
    let mut messages = 0;
    while let Some((header, rest)) = stream.split_first_chunk() {
        let (kind, length) = frame::header(*header);
        let Some((content, rest)) = rest.split_at_checked(length) else { break };
        match frame::read(kind, content) {
            Ok(frame::Message::Audio { rate_hz, samples }) => {
                assert!(samples.len() * 2 == length && (8_000..=192_000).contains(&rate_hz));
            }
            Ok(_) => {}
            Err(_) => break,
        }
        (messages, stream) = (messages + 1, rest);
    }
    messages
}
