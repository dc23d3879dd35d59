//! `caveat pack build`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders with a pack.toml.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Where to put them.
    #[arg(long, default_value = "target/packs", value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    for dir in &args.dirs {
        println!("{}", one(dir, &args.out)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the pack in `dir` into `out`, with the compiler's words on standard error; gives the file.
pub(crate) fn one(dir: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let built = caveat_packs::build(dir, Some(out), &mut |line| eprintln!("  {line}"))?;
    Ok(built.path)
}
