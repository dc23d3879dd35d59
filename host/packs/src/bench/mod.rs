//! What rulings cost: the events of a pack's own cases, put to it again and again in the real engine.
//!
//! Fuel and memory are the same on any machine; times are this machine's, now. Whatever is compared takes turns event by
//! event, so that a noisy machine is noisy for all.

mod baseline;
mod figures;
mod measure;
mod report;

use std::{path::Path, time::Duration};

use caveat_engine::{Engine, Limits};

pub use baseline::{Baseline, FuelChange};
pub use figures::Figures;
pub use report::{BenchReport, Comparison, Load, RuleFigures, StageFigures};

use crate::{
    PackError, PackFile,
    cases::{Script, read_scripts, scripts_in},
};
use measure::Bench;

/// How long, against what, and who is told how far it is.
pub struct BenchOptions<'a> {
    /// How long rulings are measured. Every event is ruled on some times, however short this is.
    pub time: Duration,
    /// Another pack that is asked the same, turn by turn.
    pub other: Option<&'a PackFile>,
    /// Is told how much of the time is over.
    pub progress: Option<&'a mut dyn FnMut(Duration)>,
}

impl Default for BenchOptions<'_> {
    fn default() -> Self {
        Self { time: Duration::from_secs(3), other: None, progress: None }
    }
}

/// Measures a pack on the cases in `dir` (a pack's `cases/`), or on those that it carries.
///
/// # Errors
/// As [`crate::run_cases`]; [`PackError::NoEvents`] for a pack that carries no cases; [`PackError::Io`] when there is no
/// folder for temporary files.
pub fn bench(
    limits: &Limits,
    file: &PackFile,
    dir: Option<&Path>,
    options: BenchOptions<'_>,
) -> Result<BenchReport, PackError> {
    let scripts = scripts_of(file, dir)?;
    // Loading for the first time and from the cache are two figures, so that this cache begins empty.
    let temporary = std::env::temp_dir();
    let folder = tempfile::tempdir().map_err(PackError::io("create a folder in", &temporary))?;
    let engine = Engine::new(limits.clone(), Some(folder.path().join("compiled"))).map_err(|source| {
        PackError::Load { pack: file.manifest().pack.name.clone(), source: source.into() }
    })?;
    let mut bench = Bench::new(&engine, file, options.other, &scripts)?;
    bench.learn(&scripts)?;
    bench.run(options.time, options.progress);
    Ok(bench.report())
}

fn scripts_of(file: &PackFile, dir: Option<&Path>) -> Result<Vec<Script>, PackError> {
    if let Some(dir) = dir {
        return scripts_in(dir, &file.manifest().rule_ids());
    }
    let about = &file.manifest().pack;
    let within = format!("{}-{}.wasm", about.name, about.version);
    let scripts = read_scripts(&file.cases()?, Path::new(&within), &file.manifest().rule_ids())?;
    if scripts.is_empty() {
        return Err(PackError::NoEvents { pack: about.name.clone() });
    }
    Ok(scripts)
}
