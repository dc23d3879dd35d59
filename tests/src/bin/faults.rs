//! Lets things befall several hosts and looks for what was lost or doubled: `cargo run --bin faults -- --faults 100`.

use caveat_tests::many::{Plan, run};
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { faults, hosts, seed } = Args::parse();
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    println!("{:#?}", run(Plan { faults, hosts, seed }).await?);
    Ok(())
}
