//! `caveat pack bench`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;
use caveat_engine::Limits;
use caveat_packs::{Baseline, BenchOptions, BenchReport, FuelChange, PackFile, bench};
use serde::Serialize;

use super::{PackDir, print, test::pack_of};
use crate::commands::replay::bar;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders with a pack.toml and cases/, or built packs (.wasm), which carry their cases.
    #[arg(required = true, value_name = "DIR|FILE")]
    given: Vec<PathBuf>,
    #[command(flatten)]
    packs: PackDir,
    /// Do not build folders first; measure the file in --packs.
    #[arg(long)]
    no_build: bool,
    /// How long rulings of each pack are measured.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Ask this pack the same, event by event in turn: an older build, or the same rules in another language.
    #[arg(long, value_name = "FILE.wasm")]
    compare: Option<PathBuf>,
    /// What --json printed earlier: say where fuel (p50 of a rule) has changed since.
    #[arg(long, value_name = "FILE.json")]
    baseline: Option<PathBuf>,
    /// End with exit code 1 if a rule's fuel (p50) is more than this over the baseline.
    #[arg(long, requires = "baseline", value_name = "PERCENT")]
    fail_over: Option<f64>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// What is printed of one pack.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    report: &'a BenchReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a [FuelChange]>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let baseline = args.baseline.as_deref().map(Baseline::open).transpose()?;
    let other = args.compare.as_deref().map(PackFile::open).transpose()?;
    let mut worse = false;
    for given in &args.given {
        let report = one(args, given, other.as_ref())?;
        let changes = match &baseline {
            None => None,
            Some(baseline) => match baseline.compare(&report) {
                None => bail!("the baseline has no report of {}", report.pack),
                changes => changes,
            },
        };
        let over = |c: &FuelChange| args.fail_over.is_some_and(|percent| c.percent > percent);
        worse |= changes.iter().flatten().any(over);
        let whole = Whole { report: &report, changes: changes.as_deref() };
        print(&whole, args.json, |color| {
            let changes = changes.as_ref().map(|c| format!("\n{}", FuelChange::to_text(c, color)));
            report.to_text(color) + &changes.unwrap_or_default()
        })?;
    }
    Ok(if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn one(args: &Args, given: &Path, other: Option<&PackFile>) -> anyhow::Result<BenchReport> {
    let (file, cases) = match given.is_dir() {
        true => (pack_of(given, &args.packs.packs, args.no_build)?, Some(given.join("cases"))),
        false => (PackFile::open(given)?, None),
    };
    let time = Duration::from_secs_f64(args.seconds);
    let bar = bar("ms");
    bar.set_length(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let mut progress = |over: Duration| bar.set_position(u64::try_from(over.as_millis()).unwrap_or(u64::MAX));
    let options = BenchOptions { time, other, progress: Some(&mut progress) };
    let report = bench(&Limits::default(), &file, cases.as_deref(), options)?;
    bar.finish_and_clear();
    Ok(report)
}

fn seconds(given: &str) -> Result<f64, String> {
    match given.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 86400 is wanted".into()),
    }
}
