//! `caveat pack` and `caveat decide`: packs without a call.

use std::{
    io::{IsTerminal, Read},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use caveat_engine::{Engine, Limits};
use caveat_model::{Decision, Verdict};
use caveat_packs::{Library, PackFile, build, load, read_settings, run_cases, run_scenarios};
use serde::Serialize;

use crate::cli::PackCommand;

/// An event that is denied ends with this code, so that scripts can tell it from a failure.
const DENIED: u8 = 3;

pub(crate) fn run(command: PackCommand) -> anyhow::Result<ExitCode> {
    match command {
        PackCommand::Build { dirs, out } => {
            for dir in dirs {
                let built = build_one(&dir, &out)?;
                println!("{}", built.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        PackCommand::Test { dirs, packs, no_build, json } => test(&dirs, &packs.packs, no_build, json),
        PackCommand::Scenarios { file, packs, json } => {
            let report = run_scenarios(&engine()?, &Library::open(&packs.packs)?, &file)?;
            print(&report, json, |color| report.to_text(color))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Puts one event to the named packs and prints the verdict.
pub(crate) fn decide(
    names: &[String],
    event: &Path,
    packs: &Path,
    settings: Option<&Path>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    let settings = match settings {
        Some(path) => read_settings(path)?,
        None => serde_json::json!({}),
    };
    let mut loaded = Vec::new();
    for name in names {
        let file = if name.ends_with(".wasm") {
            PackFile::open(Path::new(name))?
        } else {
            Library::open(packs)?.get(name)?.clone()
        };
        loaded.push(Arc::new(load(&engine, &file, &settings)?));
    }
    let text = if event == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        text
    } else {
        std::fs::read_to_string(event).with_context(|| event.display().to_string())?
    };
    let verdict = caveat_packs::decide(&engine, &loaded, &event.display().to_string(), &text)?;
    print(&verdict, json, |color| verdict_text(&verdict, color))?;
    Ok(if verdict.decision() == Decision::Deny { ExitCode::from(DENIED) } else { ExitCode::SUCCESS })
}

fn test(dirs: &[std::path::PathBuf], packs: &Path, no_build: bool, json: bool) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    let mut all_passed = true;
    for dir in dirs {
        let file = if no_build {
            let name = caveat_packs::Manifest::open(dir)?.pack.name;
            Library::open(packs)?.get(&name)?.clone()
        } else {
            PackFile::open(&build_one(dir, packs)?)?
        };
        let report = run_cases(&engine, &file, &dir.join("cases"))?;
        all_passed &= report.failed == 0;
        print(&report, json, |color| report.to_text(color))?;
    }
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn build_one(dir: &Path, out: &Path) -> anyhow::Result<std::path::PathBuf> {
    let built = build(dir, Some(out), &mut |line| eprintln!("  {line}"))?;
    Ok(built.path)
}

fn engine() -> anyhow::Result<Engine> {
    Ok(Engine::new(Limits::default(), None)?)
}

fn print<T: Serialize>(value: &T, json: bool, text: impl Fn(bool) -> String) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(value)?);
    } else {
        print!("{}", text(std::io::stdout().is_terminal()));
    }
    Ok(())
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
