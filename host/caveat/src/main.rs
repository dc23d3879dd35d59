//! The binary: configuration, wiring, commands. Knows every room and decides nothing.

mod cli;
mod commands;
mod config;
mod hosts;
mod house;
mod http;
mod identity;
mod ingest;
mod keys;
mod memory;
mod metrics;
mod operation;
mod telemetry;
mod timestamps;

use std::process::ExitCode;

use clap::Parser;
use nix::sys::{
    prctl,
    resource::{Resource, setrlimit},
};

fn main() -> ExitCode {
    memory::give_large_buffers_back();
    let cli = cli::Cli::parse();
    // What a host logs, and where its traces go, stands in its configuration.
    let host = match cli.host() {
        Ok(host) => host,
        Err(error) => {
            eprintln!("caveat: {}", explained(&error));
            return ExitCode::FAILURE;
        }
    };
    let telemetry = host.as_ref().map(|host| host.telemetry.clone()).unwrap_or_default();
    let telling = match telemetry.start(cli.asked()) {
        Ok(telling) => telling,
        Err(error) => {
            eprintln!("caveat: {}", explained(&error));
            return ExitCode::FAILURE;
        }
    };
    keep_memory_private();
    let code = run(cli, host, &telling);
    telling.finish();
    code
}

fn run(cli: cli::Cli, host: Option<config::Config>, telling: &telemetry::Telling) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("caveat: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli, host, telling.filter())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("caveat: {}", explained(&error));
            commands::running::Refused::exit_code(&error).unwrap_or(ExitCode::FAILURE)
        }
    }
}

/// No core dump: it would hold keys and what is being said. It also keeps other processes of the same user from looking in.
fn keep_memory_private() {
    let private = setrlimit(Resource::RLIMIT_CORE, 0, 0).and_then(|()| prctl::set_dumpable(false));
    if let Err(error) = private {
        tracing::warn!(%error, "core dumps could not be turned off: one would hold keys");
    }
}

/// An error with its causes, each said once: most of ours name their cause themselves.
pub(crate) fn explained(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{cause}");
        }
    }
    text
}
