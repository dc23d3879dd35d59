//! `caveat serve` and `caveat check`.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use caveat_capture::{SiprecServer, listen_siprec};
use caveat_engine::Engine;
use caveat_recorder::Recorder;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::Config,
    house::{House, load_set},
    http::{Peer, with_peer},
    metrics,
};

/// Opens every room, then the socket; ends on SIGINT or SIGTERM, after every running call is sealed.
pub(crate) async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let metrics = metrics::install()?;
    let sources = Arc::new(config.ingest.sources()?);
    let house = House::open(config, config.ways()?).await?;
    let (recorder, packs) = house.start_recorder(config).await?;
    let mut hooks = Vec::new();
    for client in &config.clients {
        for hook in &client.webhooks {
            let about = || format!("client `{}`: a webhook", client.profile.id);
            hooks.push(hook.open(&client.profile.id).with_context(about)?);
        }
    }
    let webhooks =
        caveat_api::start_webhooks(&recorder, hooks, &config.limits.webhooks).await.context("webhooks")?;
    let api = caveat_api::routes(caveat_api::Rooms {
        recorder: recorder.clone(),
        packs,
        access: house.access.clone(),
        ledger: house.ledger.clone(),
        limits: Arc::new(config.limits.requests.clone()),
        console: Arc::new(config.console.clone()),
        web: Arc::new(caveat_api::Web::at(config.http.public_url(config.host.listen).as_deref())),
        others: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?,
    });
    if let Some(timestamps) = &config.timestamps {
        timestamps.start(&recorder, &house.ledger)?;
    }
    let capture = caveat_capture::Rooms {
        recorder: recorder.clone(),
        access: house.access.clone(),
        db: house.db.clone(),
        clock: house.clock.clone(),
        sources,
        limits: Arc::new(config.limits.media.clone()),
    };
    let siprec = start_siprec(config, &recorder).await?;
    let listener = config.http.listen(config.host.listen, &config.limits.http).await?;
    let intake = caveat_capture::serve(capture.clone()).await?;
    let media = caveat_capture::routes(capture);
    tracing::info!(listen = %listener.address(), clients = config.clients.len(), "ready");
    let routes = with_peer(media.merge(api).merge(metrics));
    let service = routes.into_make_service_with_connect_info::<Peer>();
    let stop = stop_asked()?;
    tokio::select! {
        served = async { axum::serve(listener, service).await } => served.context("serving")?,
        () = stop => {}
        // Nothing of what it does now would count: what runs it starts it anew.
        why = no_longer_a_host(&house) => bail!("{why}: start it anew"),
    }
    tracing::info!(calls = recorder.calls_running(), "stopping: sealing what is running");
    if let Some(siprec) = &siprec {
        siprec.refuse_new();
    }
    intake.finish().await;
    recorder.drain().await;
    webhooks.finish().await;
    if let Some(siprec) = siprec {
        siprec.close().await;
    }
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

fn stop_asked() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
