//! `caveat pack lock`: the bytes that a client's packs must have, pinned beside the configuration.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use caveat_model::ClientId;
use caveat_packs::{Lock, PackFile, Pin, Trust};
use serde_json::json;

use super::print;
use crate::{cli::ConfigFile, config::Config};

/// The long help: what a lock means is decided here and nowhere else.
pub(crate) const ABOUT: &str = "\
Pin the bytes of every client's packs in caveat.lock, beside the configuration.

Written anew from the packs that caveat.toml names. Where the file exists, the host loads no pack of other bytes: it does \
not start with one, and it refuses one in a swap or a rollback. A running host reads the lock at each swap; packs that are \
in force already stay. With no such file, nothing is pinned.

To swap a pack on a running host: `caveat pack lock --add FILE --client ID`, then `caveat pack swap`. Both the old bytes and \
the new are pinned then, so that `caveat pack rollback` goes back with no further ado. Once the new pack is to stay, name it \
in caveat.toml and run `caveat pack lock`: what caveat.toml no longer names is forgotten, and can be neither swapped in nor \
rolled back to. Do both before the next start: a swapped-in pack that is no longer pinned is refused there too.

With --check, nothing is written; exit code 1 if the lock and the packs differ.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// Write nothing; exit code 1 if the lock differs from what would be written.
    #[arg(long)]
    check: bool,
    /// Pin this pack too, and keep every other pin: before a swap.
    #[arg(long, value_name = "FILE", requires = "client", conflicts_with = "check")]
    add: Option<PathBuf>,
    /// For whom.
    #[arg(long, value_name = "ID", requires = "add")]
    client: Option<ClientId>,
    /// Print the pins, or the differences, as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    let path = &config.paths.lock;
    if args.check {
        let standing = Lock::open(path)?
            .with_context(|| format!("there is no {}: `caveat pack lock` writes it", path.display()))?;
        return check(args, &standing, &declared(&config)?);
    }
    let lock = match (&args.add, &args.client) {
        (Some(file), Some(client)) => with(Lock::open(path)?.unwrap_or_default(), &config, file, client)?,
        _ => declared(&config)?,
    };
    lock.write(path)?;
    print(&lock, args.json, |_| lock.pins.iter().map(line).collect())?;
    Ok(ExitCode::SUCCESS)
}

/// The pins of what the configuration names; what a client would not take for want of a signature is not pinned.
fn declared(config: &Config) -> anyhow::Result<Lock> {
    let mut lock = Lock::default();
    for client in &config.clients {
        let trust = client.trust(Trust::default());
        for choice in &client.packs {
            let file = PackFile::open(&choice.file)?;
            trust.admit(&client.profile.id, &file).with_context(|| choice.file.display().to_string())?;
            lock.pins.insert(Pin::of(&client.profile.id, &file));
        }
    }
    Ok(lock)
}

fn with(mut lock: Lock, config: &Config, file: &Path, id: &ClientId) -> anyhow::Result<Lock> {
    let Some(client) = config.clients.iter().find(|client| client.profile.id == *id) else {
        bail!("client `{id}` is not in the configuration");
    };
    let pack = PackFile::open(file)?;
    client.trust(Trust::default()).admit(id, &pack).with_context(|| file.display().to_string())?;
    // A lock that is new binds all that is declared, or else the next start would refuse it.
    if lock.pins.is_empty() {
        lock = declared(config)?;
    }
    lock.pins.insert(Pin::of(id, &pack));
    Ok(lock)
}

fn check(args: &Args, standing: &Lock, wanted: &Lock) -> anyhow::Result<ExitCode> {
    let missing: Vec<&Pin> = wanted.pins.difference(&standing.pins).collect();
    let extra: Vec<&Pin> = standing.pins.difference(&wanted.pins).collect();
    let fits = missing.is_empty() && extra.is_empty();
    let report = json!({ "fits": fits, "not-pinned": missing, "pinned-and-not-named": extra });
    print(&report, args.json, |_| {
        if fits {
            return "the lock fits\n".to_owned();
        }
        let signed = |sign: char, pins: &[&Pin]| -> String {
            pins.iter().map(|p| format!("{sign} {}", line(p))).collect()
        };
        let rows = signed('+', &missing) + &signed('-', &extra);
        format!(
            "{rows}the lock differs from the packs: + is not pinned, - is pinned and not named; if that is meant, run `caveat pack lock`\n"
        )
    })?;
    Ok(if fits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(pin: &Pin) -> String {
    format!("{}: {} {} {}\n", pin.client, pin.pack, pin.version, pin.digest)
}
