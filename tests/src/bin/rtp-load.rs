//! Many recording sessions at once, against a host that runs already, and what they cost it:
//!
//!     rtp-load --sip 127.0.0.1:5060 --url http://127.0.0.1:8480 --pid PID --calls 500 --seconds 60
//!
//! Every session has two legs of G.711. The host needs a `[[siprec.trunk]]` that takes sessions from here, and room for
//! them in its limits. With `--ports` sound is sent to ports that somebody else opened: that is how a peer is measured.

use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

use anyhow::Context;
use caveat_tests::load::{
    media::{self, Sent},
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
        load.sent.packets,
        packets("taken"),
        load.sent.packets as f64 - packets("taken"),
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
    sent: Sent,
    legs: usize,
    /// For how long it was measured, and what was used in this time by the host and by this process.
    measured: Duration,
    host: Duration,
    own: Duration,
    resident: u64,
}

impl Load {
    async fn run(options: &Options, legs: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let (seconds, count) = (options.seconds, legs.len());
        let sender = thread::spawn(move || media::send(&legs, seconds));
        // The window in memory fills first; what comes after is the steady state.
        let first = Duration::from_secs_f64((seconds / 3.0).min(15.0));
        let measured = Duration::from_secs_f64(seconds).saturating_sub(first + Duration::from_secs(2));
        tokio::time::sleep(first).await;
        let (host, own) = (Use::of(options.pid)?, Use::of(std::process::id())?);
        tokio::time::sleep(measured).await;
        let (host_to, own_to) = (Use::of(options.pid)?, Use::of(std::process::id())?);
        let sent = sender.join().ok().context("the sender failed")??;
        // What is on its way is counted within a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (host, own) = (host_to.cpu - host.cpu, own_to.cpu - own.cpu);
        Ok(Self { sent, legs: count, measured, host, own, resident: host_to.resident })
    }

    fn print(&self, options: &Options, empty: &Use) {
        let seconds = self.measured.as_secs_f64();
        let share = self.host.as_secs_f64() / seconds;
        let packets = self.legs as f64 * 50.0 * seconds;
        let sessions = self.legs as f64 / 2.0;
        println!(
            "processor: {:.2} us a packet, {:.1} % of one core, {:.0} sessions a core; sender: {:.1} % of one core, late by {:?} at most",
            self.host.as_secs_f64() * 1e6 / packets,
            share * 100.0,
            sessions / share,
            self.own.as_secs_f64() / seconds * 100.0,
            self.sent.late_max,
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
