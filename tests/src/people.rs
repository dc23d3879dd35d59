//! People who sign in with both factors and ask for recordings.

use anyhow::{Context, bail};
use reqwest::{Client, Response, StatusCode, header::HeaderName};
use serde_json::{Value, json};

/// Everybody's password in tests and the demonstration.
pub const PASSWORD: &str = "correct horse battery 7";

/// A person with a session.
pub struct Person {
    http: Client,
    url: String,
    token: String,
}

/// What was served, or why it was not.
pub enum Heard {
    /// Samples per channel, and the verdict.
    Sound(Vec<Vec<i16>>, Value),
    /// The problem details.
    Refused(Value),
}

/// The code that an authenticator shows now, `steps` steps of 30 s later.
pub fn code(secret: &str, steps: u64) -> anyhow::Result<String> {
    let secret = totp_rs::Secret::try_from_base32(secret).map_err(|e| anyhow::anyhow!("{e:?}"))?;
    let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    Ok(totp.generate(now + 30 * steps).to_string())
}

impl Person {
    /// Signs in.
    pub async fn sign_in(url: &str, client: &str, id: &str, code: &str) -> anyhow::Result<Self> {
        let http = Client::new();
        let body = json!({"client": client, "person": id, "password": PASSWORD, "code": code});
        let answer = http.post(format!("{url}/v1/session")).json(&body).send().await?;
        if answer.status() != StatusCode::CREATED {
            bail!("{id} may not sign in: {}", answer.text().await?);
        }
        let answer: Value = answer.json().await?;
        let token = answer["token"].as_str().context("a token")?.to_owned();
        Ok(Self { http, url: url.to_owned(), token })
    }

    /// Somebody who has signed in elsewhere.
    pub fn with_session(url: &str, token: &str) -> Self {
        Self { http: Client::new(), url: url.to_owned(), token: token.to_owned() }
    }

    /// The same person at another host.
    pub fn at(&self, url: &str) -> Self {
        Self::with_session(url, &self.token)
    }

    /// A DELETE with the session.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Response> {
        Ok(self.http.delete(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await?)
    }

    /// The host has been restarted: connections to the one before are of no use.
    pub fn reconnect(&mut self) {
        self.http = Client::new();
    }

    /// A GET with the session.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        Ok(self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await?)
    }

    /// A GET with the session and some headers.
    pub async fn asks(&self, path: &str, headers: &[(HeaderName, &str)]) -> anyhow::Result<Response> {
        let asks = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let asks = headers.iter().fold(asks, |asks, (name, value)| asks.header(name, *value));
        Ok(asks.send().await?)
    }

    /// A POST with the session.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        Ok(self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body).send().await?)
    }

    /// Says that an alert was seen to.
    pub async fn confirm(&self, alert: &Value) -> anyhow::Result<()> {
        let path = format!("{}/v1/alerts/{}/confirm", self.url, alert["id"]);
        self.http.post(path).bearer_auth(&self.token).send().await?.error_for_status()?;
        Ok(())
    }

    /// Ids and states of the client's recordings.
    pub async fn recordings(&self, purpose: &str) -> anyhow::Result<Vec<(String, String)>> {
        let answer = self.get(&format!("/v1/recordings?purpose={purpose}")).await?;
        if !answer.status().is_success() {
            bail!("the list is refused: {}", answer.text().await?);
        }
        let rows: Vec<Value> = answer.json().await?;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Ok(rows.iter().map(|row| (text(row, "id"), text(row, "state"))).collect())
    }

    /// Asks to hear a recording.
    pub async fn play(&self, id: &str, purpose: &str) -> anyhow::Result<Heard> {
        let answer = self.get(&format!("/v1/recordings/{id}/audio?purpose={purpose}")).await?;
        if !answer.status().is_success() {
            return Ok(Heard::Refused(answer.json().await?));
        }
        let decided = answer.headers().get("caveat-decided").and_then(|v| v.to_str().ok()).unwrap_or("null");
        let decided = serde_json::from_str(decided)?;
        let wav = answer.bytes().await?;
        Ok(Heard::Sound(channels(&wav)?, decided))
    }
}

fn channels(wav: &[u8]) -> anyhow::Result<Vec<Vec<i16>>> {
    let mut reader = hound::WavReader::new(std::io::Cursor::new(wav))?;
    let count = usize::from(reader.spec().channels);
    let mut channels = vec![Vec::new(); count];
    for (i, sample) in reader.samples::<i16>().enumerate() {
        channels[i % count].push(sample?);
    }
    Ok(channels)
}

/// Loudness of a stretch of a channel: mean absolute sample.
pub fn loudness(channel: &[i16], from_ms: u32, to_ms: u32) -> u32 {
    let place = |ms: u32| (ms as usize * 8).min(channel.len());
    let part = &channel[place(from_ms)..place(to_ms)];
    let sum: u64 = part.iter().map(|s| u64::from(s.unsigned_abs())).sum();
    (sum / part.len().max(1) as u64) as u32
}
