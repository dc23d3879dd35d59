//! Whoever watches a host: its verdicts as they are logged, and waiting for what has to come, with an end to the waiting.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::{StreamExt, stream::BoxStream};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

/// Longer than anything takes on a busy machine, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// `GET /v1/live`: server-sent events.
pub struct Live {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    unread: Vec<u8>,
}

impl Live {
    /// Watches what the client of this token may see, from now on.
    pub async fn open(url: &str, token: &str) -> anyhow::Result<Self> {
        let request = reqwest::Client::new().get(format!("{url}/v1/live")).bearer_auth(token);
        let answer = request.send().await?.error_for_status()?;
        let bytes = answer.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        Ok(Self { bytes, unread: vec![] })
    }

    /// The next verdict.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        // A stream that is kept alive and says nothing is waited for no longer than a silent one.
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(end) = self.unread.windows(2).position(|w| w == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let block = String::from_utf8(block)?;
                // Duties and alerts come on the same stream.
                let is_verdict = block
                    .lines()
                    .any(|line| line.strip_prefix("event:").is_some_and(|e| e.trim() == "verdict"));
                let data = block.lines().find_map(|line| line.strip_prefix("data:"));
                if let Some(data) = data.filter(|_| is_verdict) {
                    return Ok(serde_json::from_str(data.trim())?);
                }
            }
            let chunk = timeout_at(deadline, self.bytes.next()).await.context("no verdict comes")?;
            self.unread.extend(chunk.context("the host ended the stream")??);
        }
    }

    /// The next verdict on an event of this name.
    pub async fn next_on(&mut self, event: &str) -> anyhow::Result<Value> {
        loop {
            let verdict = self.next().await?;
            if verdict["event"] == event {
                return Ok(verdict);
            }
        }
    }
}

/// Asks again and again until there is an answer.
pub async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("{what}: not after {} s", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
}
