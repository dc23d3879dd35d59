//! `cargo xtask demo` and `cargo xtask test`: everything that a fresh machine needs, and nothing installed twice.
//!
//! Small and without dependencies, so that it is there at once. Says what it does before it does it.

mod fuzz;
mod machine;
mod postgres;
mod suite;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use suite::Lane;

const HELP: &str = "\
cargo xtask demo [-- --once]   build everything, start a host, play six calls into it, show what happens;
                               with --once it ends by itself, exit code 0 only if every step came out right
cargo xtask test               build everything once and run every test
cargo xtask properties [N]     put N random events to every pack (30000), and make their facts worse
cargo xtask fuzz [--seconds N] [TARGET...]
                               feed parsers, pack loader and rulings with what libFuzzer makes up, 60 s each
cargo xtask postgres           run the tests of every room with tables on PostgreSQL
cargo xtask packs              build the rule packs into target/packs
cargo xtask tools              put what packs in Python and JavaScript are built with, and what tests call with and
                               keep objects in, into target/tools
cargo xtask lint               formatting and clippy, as reviewers run them";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = fuzz::as_compiler(&args) {
        return done;
    }
    let args: Vec<String> = args.into_iter().filter(|a| a != "--").collect();
    let done = match args.first().map(String::as_str) {
        Some("demo") => demo(&args[1..]),
        Some("test") => suite::every_test(),
        Some("packs") => machine::can_build_packs().and_then(|()| host()).and_then(|()| packs()),
        Some("properties") => properties_of_packs(&args[1..]),
        Some("fuzz") => fuzz::fuzz(&args[1..]),
        Some("tools") => machine::can_build_other_languages()
            .and_then(|()| machine::can_call_like_twilio())
            .and_then(|()| machine::can_keep_objects()),
        Some("postgres") => postgres::suites(Lane::Main),
        Some("lint") => lint(),
        _ => {
            println!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("\nxtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn demo(args: &[String]) -> Result<(), String> {
    machine::can_build_packs()?;
    machine::can_speak()?;
    step("building the host and the demonstration");
    cargo(&["build", "--workspace", "--bin", "caveat", "--bin", "demo"])?;
    packs()?;
    step("starting");
    run(Command::new(built("demo")).args(args))
}

/// Random events for every pack in a run of `cargo xtask properties`.
const PROPERTIES: u32 = 30_000;

fn properties_of_packs(args: &[String]) -> Result<(), String> {
    let count = match args {
        [] => PROPERTIES,
        [given] => given.parse().map_err(|_| format!("`{given}` is no number of events"))?,
        _ => return Err("one number is wanted, of random events for every pack".into()),
    };
    machine::can_build_packs()?;
    host()?;
    packs()?;
    properties(count)
}

/// Cases of every pack, then random events: it never fails, and never gets laxer when a fact gets worse.
fn properties(count: u32) -> Result<(), String> {
    let mut test = Command::new(built("caveat"));
    test.args(["pack", "test", "--no-build", "--properties", &count.to_string()]);
    run(test.args(pack_folders()?))
}

fn lint() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}

fn host() -> Result<(), String> {
    step("building the host");
    cargo(&["build", "--workspace", "--bin", "caveat"])
}

fn packs() -> Result<(), String> {
    step("building the rule packs");
    run(Command::new(built("caveat")).args(["pack", "build"]).args(pack_folders()?))
}

/// Every folder of `policies/` that holds a pack.
fn pack_folders() -> Result<Vec<PathBuf>, String> {
    let folders = std::fs::read_dir(root().join("policies")).map_err(|e| format!("policies/: {e}"))?;
    let mut packs: Vec<PathBuf> = folders
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|dir| dir.join("pack.toml").is_file())
        .collect();
    packs.sort();
    Ok(packs)
}

fn step(what: &str) {
    println!("\n== {what}");
}

/// Without what cargo told this program of its own package: some build scripts look at that, and would run anew whenever
/// somebody builds without this program.
pub(crate) fn plain_cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let of_package = |text: &str| text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(of_package) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

fn cargo(args: &[&str]) -> Result<(), String> {
    run(plain_cargo().args(args))
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.current_dir(root()).status().map_err(|e| format!("cannot run {shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} failed ({status})")) }
}

/// A program that cargo built, beside this one.
fn built(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.parent().unwrap_or(Path::new("target/debug")).join(name)
}

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
