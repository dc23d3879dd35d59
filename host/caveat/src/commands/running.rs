//! A running host, as the commands that work through it reach it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde_json::Value;

/// Which host, and who asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Running {
    /// The running host.
    #[arg(long, env = "CAVEAT_URL", default_value = "http://127.0.0.1:8480")]
    pub(crate) url: String,
    /// Environment variable with who asks: a session (`caveat person sign-in`), or where a machine may, its token (`caveat
    /// token create`).
    #[arg(long, default_value = "CAVEAT_TOKEN", value_name = "NAME")]
    token_env: String,
    /// Print the host's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a command ends with when the rules refuse.
const REFUSED: u8 = 3;

impl Running {
    /// A route of the host.
    pub(crate) fn at(&self, path: &str) -> anyhow::Result<Url> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        Url::parse(&url).with_context(|| format!("--url {} is no address", self.url))
    }

    pub(crate) async fn get(&self, path: &str, asked: &[(&str, Option<String>)]) -> anyhow::Result<Value> {
        let mut url = self.at(path)?;
        let given = asked.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        url.query_pairs_mut().extend_pairs(given);
        self.ask(Client::new().get(url)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.ask(Client::new().post(self.at(path)?).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Client::new().delete(self.at(path)?)).await
    }

    /// Sends a request as whoever asks; the host's answer, or what it says is wrong.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = self.send(request).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        answer.json().await.with_context(|| self.is_no_host())
    }

    /// Likewise, where the answer is not JSON.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let token = std::env::var(&self.token_env).with_context(|| {
            format!("{} is not set: put a session or a machine token of the client into it", self.token_env)
        })?;
        let request = request.bearer_auth(token.trim());
        let answer = request.send().await.with_context(|| format!("no host answers at {}", self.url))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body: Value = answer.json().await.with_context(|| self.is_no_host())?;
        let detail = body["detail"].as_str().unwrap_or("the host did not say why");
        let refused = body.get("decided").is_some();
        bail!(Refused { detail: format!("{detail} ({status})"), by_rules: refused })
    }

    fn is_no_host(&self) -> String {
        format!("{} is no Caveat host", self.url)
    }

    /// Prints an answer: as JSON, or as `text` has it.
    pub(crate) fn print(
        &self,
        answer: &Value,
        text: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<ExitCode> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(answer)?);
        } else {
            print!("{}", text(answer));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The host says no.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Refused {
    detail: String,
    by_rules: bool,
}

impl Refused {
    /// What the command ends with, if this is why it failed.
    pub(crate) fn exit_code(error: &anyhow::Error) -> Option<ExitCode> {
        let refused = error.downcast_ref::<Self>()?;
        refused.by_rules.then(|| ExitCode::from(REFUSED))
    }
}

/// A text of an answer; empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every row of an answer, a line each.
pub(crate) fn lines(answer: &Value, none: &str, line: impl Fn(&Value) -> String) -> String {
    match answer.as_array() {
        Some(rows) if !rows.is_empty() => rows.iter().map(|row| line(row) + "\n").collect(),
        _ => format!("{none}\n"),
    }
}
