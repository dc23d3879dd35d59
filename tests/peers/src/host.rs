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
use caveat_model::{Event, Facts};
use serde::Serialize;

use crate::{
    ours::{SHIPPED, component},
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

pub(crate) fn figures(packs: &Path, facts: &Facts, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/compiled");
    let engine = Engine::new(Limits::default(), Some(cache))?;
    let mut all = loading(&engine, packs)?;
    all.extend(settings(packs, facts, rounds)?);
    all.extend(memory(&engine, packs, facts)?);
    all.extend(neighbors(&engine, packs, facts, rounds)?);
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

/// Rulings of a pack beside another thread of the same engine, whose pack is stopped by a limit again and again.
fn neighbors(engine: &Engine, packs: &Path, facts: &Facts, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let load = |name, needs: Needs| anyhow::Ok(engine.load(name, &component(name, packs)?, "{}", &needs)?);
    let pack = load("state-consent", Needs::default())?;
    let good = load("pci-dss", Needs::default())?;
    let out_of_fuel = load("pci-dss", Needs { fuel_per_ruling: Some(100_000), ..Needs::default() })?;
    let out_of_memory = load("pci-dss", Needs { memory_bytes: Some(64 << 10), ..Needs::default() })?;
    let words = words()?;
    let beside = |other: &Pack, event: &Event| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = black_box(engine.rule(other, event, facts));
                }
            });
            let took = rulings(engine, &pack, facts, rounds);
            done.store(true, Ordering::Relaxed);
            took
        })
    };
    let stopped = |pack: &Pack| engine.rule(pack, &words, facts).err().map(|failure| failure.limit());
    anyhow::ensure!(stopped(&out_of_fuel) == Some("fuel") && stopped(&out_of_memory) == Some("memory"));
    let alone = rulings(engine, &pack, facts, rounds)?;
    Ok(vec![
        Figure::new("state-consent, alone", alone / 1e3, "us"),
        Figure::new("beside a good pack / alone", beside(&good, &scene::EVENT)? / alone, "times"),
        Figure::new(
            "beside one that runs out of fuel / alone",
            beside(&out_of_fuel, &words)? / alone,
            "times",
        ),
        Figure::new(
            "beside one that wants more memory / alone",
            beside(&out_of_memory, &words)? / alone,
            "times",
        ),
    ])
}

/// So many words that a pack has something to do, and no room for it in one page.
fn words() -> anyhow::Result<Event> {
    let word = |n: u32| serde_json::json!({"leg": 1, "start": 100 * n, "end": 100 * n + 90, "text": "four"});
    let words: Vec<_> = (0..2_000).map(word).collect();
    let event = serde_json::json!({"words": {"heard": words, "before": []}});
    serde_json::from_value(event).map(Event::Capture).context("words")
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
