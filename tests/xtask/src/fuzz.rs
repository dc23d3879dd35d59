//! `cargo xtask fuzz`: libFuzzer on what untrusted bytes meet (`tests/fuzz`), with coverage of our crates alone.
//!
//! cargo asks this program, as its workspace wrapper, to run the compiler for the crates of the workspace; they get the
//! flags of coverage, and everything else stays as it is built for the tests.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{built, cargo, machine, plain_cargo, root, run, step};

/// Set where this program is to be a compiler.
const WRAPPER: &str = "CAVEAT_FUZZ_COVERAGE";
/// For each target, unless `--seconds` says otherwise.
const SECONDS: u32 = 60;
/// Longest time for one input, in seconds: what takes longer hangs.
const TIMEOUT_S: u32 = 20;
const RSS_MB: u32 = 4_096;

/// What libFuzzer needs (as `cargo fuzz` has it): a counter for each edge, and what is compared with what.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// Runs the compiler that cargo named, where cargo takes this program for its wrapper.
pub(crate) fn as_compiler(args: &[String]) -> Option<ExitCode> {
    env::var_os(WRAPPER)?;
    let (compiler, args) = args.split_first()?;
    let crate_name =
        args.iter().skip_while(|a| *a != "--crate-name").nth(1).map(String::as_str).unwrap_or("");
    let ours = crate_name.starts_with("caveat_") || crate_name.starts_with("fuzz_");
    let mut command = Command::new(compiler);
    command.args(args);
    if ours {
        command.args(COVERAGE);
    }
    let status = command.status();
    Some(if status.is_ok_and(|s| s.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every target, or those named, one after the other.
pub(crate) fn fuzz(args: &[String]) -> Result<(), String> {
    let (seconds, chosen) = options(args)?;
    let targets = targets(&chosen)?;
    machine::can_link_fuzzers()?;
    step("writing seeds");
    // The whole workspace each time, so that features are those of the tests and nothing foreign is compiled anew.
    cargo(&["build", "--workspace", "--bin", "fuzz-seeds"])?;
    let work = root().join("target/fuzz");
    run(Command::new(built("fuzz-seeds")).arg(work.join("seeds")))?;
    step("building the targets, our crates with coverage");
    let wrapper = env::current_exe().map_err(|e| format!("this program's own path: {e}"))?;
    let mut build = plain_cargo();
    build.args(["build", "--workspace", "--features", "caveat-fuzz/libfuzzer"]);
    build.args(targets.iter().flat_map(|name| ["--bin".to_owned(), format!("fuzz-{name}")]));
    run(build.env("RUSTC_WORKSPACE_WRAPPER", wrapper).env(WRAPPER, "1"))?;
    let mut broken = vec![];
    println!("\n{:<16}{:>12}{:>10}{:>10}{:>8}  came out", "target", "runs", "edges", "features", "corpus");
    for name in &targets {
        let log = one(&work, name, seconds)?;
        let figures = Figures::of(&fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?);
        println!("{name:<16}{figures}");
        if !figures.ended_well {
            broken.push(log.display().to_string());
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("something was found, see {}", broken.join(", "))) }
}

fn options(args: &[String]) -> Result<(u32, Vec<String>), String> {
    let (mut seconds, mut chosen) = (SECONDS, vec![]);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => {
                let given = args.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                seconds = given.ok_or("--seconds wants a whole number from 1 up")?;
            }
            name if !name.starts_with('-') => chosen.push(name.to_owned()),
            other => return Err(format!("unknown option `{other}`: --seconds N, and names of targets")),
        }
    }
    Ok((seconds, chosen))
}

/// By their files.
fn targets(chosen: &[String]) -> Result<Vec<String>, String> {
    let folder = root().join("tests/fuzz/fuzz_targets");
    let files = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.replace('_', "-"));
    let mut all: Vec<String> = files.filter_map(|entry| stem(entry.ok()?.path())).collect();
    all.sort();
    if let Some(unknown) = chosen.iter().find(|name| !all.contains(name)) {
        return Err(format!("no target `{unknown}`: there are {}", all.join(", ")));
    }
    Ok(if chosen.is_empty() { all } else { chosen.to_vec() })
}

/// Runs one target; where its log is.
fn one(work: &Path, name: &str, seconds: u32) -> Result<PathBuf, String> {
    let failed = |e: std::io::Error| format!("{name}: {e}");
    let (corpus, found) = (work.join("corpus").join(name), work.join("found"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let log = work.join(format!("{name}.log"));
    let file = File::create(&log).map_err(failed)?;
    let mut command = Command::new(built(&format!("fuzz-{name}")));
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={TIMEOUT_S}"),
        format!("-rss_limit_mb={RSS_MB}"),
        format!("-artifact_prefix={}/{name}-", found.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    command.arg(corpus).arg(work.join("seeds").join(name));
    let regressions = root().join("tests/fuzz/regressions").join(name);
    if regressions.is_dir() {
        command.arg(regressions);
    }
    // What it found is in its log; the others go on.
    command.stdout(file.try_clone().map_err(failed)?).stderr(file).status().map_err(failed)?;
    Ok(log)
}

/// What libFuzzer says of a run.
struct Figures {
    runs: String,
    edges: String,
    features: String,
    corpus: String,
    ended_well: bool,
}

impl Figures {
    fn of(log: &str) -> Self {
        let last = log.lines().rfind(|line| line.contains(" cov: ")).unwrap_or_default();
        let after = |line: &str, word: &str| {
            let found = line.split_whitespace().skip_while(|w| *w != word).nth(1);
            found.unwrap_or("-").split('/').next().unwrap_or("-").to_owned()
        };
        let total = log.lines().rfind(|line| line.starts_with("stat::number_of_executed_units:"));
        Self {
            runs: after(total.unwrap_or_default(), "stat::number_of_executed_units:"),
            edges: after(last, "cov:"),
            features: after(last, "ft:"),
            corpus: after(last, "corp:"),
            ended_well: log.lines().any(|line| line.starts_with("Done ")),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, edges, features, corpus, ended_well } = self;
        let end = if *ended_well { "well" } else { "SOMETHING WAS FOUND" };
        write!(f, "{runs:>12}{edges:>10}{features:>10}{corpus:>8}  {end}")
    }
}
