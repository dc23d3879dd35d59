//! How long a write waits until it is durable, with 1,000 calls of two legs that each seal a second a second.
//! `cargo bench -p caveat-vault --bench acknowledged [-- CALLS SECONDS]`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use caveat_model::{ClientId, Clock, Moment, RecordingId, SystemClock};
use caveat_state::Db;
use caveat_vault::{Codec, Header, Keyring, Kind, LegInfo, Limits, Vault, VaultConfig};
use object_store::memory::InMemory;

const SECOND_BYTES: usize = 8_004;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let calls = numbers.first().copied().unwrap_or(1_000);
    let seconds = numbers.get(1).copied().unwrap_or(20) as u32;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut waits = runtime.block_on(run(calls, seconds))?;
    waits.sort_unstable();
    let at = |per_mille: usize| waits[(waits.len() - 1) * per_mille / 1_000];
    println!("{calls} calls, {seconds} s, {} writes", waits.len());
    println!(
        "p50 {:?}, p90 {:?}, p99 {:?}, p99.9 {:?}, most {:?}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1_000)
    );
    Ok(())
}

async fn run(calls: u64, seconds: u32) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let db = Db::open_file(&dir.path().join("state.db")).await?;
    let keys = Arc::new(Keyring::open(dir.path().join("keyring"), None)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = VaultConfig { dir: dir.path().join("log"), limits: Limits::default() };
    let vault = Vault::open(config, db, Arc::new(InMemory::new()), keys, clock.clone()).await?;
    let client: ClientId = "acme".parse()?;
    let leg = |leg| LegInfo { leg, sample_rate_hz: 8_000, codec: Codec::Pcmu };
    let header = Header { began: clock.now(), legs: vec![leg(0), leg(1)], suite: Default::default() };
    let mut writers = vec![];
    for n in 0..calls {
        let id = RecordingId::new(Moment::from_millis(1_000_000 + n));
        writers.push(vault.begin(&client, id, header.clone()).await?);
    }
    let began = tokio::time::Instant::now();
    let tasks: Vec<_> = (0..calls)
        .zip(writers)
        .map(|(n, writer)| {
            tokio::spawn(async move {
                let (plain, mut waits) = (vec![n as u8; SECOND_BYTES], vec![]);
                let from = began + Duration::from_micros(1_000_000 * n / calls.max(1));
                for index in 0..seconds {
                    tokio::time::sleep_until(from + Duration::from_secs(index.into())).await;
                    for leg in [0, 1] {
                        let asked = Instant::now();
                        if writer.append(leg, index, Kind::Audio, &plain).await.is_ok() {
                            waits.push(asked.elapsed());
                        }
                    }
                }
                waits
            })
        })
        .collect();
    let mut all = vec![];
    for task in tasks {
        all.extend(task.await?);
    }
    Ok(all)
}
