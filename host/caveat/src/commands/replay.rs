//! `caveat replay`: recorded decisions ruled again with the very packs and settings that ruled.

use std::{process::ExitCode, sync::Arc};

use caveat_engine::Engine;
use caveat_model::{ClientId, Moment};
use caveat_recorder::{History, ReplayReport, Window};
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
    /// Whose decisions; left out: those of every client in the configuration.
    #[arg(long)]
    client: Option<ClientId>,
    /// Logged at or after this date or time (RFC 3339).
    #[arg(long)]
    since: Option<Moment>,
    /// Logged before this date or time.
    #[arg(long)]
    until: Option<Moment>,
    /// Print the report as JSON; without --client a list of reports.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let Looking { log: Log { ledger, .. }, opener, archive } = Looking::open(&config).await?;
    let engine = Arc::new(engine(&config)?);
    let window = Window { since: args.since, until: args.until };
    let all = || config.clients.iter().map(|c| c.profile.id.clone()).collect();
    let clients: Vec<ClientId> = args.client.clone().map_or_else(all, |client| vec![client]);
    let mut reports = Vec::with_capacity(clients.len());
    for client in &clients {
        let history = History::open(ledger.clone(), opener.clone(), client, window).await?;
        let bar = bar("entries");
        let progress = |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        };
        reports.push(caveat_recorder::replay(history, &archive, &engine, client, progress).await?);
        bar.finish_and_clear();
    }
    match (&args.client, reports.as_slice()) {
        (Some(_), [only]) => print(only, args.json, |_| only.to_string())?,
        (_, all) => print(&all, args.json, |_| all.iter().map(ReplayReport::to_string).collect())?,
    }
    Ok(if reports.iter().all(ReplayReport::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
