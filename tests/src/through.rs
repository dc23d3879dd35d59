//! Commands that work through a running host, as people give them: a session in the environment, answers as JSON.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{
    host::{Host, program},
    people::{PASSWORD, Person, code},
};

/// Somebody at a terminal, signed in.
pub struct Terminal {
    url: String,
    session: String,
}

impl Terminal {
    /// Signs in by `caveat person sign-in`.
    pub fn sign_in(host: &Host, client: &str, id: &str, secret: &str) -> anyhow::Result<Self> {
        let args = ["person", "sign-in", "--url", &host.url, "--client", client, "--id", id];
        let session = host.command(&args, &format!("{PASSWORD}\n{}\n", code(secret, 0)?))?;
        Ok(Self { url: host.url.clone(), session: session.trim().to_owned() })
    }

    /// The same person at the API.
    pub fn person(&self) -> Person {
        Person::with_session(&self.url, &self.session)
    }

    /// Runs a command; its exit code, and what it printed to standard output and to standard error.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<(i32, String, String)> {
        let output = Command::new(program()?)
            .args(["--log", "error"])
            .args(args)
            .env("CAVEAT_URL", &self.url)
            .env("CAVEAT_TOKEN", &self.session)
            .stdin(Stdio::null())
            .output()?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("text");
        Ok((output.status.code().unwrap_or(-1), text(output.stdout)?, text(output.stderr)?))
    }

    /// Runs a command that has to succeed, with `--json`; its answer.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        match self.run(&[args, &["--json"]].concat())? {
            (0, out, _) => serde_json::from_str(&out).context("an answer as JSON"),
            (code, _, err) => bail!("caveat {} ended with {code}:\n{err}", args.join(" ")),
        }
    }
}
