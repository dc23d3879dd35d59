//! What each command does.

pub(crate) mod assurance;
pub(crate) mod backup;
mod breach;
pub(crate) mod database;
pub(crate) mod decide;
pub(crate) mod disclosures;
pub(crate) mod doctor;
pub(crate) mod erase;
pub(crate) mod evidence;
pub(crate) mod impact;
pub(crate) mod keeping;
pub(crate) mod key;
mod ledger;
pub(crate) mod pack;
mod people;
pub(crate) mod replay;
pub(crate) mod running;
mod serve;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::{
    cli::{Cli, Command},
    config::Config,
    telemetry::LogFilter,
};

/// `host` is the configuration of a host that is to run, `log` what is logged.
pub(crate) async fn run(cli: Cli, host: Option<Config>, log: LogFilter) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(file) => {
            let config = host.map_or_else(|| Config::read(&file.config), Ok)?;
            serve::serve(&config, file.config, log).await
        }
        Command::Doctor(args) => doctor::run(&args).await,
        Command::Database(command) => database::run(command).await,
        Command::Backup(args) => backup::back_up(&args).await,
        Command::Restore(args) => backup::restore(&args).await,
        Command::Check(file) => serve::check(&file.config),
        Command::Decide(args) => decide::run(&args),
        Command::Pack(command) => pack::run(command).await,
        Command::Person(command) => people::person(command).await,
        Command::Token(command) => people::token(command).await,
        Command::Ledger(command) => ledger::run(command).await,
        Command::Evidence(command) => evidence::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Assurance(command) => assurance::run(command).await,
        Command::Recording(command) => erase::recording(command).await,
        Command::Request(command) => erase::request(command).await,
        Command::Hold(command) => keeping::hold(command).await,
        Command::Disclosures(args) => disclosures::run(&args).await,
        Command::Retention(command) => keeping::retention(command).await,
        Command::Replay(args) => replay::run(&args).await,
        Command::Impact(args) => impact::run(&args).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "caveat", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}
