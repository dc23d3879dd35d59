//! Kills hosts at random moments and looks for what was lost: `cargo run --bin kills -- --kills 10000`.

use clap::Parser;

#[derive(Parser)]
struct Args {
    /// How many kills, of all hosts together.
    #[arg(long, default_value_t = 1_000)]
    kills: u32,
    /// Hosts beside each other.
    #[arg(long, default_value_t = 6)]
    hosts: u32,
    /// Where everything random comes from; to run what failed again.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { kills, hosts, seed } = Args::parse();
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let plan = caveat_tests::kills::Plan { kills, hosts, seed, store: String::new(), files: vec![] };
    println!("{:#?}", caveat_tests::kills::run(plan).await?);
    Ok(())
}
