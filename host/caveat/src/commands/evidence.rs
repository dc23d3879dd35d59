//! `caveat evidence export`, `verify`.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use caveat_ledger::Authorities;
use caveat_model::RecordingId;
use caveat_recorder::verify_evidence;
use clap::Subcommand;
use reqwest::Client;
use serde_json::json;

use super::{pack::print, running::Running};

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Write evidence of a recording, or of all recordings under hold for a case, as far as the packs allow it. Asks a
    /// running host, under a person's name.
    Export {
        /// A recording's id, or the matter of a hold.
        what: String,
        #[command(flatten)]
        host: Running,
        /// For what it is wanted ("dispute"); ruled on, and logged.
        #[arg(long)]
        purpose: String,
        /// File to write; it must not be there.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// `original`, or `redacted`: without every second that holds something labelled.
        #[arg(long)]
        form: Option<String>,
        /// From this millisecond of the call on.
        #[arg(long, value_name = "MS")]
        from_ms: Option<u32>,
        /// Up to this millisecond.
        #[arg(long, value_name = "MS")]
        to_ms: Option<u32>,
        /// In your own words; some exports are not given without.
        #[arg(long, default_value = "", value_name = "TEXT")]
        reason: String,
    },
    /// Check evidence offline, with the public key only. Exit code 1 if anything is wrong.
    Verify {
        /// The file.
        file: PathBuf,
        /// The public key, as you got it from the client by another way; a file or the key itself.
        #[arg(long)]
        key: String,
        #[command(flatten)]
        time: Time,
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Who is believed about the time.
#[derive(Debug, clap::Args)]
pub(crate) struct Time {
    /// Certificates (PEM) of time-stamping authorities, as you got them from these; then timestamps have to be theirs.
    #[arg(long, value_name = "FILE")]
    timestamp_ca: Option<PathBuf>,
}

impl Time {
    pub(crate) fn authorities(&self) -> anyhow::Result<Authorities> {
        let Some(file) = &self.timestamp_ca else { return Ok(Authorities::default()) };
        let about = || file.display().to_string();
        Authorities::from_pem(&fs::read(file).with_context(about)?).with_context(about)
    }
}

pub(crate) async fn run(command: EvidenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvidenceCommand::Export { what, host, purpose, out, form, from_ms, to_ms, reason } => {
            let of = if what.parse::<RecordingId>().is_ok() { "/v1/recordings" } else { "/v1/cases" };
            let mut url = host.at(of)?;
            // The matter of a hold is any text: one part of the path all the same.
            let path = url.path_segments_mut().map_err(|()| anyhow::anyhow!("--url has no path"));
            path?.push(&what).push("evidence");
            let number = |n: Option<u32>| n.map(|n| n.to_string());
            let asked = [
                ("purpose", Some(purpose)),
                ("form", form),
                ("from-ms", number(from_ms)),
                ("to-ms", number(to_ms)),
                ("reason", Some(reason)),
            ];
            url.query_pairs_mut()
                .extend_pairs(asked.iter().filter_map(|(n, value)| Some((n, value.as_ref()?))));
            let file = host.send(Client::new().get(url)).await?.bytes().await.context("the host's answer")?;
            write(&out, &file)?;
            let written = json!({"file": out, "bytes": file.len()});
            host.print(&written, |_| format!("{}\n", out.display()))
        }
        EvidenceCommand::Verify { file, key, time, json } => {
            let key = key_of(&key)?;
            let opened = File::open(&file).with_context(|| file.display().to_string())?;
            let report = verify_evidence(BufReader::new(opened), &key, &time.authorities()?);
            print(&report, json, |_| report.to_string())?;
            Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// A key, or the file that holds it.
pub(crate) fn key_of(given: &str) -> anyhow::Result<String> {
    match Path::new(given).is_file() {
        true => fs::read_to_string(given).with_context(|| given.to_owned()),
        false => Ok(given.to_owned()),
    }
}

/// It holds what was said, and keys: for its owner alone.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
}
