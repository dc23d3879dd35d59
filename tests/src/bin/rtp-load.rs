//! Many recording sessions at once, against a host that runs already, and what they cost it:
//!
//!     rtp-load --sip 127.0.0.1:5060 --url http://127.0.0.1:8480 --pid PID --calls 500 --seconds 60
//!
//! Every session has two legs of G.711. The host needs a `[[siprec.trunk]]` that takes sessions from here, and room for
//! them in its limits.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::Context;
use caveat_tests::load::{
    media,
    meter::{Counters, Use, percentile},
    sip::Client,
};
use clap::Parser;

/// Load for a host.
#[derive(Debug, Parser)]
struct Options {
    /// Where it takes recording sessions, by UDP.
    #[arg(long)]
    sip: SocketAddr,
    /// Its web address, for what it counts.
    #[arg(long)]
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let (empty, counted) = (Use::of(options.pid)?, Counters::of(&options.url).await?);
    let client = Client::new(options.sip)?;
    let sessions = client.begin(options.calls, options.per_second)?;
    let mut answers: Vec<Duration> = sessions.iter().map(|s| s.answered_after).collect();
    let (median, most) = (percentile(&mut answers, 0.5), percentile(&mut answers, 0.99));
    let begun = Use::of(options.pid)?;
    println!(
        "{} sessions, {} a second: answered after {median:?} (half), {most:?} (99 %), {:?} (all); {:?} of processor each",
        sessions.len(),
        options.per_second,
        answers.last().copied().unwrap_or_default(),
        (begun.cpu - empty.cpu) / options.calls.max(1) as u32,
    );
    let legs: Vec<SocketAddr> = sessions.iter().flat_map(|s| s.legs.clone()).collect();
    let seconds = options.seconds;
    let sender = thread::spawn(move || media::send(&legs, seconds));
    // The window in memory fills first; what comes after is the steady state.
    let settle = Duration::from_secs_f64((seconds / 3.0).min(15.0));
    tokio::time::sleep(settle).await;
    let (from, own) = (Use::of(options.pid)?, Use::of(std::process::id())?);
    let packets =
        async || -> anyhow::Result<f64> { Ok(taken(&Counters::of(&options.url).await?) - taken(&counted)) };
    let before = packets().await?;
    let measured = Duration::from_secs_f64(seconds) - settle - Duration::from_secs(2);
    tokio::time::sleep(measured).await;
    let (to, own_to) = (Use::of(options.pid)?, Use::of(std::process::id())?);
    let during = packets().await? - before;
    let sent = sender.join().ok().context("the sender failed")??;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = Counters::of(&options.url).await?;
    let grown = |name: &str| after.get(name) - counted.get(name);
    let (took, lost) = (grown(TAKEN), sent.packets as f64 - grown(TAKEN));
    let cpu = (to.cpu - from.cpu).as_secs_f64();
    println!(
        "{} packets sent, {took} taken, {lost} missing, {} frames without room, {} bad, {} stray; sender late by {:?} at most",
        sent.packets,
        grown("caveat_rtp_frames_unheard_total"),
        grown("caveat_rtp_packets_total{what=\"bad\"}"),
        grown("caveat_rtp_packets_total{what=\"stray\"}"),
        sent.late_max,
    );
    let share = cpu / measured.as_secs_f64();
    println!(
        "host: {:.2} us of processor a packet ({during} packets), {:.1} % of one core, {:.0} sessions a core; sender: {:.1} % of one core",
        cpu * 1e6 / during,
        share * 100.0,
        options.calls as f64 / share,
        (own_to.cpu - own.cpu).as_secs_f64() / measured.as_secs_f64() * 100.0,
    );
    println!(
        "memory: {:.1} MB before, {:.1} MB at the end, {:.0} KB a session",
        empty.resident as f64 / 1e6,
        to.resident as f64 / 1e6,
        (to.resident.saturating_sub(empty.resident)) as f64 / 1e3 / options.calls as f64,
    );
    let unended = client.end(&sessions, options.per_second)?;
    println!("{unended} sessions did not end in time");
    Ok(())
}

const TAKEN: &str = "caveat_rtp_packets_total{what=\"taken\"}";

fn taken(counters: &Counters) -> f64 {
    counters.get(TAKEN)
}
