//! `caveat decide`: an event put to packs without a call.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use caveat_model::{Decision, Verdict};
use caveat_packs::{Library, PackFile, WrittenSettings};

use super::pack::{PackDir, engine, print};

/// An event that is denied ends with this code, so that scripts can tell it from a failure.
const DENIED: u8 = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pack's name (looked for in --packs), or its .wasm file.
    #[arg(long, required = true)]
    pack: Vec<String>,
    /// JSON: {"event": {...}, "facts": {...}}; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    #[command(flatten)]
    packs: PackDir,
    /// Settings of the pack, as a TOML or JSON file.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    let settings = match &args.settings {
        Some(path) => WrittenSettings::open(path)?,
        None => WrittenSettings::default(),
    };
    let mut loaded = Vec::new();
    for name in &args.pack {
        let file = if name.ends_with(".wasm") {
            PackFile::open(Path::new(name))?
        } else {
            Library::open(&args.packs.packs)?.get(name)?.clone()
        };
        loaded.push(Arc::new(settings.load(&engine, &file)?));
    }
    let name = args.event.display().to_string();
    let text = if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        text
    } else {
        std::fs::read_to_string(&args.event).with_context(|| name.clone())?
    };
    let (verdict, traces) = caveat_packs::decide(&engine, &loaded, &name, &text)?;
    print(&verdict, args.json, |color| verdict_text(&verdict, color))?;
    for trace in traces {
        eprintln!("{trace}");
    }
    Ok(if verdict.decision() == Decision::Deny { ExitCode::from(DENIED) } else { ExitCode::SUCCESS })
}

fn verdict_text(verdict: &Verdict, color: bool) -> String {
    let (on, off) = match (color, verdict.decision()) {
        (false, _) => ("", ""),
        (true, Decision::Allow) => ("\x1b[32m", "\x1b[0m"),
        (true, Decision::AllowWithObligations) => ("\x1b[33m", "\x1b[0m"),
        (true, Decision::Deny) => ("\x1b[31m", "\x1b[0m"),
    };
    let mut text = format!("{on}{}{off} ({})\n", verdict.outcome.word(verdict.stage), verdict.stage);
    for (pack, reason) in verdict.reasons() {
        text += &format!("  {}\n    {} | {} | {}\n", reason.message, reason.citation, reason.rule, pack.name);
    }
    for (_, obligation) in verdict.obligations() {
        text += &format!("  must: {} ({})\n", obligation.duty, obligation.rule);
    }
    for remedy in verdict.remedies() {
        text += &format!("  would help: {} ({})\n", remedy.action, remedy.rule);
    }
    for conflict in &verdict.conflicts {
        text += &format!("  conflict: {:?}: {}\n", conflict.kind, conflict.resolution);
    }
    text
}
