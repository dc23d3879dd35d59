//! Several hosts under load, and everything that may befall one: it is killed or stopped for a while, its line to the
//! database or to the store is cut or falls silent, its clock goes wrong. Afterwards every second that a host said others could seal has to open, no
//! recording may be sealed or destroyed twice, none may be of a call that the rules refused, and each log has to be one tree.
//!
//! A host says in its log which seconds are in the shared store (`caveat::shared=trace`). The audio of a call says whose it is,
//! so what is played back proves itself. Everything random comes from one seed.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    cluster::Cluster,
    host::Host,
    kills::{self, Random, is_there, script},
    people::{Heard, Person},
    proxy::Line,
    twilio::Script,
};

/// What every host says beside what hosts of a cluster say: a client whose recordings go at once.
const MORE: &str = r#"
[[client]]
id = "passing"
recorder-region = "GA"
purposes = ["quality"]
dispose-after-days = 0

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"

[limits.retention]
sweep_every_ms = 400
retry_after_ms = 500
"#;

/// Longer than any host takes to come back and to finish what is left, on a busy machine.
const PATIENCE: u32 = 90;
/// The longest that something befalls a host: well over a lease, so that others take over.
const FAULT_MS: u64 = 9_000;
/// The most that a clock is off, in seconds: well over a lease, either way.
const OFF_S_MAX: u64 = 120;
/// Of so many calls one is refused by the rules.
const REFUSED: u64 = 5;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often something befalls a host.
    pub faults: u32,
    /// How many hosts.
    pub hosts: usize,
    /// Where everything random comes from.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What befell hosts, and how often.
    pub faults: BTreeMap<&'static str, u32>,
    /// Hosts that ended because others had taken over.
    pub fenced: u32,
    /// Recordings that a host took over from another.
    pub takeovers: usize,
    /// Calls that were made.
    pub calls: u64,
    /// Seconds of a leg that others could seal, all of which open.
    pub seconds: usize,
    /// Recordings that were sealed, each once.
    pub sealed: usize,
    /// Recordings that were destroyed by schedule, each once.
    pub destroyed: usize,
    /// Hosts whose program was replaced while calls ran.
    pub upgraded: usize,
    /// Whether the program from before was refused afterwards, because it does not know the tables.
    pub downgrade_refused: bool,
}

/// Runs a plan; none where a server is not installed. The first thing that is lost or doubled is an error.
pub async fn run(plan: Plan) -> anyhow::Result<Option<Found>> {
    let Some(cluster) = Cluster::with_clocks(plan.hosts, MORE).await? else { return Ok(None) };
    let mut run = Run::of(cluster, plan.seed).await?;
    let done = run.faults(plan.faults).await;
    run.ended(done).map(Some)
}

/// Begins with hosts of the program `old`, and replaces it on one after the other by the one that was built beside this, while
/// calls run on all of them; none where a server is not installed. The same has to hold afterwards.
pub async fn upgrade(old: &Path, hosts: usize, seed: u64) -> anyhow::Result<Option<Found>> {
    let Some(cluster) = Cluster::of(old, hosts, MORE).await? else { return Ok(None) };
    let mut run = Run::of(cluster, seed).await?;
    let done = run.upgrade(old).await;
    run.ended(done).map(Some)
}

struct Run {
    cluster: Cluster,
    /// The token of the client whose recordings go at once.
    passing: String,
    kim: Person,
    random: Random,
    found: Found,
    /// Numbers of calls that may not be recorded.
    refused: HashSet<u64>,
    /// Numbers of calls whose recordings go at once.
    gone: HashSet<u64>,
}

/// Whose the recording is, its call, and by leg and second how many samples of it sound.
type Shared = BTreeMap<String, (u64, BTreeMap<(usize, usize), usize>)>;

impl Run {
    async fn of(cluster: Cluster, seed: u64) -> anyhow::Result<Self> {
        let passing = cluster.host(0)?.token("passing")?;
        let kim = cluster.kim(0).await?;
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (found, refused, gone) = Default::default();
        Ok(Self { cluster, passing, kim, random, found, refused, gone })
    }

    /// What was found; what hosts have written is kept where something was wrong.
    fn ended(mut self, done: anyhow::Result<()>) -> anyhow::Result<Found> {
        if done.is_err() {
            for member in &mut self.cluster.members {
                member.host.keep();
                println!("kept: {}", member.host.dir().display());
            }
        }
        done.map(|()| self.found)
    }

    async fn upgrade(&mut self, old: &Path) -> anyhow::Result<()> {
        for n in 0..self.cluster.members.len() {
            let mut calls = JoinSet::new();
            for _ in 0..6 + self.random.below(4) {
                self.call(&mut calls)?;
            }
            let wait = 300 + self.random.below(1_500);
            sleep(Duration::from_millis(wait)).await;
            let host = &mut self.cluster.members.get_mut(n).context("a host")?.host;
            host.program = None;
            if n == 0 {
                // First the tables: hosts of the program from before go on with them.
                let told = self.cluster.migrate(n)?;
                println!("{}", told.trim());
            }
            let host = &mut self.cluster.members.get_mut(n).context("a host")?.host;
            let code = host.stop()?;
            ensure!(code == 0, "h{n} ended with {code}:\n{}", host.log());
            host.start()?;
            self.found.upgraded += 1;
            println!("h{n}: upgraded");
            // Those on other hosts go on to their end; those on this one were sealed when it stopped.
            while calls.join_next().await.is_some() {}
            self.all_run().await?;
        }
        self.look_back().await?;
        self.downgrade(old)
    }

    /// The program from before on the data of the new one: it says why not, or there is nothing that it does not know.
    fn downgrade(&mut self, old: &Path) -> anyhow::Result<()> {
        let host = &mut self.cluster.members.first_mut().context("a host")?.host;
        host.stop()?;
        host.program = Some(old.to_owned());
        match host.start() {
            Ok(()) => Ok(()),
            Err(error) if error.to_string().contains("newer than this program") => {
                self.found.downgrade_refused = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn faults(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            let mut calls = JoinSet::new();
            for _ in 0..4 + self.random.below(4) {
                self.call(&mut calls)?;
            }
            let wait = 300 + self.random.below(1_500);
            sleep(Duration::from_millis(wait)).await;
            self.befall().await?;
            // What still plays breaks off.
            calls.shutdown().await;
            self.all_run().await?;
        }
        self.look_back().await
    }

    fn call(&mut self, calls: &mut JoinSet<()>) -> anyhow::Result<()> {
        let number = self.found.calls;
        self.found.calls += 1;
        let host = self.random.below(self.cluster.members.len() as u64) as usize;
        let (url, seconds) = (self.cluster.host(host)?.url.clone(), 1 + self.random.below(4) as usize);
        let refused = self.random.below(REFUSED) == 0;
        let token = if self.random.below(3) == 0 {
            self.gone.insert(number);
            self.passing.clone()
        } else {
            self.cluster.token.clone()
        };
        let call = if refused {
            self.refused.insert(number);
            // All parties have to consent, and nobody was asked.
            let parameters = [("agent-region", "CA"), ("customer-region", "CA"), ("direction", "inbound")];
            let mut call = Script::new(&format!("CA{number}"), &parameters);
            call.silence(1_000 * seconds as u32);
            call
        } else {
            script(number, seconds)
        };
        calls.spawn(async move {
            // It may break off with its host, or be refused by one that is cut off.
            let _ = call.play(&url, &token).await;
        });
        Ok(())
    }

    async fn befall(&mut self) -> anyhow::Result<()> {
        let victim = self.random.below(self.cluster.members.len() as u64) as usize;
        let (fault, lasting) =
            (self.random.below(8), Duration::from_millis(500 + self.random.below(FAULT_MS)));
        let off = 1 + self.random.below(OFF_S_MAX) as i64;
        let member = self.cluster.members.get_mut(victim).context("a host")?;
        let name = match fault {
            0 => {
                member.host.kill()?;
                "killed"
            }
            1 => {
                member.host.signal("STOP")?;
                "stopped"
            }
            2 => {
                member.database(Line::Cut);
                "cut from the database"
            }
            3 => {
                member.store(Line::Cut);
                "cut from the store"
            }
            4 => {
                member.database(Line::Silent);
                "silent database"
            }
            5 => {
                member.store(Line::Silent);
                "silent store"
            }
            6 => {
                member.clock(off)?;
                "fast clock"
            }
            _ => {
                member.clock(-off)?;
                "slow clock"
            }
        };
        println!("h{victim}: {name} for {} ms", lasting.as_millis());
        *self.found.faults.entry(name).or_default() += 1;
        sleep(lasting).await;
        if fault == 1 {
            member.host.signal("CONT")?;
        }
        member.mend()
    }

    /// Starts those that have ended, as what runs them would.
    async fn all_run(&mut self) -> anyhow::Result<()> {
        for member in &mut self.cluster.members {
            if member.host.runs()? {
                continue;
            }
            let log = member.host.log();
            ensure!(!log.contains("panicked"), "a host panicked:\n{log}");
            if member.host.pid().is_some() {
                self.found.fenced += 1;
            }
            member.host.start()?;
        }
        Ok(())
    }

    async fn look_back(&mut self) -> anyhow::Result<()> {
        self.kim.reconnect();
        let acme = self.finished("acme").await?;
        self.finished("passing").await?;
        self.all_destroyed().await?;
        let mut shared = Shared::new();
        for member in &self.cluster.members {
            let log = member.host.log();
            ensure!(!log.contains("panicked"), "a host panicked");
            self.found.takeovers += log.matches("taking over what another host was recording").count();
            for line in log.lines().filter(|line| line.contains("caveat::shared")) {
                let Some((recording, call, place, sounding)) = kills::durable(line) else { continue };
                ensure!(!self.refused.contains(&call), "CA{call} was refused and is recorded");
                if self.gone.contains(&call) {
                    continue;
                }
                let (_, seconds) = shared.entry(recording).or_insert((call, BTreeMap::new()));
                seconds.insert(place, sounding);
            }
        }
        self.found.sealed = acme;
        self.listen(&shared).await
    }

    /// Waits until everything that was opened is closed; how many were sealed.
    async fn finished(&mut self, client: &str) -> anyhow::Result<usize> {
        let mut last = String::new();
        for attempt in 0..PATIENCE {
            sleep(Duration::from_secs(1)).await;
            self.all_run().await?;
            let host = &self.cluster.host(attempt as usize % self.cluster.members.len())?;
            match host.audit(client, &format!("{client}-{attempt}")) {
                Ok(entries) => match kills::sealed_once(&entries) {
                    Ok(sealed) => return Ok(sealed),
                    // Nothing undoes what was done twice.
                    Err(error) if error.to_string().contains("twice") => return Err(error),
                    Err(error) => last = error.to_string(),
                },
                Err(error) => last = error.to_string(),
            }
        }
        bail!("{client}: not finished after {PATIENCE} s: {last}")
    }

    /// Waits until what goes at once is gone, and looks whether each went once.
    async fn all_destroyed(&mut self) -> anyhow::Result<()> {
        let mut left = 0;
        for attempt in 0..PATIENCE {
            let host = self.cluster.host(0)?;
            let bundle = format!("gone-{attempt}");
            host.audit("passing", &bundle)?;
            let entries = entries(&host.dir().join(&bundle))?;
            let (sealed, destroyed) = (of_kind(&entries, "sealed"), destroyed_once(&entries)?);
            left = sealed.difference(&destroyed).count();
            if left == 0 {
                self.found.destroyed = destroyed.len();
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        bail!("{left} recordings that should be gone are not")
    }

    /// Hears every shared second, each recording at another host.
    async fn listen(&mut self, shared: &Shared) -> anyhow::Result<()> {
        for (n, (recording, (call, seconds))) in shared.iter().enumerate() {
            let host = self.cluster.host(n % self.cluster.members.len())?;
            let there = match self.kim.at(&host.url).play(recording, "quality").await? {
                Heard::Sound(channels, _) => channels,
                Heard::Refused(why) => bail!("recording {recording} does not open: {why}"),
            };
            for ((leg, second), sounding) in seconds {
                let channel = there.get(*leg).with_context(|| format!("{recording} has no leg {leg}"))?;
                is_there(channel, *call, (*leg, *second), *sounding)
                    .with_context(|| format!("recording {recording}, leg {leg}, second {second}"))?;
                self.found.seconds += 1;
            }
        }
        Ok(())
    }
}

/// The entries of an exported log, in their order.
pub fn entries(bundle: &Path) -> anyhow::Result<Vec<Value>> {
    let mut files = vec![];
    let mut folders = vec![bundle.join("tile/entries")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut entries = vec![];
    for file in files {
        let bytes = fs::read(&file)?;
        let mut rest = bytes.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let (entry, next) =
                behind.split_at_checked(u16::from_be_bytes(*length).into()).context("a whole entry")?;
            entries.push(serde_json::from_slice(entry)?);
            rest = next;
        }
    }
    Ok(entries)
}

fn event(entry: &Value) -> &Value {
    if entry["event"].is_object() { &entry["event"] } else { entry }
}

/// Recordings that entries of a kind speak of.
fn of_kind(entries: &[Value], kind: &str) -> BTreeSet<String> {
    let found = entries.iter().map(event).filter(|event| event["kind"] == kind);
    found.filter_map(|event| event["recording"].as_str().map(str::to_owned)).collect()
}

/// Recordings whose destruction is in the log, if it is there once.
fn destroyed_once(entries: &[Value]) -> anyhow::Result<BTreeSet<String>> {
    let mut gone = BTreeSet::new();
    for result in entries.iter().map(event).filter(|e| e["kind"] == "disposal-result" && e["ok"] == true) {
        let intent = result["intent"].as_u64().and_then(|at| entries.get(at as usize)).map(event);
        let intent = intent.context("a result has its intent")?;
        ensure!(intent["kind"] == "disposal-intent", "entry {} is no intent", result["intent"]);
        let recording = intent["recording"].as_str().context("an intent names its recording")?;
        ensure!(gone.insert(recording.to_owned()), "{recording} was destroyed twice");
    }
    Ok(gone)
}

/// Every host that has appended to a log.
pub fn hosts_of(entries: &[Value]) -> BTreeSet<String> {
    entries.iter().filter_map(|entry| entry["host"].as_str().map(str::to_owned)).collect()
}

/// Waits for a line in a host's log.
pub async fn logged(host: &Host, what: &str) -> anyhow::Result<()> {
    crate::watch::until(what, async || Ok(host.log().contains(what).then_some(()))).await
}
