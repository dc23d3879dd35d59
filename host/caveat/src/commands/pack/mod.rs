//! `caveat pack`: a file per command, each with its arguments and what it does.

mod bench;
mod build;
mod check;
mod docs;
mod inspect;
mod lock;
mod new;
mod registry;
mod running;
mod scenarios;
mod sign;
mod test;
mod together;
mod watch;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use caveat_engine::{Engine, Limits};
use clap::{Args, Subcommand};
use serde::Serialize;

/// Where built packs lie.
#[derive(Debug, Args)]
pub(crate) struct PackDir {
    /// Folder of built packs (.wasm).
    #[arg(long, env = "CAVEAT_PACKS", default_value = "target/packs", value_name = "DIR")]
    pub(crate) packs: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PackCommand {
    /// Begin a pack: a folder with one rule, its cases, settings and README, which passes its own tests.
    New(new::Args),
    /// Compile packs into one .wasm file each.
    Build(build::Args),
    /// Run a pack's cases, or those of a client's packs together, in the real engine. Exit code 1 if one fails.
    Test(test::Args),
    /// Look for everything that can be wrong with packs and that no compiler sees. Exit code 1 on an error.
    #[command(long_about = check::ABOUT)]
    Check(check::Args),
    /// Write a page about a pack that a lawyer can read and sign off.
    Docs(docs::Args),
    /// Measure what a pack's rulings cost: time, fuel and memory per rule, on the events of its cases.
    ///
    /// Fuel is the same on any machine: keep what --json prints, and give it as --baseline in continuous integration.
    Bench(bench::Args),
    /// Run a file of plain-term legal scenarios and report expected and got. Always exit code 0: it reports.
    Scenarios(scenarios::Args),
    /// Show which packs of a running host rule for a client, and which ruled before.
    List(running::ListArgs),
    /// Show where monitored packs of a running host would have ruled otherwise than those obeyed.
    Monitor(running::ListArgs),
    /// Make a key that signs packs. Prints its public half, for `trusted-pack-keys` in caveat.toml.
    Keygen(sign::KeygenArgs),
    /// Sign packs: a signed note beside each (FILE.sig) names pack, version and digest.
    Sign(sign::SignArgs),
    /// Check that a pack is signed by one of the keys. Exit code 1 if it is not.
    Verify(sign::VerifyArgs),
    /// Put a pack, with the signature beside it, into an OCI registry.
    Push(registry::PushArgs),
    /// Get a pack, with its signature, from an OCI registry by tag or digest.
    Pull(registry::PullArgs),
    /// Show what a pack is: rules, stages, imports, settings, needs, signers. A file, or a reference to a registry.
    Inspect(inspect::Args),
    /// Pin the bytes of every client's packs in caveat.lock, beside the configuration.
    #[command(long_about = lock::ABOUT)]
    Lock(lock::Args),
    /// Change a client's packs on a running host, while calls run. Exit code 1: those in force stay.
    ///
    /// A signature beside the file (FILE.sig) is sent along. Where the client has `trusted-pack-keys`, one of them must have
    /// signed the pack; where the host has a caveat.lock, it must pin the pack first:
    /// `caveat pack lock --add FILE --client ID`.
    Swap(running::SwapArgs),
    /// Put the set of packs before the one in force in force again.
    ///
    /// What it goes back to must still be admitted: signed by a key that is still trusted, and still in caveat.lock if there
    /// is one. `caveat pack lock` forgets packs that caveat.toml no longer names; `--add` keeps them.
    Rollback(running::RollbackArgs),
}

pub(crate) async fn run(command: PackCommand) -> anyhow::Result<ExitCode> {
    match command {
        PackCommand::New(args) => new::run(&args),
        PackCommand::Build(args) => build::run(&args),
        PackCommand::Test(args) => test::run(&args),
        PackCommand::Check(args) => check::run(&args),
        PackCommand::Docs(args) => docs::run(&args),
        PackCommand::Bench(args) => bench::run(&args),
        PackCommand::Scenarios(args) => scenarios::run(&args),
        PackCommand::Keygen(args) => sign::keygen(&args),
        PackCommand::Sign(args) => sign::sign(&args),
        PackCommand::Verify(args) => sign::verify(&args),
        PackCommand::Push(args) => registry::push(&args).await,
        PackCommand::Pull(args) => registry::pull(&args).await,
        PackCommand::Inspect(args) => inspect::run(&args).await,
        PackCommand::Lock(args) => lock::run(&args),
        PackCommand::List(args) => running::list(&args).await,
        PackCommand::Monitor(args) => running::monitor(&args).await,
        PackCommand::Swap(args) => running::swap(&args).await,
        PackCommand::Rollback(args) => running::rollback(&args).await,
    }
}

/// An engine for a command: the limits of a host, nothing cached.
pub(crate) fn engine() -> anyhow::Result<Engine> {
    Ok(Engine::new(Limits::default(), None)?)
}

/// As JSON for machines, or as text, in color on a terminal.
pub(crate) fn print<T: Serialize>(
    value: &T,
    json: bool,
    text: impl Fn(bool) -> String,
) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(value)?);
    } else {
        print!("{}", text(std::io::stdout().is_terminal()));
    }
    Ok(())
}
