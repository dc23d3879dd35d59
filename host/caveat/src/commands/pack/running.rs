//! `caveat pack list`, `swap`, `rollback`: the packs of a running host, changed while calls run.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context;
use caveat_model::{ClientId, Mode};
use caveat_packs::{PackFile, WrittenSettings};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

use super::print;
use crate::commands::running::Running;

/// Which host, and who asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Host {
    /// Whose packs.
    #[arg(long)]
    client: ClientId,
    #[command(flatten)]
    running: Running,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    host: Host,
    /// How many rows to show.
    #[arg(long, default_value_t = 10)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false, args = ["replace", "add", "retire"])]
pub(crate) struct SwapArgs {
    #[command(flatten)]
    host: Host,
    /// Put the pack in FILE in the place of the pack NAME; with `--mode monitor`, beside it.
    #[arg(long, value_name = "NAME=FILE", value_parser = name_and_file)]
    replace: Option<(String, PathBuf)>,
    /// Put the pack in FILE in, in the place of the pack of its own name if there is one.
    #[arg(long, value_name = "FILE")]
    add: Option<PathBuf>,
    /// Take the pack NAME out.
    #[arg(long, value_name = "NAME")]
    retire: Option<String>,
    /// Settings, TOML or JSON; left out: those of the pack whose place it takes.
    #[arg(long, value_name = "FILE", conflicts_with = "retire")]
    settings: Option<PathBuf>,
    /// `active`, or `monitor`: asked, logged, compared, never obeyed.
    #[arg(long, default_value = "active", value_parser = mode, conflicts_with = "retire")]
    mode: Mode,
    /// For the history.
    #[arg(long, default_value = "", value_name = "TEXT")]
    why: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    host: Host,
    /// The number of a set (`caveat pack list`); left out: the one before the one in force.
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// For the history.
    #[arg(long, default_value = "", value_name = "TEXT")]
    why: String,
}

pub(crate) async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let url = args.host.at("/v1/packs", [("limit", Some(args.limit.to_string()))])?;
    let answer = args.host.ask(Client::new().get(url)).await?;
    print(&answer, args.host.running.json, |_| listing(&answer))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn monitor(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let url = args.host.at("/v1/packs/monitor", [("limit", Some(args.limit.to_string()))])?;
    let answer = args.host.ask(Client::new().get(url)).await?;
    print(&answer, args.host.running.json, |_| {
        answer.as_array().into_iter().flatten().map(difference).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn swap(args: &SwapArgs) -> anyhow::Result<ExitCode> {
    let file = args.replace.as_ref().map(|(_, file)| file).or(args.add.as_ref());
    // What is no pack, and a setting that it does not take, is said here, before anything is sent.
    let file = file.map(|path| PackFile::open(path)).transpose()?;
    let settings = args.settings.as_deref().map(WrittenSettings::open).transpose()?;
    if let (Some(file), Some(settings)) = (&file, &settings) {
        settings.check(file)?;
    }
    let replace = args.replace.as_ref().map(|(name, _)| name.clone());
    let mode = if args.mode == Mode::Monitor { "monitor" } else { "active" };
    let asked = [
        ("replace", replace),
        ("retire", args.retire.clone()),
        ("mode", Some(mode.to_owned())),
        ("settings", settings.map(|s| s.value().to_string())),
        ("signature", file.as_ref().and_then(|f| f.signatures().first().cloned())),
        ("why", Some(args.why.clone())),
    ];
    let request = Client::new().post(args.host.at("/v1/packs/swap", asked)?);
    let request = match file {
        Some(file) => request.body(file.bytes().to_vec()),
        None => request,
    };
    changed(&args.host, request).await
}

pub(crate) async fn rollback(args: &RollbackArgs) -> anyhow::Result<ExitCode> {
    let asked = [("to", args.to.map(|n| n.to_string())), ("why", Some(args.why.clone()))];
    changed(&args.host, Client::new().post(args.host.at("/v1/packs/rollback", asked)?)).await
}

async fn changed(host: &Host, request: RequestBuilder) -> anyhow::Result<ExitCode> {
    let set = host.ask(request).await?;
    print(&set, host.running.json, |_| format!("in force:\n{}", line(&set)))?;
    Ok(ExitCode::SUCCESS)
}

impl Host {
    /// A route of the host, with what is asked of it and whose.
    fn at<const N: usize>(&self, path: &str, asked: [(&str, Option<String>); N]) -> anyhow::Result<Url> {
        let mut url = self.running.at(path)?;
        url.query_pairs_mut()
            .append_pair("client", self.client.as_str())
            .extend_pairs(asked.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
        Ok(url)
    }

    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        self.running.ask(request).await.context("the packs in force stay")
    }
}

fn listing(answer: &Value) -> String {
    let mut out = String::new();
    for pack in answer["in-force"].as_array().into_iter().flatten() {
        let text = |key: &str| pack[key].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(out, "{} {}  {}  {}", text("name"), text("version"), text("mode"), text("digest"));
        let _ = writeln!(out, "    settings {}", pack["configured"]);
    }
    let _ = writeln!(out, "\nsets, the newest first:");
    for set in answer["sets"].as_array().into_iter().flatten() {
        out.push_str(&line(set));
    }
    out
}

/// `2026-01-05T15:00:00.000Z  entry 12  offered  pci-dss 0.2.0: allow, would be refuse; + mask-keys; - beep`
fn difference(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pack = format!("{} {}", text(&row["pack"]["name"]), text(&row["pack"]["version"]));
    let mut line = format!(
        "{}  entry {}  {}  {pack}: {}, would be {}",
        text(&row["at"]),
        row["ledger-index"],
        text(&row["event"]),
        text(&row["outcome"]),
        text(&row["would-be"])
    );
    for (mark, key) in [('+', "added"), ('-', "missing")] {
        for code in row[key].as_array().into_iter().flatten() {
            let _ = write!(line, "; {mark} {}", text(code));
        }
    }
    if let Some(failure) = row["failure"].as_str() {
        let _ = write!(line, "; failed: {failure}");
    }
    line + "\n"
}

/// `3  2026-01-05T15:00:00.000Z  kim  state-consent 0.1.0, pci-dss 0.2.0 (monitor)  why`
fn line(set: &Value) -> String {
    let text = |key: &str| set[key].as_str().unwrap_or_default();
    let pack = |pack: &Value| {
        let monitor = if pack["mode"] == "monitor" { " (monitor)" } else { "" };
        let text = |key: &str| pack[key].as_str().unwrap_or_default();
        format!("{} {}{monitor}", text("name"), text("version"))
    };
    let packs: Vec<String> = set["packs"].as_array().into_iter().flatten().map(pack).collect();
    let back =
        if set["origin"] == set["number"] { String::new() } else { format!("  (again {})", set["origin"]) };
    let line = format!(
        "{:>4}  {}  {}  {}{back}  {}",
        set["number"].as_u64().unwrap_or_default(),
        text("at"),
        text("by"),
        packs.join(", "),
        text("why")
    );
    format!("{}\n", line.trim_end())
}

fn name_and_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("NAME=FILE is wanted, as in pci-dss=pci-dss-0.2.0.wasm")?;
    Ok((name.to_owned(), file.into()))
}

fn mode(word: &str) -> Result<Mode, String> {
    serde_json::from_value(Value::String(word.to_owned())).map_err(|e| e.to_string())
}
