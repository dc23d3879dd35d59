//! Kills a host while people have it mask, shred, destroy and change keys, and looks after each restart whether every act
//! was done whole or not at all, whether what was acknowledged was done, and whether the log tells the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::{
    host::Host,
    house::{CLIENT, House},
    kills::{Random, script},
    people::{Heard, Person},
    watch::until,
};

const CONFIG: &str = r#"
[limits.calls]
late_window_ms = 100

[limits.people]
step_up_valid_s = 43200

[limits.vault]
log_file_bytes = 262144

[limits.store]
disk_free_bytes_warn = 0
disk_free_bytes_min = 0

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]

[[client.pack]]
file = "PACKS/state-consent-0.1.0.wasm"
"#;

/// Calls of one life of the host, and so acts.
const CALLS: u64 = 4;
/// Within so much of a life the kill comes.
const ACTS_MS: u64 = 250;
/// What is redacted of a call of a second.
const REDACTED_MS: usize = 500;

/// What was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Kills.
    pub kills: u32,
    /// Acts that were begun.
    pub acts: usize,
    /// Of these, acknowledged before the kill.
    pub acknowledged: usize,
    /// Of those that were not, done all the same.
    pub done_unheard: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Mask,
    Shred,
    Destroy,
}

/// Runs so many kills; everything random comes from `seed`. The first thing that is half done is an error.
pub async fn run(kills: u32, seed: u64) -> anyhow::Result<Found> {
    let mut lane = Lane::new(seed).await?;
    let done = lane.run(kills).await;
    if done.is_err() {
        lane.house.host.keep();
    }
    done.with_context(|| format!("kept in {}", lane.house.host.dir().display()))
}

struct Lane {
    house: House,
    kim: Person,
    ann: Person,
    ben: Person,
    random: Random,
    found: Found,
    calls: u64,
    /// What was to become of each recording.
    acts: BTreeMap<String, Act>,
}

impl Lane {
    async fn new(seed: u64) -> anyhow::Result<Self> {
        let mut host = Host::prepare(CONFIG)?;
        host.log_filter = Some("warn".into());
        let people = [("kim", "supervisor"), ("ann", "compliance"), ("ben", "compliance")];
        let house = House::of(host, &people)?;
        let (kim, ann, ben) =
            (house.person("kim").await?, house.person("ann").await?, house.person("ben").await?);
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (found, acts) = Default::default();
        Ok(Self { house, kim, ann, ben, random, found, calls: 0, acts })
    }

    async fn run(&mut self, kills: u32) -> anyhow::Result<Found> {
        for _ in 0..kills {
            let fresh = self.record().await?;
            let acknowledged = self.live(&fresh).await?;
            self.found.kills += 1;
            self.house.host.start()?;
            [&mut self.kim, &mut self.ann, &mut self.ben].into_iter().for_each(Person::reconnect);
            for id in &fresh {
                let done = self.is_done(id).await?;
                ensure!(done || !acknowledged.contains(id), "{id} was acknowledged and is not done");
                self.found.done_unheard += usize::from(done && !acknowledged.contains(id));
            }
            self.confirm_what_is_open().await?;
        }
        for id in self.acts.clone().keys() {
            // What was not even asked for by then, or a mask that was not made, can be asked for again.
            if !self.is_done(id).await? {
                ensure!(
                    wanted(&self.ann, &self.ben, id, self.acts[id]).await?,
                    "{id} cannot be asked for again"
                );
                ensure!(self.is_done(id).await?, "{id} was asked for again, and is not done");
            }
        }
        until("everything is under one version", async || {
            let status: Value = self.ann.get("/v1/keys").await?.json().await?;
            Ok((status["wrapped"].as_object().is_some_and(|wrapped| wrapped.len() == 1)).then_some(()))
        })
        .await?;
        let entries = self.house.host.audit(CLIENT, "bundle")?;
        let receipts: Value = self.ann.get("/v1/retention/receipts?limit=1000").await?.json().await?;
        told_once(&entries, receipts.as_array().context("receipts")?)?;
        ensure!(!self.house.host.log().contains("panicked"), "the host panicked");
        ensure!(self.house.host.stop()? == 0, "it does not end as it should");
        Ok(self.found)
    }

    /// Some calls of a second; their recordings.
    async fn record(&mut self) -> anyhow::Result<Vec<String>> {
        let calls = self.calls..self.calls + CALLS;
        self.calls += CALLS;
        let plays = calls.map(|call| script(call, 1).play(&self.house.host.url, &self.house.token));
        futures::future::try_join_all(plays).await?;
        until("they are sealed", async || {
            let listed = self.kim.recordings("quality").await?;
            let sealed =
                listed.into_iter().filter(|(id, state)| state == "sealed" && !self.acts.contains_key(id));
            let fresh: Vec<String> = sealed.map(|(id, _)| id).collect();
            Ok((fresh.len() as u64 == CALLS).then_some(fresh))
        })
        .await
    }

    /// Something is done to each, and the host is killed meanwhile; what was acknowledged by then.
    async fn live(&mut self, fresh: &[String]) -> anyhow::Result<BTreeSet<String>> {
        let mut under_way = tokio::task::JoinSet::new();
        for id in fresh {
            let act = [Act::Mask, Act::Shred, Act::Destroy, Act::Destroy][self.random.below(4) as usize];
            self.acts.insert(id.clone(), act);
            self.found.acts += 1;
            let (ann, ben, id) =
                (self.ann.at(&self.house.host.url), self.ben.at(&self.house.host.url), id.clone());
            under_way.spawn(async move { (wanted(&ann, &ben, &id, act).await.unwrap_or(false), id) });
        }
        if self.random.below(2) == 0 {
            let ann = self.ann.at(&self.house.host.url);
            under_way.spawn(async move {
                // It breaks off with the host, or not.
                let _ = ann.post("/v1/keys/rotate", &json!({})).await;
                (false, String::new())
            });
        }
        tokio::time::sleep(Duration::from_millis(self.random.below(ACTS_MS))).await;
        self.house.host.kill()?;
        let ended = under_way.join_all().await;
        let acknowledged: BTreeSet<String> =
            ended.into_iter().filter(|(ok, _)| *ok).map(|(_, id)| id).collect();
        self.found.acknowledged += acknowledged.len();
        Ok(acknowledged)
    }

    /// Whether an act was done; half of it is an error.
    async fn is_done(&self, id: &str) -> anyhow::Result<bool> {
        let listed: Value = self.kim.get("/v1/recordings?purpose=quality&limit=1000").await?.json().await?;
        let listed = listed.as_array().context("recordings")?.iter().find(|row| row["id"] == id);
        let state = listed.and_then(|row| row["state"].as_str());
        let gone = state == Some("destroyed");
        let receipts: Value = self.ann.get("/v1/retention/receipts?limit=1000").await?.json().await?;
        let of_it = receipts.as_array().into_iter().flatten().filter(|r| r["recording"] == id).count();
        let heard = self.kim.play(id, "quality").await?;
        let act = self.acts.get(id).context("something was to be done")?;
        let done = match (act, heard) {
            (Act::Destroy, Heard::Refused(_)) if gone => true,
            (_, Heard::Refused(why)) => bail!("{id} is {state:?} and does not open: {why}"),
            (_, Heard::Sound(..)) if gone => bail!("{id} is destroyed and opens"),
            (Act::Destroy, Heard::Sound(..)) => false,
            (Act::Mask | Act::Shred, Heard::Sound(channels, _)) => {
                let silent: Vec<bool> = channels
                    .iter()
                    .map(|channel| channel.iter().take(REDACTED_MS * 8).all(|sample| *sample == 0))
                    .collect();
                ensure!(silent.iter().all(|leg| *leg == silent[0]), "{id}: one leg is redacted");
                let rest = channels.iter().all(|c| c.iter().skip(REDACTED_MS * 8).any(|sample| *sample != 0));
                ensure!(rest, "{id}: more than that is gone");
                silent[0]
            }
        };
        ensure!(of_it == usize::from(done && *act != Act::Mask), "{id}: done: {done}, receipts: {of_it}");
        Ok(done)
    }

    /// What was cut short, or never confirmed, can be confirmed now.
    async fn confirm_what_is_open(&self) -> anyhow::Result<()> {
        let open: Value = self.ben.get("/v1/requests").await?.json().await?;
        for request in open.as_array().context("requests")? {
            let answer =
                self.ben.post(&format!("/v1/requests/{}/confirm", request["id"]), &json!({})).await?;
            ensure!(answer.status().is_success(), "{request}: {}", answer.text().await?);
        }
        Ok(())
    }
}

/// Has one person ask and another confirm; whether it was acknowledged.
async fn wanted(ann: &Person, ben: &Person, id: &str, act: Act) -> anyhow::Result<bool> {
    let redact = |mode: &str| {
        let span = json!({"start": 0, "end": REDACTED_MS});
        json!({"span": span, "mode": mode, "purpose": "quality", "reason": "a test"})
    };
    let (path, body) = match act {
        Act::Mask => ("redactions", redact("mask")),
        Act::Shred => ("redactions", redact("shred")),
        Act::Destroy => ("disposal", json!({"basis": "erasure-request", "purpose": "quality"})),
    };
    let asked = ann.post(&format!("/v1/recordings/{id}/{path}"), &body).await?;
    if act == Act::Mask || !asked.status().is_success() {
        return Ok(asked.status().is_success());
    }
    let request: Value = asked.json().await?;
    let confirmed = ben.post(&format!("/v1/requests/{}/confirm", request["id"]), &json!({})).await?;
    Ok(confirmed.status().is_success())
}

/// Every intent to destroy or to mask has one result, and every destruction that was done one receipt.
fn told_once(entries: &str, receipts: &[Value]) -> anyhow::Result<()> {
    let results = |kind: &str| -> Vec<(u64, bool)> {
        let begin = format!("\"kind\":\"{kind}\",\"intent\":");
        let of_kind = entries.split(&begin).skip(1);
        let result = |rest: &str| {
            let (intent, rest) = rest.split_once(',')?;
            Some((intent.parse().ok()?, rest.starts_with("\"ok\":true")))
        };
        of_kind.filter_map(result).collect()
    };
    for (intents, kind) in [("disposal-intent", "disposal-result"), ("mask-intent", "mask-result")] {
        let intents = entries.matches(&format!("\"kind\":\"{intents}\"")).count();
        let told = results(kind);
        let of: BTreeSet<u64> = told.iter().map(|(intent, _)| *intent).collect();
        ensure!((told.len(), of.len()) == (intents, intents), "{kind}: {intents} intents, results {told:?}");
    }
    let done: BTreeSet<u64> =
        results("disposal-result").into_iter().filter(|(_, ok)| *ok).map(|(intent, _)| intent).collect();
    let of_receipts: Vec<u64> = receipts.iter().filter_map(|r| r["intent"].as_u64()).collect();
    ensure!(of_receipts.len() == done.len(), "{} receipts for {} acts", of_receipts.len(), done.len());
    ensure!(of_receipts.into_iter().collect::<BTreeSet<_>>() == done, "a receipt is for another act");
    Ok(())
}
