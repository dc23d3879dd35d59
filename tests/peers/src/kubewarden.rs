//! The shape of Kubewarden's policy server: waPC over wasmtime, pre-linked once, a fresh instance with a WASI context for each
//! evaluation, epochs on, JSON in and out.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use caveat_model::Facts;
use serde::{Deserialize, Serialize};
use wapc::WapcHost;
use wasmtime_provider::{EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre, wasmtime};

pub(crate) struct Kubewarden {
    pre: WasmtimeEngineProviderPre,
}

/// As policy-server ticks: every 10 ms.
const TICK: Duration = Duration::from_millis(10);
/// Two seconds, in ticks.
const DEADLINES: EpochDeadlines = EpochDeadlines { wapc_init: 200, wapc_func: 200 };

#[derive(Serialize)]
struct Validation<'a> {
    request: Request<'a>,
    settings: Settings,
}

#[derive(Serialize)]
struct Request<'a> {
    uid: &'static str,
    facts: &'a Facts,
}

#[derive(Serialize)]
struct Settings {}

#[derive(Deserialize)]
struct Response {
    accepted: bool,
    message: Option<String>,
}

impl Kubewarden {
    /// Builds the guest, and starts the thread that ticks; it ends with the process.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let bytes = std::fs::read(guest()?)?;
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let engine = wasmtime::Engine::new(&config).map_err(|e| anyhow::anyhow!("{e:#}"))?;
        let module = wasmtime::Module::new(&engine, bytes).map_err(|e| anyhow::anyhow!("{e:#}"))?;
        let pre = WasmtimeEngineProviderBuilder::new()
            .engine(engine.clone())
            .module(module)
            .enable_epoch_interruptions(DEADLINES)
            .build_pre()?;
        thread::spawn(move || {
            loop {
                thread::sleep(TICK);
                engine.increment_epoch();
            }
        });
        Ok(Self { pre })
    }

    /// Whether a fresh instance refuses, with a message.
    pub(crate) fn refuses(&self, facts: &Facts) -> anyhow::Result<bool> {
        let request = Request { uid: "2f6b3a1c", facts };
        let payload = serde_json::to_vec(&Validation { request, settings: Settings {} })?;
        let host = WapcHost::new(Box::new(self.pre.rehydrate(Some(DEADLINES))?), None)?;
        let response: Response = serde_json::from_slice(&host.call("validate", &payload)?)?;
        Ok(!response.accepted && response.message.is_some())
    }
}

/// Builds the guest for the target that has no WASI, as the packs are.
fn guest() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = "wasm32-unknown-unknown";
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "guest-all-party", "--target", target])
        .args(["--target-dir", "target/guest"])
        .current_dir(here)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the guest for waPC does not build");
    Ok(here.join("target/guest").join(target).join("release/guest_all_party.wasm"))
}
