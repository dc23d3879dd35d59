//! What one ruling costs, and what loading a pack that is in the cache costs.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmark")]

#[path = "../tests/common/mod.rs"]
mod common;

use caveat_engine::{Engine, Limits, Needs};
use caveat_model::{CaptureEvent, Event};
use metrics_exporter_prometheus::PrometheusBuilder;

fn main() {
    divan::main();
}

/// A fresh instance, facts of two parties in, a refusal with a reason out.
#[divan::bench]
fn ruling(bencher: divan::Bencher<'_, '_>) {
    let engine = common::engine(Limits::default());
    let pack = engine.load("good", &common::guest("good"), "{}", &Needs::default()).unwrap();
    let (event, facts) = (Event::Capture(CaptureEvent::NoticePlayed), common::facts());
    bencher.bench_local(|| engine.rule(&pack, &event, &facts).unwrap());
}

/// The same with a recorder of metrics installed.
#[divan::bench]
fn ruling_counted(bencher: divan::Bencher<'_, '_>) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let engine = common::engine(Limits::default());
    let load = || engine.load("good", &common::guest("good"), "{}", &Needs::default()).unwrap();
    let pack = metrics::with_local_recorder(&recorder, load);
    let (event, facts) = (Event::Capture(CaptureEvent::NoticePlayed), common::facts());
    bencher.bench_local(|| engine.rule(&pack, &event, &facts).unwrap());
}

#[divan::bench]
fn load_from_cache(bencher: divan::Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(Limits::default(), Some(dir.path().join("packs"))).unwrap();
    let component = common::guest("good");
    engine.load("good", &component, "{}", &Needs::default()).unwrap();
    bencher.bench_local(|| engine.load("good", &component, "{}", &Needs::default()).unwrap());
}
