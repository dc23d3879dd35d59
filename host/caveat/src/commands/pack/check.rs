//! `caveat pack check`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use caveat_packs::{Lint, Manifest, PackError, Severity, check, component};

use super::{PackDir, engine, print};

#[derive(Debug, clap::Args)]
#[command(after_long_help = lints())]
pub(crate) struct Args {
    /// Folders with a pack.toml.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    #[command(flatten)]
    packs: PackDir,
    /// Do not build; check the file in --packs.
    #[arg(long)]
    no_build: bool,
    /// Leave out findings of this lint. Can be given several times.
    #[arg(long, value_name = "LINT")]
    allow: Vec<String>,
    /// Exit code 1 for warnings too.
    #[arg(long)]
    deny_warnings: bool,
    /// Print the reports as a JSON array.
    #[arg(long)]
    json: bool,
}

/// What `--help` says besides.
pub(super) const ABOUT: &str = "\
Look for everything that can be wrong with packs and that no compiler sees. Exit code 1 on an error.

The pack is built, taken apart, and put to its own cases in the real engine. A finding names its lint, file and line, what is \
wrong, and how to mend it.

A rule is covered for by a case that names it in `rules` and in which it has a say: a reason, an obligation, a remedy or a \
score of the ruling names it. It is covered against by a case that names it and in which it has none, although an event of \
that case is of a stage (capture, storage, access) at which the rule had a say in a case for it.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(unknown) = args.allow.iter().find(|id| Lint::ALL.iter().all(|lint| lint.id != **id)) {
        bail!("no lint is called `{unknown}`: `caveat pack check --help` lists them");
    }
    let engine = engine()?;
    let mut reports = Vec::new();
    for dir in &args.dirs {
        let built = |manifest: &Manifest| match args.no_build {
            true => built(manifest, &args.packs.packs),
            false => component(dir, &mut |line| eprintln!("  {line}")),
        };
        reports.push(check(&engine, dir, &args.allow, built)?);
    }
    print(&reports, args.json, |color| reports.iter().map(|r| r.to_text(color)).collect())?;
    let passed = reports.iter().all(|report| report.passed(args.deny_warnings));
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was built earlier of this version.
fn built(manifest: &Manifest, packs: &Path) -> Result<Vec<u8>, PackError> {
    let path = packs.join(manifest.file_name());
    fs::read(&path).map_err(|source| PackError::Io {
        what: "read the built pack (`caveat pack build` makes it)",
        path,
        source,
    })
}

fn lints() -> String {
    let grave = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let line = |lint: &Lint| format!("\n  {:<21} {:<8} {}", lint.id, grave(lint.severity), lint.about);
    let lines: String = Lint::ALL.iter().map(line).collect();
    format!("Lints:{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_lint_once() {
        let text = lints();
        for lint in Lint::ALL {
            assert_eq!(text.matches(&format!("\n  {} ", lint.id)).count(), 1, "{}", lint.id);
            assert!(!lint.about.is_empty());
        }
    }
}
