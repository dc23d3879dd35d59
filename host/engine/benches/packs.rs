//! What rulings of the packs that ship cost: chained, with and without a snapshot, on two threads, beside a hostile pack.
//! `cargo xtask packs` builds them.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmark")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use caveat_engine::{Engine, Limits, Needs, Pack, Question};
use caveat_model::Event;

const SHIPPED: [&str; 3] = ["state-consent", "pci-dss", "hipaa-hitech"];

/// A client that opted for something in every way there is: settings to parse.
const SETTINGS: &str = r#"{"options":["express-fl","il-14-3j","mi-participant","nv-place-of-recording"],
    "express-states":["CA","MD","WA"],"honor-refusal":true,"purposes":["quality","training","evidence"]}"#;

fn main() {
    // Tests run every bench once, and are not told what takes long.
    if std::env::args().any(|arg| arg == "--bench") {
        tell_resident();
    }
    divan::main();
}

/// The component of a shipped pack.
fn shipped(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/packs");
    let named = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.starts_with(&format!("{name}-")) && file.ends_with(".wasm")
    };
    let found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(named);
    fs::read(found.unwrap_or_else(|| panic!("no {name} in {}: run `cargo xtask packs`", folder.display())))
        .unwrap()
}

fn load(engine: &Engine, name: &str, settings: &str) -> Pack {
    engine.load(name, &shipped(name), settings, &Needs::default()).unwrap()
}

fn rule(engine: &Engine, pack: &Pack, event: &Event, facts: &caveat_model::Facts) {
    divan::black_box(engine.rule(pack, event, facts).unwrap());
}

/// So many packs, one after the other.
#[divan::bench(args = [1, 3, 5, 10])]
fn chain(bencher: divan::Bencher<'_, '_>, length: usize) {
    let engine = common::engine(Limits::default());
    let packs: Vec<Pack> =
        SHIPPED.iter().cycle().take(length).map(|name| load(&engine, name, "{}")).collect();
    let (event, facts) = (common::offered(), common::facts());
    bencher.bench_local(|| {
        let question = Question::new(&event, &facts);
        for pack in &packs {
            divan::black_box(engine.ask(pack, &question).unwrap());
        }
    });
}

#[divan::bench(args = SHIPPED)]
fn alone(bencher: divan::Bencher<'_, '_>, name: &str) {
    let engine = common::engine(Limits::default());
    let pack = load(&engine, name, "{}");
    let (event, facts) = (common::offered(), common::facts());
    bencher.bench_local(|| rule(&engine, &pack, &event, &facts));
}

/// Settings in the snapshot, and settings parsed for every ruling.
#[divan::bench(args = ["snapshot", "configured each time"])]
fn settings(bencher: divan::Bencher<'_, '_>, how: &str) {
    let snapshot_bytes_max = if how == "snapshot" { Limits::default().snapshot_bytes_max } else { 0 };
    let engine = common::engine(Limits { snapshot_bytes_max, ..Limits::default() });
    let pack = load(&engine, "state-consent", SETTINGS);
    assert_eq!(pack.is_snapshotted(), how == "snapshot");
    let (event, facts) = (common::offered(), common::facts());
    bencher.bench_local(|| rule(&engine, &pack, &event, &facts));
}

/// The same time on two threads as on one is perfect scaling.
#[divan::bench(threads = [1, 2])]
fn threads(bencher: divan::Bencher<'_, '_>) {
    let engine = common::engine(Limits::default());
    let packs = SHIPPED.map(|name| load(&engine, name, "{}"));
    let (event, facts) = (common::offered(), common::facts());
    bencher.bench(|| packs.iter().for_each(|pack| rule(&engine, pack, &event, &facts)));
}

/// A good pack, while another thread of the same engine rules without a pause.
#[divan::bench(args = ["nobody", "a good pack", "a pack in a loop", "a pack that eats memory"])]
fn beside(bencher: divan::Bencher<'_, '_>, neighbor: &str) {
    let engine = common::engine(Limits::default());
    let pack = load(&engine, "state-consent", "{}");
    let other = match neighbor {
        "nobody" => None,
        "a good pack" => Some(load(&engine, "pci-dss", "{}")),
        "a pack in a loop" => Some(guest(&engine, "infinite-loop")),
        _ => Some(guest(&engine, "memory-bomb")),
    };
    let (event, facts) = (common::offered(), common::facts());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        if let Some(other) = &other {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = divan::black_box(engine.rule(other, &event, &facts));
                }
            });
        }
        bencher.bench_local(|| rule(&engine, &pack, &event, &facts));
        done.store(true, Ordering::Relaxed);
    });
}

fn guest(engine: &Engine, name: &str) -> Pack {
    engine.load(name, &common::guest(name), "{}", &Needs::default()).unwrap()
}

#[divan::bench(args = SHIPPED)]
fn load_from_cache(bencher: divan::Bencher<'_, '_>, name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(Limits::default(), Some(dir.path().join("packs"))).unwrap();
    let component = shipped(name);
    let load = || engine.load(name, &component, "{}", &Needs::default()).unwrap();
    load();
    bencher.bench_local(load);
}

/// What a loaded pack keeps of the machine's memory: as wasmtime counts it, and as the system does.
fn tell_resident() {
    const COPIES: usize = 50;
    let engine = common::engine(Limits::default());
    let (event, facts) = (common::offered(), common::facts());
    for name in SHIPPED {
        // The first one brings in what all share.
        let first = load(&engine, name, "{}");
        rule(&engine, &first, &event, &facts);
        let before = resident_bytes();
        let copies: Vec<Pack> = (0..COPIES).map(|_| load(&engine, name, "{}")).collect();
        copies.iter().for_each(|pack| rule(&engine, pack, &event, &facts));
        let each = resident_bytes().saturating_sub(before) / COPIES;
        println!(
            "{name}: {} KiB of code and image, {} KiB resident per loaded pack",
            first.resident_bytes() / 1024,
            each / 1024
        );
    }
}

/// Of this process.
fn resident_bytes() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
