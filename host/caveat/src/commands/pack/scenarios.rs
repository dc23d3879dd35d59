//! `caveat pack scenarios`.

use std::{path::PathBuf, process::ExitCode};

use caveat_packs::{Library, run_scenarios};

use super::{PackDir, engine, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file.
    file: PathBuf,
    #[command(flatten)]
    packs: PackDir,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = run_scenarios(&engine()?, &Library::open(&args.packs.packs)?, &args.file)?;
    print(&report, args.json, |color| report.to_text(color))?;
    Ok(ExitCode::SUCCESS)
}
