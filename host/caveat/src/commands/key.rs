//! `caveat key status`, `rotate`, `destroy`: at a running host, under a person's name.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::{
    pack::print,
    session::{Asker, Session},
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show where the key is, its versions, and how much each wraps.
    Status {
        #[command(flatten)]
        asker: Asker,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new version of the key. What old ones wrap is wrapped anew in the background; nothing sealed is read or
    /// written again.
    Rotate {
        #[command(flatten)]
        asker: Asker,
        /// Print the answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Destroy old versions of the key, once they wrap nothing any more: what was destroyed before then opens with no copy of
    /// the database. One person asks, another agrees (`--confirm`).
    Destroy {
        #[command(flatten)]
        asker: Asker,
        /// Versions before this one; left out: all but the newest.
        #[arg(long, value_name = "VERSION", conflicts_with = "confirm")]
        before: Option<u32>,
        /// Agree to the request of this number, which somebody else made.
        #[arg(long, value_name = "NUMBER")]
        confirm: Option<i64>,
        /// Print the answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(command: KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::Status { asker, json } => {
            let answer = ask(asker.sign_in().await?, Method::GET, &["v1", "keys"], &[]).await?;
            print(&answer, json, |_| status(&answer))?;
        }
        KeyCommand::Rotate { asker, json } => {
            let answer = ask(asker.sign_in().await?, Method::POST, &["v1", "keys", "rotate"], &[]).await?;
            let told = |_| {
                let version = &answer["version"];
                format!(
                    "version {version} wraps from now on; `caveat key status` shows what is still under others\n"
                )
            };
            print(&answer, json, told)?;
        }
        KeyCommand::Destroy { asker, confirm: None, before, json } => {
            let asked: Vec<_> = before.map(|v| ("before", v.to_string())).into_iter().collect();
            let answer =
                ask(asker.sign_in().await?, Method::POST, &["v1", "keys", "destroy"], &asked).await?;
            let told = |_| {
                let (id, before) = (&answer["id"], &answer["before"]);
                format!(
                    "asked to destroy versions before {before}: another person agrees with --confirm {id}\n"
                )
            };
            print(&answer, json, told)?;
        }
        KeyCommand::Destroy { asker, confirm: Some(id), json, .. } => {
            let id = id.to_string();
            let path = ["v1", "keys", "destroy", &id, "confirm"];
            let answer = ask(asker.sign_in().await?, Method::POST, &path, &[]).await?;
            print(&answer, json, |_| format!("versions before {} are destroyed\n", answer["before"]))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(
    session: Session,
    method: Method,
    path: &[&str],
    asked: &[(&str, String)],
) -> anyhow::Result<Value> {
    let answer = session.ask(session.request(method, path, asked)?).await?;
    let answer = answer.json().await.context("the host's answer")?;
    session.end().await?;
    Ok(answer)
}

fn status(answer: &Value) -> String {
    let mut out = format!("{}\n", answer["source"].as_str().unwrap_or_default());
    let versions: Vec<u64> =
        answer["versions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    for version in &versions {
        let count = answer["wrapped"][version.to_string()].as_u64().unwrap_or(0);
        let newest = if versions.last() == Some(version) { ", the newest" } else { "" };
        let _ = writeln!(out, "  version {version}: wraps {count} keys{newest}");
    }
    for request in answer["requests"].as_array().into_iter().flatten() {
        let (id, before, by) =
            (&request["id"], &request["before"], request["by"].as_str().unwrap_or_default());
        let _ = writeln!(out, "  request {id}: {by} asks to destroy versions before {before}");
    }
    out
}
