//! `caveat replay`: recorded decisions ruled again with the very packs and settings that ruled.

use std::{process::ExitCode, sync::Arc};

use caveat_engine::Engine;
use caveat_model::{ClientId, Moment};
use caveat_recorder::{History, Window};
use indicatif::{ProgressBar, ProgressStyle};

use super::pack::print;
use crate::{
    cli::ConfigFile,
    config::Config,
    house::{Log, Looking},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Whose decisions.
    #[arg(long)]
    client: ClientId,
    /// Logged at or after this date or time (RFC 3339).
    #[arg(long)]
    since: Option<Moment>,
    /// Logged before this date or time.
    #[arg(long)]
    until: Option<Moment>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let Looking { log: Log { ledger, .. }, opener, archive } = Looking::open(&config).await?;
    let engine = Arc::new(engine(&config)?);
    let window = Window { since: args.since, until: args.until };
    let history = History::open(ledger, opener, &args.client, window).await?;
    let bar = bar("entries");
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let report = caveat_recorder::replay(history, &archive, &engine, &args.client, progress).await?;
    bar.finish_and_clear();
    print(&report, args.json, |_| report.to_string())?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An engine like the host's.
pub(crate) fn engine(config: &Config) -> anyhow::Result<Engine> {
    Ok(Engine::new(config.limits.packs.clone(), Some(config.paths.compiled.clone()))?)
}

/// Shown on a terminal only.
pub(crate) fn bar(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!(
        "{{bar:40}} {{human_pos}}/{{human_len}} {what}, {{per_sec}}, {{eta}} left"
    ));
    let bar = ProgressBar::new(0);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
