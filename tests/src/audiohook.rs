//! A caller over Genesys AudioHook, written from the published protocol: signed upgrade, numbered messages, audio.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, handshake::client::Request},
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An integration that calls.
#[derive(Clone)]
pub struct Integration {
    /// `X-API-KEY`.
    pub key: String,
    /// In base64, as Genesys has it.
    pub secret: String,
    /// The organization's id.
    pub organization: String,
    /// Added to the nonce; the same one twice is a replay.
    pub nonce: Option<String>,
    /// How long ago the request was signed, in seconds.
    pub age_s: u64,
}

impl Integration {
    /// With this key and secret.
    pub fn new(key: &str, secret: &str) -> Self {
        let organization = "d7934305-0972-4844-938e-9060eef73d05".to_owned();
        Self { key: key.to_owned(), secret: secret.to_owned(), organization, nonce: None, age_s: 0 }
    }

    /// The signed upgrade request of a session.
    pub fn request(&self, url: &str, session: &str) -> anyhow::Result<Request> {
        let url = format!("{}/v1/audiohook", url.replace("http", "ws"));
        let mut request = url.as_str().into_client_request()?;
        let authority = request.uri().authority().context("an authority")?.to_string();
        let correlation = uuid::Uuid::now_v7().to_string();
        let nonce = self.nonce.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string());
        let created = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - self.age_s;
        let covered = [
            ("@request-target", "/v1/audiohook"),
            ("@authority", authority.as_str()),
            ("audiohook-organization-id", &self.organization),
            ("audiohook-session-id", session),
            ("audiohook-correlation-id", &correlation),
            ("x-api-key", &self.key),
        ];
        let names: Vec<String> = covered.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let parameters = format!(
            "({});keyid=\"{}\";nonce=\"{nonce}\";alg=\"hmac-sha256\";created={created};expires={}",
            names.join(" "),
            self.key,
            created + 30
        );
        let lines: String = covered.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
        let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(&self.secret)?)?;
        mac.update(format!("{lines}\"@signature-params\": {parameters}").as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let headers = [
            ("audiohook-organization-id", self.organization.clone()),
            ("audiohook-session-id", session.to_owned()),
            ("audiohook-correlation-id", correlation.clone()),
            ("x-api-key", self.key.clone()),
            ("signature-input", format!("sig1={parameters}")),
            ("signature", format!("sig1=:{signature}:")),
        ];
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse()?);
        }
        Ok(request)
    }

    /// Connects; the status of the answer where that is refused.
    pub async fn connect(&self, url: &str) -> anyhow::Result<Result<Session, u16>> {
        let id = uuid::Uuid::now_v7().to_string();
        connect(self.request(url, &id)?, self.clone(), id).await
    }
}

/// Sends an upgrade request.
pub async fn connect(
    request: Request,
    integration: Integration,
    id: String,
) -> anyhow::Result<Result<Session, u16>> {
    match connect_async(request).await {
        Ok((socket, _)) => Ok(Ok(Session { socket, integration, id, seq: 0, serverseq: 0, position: 0 })),
        Err(Error::Http(answer)) => Ok(Err(answer.status().as_u16())),
        Err(error) => Err(error.into()),
    }
}

/// A session.
pub struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    integration: Integration,
    /// Its id.
    pub id: String,
    /// Of the last message that was sent.
    pub seq: u64,
    serverseq: u64,
    /// In samples.
    pub position: u64,
}

impl Session {
    /// Sends a message.
    pub async fn send(&mut self, kind: &str, parameters: Value) -> anyhow::Result<()> {
        self.seq += 1;
        let position = format!("PT{}S", self.position as f64 / 8_000.0);
        let message = json!({"version": "2", "id": self.id, "type": kind, "seq": self.seq,
            "serverseq": self.serverseq, "position": position, "parameters": parameters});
        self.raw(Message::text(message.to_string())).await
    }

    /// Sends whatever it is.
    pub async fn raw(&mut self, message: Message) -> anyhow::Result<()> {
        Ok(self.socket.send(message).await?)
    }

    /// The next message; its numbers have to be right.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.context("nothing comes")?;
            match message.context("the socket was closed")?? {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text)?;
                    self.serverseq += 1;
                    if message["seq"] != self.serverseq
                        || message["id"] != self.id
                        || message["version"] != "2"
                    {
                        bail!("its numbers are wrong: {message}");
                    }
                    return Ok(message);
                }
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next message, which has to be of this kind.
    pub async fn expect(&mut self, kind: &str) -> anyhow::Result<Value> {
        let message = self.next().await?;
        if message["type"] != kind {
            bail!("{kind} is wanted: {message}");
        }
        Ok(message["parameters"].clone())
    }

    /// Opens a conversation between somebody in Texas and somebody in Georgia; what was chosen.
    pub async fn open(&mut self, conversation: &str) -> anyhow::Result<Value> {
        let facts = json!({"direction": "inbound", "parties": [
            {"role": "agent", "leg": 0, "stated": "TX"}, {"role": "customer", "leg": 1, "stated": "GA"}]});
        let media = |channels: &[&str]| json!({"type": "audio", "format": "PCMU", "channels": channels, "rate": 8000});
        let open = json!({"organizationId": self.integration.organization, "conversationId": conversation,
            "participant": {"id": self.id, "ani": "+14045550102", "aniName": "A", "dnis": "+13055550101"},
            "media": [media(&["external", "internal"]), media(&["external"]), media(&["internal"])],
            "language": "en-US", "customConfig": {"caveat": facts}});
        self.send("open", open).await?;
        self.expect("opened").await
    }

    /// Sends 20 ms of both sides at a time, at the pace of a call.
    pub async fn say(&mut self, external: i16, internal: i16, ms: u32) -> anyhow::Result<()> {
        let byte = |sample: i16| caveat_audio::g711::to_mu_law(&[sample, -sample]);
        let (external, internal) = (byte(external), byte(internal));
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..ms / 20 {
            pace.tick().await;
            let frame: Vec<u8> = (0..160).flat_map(|i| [external[i % 2], internal[i % 2]]).collect();
            self.raw(Message::binary(frame)).await?;
            self.position += 160;
        }
        Ok(())
    }

    /// Where the stream is, in whole milliseconds.
    pub fn position_ms(&self) -> u32 {
        (self.position / 8) as u32
    }

    /// Moves the position to now: the parameters that say what was not sent since.
    pub fn catch_up(&mut self, began: tokio::time::Instant) -> Value {
        let now = began.elapsed().as_millis() as u64 * 8;
        let (start, discarded) = (self.position, now.saturating_sub(self.position));
        self.position += discarded;
        let duration = |samples: u64| format!("PT{}S", samples as f64 / 8_000.0);
        json!({"start": duration(start), "discarded": duration(discarded)})
    }

    /// Why the host sends the session away, and whether it answers the goodbye.
    pub async fn sent_away(&mut self) -> anyhow::Result<String> {
        let away = self.expect("disconnect").await?;
        self.send("close", json!({"reason": "disconnect"})).await?;
        self.expect("closed").await?;
        Ok(format!("{}: {}", away["reason"].as_str().context("a reason")?, away["info"]))
    }
}
