//! Lets things befall several hosts and looks for what was lost or doubled: `cargo run --bin faults -- --faults 100`. With
//! `--old PROGRAM` hosts begin with another program, and are upgraded one after the other with calls running.

use std::path::PathBuf;

use caveat_tests::many::{Plan, run, upgrade};
use clap::Parser;

#[derive(Parser)]
struct Args {
    /// How often something befalls a host.
    #[arg(long, default_value_t = 50)]
    faults: u32,
    /// How many hosts share the database and the store.
    #[arg(long, default_value_t = 3)]
    hosts: usize,
    /// Where everything random comes from; to run what failed again.
    #[arg(long)]
    seed: Option<u64>,
    /// The program that hosts begin with. Nothing befalls them then but the upgrade.
    #[arg(long, conflicts_with = "faults")]
    old: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { faults, hosts, seed, old } = Args::parse();
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let found = match old {
        Some(old) => upgrade(&old, hosts, seed).await?,
        None => run(Plan { faults, hosts, seed }).await?,
    };
    println!("{found:#?}");
    Ok(())
}
