//! `caveat pack test`.

use std::{path::PathBuf, process::ExitCode};

use caveat_packs::{Library, Manifest, PackFile, run_cases};

use super::{PackDir, build, engine, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders with a pack.toml and cases/.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    #[command(flatten)]
    packs: PackDir,
    /// Do not build first; test the file in --packs.
    #[arg(long)]
    no_build: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    let packs = &args.packs.packs;
    let mut all_passed = true;
    for dir in &args.dirs {
        let file = if args.no_build {
            Library::open(packs)?.get(&Manifest::open(dir)?.pack.name)?.clone()
        } else {
            PackFile::open(&build::one(dir, packs)?)?
        };
        let report = run_cases(&engine, &file, &dir.join("cases"))?;
        all_passed &= report.passed();
        print(&report, args.json, |color| report.to_text(color))?;
    }
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
