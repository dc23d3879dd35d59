//! Kills hosts at random moments under load, and looks after each restart whether every second that a host took for
//! durable is there and opens, and whether anything was sealed twice.
//!
//! A host says in its log which seconds are durable (`caveat::durable=trace`), as they are. The audio of a call is made so
//! that every 20 ms of it say whose they are, so what is played back proves itself. Several hosts run beside each other,
//! because most of a life is waiting; some kills hit a host that is just starting. Everything random comes from one seed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use caveat_audio::g711;

use crate::{
    host::Host,
    people::{Heard, Person, code},
    twilio::Script,
};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 200
interim_every_ms = 300

[limits.media]
reconnect_ms = 100

[limits.people]
step_up_valid_s = 43200

[limits.vault]
log_file_bytes = 262144

[limits.store]
spool_delay_ms = 50
spool_grace_ms = 200
retry_ms = 50
disk_free_bytes_warn = 0
disk_free_bytes_min = 0

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Samples of a frame, 20 ms.
const FRAME: usize = 160;
const FRAMES_PER_SECOND: usize = 50;
/// The longest a host lives, and a call lasts.
const LIFE_MS: u64 = 2_400;
/// Of so many kills one hits a host that is starting.
const STARTING: u64 = 6;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many kills, of all hosts together.
    pub kills: u32,
    /// How many hosts beside each other.
    pub hosts: u32,
    /// Where everything random comes from.
    pub seed: u64,
    /// What is put in front of the configuration: the rest of `[host]`, a store.
    pub store: String,
    /// Files that the configuration names, and what is in them.
    pub files: Vec<(String, String)>,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Kills.
    pub kills: u32,
    /// Of these, during a start.
    pub starting: u32,
    /// Calls that had begun.
    pub calls: usize,
    /// Seconds of a leg that were durable before a kill or an end, and were found again.
    pub seconds: usize,
    /// Recordings that were sealed, each once.
    pub sealed: usize,
    /// The slowest start, in milliseconds.
    pub slowest_start_ms: u128,
}

/// Runs a plan. The first thing that is lost or doubled is an error.
pub async fn run(plan: Plan) -> anyhow::Result<Found> {
    let mut hosts = tokio::task::JoinSet::new();
    for n in 0..plan.hosts {
        let kills = plan.kills / plan.hosts + u32::from(n < plan.kills % plan.hosts);
        let seed = plan.seed.wrapping_add(u64::from(n) << 32);
        let plan = Plan { kills, seed, ..plan.clone() };
        hosts.spawn(async move {
            let mut lane = Lane::new(plan).await?;
            let done = lane.run().await;
            if done.is_err() {
                lane.host.keep();
            }
            done.with_context(|| format!("host {n}, kept in {}", lane.host.dir().display()))
        });
    }
    let mut found = Found::default();
    while let Some(done) = hosts.join_next().await {
        let one = done??;
        found.kills += one.kills;
        found.starting += one.starting;
        found.calls += one.calls;
        found.seconds += one.seconds;
        found.sealed += one.sealed;
        found.slowest_start_ms = found.slowest_start_ms.max(one.slowest_start_ms);
    }
    Ok(found)
}

/// By leg and second, how many samples.
type Samples = BTreeMap<(usize, usize), usize>;

/// One host and what is known of it.
struct Lane {
    plan: Plan,
    host: Host,
    token: String,
    kim: Person,
    /// Of her second factor.
    secret: String,
    random: Random,
    found: Found,
    calls: u64,
    /// Bytes of the host's log that were read.
    read: usize,
    /// By recording: its call, and what of it is durable.
    durable: BTreeMap<String, (u64, Samples)>,
    /// Of these, how many were heard.
    heard: HashMap<String, usize>,
}

impl Lane {
    async fn new(plan: Plan) -> anyhow::Result<Self> {
        let mut host = Host::prepare(&format!("{}{CONFIG}", plan.store))?;
        for (name, text) in &plan.files {
            std::fs::write(host.dir().join(name), text)?;
        }
        let token = host.token("acme")?;
        let secret = host.enroll("acme", "kim", "supervisor", "")?;
        host.log_filter = Some("warn,caveat::durable=trace".into());
        host.start()?;
        let kim = Person::sign_in(&host.url, "acme", "kim", &code(&secret, 0)?).await?;
        let random = Random(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (found, durable, heard) = Default::default();
        Ok(Self { plan, host, token, kim, secret, random, found, calls: 0, read: 0, durable, heard })
    }

    async fn run(&mut self) -> anyhow::Result<Found> {
        for _ in 0..self.plan.kills {
            self.found.kills += 1;
            if self.random.below(STARTING) == 0 {
                self.host.kill()?;
                self.host.spawn()?;
                tokio::time::sleep(Duration::from_millis(self.random.below(400))).await;
                self.host.kill()?;
                self.found.starting += 1;
            } else {
                self.live().await?;
            }
            let began = Instant::now();
            self.host.start()?;
            self.found.slowest_start_ms = self.found.slowest_start_ms.max(began.elapsed().as_millis());
            self.listen().await?;
        }
        self.host.kill()?;
        self.host.start()?;
        self.heard.clear();
        self.listen().await?;
        let entries = self.host.audit("acme", "bundle")?;
        self.found.sealed = sealed_once(&entries)?;
        ensure!(self.host.stop()? == 0, "it does not end as it should");
        self.found.calls = self.calls as usize;
        self.found.seconds = self.durable.values().map(|(_, seconds)| seconds.len()).sum();
        Ok(self.found)
    }

    /// Some calls begin, some end, and then the host is killed.
    async fn live(&mut self) -> anyhow::Result<()> {
        let life = Duration::from_millis(300 + self.random.below(LIFE_MS - 300));
        let until = tokio::time::Instant::now() + life;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..2 + self.random.below(3) {
            let (call, seconds) = (self.calls, 1 + self.random.below(3) as usize);
            self.calls += 1;
            let (url, token) = (self.host.url.clone(), self.token.clone());
            let wait = Duration::from_millis(self.random.below(400));
            calls.spawn(async move {
                tokio::time::sleep(wait).await;
                // It breaks off with the host, or ends before.
                let _ = script(call, seconds).play(&url, &token).await;
            });
        }
        tokio::time::sleep_until(until).await;
        self.host.kill()?;
        calls.shutdown().await;
        self.read_log()
    }

    fn read_log(&mut self) -> anyhow::Result<()> {
        let log = self.host.log();
        ensure!(!log.contains("panicked"), "the host panicked");
        let new = log.get(self.read..).unwrap_or_default();
        // What follows the last line's end was cut off by the kill, or is being written.
        let new = new.get(..new.rfind('\n').map_or(0, |end| end + 1)).unwrap_or_default();
        for line in new.lines().filter(|line| line.contains("caveat::durable")) {
            let Some((recording, call, place, sounding)) = durable(line) else { continue };
            let (_, seconds) = self.durable.entry(recording).or_insert((call, BTreeMap::new()));
            seconds.insert(place, sounding);
        }
        self.read += new.len();
        Ok(())
    }

    /// Hears every recording of which something new is durable.
    async fn listen(&mut self) -> anyhow::Result<()> {
        self.kim.reconnect();
        // What a restart itself makes durable counts too.
        self.read_log()?;
        for (recording, (call, seconds)) in &self.durable {
            if self.heard.get(recording) == Some(&seconds.len()) {
                continue;
            }
            let mut heard = self.kim.play(recording, "quality").await?;
            // Sessions end, and a long run is longer than one.
            if matches!(&heard, Heard::Refused(why) if why["type"] == "urn:caveat:not-signed-in") {
                let code = code(&self.secret, 0)?;
                self.kim = Person::sign_in(&self.host.url, "acme", "kim", &code).await?;
                heard = self.kim.play(recording, "quality").await?;
            }
            let there = match heard {
                Heard::Sound(channels, _) => channels,
                Heard::Refused(why) => bail!("recording {recording} does not open: {why}"),
            };
            for ((leg, second), sounding) in seconds {
                let channel = there.get(*leg).with_context(|| format!("{recording} has no leg {leg}"))?;
                is_there(channel, *call, (*leg, *second), *sounding)
                    .with_context(|| format!("recording {recording}, leg {leg}, second {second}"))?;
            }
            self.heard.insert(recording.clone(), seconds.len());
        }
        Ok(())
    }
}

/// Recording, call, leg and second, and how many samples sound, of a line in the host's log.
pub fn durable(line: &str) -> Option<(String, u64, (usize, usize), usize)> {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        Some(rest.split([' ', '\n']).next()?.trim_matches('"'))
    };
    let call = field("call")?.strip_prefix("CA")?.parse().ok()?;
    let place = (field("leg")?.parse().ok()?, field("second")?.parse().ok()?);
    Some((field("recording")?.to_owned(), call, place, field("sounding")?.parse().ok()?))
}

/// A call whose audio says whose it is.
pub fn script(call: u64, seconds: usize) -> Script {
    let parameters = [("agent-region", "TX"), ("customer-region", "GA"), ("direction", "inbound")];
    let mut script = Script::new(&format!("CA{call}"), &parameters);
    let track = |leg| -> Vec<i16> {
        (0..seconds * FRAMES_PER_SECOND).flat_map(|frame| [level(call, leg, frame); FRAME]).collect()
    };
    script.sounds(&track(0), &track(1));
    script
}

/// What a frame sounds like: one of the louder values of mu-law, by call, leg and place.
pub(crate) fn level(call: u64, leg: usize, frame: usize) -> i16 {
    let mixed = (call << 20 | (frame as u64) << 1 | leg as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    let byte = (mixed as u8 & 0x80) | (mixed as u8 & 0x3f);
    g711::from_mu_law(&[byte]).first().copied().unwrap_or_default()
}

/// All that sounded is there, where it was said, and nothing else.
pub fn is_there(
    channel: &[i16],
    call: u64,
    (leg, second): (usize, usize),
    sounding: usize,
) -> anyhow::Result<()> {
    let mut found = 0;
    for n in second * FRAMES_PER_SECOND..(second + 1) * FRAMES_PER_SECOND {
        let there = channel.get(n * FRAME..(n + 1) * FRAME).unwrap_or_default();
        let said = level(call, leg, n);
        let wrong = there.iter().find(|s| **s != 0 && **s != said);
        ensure!(wrong.is_none(), "at frame {n} there is {wrong:?}, and {said} was said");
        found += there.iter().filter(|s| **s != 0).count();
    }
    ensure!(found == sounding, "{found} samples are there, and {sounding} were durable");
    Ok(())
}

/// How many recordings were sealed, if each was opened once and sealed once.
pub fn sealed_once(entries: &str) -> anyhow::Result<usize> {
    let recordings = |kind: &str| -> anyhow::Result<BTreeSet<String>> {
        let mut seen = BTreeSet::new();
        for part in entries.split(&format!("\"kind\":\"{kind}\"")).skip(1) {
            let name = part.split_once("\"recording\":\"").and_then(|(_, rest)| rest.split_once('"'));
            let (name, _) = name.context("an entry names its recording")?;
            ensure!(seen.insert(name.to_owned()), "{kind}: {name} is there twice");
        }
        Ok(seen)
    };
    let (opened, sealed) = (recordings("recording-opened")?, recordings("sealed")?);
    let discarded = recordings("discarded")?;
    ensure!(sealed.is_subset(&opened), "something was sealed that was never opened");
    let open: Vec<_> = opened.difference(&sealed).filter(|r| !discarded.contains(*r)).collect();
    ensure!(open.is_empty(), "never closed: {open:?}");
    Ok(sealed.len())
}

/// Xorshift: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }
}
