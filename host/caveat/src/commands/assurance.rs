//! `caveat assurance`: expected calls in, what is wrong with captured ones out. Works beside a running host.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use caveat_model::{ClientId, Moment};
use caveat_recorder::{Assurance, AssuranceReport, ExpectedCall};
use clap::{Args, Subcommand};

use crate::{cli::ConfigFile, config::Config, house::Looking};

#[derive(Debug, Subcommand)]
pub(crate) enum AssuranceCommand {
    /// Enter calls that should be captured, from a phone system's records.
    ///
    /// A CSV file with the header `id,began,duration_ms,legs` (the last two may be missing or empty), or a JSON array of
    /// {"id", "began", "duration-ms", "legs"}. `id` is what the call is captured with. A call that is there already is
    /// brought up to date.
    Import(ImportArgs),
    /// Report what is missing, one-legged, silent, clipped, late or short. Exit code 1 if anything is.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// Whose calls.
    #[arg(long)]
    client: ClientId,
    /// The list; a name that ends in .json is JSON, any other is CSV.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// Whose calls.
    #[arg(long)]
    client: ClientId,
    /// Calls that began from here on: RFC 3339, or a date. A day ago, if left out.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Calls that began before this. Now, if left out.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(command: AssuranceCommand) -> anyhow::Result<ExitCode> {
    match command {
        AssuranceCommand::Import(args) => import(args).await,
        AssuranceCommand::Report(args) => report(args).await,
    }
}

async fn import(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let (assurance, limit) = open(&args.config, &args.client).await?;
    let name = args.file.display().to_string();
    let bytes = tokio::fs::read(&args.file).await.with_context(|| name.clone())?;
    let is_json = args.file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let read = if is_json { ExpectedCall::from_json } else { ExpectedCall::from_csv };
    let calls = read(&bytes, limit).with_context(|| name)?;
    assurance.expect(&args.client, &calls).await?;
    println!("{} expected calls entered", calls.len());
    Ok(ExitCode::SUCCESS)
}

async fn report(args: ReportArgs) -> anyhow::Result<ExitCode> {
    const DAY_MS: u64 = 86_400_000;
    let (assurance, _) = open(&args.config, &args.client).await?;
    let now = assurance.now();
    let since = args.since.unwrap_or(Moment::from_millis(now.as_millis().saturating_sub(DAY_MS)));
    let report = assurance.report(&args.client, since, args.until.unwrap_or(now)).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &AssuranceReport) {
    let (on, off) = if std::io::stdout().is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    println!("Calls from {} to {}", report.since, report.until);
    println!("expected {}, of these captured {}", report.expected, report.expected_captured);
    println!("captured {}", report.captured);
    for finding in &report.findings {
        let (flaw, began, detail) = (finding.flaw.word(), finding.began, &finding.detail);
        let call = finding.call.as_deref().unwrap_or("-");
        let recording = finding.recording.map_or_else(|| "-".to_owned(), |id| id.to_string());
        println!("{on}{flaw:12}{off} {began}  call {call}  recording {recording}  {detail}");
    }
    if report.findings.is_empty() {
        println!("nothing is wrong with them");
    }
    if report.cut_short {
        println!("There is more: ask for a shorter time, or raise limits.assurance.report_rows_max.");
    }
}

async fn open(file: &ConfigFile, client: &ClientId) -> anyhow::Result<(Assurance, usize)> {
    let config = Config::read(&file.config)?;
    if !config.clients.iter().any(|c| c.profile.id == *client) {
        bail!("{} has no client `{client}`", file.config.display());
    }
    let assurance = Looking::open(&config).await?.assurance(&config).await?;
    Ok((assurance, config.limits.assurance.expected_max))
}
