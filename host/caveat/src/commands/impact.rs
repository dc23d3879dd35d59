//! `caveat impact`: history ruled again with another pack or other settings.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use caveat_engine::Engine;
use caveat_model::{ClientId, Mode, Moment};
use caveat_packs::{ActiveSet, PackFile, Trust, WrittenSettings};
use caveat_recorder::{Direction, History, Impact, ImpactReport, Swap, Window};
use clap::ValueEnum;
use serde::Serialize;

use super::{
    pack::print,
    replay::{bar, engine},
};
use crate::{
    cli::ConfigFile,
    config::Config,
    house::{Looking, load_set},
};

/// Changes of the kind that `--fail-on` names end with this code, so that scripts can tell them from a failure.
const CHANGES: u8 = 3;
/// Lines read before they are ruled on together.
const LINES_AT_ONCE: usize = 8192;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Whose history.
    #[arg(long)]
    client: ClientId,
    /// Ask this file instead of the client's pack of that name.
    #[arg(long, value_name = "PACK=FILE", value_parser = named)]
    replace: Vec<(String, PathBuf)>,
    /// Give the pack of that name these settings (TOML or JSON), whether replaced, added, or as it is.
    #[arg(long, value_name = "PACK=FILE", value_parser = named)]
    settings: Vec<(String, PathBuf)>,
    /// Ask one pack more.
    #[arg(long, value_name = "PACK=FILE", value_parser = named)]
    add: Vec<(String, PathBuf)>,
    /// Ask one pack less.
    #[arg(long, value_name = "PACK")]
    remove: Vec<String>,
    /// Instead of the ledger: one {"event": .., "facts": ..} a line, and the client's packs of today for comparison.
    /// An optional "recording" groups lines.
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["since", "until"])]
    events: Option<PathBuf>,
    /// Logged at or after this date or time (RFC 3339).
    #[arg(long)]
    since: Option<Moment>,
    /// Logged before this date or time.
    #[arg(long)]
    until: Option<Moment>,
    /// End with exit code 3 if there are such changes.
    #[arg(long)]
    fail_on: Option<FailOn>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOn {
    Any,
    Stricter,
    Laxer,
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let engine = Arc::new(engine(&config)?);
    let client = config.clients.iter().find(|c| c.profile.id == args.client);
    let client = client.with_context(|| format!("client `{}` is not in the configuration", args.client))?;
    // Nothing comes into force here, so that nobody has to vouch for anything.
    let today = load_set(&engine, client, &Trust::default())?;
    let swaps = swaps(args, &engine, &today)?;
    let mut impact = Impact::new(engine, &args.client, &today, &swaps);
    match &args.events {
        Some(path) => take_file(&mut impact, path)?,
        None => {
            let Looking { log, opener, .. } = Looking::open(&config).await?;
            let window = Window { since: args.since, until: args.until };
            let history = History::open(log.ledger, opener, &args.client, window).await?;
            let bar = bar("entries");
            let progress = |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            };
            impact = impact.take_history(history, progress).await?;
            bar.finish_and_clear();
        }
    }
    let report = impact.report();
    print(&report, args.json, |color| text(&report, color))?;
    let fails = match args.fail_on {
        None => false,
        Some(FailOn::Any) => !report.groups.is_empty(),
        Some(FailOn::Stricter) => report.changes(Direction::Stricter),
        Some(FailOn::Laxer) => report.changes(Direction::Laxer),
    };
    Ok(if fails { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS })
}

/// What changes, with the name checked against what there is.
fn swaps(args: &Args, engine: &Engine, today: &ActiveSet) -> anyhow::Result<Vec<Swap>> {
    let find = |name: &str| today.packs.iter().find(|p| p.loaded.reference.name == name);
    let unknown = |name: &str| {
        let all: Vec<&str> = today.packs.iter().map(|p| p.loaded.reference.name.as_str()).collect();
        format!("client `{}` has no pack `{name}`; it has {}", args.client, all.join(", "))
    };
    let new_settings = |name: &str| {
        let given = args.settings.iter().find(|(of, _)| of == name);
        given.map(|(_, path)| WrittenSettings::open(path)).transpose()
    };
    let mut swaps = vec![];
    for (name, path) in &args.replace {
        let old = find(name).with_context(|| unknown(name))?;
        let settings = new_settings(name)?.unwrap_or_else(|| old.loaded.settings.clone().into());
        swaps.push(swap(engine, name, PackFile::open(path)?, &settings, old.mode)?);
    }
    for (name, path) in &args.add {
        let settings = new_settings(name)?.unwrap_or_default();
        swaps.push(swap(engine, name, PackFile::open(path)?, &settings, Mode::Active)?);
    }
    for name in &args.remove {
        find(name).with_context(|| unknown(name))?;
        swaps.push(Swap { name: name.clone(), with: None, mode: Mode::Active });
    }
    for (name, path) in &args.settings {
        if swaps.iter().all(|s| s.name != *name) {
            let old = find(name).with_context(|| unknown(name))?;
            let file = old.loaded.file.clone();
            swaps.push(swap(engine, name, file, &WrittenSettings::open(path)?, old.mode)?);
        }
    }
    if swaps.is_empty() {
        bail!("nothing changes: give --replace, --settings, --add or --remove");
    }
    Ok(swaps)
}

fn swap(
    engine: &Engine,
    name: &str,
    file: PackFile,
    settings: &WrittenSettings,
    mode: Mode,
) -> anyhow::Result<Swap> {
    let is = &file.manifest().pack.name;
    if is != name {
        bail!("the file given for pack `{name}` is the pack `{is}`");
    }
    let loaded = settings.load(engine, &file)?;
    Ok(Swap { name: name.to_owned(), with: Some(Arc::new(loaded)), mode })
}

fn take_file(impact: &mut Impact, path: &Path) -> anyhow::Result<()> {
    let about = || path.display().to_string();
    let file = File::open(path).with_context(about)?;
    let bar = bar("bytes");
    bar.set_length(file.metadata().with_context(about)?.len());
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut first = 1;
    loop {
        let mut lines = Vec::with_capacity(LINES_AT_ONCE);
        while lines.len() < LINES_AT_ONCE {
            let mut line = String::new();
            if reader.read_line(&mut line).with_context(about)? == 0 {
                break;
            }
            bar.inc(line.len() as u64);
            lines.push(line);
        }
        if lines.is_empty() {
            bar.finish_and_clear();
            return Ok(());
        }
        let count = lines.len() as u64;
        if let Err((line, problem)) = impact.take_lines(first, lines) {
            bail!("{}, line {line}: {problem}", path.display());
        }
        first += count;
    }
}

fn text(report: &ImpactReport, color: bool) -> String {
    let paint = |direction: Direction, text: &str| match (color, direction) {
        (false, _) => text.to_owned(),
        (true, Direction::Stricter) => format!("\x1b[33m{text}\x1b[0m"),
        (true, Direction::Laxer) => format!("\x1b[36m{text}\x1b[0m"),
    };
    let ImpactReport { client, events, events_changed, recordings, .. } = report;
    let mut out =
        format!("{client}: {events} events, {events_changed} would change; {recordings} recordings\n");
    for (gone, count) in &report.gone {
        out += &format!("  {count} events cannot be compared: {gone}\n");
    }
    for t in &report.recordings_changed {
        out +=
            &format!("  {} recordings: {} -> {} ({})\n", t.recordings, t.from, t.to, t.examples.join(", "));
    }
    for a in &report.access_changed {
        let functions: Vec<&str> = a.functions.iter().map(String::as_str).collect();
        let functions =
            if functions.is_empty() { String::new() } else { format!(" ({})", functions.join(", ")) };
        let (role, act) = (in_files(a.role), in_files(a.act));
        out += &format!("  {role}{functions}, {act}: {} -> {}, {} requests\n", a.from, a.to, a.requests);
    }
    if let Some(why) = &report.failure {
        out +=
            &format!("  {} rulings failed, and the declared safe outcome stood in: {why}\n", report.failures);
    }
    for group in &report.groups {
        let change = &group.change;
        let word = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
        let days = match group.days {
            Some((least, most)) if least == most => format!(" ({least:+} days)"),
            Some((least, most)) => format!(" ({least:+} to {most:+} days)"),
            None => String::new(),
        };
        let (direction, effect) = (in_files(change.direction), in_files(change.effect));
        let who = match (change.role, change.act) {
            (Some(role), Some(act)) => format!("  {}, {}", in_files(role), in_files(act)),
            _ => String::new(),
        };
        let head = format!("{direction:<8} {:>8}", group.events);
        out += &format!(
            "{}  {effect:<12} {} -> {}{days}  {}  {}{who}\n",
            paint(change.direction, &head),
            word(&change.from),
            word(&change.to),
            change.rule,
            if change.state.is_empty() { "-" } else { &change.state },
        );
        for example in &group.examples {
            let recording = example.recording.as_deref().unwrap_or("-");
            let by = example.function.as_ref().map_or(String::new(), |function| format!(" by {function}"));
            out += &format!(
                "           e.g. {}{by} at {}, entry {}, {recording}\n",
                example.event, example.at, example.place
            );
        }
    }
    out
}

/// A word as files have it: `retain-until`.
fn in_files(word: impl Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn named(given: &str) -> Result<(String, PathBuf), String> {
    match given.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err("PACK=FILE is wanted, for example pci-dss=target/packs/pci-dss-0.2.0.wasm".into()),
    }
}
