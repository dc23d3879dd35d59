//! `caveat key status`, `rotate`, `destroy`: at a running host, under a person's name.

use std::{fmt::Write as _, process::ExitCode};

use clap::Subcommand;
use reqwest::Client;
use serde_json::{Value, json};

use super::{
    erase::waits,
    running::{Running, text},
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show where the key is, its versions, and how much each wraps.
    Status {
        #[command(flatten)]
        host: Running,
    },
    /// Make a new version of the key. What old ones wrap is wrapped anew in the background; nothing sealed is read or
    /// written again.
    Rotate {
        #[command(flatten)]
        host: Running,
    },
    /// Ask for old versions of the key to be destroyed, once they wrap nothing any more: what was destroyed before then
    /// opens with no copy of the database. A second person confirms.
    Destroy {
        #[command(flatten)]
        host: Running,
        /// Versions before this one; left out: all but the newest.
        #[arg(long, value_name = "VERSION")]
        before: Option<u32>,
        /// In your own words; kept sealed.
        #[arg(long, default_value = "", value_name = "TEXT")]
        reason: String,
    },
}

pub(crate) async fn run(command: KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::Status { host } => {
            let answer = host.get("/v1/keys", &[]).await?;
            host.print(&answer, status)
        }
        KeyCommand::Rotate { host } => {
            let answer = host.post("/v1/keys/rotate", &json!({})).await?;
            host.print(&answer, |a| {
                let version = &a["version"];
                format!(
                    "version {version} wraps from now on; `caveat key status` shows what is still under others\n"
                )
            })
        }
        KeyCommand::Destroy { host, before, reason } => {
            let mut url = host.at("/v1/keys/destroy")?;
            url.query_pairs_mut().append_pair("reason", &reason);
            if let Some(version) = before {
                url.query_pairs_mut().append_pair("before", &version.to_string());
            }
            let answer = host.ask(Client::new().post(url)).await?;
            host.print(&answer, waits)
        }
    }
}

fn status(answer: &Value) -> String {
    let mut out = format!("{}\n", text(&answer["source"]));
    let versions: Vec<u64> =
        answer["versions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    for version in &versions {
        let count = answer["wrapped"][version.to_string()].as_u64().unwrap_or(0);
        let newest = if versions.last() == Some(version) { ", the newest" } else { "" };
        let _ = writeln!(out, "  version {version}: wraps {count} keys{newest}");
    }
    out
}
