//! `caveat ledger`: key, export, verify.

use std::{path::Path, process::ExitCode};

use caveat_ledger::{VerifyLimits, verify_bundle_within};

use super::evidence::{Time, key_of};
use crate::{
    cli::{ConfigFile, LedgerCommand},
    config::Config,
    house::Log,
};

pub(crate) async fn run(command: LedgerCommand) -> anyhow::Result<ExitCode> {
    match command {
        LedgerCommand::Key { config, client } => {
            println!("{}", open(&config).await?.ledger.vkey(&client));
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Export { config, client, dir } => {
            open(&config).await?.ledger.export(&client, &dir).await?;
            println!("{}", dir.display());
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Verify { dir, key, time, json } => verify(&dir, &key, &time, json),
    }
}

fn verify(dir: &Path, key: &str, time: &Time, json: bool) -> anyhow::Result<ExitCode> {
    let key = key_of(key)?;
    let limits = VerifyLimits::default();
    let report = verify_bundle_within(dir, key.trim(), limits, &time.authorities()?)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn open(file: &ConfigFile) -> anyhow::Result<Log> {
    Log::look(&Config::read(&file.config)?).await
}
