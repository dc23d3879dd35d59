//! `caveat pack test`.

use std::{
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use caveat_engine::Engine;
use caveat_model::ClientId;
use caveat_packs::{
    CaseOptions, CaseReport, Library, Manifest, PackFile, PropertyReport, check_properties, play_cases,
};
use serde::Serialize;

use super::{PackDir, build, engine, print, together, watch};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders with a pack.toml and cases/. With --config: case files, or folders of them [default: cases/ beside the file].
    #[arg(required_unless_present = "config")]
    pub(super) dirs: Vec<PathBuf>,
    /// Put the cases to a client of this configuration: all its packs together, with its settings.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["packs", "no_build", "properties"])]
    config: Option<PathBuf>,
    /// Which client; may be left out where there is one.
    #[arg(long, value_name = "ID", requires = "config")]
    pub(super) client: Option<ClientId>,
    #[command(flatten)]
    packs: PackDir,
    /// Do not build first; test the file in --packs.
    #[arg(long)]
    no_build: bool,
    /// Only cases whose name, file or rules contain this.
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    pub(super) filter: String,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Write the report as JUnit XML, for continuous integration.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How many random events are put to the pack besides: it must not fail, nor get laxer when a fact gets worse. 0: none.
    #[arg(long, default_value_t = 0, value_name = "N")]
    properties: usize,
    /// Which random events; the same seed gives the same.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Run again whenever sources, data, settings or cases change, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let engine = engine()?;
    if args.watch {
        return watch::forever(&watched(args), || {
            // A pack that does not build is what one watches for; the next change may mend it.
            if let Err(error) = once(args, &engine) {
                eprintln!("{error:#}");
            }
        });
    }
    Ok(if once(args, &engine)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a change is looked for in.
fn watched(args: &Args) -> watch::Watched {
    let report = args.junit.clone();
    match &args.config {
        Some(config) => {
            let paths = together::cases(args, config).into_iter().chain([config.clone()]).collect();
            watch::Watched { paths, packs: None, report }
        }
        None => watch::Watched { paths: args.dirs.clone(), packs: Some(args.packs.packs.clone()), report },
    }
}

/// Whether all is well.
fn once(args: &Args, engine: &Engine) -> anyhow::Result<bool> {
    if let Some(config) = &args.config {
        let report = together::play(args, config)?;
        print(&report, args.json, |color| report.to_text(color))?;
        let passed = report.passed();
        write_junit(args, &[report])?;
        return Ok(passed);
    }
    let mut reports = Vec::new();
    let mut holds = true;
    for dir in &args.dirs {
        let file = pack_of(dir, &args.packs.packs, args.no_build)?;
        let mut progress = progress_line();
        let options = CaseOptions { filter: &args.filter, progress: Some(&mut progress) };
        let report = play_cases(engine, &file, &dir.join("cases"), options)?;
        let random = (args.properties > 0 && args.filter.is_empty())
            .then(|| check_properties(engine, &file, &dir.join("cases"), args.properties, args.seed))
            .transpose()?;
        holds &= random.as_ref().is_none_or(PropertyReport::passed);
        let whole = Whole { cases: &report, properties: random.as_ref() };
        print(&whole, args.json, |color| whole.to_text(color))?;
        reports.push(report);
    }
    write_junit(args, &reports)?;
    Ok(holds && reports.iter().all(CaseReport::passed))
}

fn write_junit(args: &Args, reports: &[CaseReport]) -> anyhow::Result<()> {
    let Some(path) = &args.junit else { return Ok(()) };
    fs::write(path, CaseReport::to_junit(reports)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What is printed of one pack.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    cases: &'a CaseReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a PropertyReport>,
}

impl Whole<'_> {
    fn to_text(&self, color: bool) -> String {
        let properties = self.properties.map(|p| p.to_text(color));
        self.cases.to_text(color) + properties.as_deref().unwrap_or_default()
    }
}

/// The pack of a folder: built now, or as it lies among the built ones.
pub(crate) fn pack_of(dir: &Path, packs: &Path, no_build: bool) -> anyhow::Result<PackFile> {
    if no_build {
        let name = Manifest::open(dir)?.pack.name;
        let hint = || format!("no built pack for {}: run `caveat pack build` first", dir.display());
        return Library::open(packs).and_then(|l| l.get(&name).cloned()).with_context(hint);
    }
    Ok(PackFile::open(&build::one(dir, packs)?)?)
}

/// How far it is, in one line that is written over, and only on a terminal.
pub(crate) fn progress_line() -> impl FnMut(usize, usize) {
    let shown = std::io::stderr().is_terminal();
    move |done, of| {
        if shown {
            let end = if done == of { "\r\x1b[K" } else { "" };
            let _ = write!(std::io::stderr(), "\r{done} of {of}{end}");
        }
    }
}
