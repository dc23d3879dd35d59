//! Whoever watches a host: its verdicts as they are logged, and waiting for what has to come, with an end to the waiting.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::{StreamExt, stream::BoxStream};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

/// Longer than anything takes on a busy machine, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(60);

/// `GET /v1/live`: server-sent events.
pub struct Live {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    unread: Vec<u8>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What a client that comes back says as `Last-Event-ID`; empty where there is none.
    pub id: String,
    /// `verdict`, `duty`, `alert`, `missed`.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

impl Live {
    /// Watches what the client of this token may see, from now on.
    pub async fn open(url: &str, token: &str) -> anyhow::Result<Self> {
        Self::after(url, token, "", None).await
    }

    /// Watches one call, or all (``), and takes it up again after the event of this id.
    pub async fn after(url: &str, token: &str, call: &str, id: Option<&str>) -> anyhow::Result<Self> {
        let only = if call.is_empty() { String::new() } else { format!("?call={call}") };
        let request = reqwest::Client::new().get(format!("{url}/v1/live{only}")).bearer_auth(token);
        let request = match id {
            Some(id) => request.header("Last-Event-ID", id),
            None => request,
        };
        let answer = request.send().await?.error_for_status()?;
        let bytes = answer.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        Ok(Self { bytes, unread: vec![] })
    }

    /// The next event of any kind.
    pub async fn told(&mut self) -> anyhow::Result<Told> {
        // A stream that is kept alive and says nothing is waited for no longer than a silent one.
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(end) = self.unread.windows(2).position(|w| w == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let block = String::from_utf8(block)?;
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                if let Some(data) = field("data:") {
                    let text = |name| field(name).unwrap_or_default().to_owned();
                    let data = serde_json::from_str(data).unwrap_or_else(|_| Value::from(data));
                    return Ok(Told { id: text("id:"), kind: text("event:"), data });
                }
            }
            let chunk = timeout_at(deadline, self.bytes.next()).await.context("nothing is told")?;
            self.unread.extend(chunk.context("the host ended the stream")??);
        }
    }

    /// The next verdict; duties and alerts come on the same stream.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            let told = self.told().await?;
            if told.kind == "verdict" {
                return Ok(told.data);
            }
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
