//! What a client costs the others that floods the host, with a pack that never answers:
//!
//!     caveat pack build tests/peers/hostile && noisy --rounds 30
//!
//! Two clients of one host have a call each. Events of the one are put to three packs, one after the other, and timed until
//! they are answered, which is when they are durable. In every other stretch the second client sends what it can on many
//! connections; each of its events is put to a pack that loops until its fuel is gone. What is compared is the median of one
//! stretch with that of the one before it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use caveat_tests::{
    host::{Host, free_port, packs},
    load::meter::percentile,
};
use clap::Parser;
use futures::future::try_join_all;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use uuid::Uuid;

const CONFIG: &str = r#"
[limits.media]
idle_ms = 86400000
first_message_ms = 60000

[limits.requests]
requests_per_minute_max = 1000000
requests_at_once_max = 100000

[audiosocket]
listen = "127.0.0.1:SOCKET"

[[client]]
id = "calm"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[[client.pack]]
file = "PACKS/pci-dss-0.1.0.wasm"

[[client.pack]]
file = "PACKS/hipaa-hitech-0.1.0.wasm"

[[client]]
id = "noisy"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/hostile-0.1.0.wasm"
"#;

#[derive(Debug, Parser)]
struct Options {
    /// How often a stretch without noise is compared with one that has it.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// How long a stretch is, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections that the second client floods.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Its quota of ruling time, in milliseconds a second; 0: none.
    #[arg(long, default_value_t = 20)]
    ruling_ms: u32,
    /// Its quota of requests a minute; 0: none.
    #[arg(long, default_value_t = 600)]
    requests: u32,
}

/// A client's call, and whoever tells of what happens on it.
struct Line {
    http: Client,
    events: String,
    token: String,
    /// Open as long as the call is.
    _audio: TcpStream,
}

impl Line {
    async fn open(host: &Host, socket: &str, client: &str, token: String) -> anyhow::Result<Self> {
        let (http, stream) = (Client::new(), Uuid::now_v7());
        let call = json!({"external-id": client, "direction": "inbound", "parties": [
            {"role": "agent", "leg": 0, "stated": "TX"}, {"role": "customer", "leg": 1, "stated": "GA"}]});
        let announced = http.post(format!("{}/v1/calls/announced", host.url)).bearer_auth(&token);
        let announced = announced.json(&json!({"call": call, "streams": [{"id": stream, "leg": 0}]}));
        announced.send().await?.error_for_status()?;
        let mut audio = TcpStream::connect(socket).await?;
        audio.write_all(&[&[1, 0, 16], &stream.as_bytes()[..]].concat()).await?;
        let events = format!("{}/v1/calls/{client}/events", host.url);
        Ok(Self { http, events, token, _audio: audio })
    }

    /// The customer is put on hold, or comes back.
    async fn tell(&self, held: bool) -> anyhow::Result<StatusCode> {
        let what = if held { json!({"held": 1}) } else { json!({"unheld": 1}) };
        let answer = self.http.post(&self.events).bearer_auth(&self.token).json(&what).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        Ok(status)
    }

    /// Waits until the host has the call.
    async fn is_up(&self) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        while self.tell(true).await? == StatusCode::NOT_FOUND {
            ensure!(Instant::now() < until, "the call does not begin");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// How long each event took, of as many as there is time for.
    async fn timed(&self, seconds: f64) -> anyhow::Result<Vec<Duration>> {
        let (began, mut took) = (Instant::now(), vec![]);
        while began.elapsed().as_secs_f64() < seconds {
            let at = Instant::now();
            let status = self.tell(took.len().is_multiple_of(2)).await?;
            ensure!(status == StatusCode::OK, "{status}");
            took.push(at.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(took)
    }
}

/// What the second client was told.
#[derive(Default)]
struct Noise {
    on: AtomicBool,
    answered: AtomicU64,
    refused: AtomicU64,
}

async fn flood(line: Arc<Line>, noise: Arc<Noise>) -> anyhow::Result<()> {
    loop {
        if !noise.on.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let counter = match line.tell(true).await? {
            StatusCode::TOO_MANY_REQUESTS => {
                // As whoever has no manners, but some other work.
                tokio::time::sleep(Duration::from_millis(20)).await;
                &noise.refused
            }
            _ => &noise.answered,
        };
        counter.fetch_add(1, Relaxed);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let hostile = packs()?.join("hostile-0.1.0.wasm");
    ensure!(hostile.exists(), "run `caveat pack build tests/peers/hostile` first");
    let (port, mut quota) = (free_port()?, String::from("\n[client.quota]\n"));
    for (key, n) in
        [("ruling-ms-per-second-max", options.ruling_ms), ("requests-per-minute-max", options.requests)]
    {
        if n > 0 {
            quota += &format!("{key} = {n}\n");
        }
    }
    let mut host = Host::prepare(&(CONFIG.replace("SOCKET", &port.to_string()) + &quota))?;
    let (calm, noisy) = (host.token("calm")?, host.token("noisy")?);
    host.start()?;
    let socket = format!("127.0.0.1:{port}");
    let calm = Line::open(&host, &socket, "calm", calm).await?;
    let noisy = Arc::new(Line::open(&host, &socket, "noisy", noisy).await?);
    try_join_all([calm.is_up(), noisy.is_up()]).await?;
    let noise = Arc::new(Noise::default());
    let floods: Vec<_> =
        (0..options.connections).map(|_| tokio::spawn(flood(noisy.clone(), noise.clone()))).collect();
    calm.timed(options.seconds).await?;
    let (mut ratios, mut quiet, mut loud) = (vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        noise.on.store(false, Relaxed);
        // What was on its way is answered by then.
        calm.timed(0.5).await?;
        let mut without = calm.timed(options.seconds).await?;
        noise.on.store(true, Relaxed);
        let mut with = calm.timed(options.seconds).await?;
        let half = |took: &mut [Duration]| percentile(took, 0.5).as_secs_f64();
        ratios.push(half(&mut with) / half(&mut without));
        quiet.append(&mut without);
        loud.append(&mut with);
    }
    for flood in &floods {
        ensure!(!flood.is_finished(), "the flood broke off");
        flood.abort();
    }
    let line = |what: &str, took: &mut Vec<Duration>| {
        let (half, most) = (percentile(took, 0.5), percentile(took, 0.99));
        println!("{what}: {} events, half within {half:?}, 99 % within {most:?}", took.len());
    };
    line("without noise", &mut quiet);
    line("with it", &mut loud);
    let (answered, refused) = (noise.answered.load(Relaxed), noise.refused.load(Relaxed));
    let seconds = options.seconds * options.rounds as f64;
    println!(
        "the noise: {:.0} events a second answered, {:.0} refused, on {} connections",
        answered as f64 / seconds,
        refused as f64 / seconds,
        options.connections
    );
    println!("with noise / without, median of {} rounds: {:.3}", ratios.len(), median(&mut ratios));
    let code = host.stop().context("stopping")?;
    ensure!(code == 0, "the host ended with {code}:\n{}", host.log());
    Ok(())
}
