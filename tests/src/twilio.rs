//! A caller over the Twilio Media Streams WebSocket protocol, in real time, with the events that a sidecar's recognizer
//! and call control deliver beside it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::speech::{self, Said};

/// A frame: 20 ms.
const FRAME: usize = 160;
const FRAME_MS: u32 = 20;

/// The agent's leg.
pub const AGENT: u8 = 0;
/// The customer's leg.
pub const CUSTOMER: u8 = 1;

/// A call to be played.
#[derive(Default)]
pub struct Script {
    /// The phone system's id.
    pub id: String,
    parameters: BTreeMap<String, String>,
    tracks: [Vec<i16>; 2],
    events: Vec<(u32, What)>,
    clock_ms: u32,
    /// How long the recognizer takes after a phrase.
    pub recognizer_ms: u32,
    /// It does not say goodbye: the connection breaks off at its end.
    pub breaks_off: bool,
}

enum What {
    /// Posted to the call's events.
    Event(Value),
    /// A digit on the wire.
    Digit(u8, char),
}

/// What came of a call.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers to the events, in their order.
    pub answers: Vec<Value>,
    /// Names of the marks that the host sent ("caveat:recording").
    pub marks: Vec<String>,
}

impl Script {
    /// A call with these custom parameters (`agent-number`, `customer-region`, ...).
    pub fn new(id: &str, parameters: &[(&str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { id: id.to_owned(), parameters, recognizer_ms: 800, ..Self::default() }
    }

    /// Somebody says something; where in the call each word is.
    pub fn say(&mut self, leg: u8, text: &str) -> anyhow::Result<(u32, Said)> {
        let voice = if leg == AGENT { "en-us" } else { "en-us+f3" };
        let said = speech::say(text, voice)?;
        let at = self.clock_ms;
        self.sound(leg, &said.samples);
        let words = json!({"words": said.as_words(leg, at)});
        self.events.push((self.clock_ms + self.recognizer_ms, What::Event(words)));
        self.silence(200);
        Ok((at, said))
    }

    /// Somebody keys digits: tones on the track, and the event that Twilio sends.
    pub fn key(&mut self, leg: u8, digits: &str) -> (u32, u32) {
        let from = self.clock_ms;
        for digit in digits.chars() {
            self.sound(leg, &caveat_audio::dtmf::tone(digit, 120 * 8));
            self.events.push((self.clock_ms, What::Digit(leg, digit)));
            self.silence(80);
        }
        (from, self.clock_ms)
    }

    /// Something happens now.
    pub fn event(&mut self, happening: Value) {
        self.events.push((self.clock_ms, What::Event(happening)));
    }

    /// Nobody says anything.
    pub fn silence(&mut self, ms: u32) {
        self.clock_ms += ms;
    }

    /// How far the call has got.
    pub fn now(&self) -> u32 {
        self.clock_ms
    }

    /// A sound is heard.
    pub fn sound(&mut self, leg: u8, samples: &[i16]) {
        let track = &mut self.tracks[usize::from(leg)];
        track.resize(self.clock_ms as usize * 8, 0);
        track.extend_from_slice(samples);
        self.clock_ms += (samples.len() / 8) as u32;
        // Whole frames: the clock and the track never drift apart.
        self.clock_ms = self.clock_ms.div_ceil(FRAME_MS) * FRAME_MS;
    }

    /// Both are heard at once, from now on.
    pub fn sounds(&mut self, agent: &[i16], customer: &[i16]) {
        let from = self.clock_ms;
        self.sound(AGENT, agent);
        self.clock_ms = from;
        self.sound(CUSTOMER, customer);
    }

    /// Plays it into the host in real time.
    pub async fn play(mut self, url: &str, token: &str) -> anyhow::Result<Outcome> {
        self.events.sort_by_key(|(at, _)| *at);
        let last = self.events.last().map_or(0, |(at, _)| *at);
        let length_ms = self.clock_ms.max(last) + 400;
        let (socket, _) = connect_async(format!("{}/v1/twilio/media", url.replace("http", "ws"))).await?;
        let (mut send, mut receive) = socket.split();
        let marks = tokio::spawn(async move {
            let mut marks = Vec::new();
            while let Some(Ok(message)) = receive.next().await {
                match message {
                    Message::Text(text) => {
                        let value: Value = serde_json::from_str(&text).unwrap_or_default();
                        marks.extend(value["mark"]["name"].as_str().map(str::to_owned));
                    }
                    Message::Close(Some(frame)) if u16::from(frame.code) != 1000 => {
                        marks.push(format!("closed: {}", frame.reason));
                    }
                    _ => {}
                }
            }
            marks
        });
        let stream = format!("MZ{}", self.id);
        self.parameters
            .extend([("token".to_owned(), token.to_owned()), ("marks".to_owned(), "true".to_owned())]);
        send.send(text(&json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}))).await?;
        send.send(text(&self.start(&stream))).await?;

        let http = reqwest::Client::new();
        let mut outcome = Outcome::default();
        let mut events = std::mem::take(&mut self.events).into_iter().peekable();
        let mut posts = Vec::new();
        let began = Instant::now();
        for frame in 0..length_ms / FRAME_MS {
            let at = frame * FRAME_MS;
            tokio::time::sleep_until(began + Duration::from_millis(at.into())).await;
            for (leg, track) in [(AGENT, "outbound"), (CUSTOMER, "inbound")] {
                let media = json!({"event": "media", "sequenceNumber": (frame * 2 + u32::from(leg) + 2).to_string(),
                    "media": {"track": track, "chunk": (frame + 1).to_string(), "timestamp": at.to_string(),
                        "payload": BASE64_STANDARD.encode(self.frame(leg, frame))}, "streamSid": stream});
                send.send(text(&media)).await.context("the host closed the stream")?;
            }
            while let Some((_, what)) = events.next_if(|(when, _)| *when <= at) {
                match what {
                    What::Digit(leg, digit) => {
                        let track = if leg == AGENT { "outbound_track" } else { "inbound_track" };
                        let dtmf = json!({"event": "dtmf", "streamSid": stream,
                            "dtmf": {"track": track, "digit": digit.to_string()}});
                        send.send(text(&dtmf)).await?;
                    }
                    What::Event(happening) => {
                        let request = http
                            .post(format!("{url}/v1/calls/{}/events", self.id))
                            .bearer_auth(token)
                            .json(&happening);
                        // In order, and beside the audio, which does not wait.
                        posts.push(tokio::spawn(async move {
                            let answer = request.send().await?;
                            let status = answer.status();
                            let body: Value = answer.json().await?;
                            if !status.is_success() {
                                bail!("an event was not taken: {body}");
                            }
                            Ok(body)
                        }));
                    }
                }
            }
        }
        for post in posts {
            outcome.answers.push(post.await??);
        }
        if self.breaks_off {
            // Both halves have to go for the connection to go.
            marks.abort();
            return Ok(outcome);
        }
        send.send(text(&json!({"event": "stop", "streamSid": stream, "stop": {"callSid": self.id}}))).await?;
        send.close().await.ok();
        outcome.marks = tokio::time::timeout(Duration::from_secs(60), marks)
            .await
            .context("the host does not close")??;
        Ok(outcome)
    }

    fn start(&self, stream: &str) -> Value {
        json!({"event": "start", "sequenceNumber": "1", "streamSid": stream, "start": {
            "accountSid": "AC0", "streamSid": stream, "callSid": self.id, "tracks": ["inbound", "outbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self.parameters}})
    }

    fn frame(&self, leg: u8, frame: u32) -> Vec<u8> {
        let track = &self.tracks[usize::from(leg)];
        let from = (frame as usize * FRAME).min(track.len());
        let mut samples = track[from..(from + FRAME).min(track.len())].to_vec();
        samples.resize(FRAME, 0);
        caveat_audio::g711::to_mu_law(&samples)
    }
}

fn text(value: &Value) -> Message {
    Message::text(value.to_string())
}
