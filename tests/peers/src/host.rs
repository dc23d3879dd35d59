//! What the host itself takes: loading, settings, memory, neighbors. By processor time of the thread, because on a machine
//! that others use, the wall clock tells about the others.

use std::{
    fs,
    hint::black_box,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::Context;
use caveat_engine::{Engine, Limits, Needs, Pack};
use caveat_model::Facts;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::{
    ours::{COMPILED, Ours, SHIPPED, component},
    rounds::percentile,
    scene,
    threads::processor_ns,
};

/// What is measured, and what came out.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

impl Figure {
    fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit }
    }
}

/// Settings that take some reading.
const SETTINGS: &str = r#"{"options":["express-fl","il-14-3j","mi-participant","nv-place-of-recording"],
    "express-states":["CA","MD","WA"],"honor-refusal":true,"purposes":["quality","training","evidence"]}"#;

pub(crate) fn figures(ours: &Ours, facts: &Facts, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMPILED);
    let engine = Engine::new(Limits::default(), Some(cache))?;
    let packs = &ours.packs;
    let mut all = loading(&engine, packs)?;
    all.extend(settings(packs, facts, rounds)?);
    all.extend(memory(&engine, packs, facts)?);
    all.extend(neighbors(&engine, ours, facts, 4 * rounds)?);
    Ok(all)
}

/// Packs that were compiled before.
fn loading(engine: &Engine, packs: &Path) -> anyhow::Result<Vec<Figure>> {
    let one = |name: &&str| {
        let bytes = component(name, packs)?;
        let load = || engine.load(name, &bytes, "{}", &Needs::default());
        load()?;
        let took = (0..100).map(|_| timed(|| load().map(drop)));
        let took = median(took.collect::<Result<_, _>>()?);
        Ok(Figure::new(format!("loading {name} from the cache"), took / 1e3, "us"))
    };
    SHIPPED.iter().map(one).collect()
}

/// Settings in a snapshot of the configured pack, and settings read for every ruling.
fn settings(packs: &Path, facts: &Facts, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let bytes = component("state-consent", packs)?;
    let took = |snapshot_bytes_max| {
        let engine = Engine::new(Limits { snapshot_bytes_max, ..Limits::default() }, None)?;
        let pack = engine.load("state-consent", &bytes, SETTINGS, &Needs::default())?;
        anyhow::ensure!(pack.is_snapshotted() == (snapshot_bytes_max > 0));
        rulings(&engine, &pack, facts, rounds)
    };
    let (with, without) = (took(Limits::default().snapshot_bytes_max)?, took(0)?);
    Ok(vec![
        Figure::new("state-consent with its settings in a snapshot", with / 1e3, "us"),
        Figure::new("the same, configured for each ruling", without / 1e3, "us"),
        Figure::new("without a snapshot / with one", without / with, "times"),
    ])
}

/// What each further copy of a pack adds to what this process holds.
fn memory(engine: &Engine, packs: &Path, facts: &Facts) -> anyhow::Result<Vec<Figure>> {
    const COPIES: usize = 50;
    let one = |name: &&str| {
        let bytes = component(name, packs)?;
        let load = || {
            let pack = engine.load(name, &bytes, "{}", &Needs::default())?;
            engine.rule(&pack, &scene::EVENT, facts)?;
            anyhow::Ok(pack)
        };
        // The first one brings in what all share.
        let first = load()?;
        let before = resident_bytes()?;
        let copies = (0..COPIES).map(|_| load()).collect::<Result<Vec<_>, _>>()?;
        let each = resident_bytes()?.saturating_sub(before) / copies.len();
        let mapped = first.resident_bytes() / 1024;
        Ok(Figure::new(
            format!("{name}, resident per loaded pack ({mapped} KiB mapped)"),
            each as f64 / 1024.0,
            "KiB",
        ))
    };
    SHIPPED.iter().map(one).collect()
}

/// Rulings of a pack on one core, while another thread of the same engine rules without a pause on another one: a good
/// pack there, or one that a limit stops again and again. Two good ones share what the machine has for both cores, so
/// that only what is beyond that is a hostile neighbor's doing. All have their turns.
fn neighbors(engine: &Engine, ours: &Ours, facts: &Facts, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let load = |name, packs: &Path, settings| {
        anyhow::Ok(engine.load(name, &component(name, packs)?, settings, &Needs::default())?)
    };
    let pack = load("state-consent", &ours.packs, "{}")?;
    let good = load("pci-dss", &ours.packs, "{}")?;
    let looping = load("hostile", &ours.built, "{}")?;
    let growing = load("hostile", &ours.built, r#"{"grows":true}"#)?;
    let stopped = |pack: &Pack| engine.rule(pack, &scene::EVENT, facts).err().map(|failure| failure.limit());
    anyhow::ensure!(stopped(&looping) == Some("fuel") && stopped(&growing) == Some("memory"));

    let cores = Cores::two()?;
    let mut took = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        for (other, took) in [None, Some(&good), Some(&looping), Some(&growing)].iter().zip(&mut took) {
            took.push(cores.beside(*other, engine, &pack, facts)?);
        }
    }
    let [alone, good, looping, growing] = took;
    let ratio = |a: &[f64], b: &[f64]| median(a.iter().zip(b).map(|(a, b)| a / b).collect());
    Ok(vec![
        Figure::new("state-consent, alone on its core", median(alone.clone()) / 1e3, "us"),
        Figure::new("beside a good neighbor / alone", ratio(&good, &alone), "times"),
        Figure::new("beside a loop until fuel ends / beside a good neighbor", ratio(&looping, &good), "times"),
        Figure::new("beside memory until it ends / beside a good neighbor", ratio(&growing, &good), "times"),
    ])
}

/// Two cores, one for a pack and one for its neighbor.
struct Cores {
    ours: CpuSet,
    neighbors: CpuSet,
    all: CpuSet,
}

impl Cores {
    fn two() -> anyhow::Result<Self> {
        let all = sched_getaffinity(None)?;
        let mut set = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).map(|core| {
            let mut only = CpuSet::new();
            only.set(core);
            only
        });
        let (ours, neighbors) = set.next().zip(set.next()).context("this needs two cores")?;
        Ok(Self { ours, neighbors, all })
    }

    /// What a ruling of `pack` takes beside `other`, in nanoseconds of its own thread.
    fn beside(
        &self,
        other: Option<&Pack>,
        engine: &Engine,
        pack: &Pack,
        facts: &Facts,
    ) -> anyhow::Result<f64> {
        sched_setaffinity(None, &self.ours)?;
        let (runs, done) = (AtomicBool::new(other.is_none()), AtomicBool::new(false));
        let took = thread::scope(|scope| {
            if let Some(other) = other {
                scope.spawn(|| {
                    let _ = sched_setaffinity(None, &self.neighbors);
                    while !done.load(Ordering::Relaxed) {
                        let _ = black_box(engine.rule(other, &scene::EVENT, facts));
                        runs.store(true, Ordering::Relaxed);
                    }
                });
            }
            while !runs.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let took = rulings(engine, pack, facts, 5);
            done.store(true, Ordering::Relaxed);
            took
        });
        sched_setaffinity(None, &self.all)?;
        took
    }
}

/// Median over batches of what a ruling takes, in nanoseconds.
fn rulings(engine: &Engine, pack: &Pack, facts: &Facts, rounds: usize) -> anyhow::Result<f64> {
    const BATCH: usize = 200;
    let batch = || {
        for _ in 0..BATCH {
            black_box(engine.rule(pack, &scene::EVENT, facts)?);
        }
        anyhow::Ok(())
    };
    batch()?;
    let took = (0..rounds).map(|_| timed(batch));
    Ok(median(took.collect::<Result<_, _>>()?) / BATCH as f64)
}

fn timed<E>(work: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    let began = processor_ns();
    work()?;
    Ok(processor_ns() - began)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    percentile(&all, 50)
}

/// Of this process.
fn resident_bytes() -> anyhow::Result<usize> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    Ok(pages.split(' ').nth(1).context("statm")?.parse::<usize>()? * rustix::param::page_size())
}
