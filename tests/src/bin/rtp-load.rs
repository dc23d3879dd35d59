//! Many recording sessions at once, against a host that runs already, and what they cost it:
//!
//!     rtp-load --sip 127.0.0.1:5060 --url http://127.0.0.1:8480 --pid PID --calls 500 --seconds 60
//!
//! Every session has two legs of G.711. The host needs a `[[siprec.trunk]]` that takes sessions from here, and room for
//! them in its limits. With `--ports` sound is sent to ports that somebody else opened: that is how a peer is measured.
//!
//! The figures in the README are of a release build of both (`cargo build --release --workspace --bins`), at nice -15, the
//! host with its default log level, three packs, SQLite, and a local folder that is synced. Processor time is user and
//! system time of the whole host over the packets sent meanwhile, from the 15th second on, when the window in memory is
//! full; a core carries as many sessions as that leaves room for, by arithmetic. Lost is what was sent and not taken by the
//! host, or taken and not heard. The time per start is the host's from the first INVITE to the last answer, over the sessions;
//! how soon they are answered is measured with `--calls 1000 --per-second 1000`. rtpengine ran with `--table=-1
//! --recording-method=pcap --recording-format=raw`, its ports from `offer`, `answer` and `start recording`, and a sink that
//! takes what it forwards; its figure has that forwarding in it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use caveat_tests::load::{
    media,
    meter::{Counters, Use, percentile},
    sip::{Client, Session},
};
use clap::Parser;

/// Load for a host.
#[derive(Debug, Parser)]
struct Options {
    /// Where it takes recording sessions, by UDP.
    #[arg(long, default_value = "127.0.0.1:5060")]
    sip: SocketAddr,
    /// Its web address, for what it counts.
    #[arg(long, default_value = "http://127.0.0.1:8480")]
    url: String,
    /// Its process.
    #[arg(long)]
    pid: u32,
    /// Sessions.
    #[arg(long, default_value_t = 100)]
    calls: usize,
    /// How many of them begin in a second.
    #[arg(long, default_value_t = 1_000.0)]
    per_second: f64,
    /// For how long sound is sent to all of them, in seconds.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// A file of ports on 127.0.0.1, two a session, that sound is sent to instead.
    #[arg(long)]
    ports: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(ports) = &options.ports {
        let legs = std::fs::read_to_string(ports)?;
        let legs: Vec<SocketAddr> = legs
            .split_whitespace()
            .map(|port| format!("127.0.0.1:{port}").parse())
            .collect::<Result<_, _>>()?;
        let empty = Use::of(options.pid)?;
        let load = Load::run(&options, legs).await?;
        load.print(&options, &empty);
        return Ok(());
    }
    let (empty, counted) = (Use::of(options.pid)?, Counters::of(&options.url).await?);
    let client = Client::new(options.sip)?;
    let sessions = begin(&client, &options, &empty)?;
    let load = Load::run(&options, sessions.iter().flat_map(|s| s.legs.clone()).collect()).await?;
    let after = Counters::of(&options.url).await?;
    let grown = |name: &str| after.get(name) - counted.get(name);
    let packets = |what: &str| grown(&format!("caveat_rtp_packets_total{{what=\"{what}\"}}"));
    println!(
        "{} packets sent, {} taken, {} missing, {} lost by their numbers, {} bad, {} stray, {} frames without room",
        load.sent,
        packets("taken"),
        load.sent as f64 - packets("taken"),
        packets("lost"),
        packets("bad"),
        packets("stray"),
        grown("caveat_rtp_frames_unheard_total"),
    );
    load.print(&options, &empty);
    println!("{} sessions did not end in time", client.end(&sessions, options.per_second)?);
    Ok(())
}

fn begin(client: &Client, options: &Options, empty: &Use) -> anyhow::Result<Vec<Session>> {
    let sessions = client.begin(options.calls, options.per_second)?;
    let mut answers: Vec<Duration> = sessions.iter().map(|s| s.answered_after).collect();
    let (half, most) = (percentile(&mut answers, 0.5), percentile(&mut answers, 0.99));
    let cpu = (Use::of(options.pid)?.cpu - empty.cpu) / options.calls.max(1) as u32;
    println!(
        "{} sessions, {} a second: answered after {half:?} (half), {most:?} (99 %), {:?} (all); {cpu:?} of processor each",
        sessions.len(),
        options.per_second,
        answers.last().copied().unwrap_or_default(),
    );
    Ok(sessions)
}

/// What a load cost.
struct Load {
    sent: u64,
    late_max: Duration,
    legs: usize,
    /// For how long it was measured, what was sent in this time, and what was used by the host and by this process.
    measured: Duration,
    packets: u64,
    host: Duration,
    own: Duration,
    resident: u64,
}

impl Load {
    async fn run(options: &Options, legs: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let (seconds, count) = (options.seconds, legs.len());
        let sent = Arc::<AtomicU64>::default();
        let counted = sent.clone();
        let sender = thread::spawn(move || media::send(&legs, seconds, &counted));
        // The window in memory fills first; what comes after is the steady state.
        let first = Duration::from_secs_f64((seconds / 3.0).min(15.0));
        let measured = Duration::from_secs_f64(seconds).saturating_sub(first + Duration::from_secs(2));
        tokio::time::sleep(first).await;
        let (host, own) = (Use::of(options.pid)?, Use::of(std::process::id())?);
        let before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(measured).await;
        let (host_to, own_to) = (Use::of(options.pid)?, Use::of(std::process::id())?);
        let packets = sent.load(Ordering::Relaxed) - before;
        let late_max = sender.join().ok().context("the sender failed")??;
        // What is on its way is counted within a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (host, own) = (host_to.cpu - host.cpu, own_to.cpu - own.cpu);
        let (sent, resident) = (sent.load(Ordering::Relaxed), host_to.resident);
        Ok(Self { sent, late_max, legs: count, measured, packets, host, own, resident })
    }

    fn print(&self, options: &Options, empty: &Use) {
        let seconds = self.measured.as_secs_f64();
        let each = self.host.as_secs_f64() * 1e6 / self.packets as f64;
        let sessions = self.legs as f64 / 2.0;
        println!(
            "processor: {each:.2} us a packet ({:.0} a second), {:.1} % of one core; a core carries {:.0} sessions of 100 packets a second; sender: {:.1} % of one core, late by {:?} at most",
            self.packets as f64 / seconds,
            self.host.as_secs_f64() / seconds * 100.0,
            1e4 / each,
            self.own.as_secs_f64() / seconds * 100.0,
            self.late_max,
        );
        println!(
            "memory: {:.1} MB before, {:.1} MB at the end, {:.0} KB a session; {} seconds",
            empty.resident as f64 / 1e6,
            self.resident as f64 / 1e6,
            self.resident.saturating_sub(empty.resident) as f64 / 1e3 / sessions,
            options.seconds,
        );
    }
}
