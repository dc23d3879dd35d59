//! `caveat serve` and `caveat check`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use axum::{Router, extract::connect_info::IntoMakeServiceWithConnectInfo};
use caveat_api::Webhooks;
use caveat_capture::{SiprecServer, listen_siprec};
use caveat_engine::Engine;
use caveat_recorder::Recorder;
use serde_json::{Map, Value};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    config::{Client, Config},
    house::{House, Phase, Started, disk, load_set},
    http::{Peer, with_peer},
    metrics,
    operation::{Checks, Database, Live, Needs, Operation, Reloader, notify},
    telemetry::LogFilter,
};

/// What is answered beside the API, as its OpenAPI document has it.
fn documented() -> Map<String, Value> {
    let mut paths = caveat_capture::documented();
    paths.insert("/metrics".into(), metrics::documented());
    paths
}

/// Opens every room, then the sockets; reads `file` again on SIGHUP; ends on SIGINT or SIGTERM, after every running call is
/// sealed.
pub(crate) async fn serve(config: &Config, file: PathBuf, log: LogFilter) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let metrics = metrics::install()?;
    let sources = Arc::new(config.ingest.sources()?);
    let house = House::open(config, config.ways()?).await?;
    let started = house.start_recorder(config).await?;
    let recorder = started.recorder.clone();
    let webhooks = start_webhooks(config, &recorder).await?;
    if let Some(timestamps) = &config.timestamps {
        timestamps.start(&recorder, &house.ledger, house.member.clone())?;
    }
    let capture = caveat_capture::Rooms {
        recorder: recorder.clone(),
        access: house.access.clone(),
        db: house.db.clone(),
        clock: house.clock.clone(),
        sources,
        limits: Arc::new(config.limits.media.clone()),
    };
    let checks = Checks::start(needs(config, &house, &started)).await;
    // Whoever can reach it may ask it to stop.
    let mut signals = Signals::listen()?;
    let phase = Phase::begin();
    let siprec = start_siprec(config, &recorder).await?;
    let listener = config.http.listen(config.host.listen, &config.limits.http).await?;
    let intake = caveat_capture::serve(capture.clone()).await?;
    phase.end("sockets");
    let media = caveat_capture::routes(capture);
    let status = format!("{} clients, listening on {}", config.clients.len(), listener.address());
    let Started { packs, engine, .. } = started;
    let live = Live {
        engine,
        packs: packs.clone(),
        recorder: recorder.clone(),
        vault: house.vault.clone(),
        webhooks,
        siprec,
        certificates: listener.renewal(),
        log,
    };
    let reloader = Arc::new(Reloader::new(file, live, status.clone())?);
    let api = caveat_api::routes(caveat_api::Rooms {
        recorder: recorder.clone(),
        packs,
        access: house.access.clone(),
        ledger: house.ledger.clone(),
        host: Arc::new(Operation { checks: checks.clone(), reloader: reloader.clone() }),
        limits: Arc::new(config.limits.requests.clone()),
        console: Arc::new(config.console.clone()),
        web: Arc::new(caveat_api::Web::at(config.http.public_url(config.host.listen).as_deref())),
        documented: Arc::new(documented()),
        others: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?,
    });
    let service: IntoMakeServiceWithConnectInfo<Router, Peer> =
        with_peer(media.merge(api).merge(metrics)).into_make_service_with_connect_info();
    tracing::info!(listen = %listener.address(), clients = config.clients.len(), "ready");
    let mut serving = tokio::spawn(async move { axum::serve(listener, service).await });
    ::metrics::gauge!("caveat_start_seconds").set(began.elapsed().as_secs_f64());
    notify::ready(&status);
    notify::keep_watchdog();
    loop {
        tokio::select! {
            served = &mut serving => served.context("serving")?.context("serving")?,
            asked = signals.next() => match asked {
                Asked::Reload => {
                    // What came of it stands in the log.
                    let _ = reloader.reload().await;
                }
                Asked::Stop => break,
            },
            // Nothing of what it does now would count: what runs it starts it anew.
            why = no_longer_a_host(&house) => bail!("{why}: start it anew"),
        }
    }
    notify::stopping();
    checks.drain(house.clock.now());
    tracing::info!(calls = recorder.calls_running(), "stopping: sealing what is running");
    recorder.refuse_new();
    if let Some(siprec) = reloader.siprec() {
        siprec.refuse_new();
    }
    let drained = async {
        intake.finish().await;
        recorder.drain().await;
        reloader.webhooks().finish().await;
    };
    let most = config.limits.host.drain_ms_max;
    if timeout(Duration::from_millis(most), drained).await.is_err() {
        let left = recorder.calls_running();
        tracing::warn!(left, most, "`drain_ms_max` is over: what is left is sealed by the next start");
    }
    if let Some(siprec) = reloader.siprec() {
        siprec.close().await;
    }
    serving.abort();
    if let Some(member) = &house.member {
        member.leave(house.vault.unsealed() == 0).await;
    }
    house.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Why this is no host among the others any more, once that is so.
async fn no_longer_a_host(house: &House) -> &'static str {
    let Some(member) = &house.member else { return std::future::pending().await };
    tokio::select! {
        why = member.lost() => why,
        () = house.vault.taken_over() => "another host has taken over what this one was recording",
    }
}

fn needs(config: &Config, house: &House, started: &Started) -> Needs {
    Needs {
        database: Database::new(house.db.clone(), &config.paths.database),
        ledger: house.ledger.clone(),
        packs: started.packs.clone(),
        recorder: started.recorder.clone(),
        access: house.access.clone(),
        vault: house.vault.clone(),
        store: house.store(config),
        disk: Some(disk(config)),
        clock: house.clock.clone(),
        clients: config.clients.iter().map(|client| client.profile.id.clone()).collect(),
        limits: config.limits.host.clone(),
    }
}

async fn start_webhooks(config: &Config, recorder: &Recorder) -> anyhow::Result<Webhooks> {
    let hooks = config.clients.iter().flat_map(Client::hooks).collect::<anyhow::Result<_>>()?;
    Webhooks::start(recorder, hooks, &config.limits.webhooks).await.context("webhooks")
}

/// A session recording server, if the configuration names a socket for it.
async fn start_siprec(config: &Config, recorder: &Recorder) -> anyhow::Result<Option<SiprecServer>> {
    let siprec = config.siprec.clone();
    if !siprec.is_on() {
        return Ok(None);
    }
    let (limits, media) = (config.limits.siprec.clone(), config.media.clone());
    Ok(Some(listen_siprec(recorder.clone(), siprec, limits, media).await?))
}

/// Everything that `serve` would refuse, without starting anything.
pub(crate) fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let config = Config::read(path)?;
    config.ingest.sources()?;
    config.ways()?;
    let engine = Engine::new(config.limits.packs.clone(), None)?;
    let trust = config.trust();
    for client in &config.clients {
        let set = load_set(&engine, client, &trust)?;
        for pack in set.packs {
            let reference = &pack.loaded.reference;
            println!("{}: {} {} {}", client.profile.id, reference.name, reference.version, reference.digest);
        }
    }
    println!("{} is valid: {} clients", path.display(), config.clients.len());
    Ok(ExitCode::SUCCESS)
}

/// What the host is asked by signals.
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self { interrupt: interrupt?, terminate: terminate?, hangup: hangup? })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
