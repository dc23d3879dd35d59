//! `cargo xtask test`: everything is built once, then every test is run. What mostly waits is run beside the rest.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use crate::{built, cargo, machine, pack_folders, packs, plain_cargo, postgres, properties, root, run, step};

/// Random events for every pack.
const PROPERTIES: u32 = 3_000;

/// Tests that mostly wait: for calls of real length, for a host to start again, for leases to run out.
const WAITING: [&str; 8] =
    ["isolation", "kills", "many", "operated", "siprec", "spool", "stores", "timestamps"];

/// Where tests run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Main,
    /// Beside those, on other ports. What they say has a mark.
    Beside,
}

pub(crate) fn every_test() -> Result<(), String> {
    let began = Instant::now();
    can_test()?;
    step("formatting");
    cargo(&["fmt", "--all", "--check"])?;
    step("building the host and every test");
    // In one command: apart, the features of test dependencies would have the Wasm engine built twice.
    cargo(&["build", "--workspace", "--all-targets"])?;
    packs()?;
    step("every pack, as `caveat pack check` looks at it");
    run(Command::new(built("caveat"))
        .args(["pack", "check", "--no-build", "--deny-warnings"])
        .args(pack_folders()?))?;
    step("cases of every pack and random events, in the real engine");
    properties(PROPERTIES)?;
    all()?;
    println!("\nall tests passed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn can_test() -> Result<(), String> {
    machine::has_room()?;
    machine::can_build_packs()?;
    machine::can_build_other_languages()?;
    machine::can_speak()?;
    machine::can_recognize()?;
    machine::can_read_keys()?;
    machine::can_hear_opus()?;
    machine::can_call_like_twilio()?;
    machine::can_check_formats()?;
    machine::can_serve_packs()?;
    machine::can_keep_objects()?;
    machine::can_keep_state()?;
    machine::can_record_sessions()?;
    machine::can_keep_keys_elsewhere()?;
    machine::can_fork_calls()?;
    machine::can_keep_keys_as_in_aws()?;
    machine::can_vouch_for_people()?;
    machine::can_browse()?;
    machine::can_examine_deployments()?;
    machine::can_try_the_api()
}

/// What fails in one part of it does not hide what fails in the others.
fn all() -> Result<(), String> {
    let (waiting, rest): (BTreeSet<String>, _) =
        targets()?.into_iter().partition(|name| WAITING.contains(&name.as_str()));
    if waiting.len() != WAITING.len() {
        return Err(format!(
            "of {WAITING:?} there are only {waiting:?}: mend the list in tests/xtask/src/suite.rs"
        ));
    }
    step("every test; those that mostly wait, and PostgreSQL's, beside the others");
    let parts = thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let waiting = some(&waiting, &[]);
            [tests(waiting, Lane::Beside), postgres::suites(Lane::Beside)]
        });
        let rest = tests(some(&rest, &["--lib", "--bins", "--benches"]), Lane::Main);
        let beside = beside.join().unwrap_or_else(|_| [Err("what ran beside broke off".into()), Ok(())]);
        beside.into_iter().chain([rest]).collect::<Vec<_>>()
    });
    step("examples in the documentation");
    let mut examples = plain_cargo();
    examples.args(["test", "--workspace", "--doc"]);
    let examples = tests(examples, Lane::Main);
    let failed: Vec<String> = parts.into_iter().chain([examples]).filter_map(Result::err).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// Those files of tests, and what else is named.
pub(crate) fn some<S: AsRef<str>>(names: impl IntoIterator<Item = S>, more: &[&str]) -> Command {
    let mut tests = plain_cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]).args(more);
    for name in names {
        tests.args(["--test", name.as_ref()]);
    }
    tests
}

/// The names of all files of tests, in every room.
fn targets() -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    for rooms in [".", "host", "policies", "examples", "tests"] {
        for room in folder(&root().join(rooms))? {
            let tests = room.join("tests");
            if room.join("Cargo.toml").is_file() && tests.is_dir() {
                let files = folder(&tests)?.into_iter().filter(|file| {
                    file.extension().is_some_and(|end| end == "rs") || file.join("main.rs").is_file()
                });
                names.extend(files.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())));
            }
        }
    }
    Ok(names)
}

fn folder(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// Runs tests, shows what they say, and says again at the end what the failed ones said, which is far above by then.
pub(crate) fn tests(mut command: Command, lane: Lane) -> Result<(), String> {
    let shown = format!("{command:?}").replace('"', "");
    let cannot = |e: std::io::Error| format!("cannot run {shown}: {e}");
    command.current_dir(root()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mark = match lane {
        Lane::Main => "",
        Lane::Beside => {
            command.env("CAVEAT_TEST_BESIDE", "1");
            "| "
        }
    };
    let mut run = command.spawn().map_err(cannot)?;
    let (said, told) = (run.stdout.take().ok_or("no output")?, run.stderr.take().ok_or("no output")?);
    let (mut failures, mut telling) = (String::new(), false);
    thread::scope(|scope| {
        scope.spawn(|| lines(told).for_each(|line| eprintln!("{mark}{line}")));
        for line in lines(said) {
            println!("{mark}{line}");
            telling = match line.as_str() {
                "failures:" => false,
                _ => telling || line.starts_with("---- "),
            };
            let is_backtrace = line.starts_with("  ") && !line.contains("left:") && !line.contains("right:");
            if telling && !line.is_empty() && !is_backtrace {
                failures.extend([line.as_str(), "\n"]);
            }
        }
    });
    let status = run.wait().map_err(cannot)?;
    if status.success() { Ok(()) } else { Err(format!("{failures}{shown} failed ({status})")) }
}

fn lines(of: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(of).split(b'\n').map_while(Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).into_owned())
}
