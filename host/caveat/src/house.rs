//! Wiring: opens the rooms in their order and hands each what it needs.

use std::{collections::HashMap, fs, sync::Arc, time::Instant};

use anyhow::Context;
use caveat_access::{Access, SecretBox, WaysIn};
use caveat_engine::Engine;
use caveat_ledger::{self as ledger, EntryKind, Ledger, LogSigner};
use caveat_model::{ClientId, Clock, SystemClock};
use caveat_packs::{Active, ActiveSet, ActiveSets, Archive, PackFile, Trust};
use caveat_recorder::{Assurance, Clients, PackKeeper, Recorder, Rooms, Storage};
use caveat_retention::Retention;
use caveat_state::Db;
use caveat_stores::{Address, Disk, Opened, Spool, StoreError};
use caveat_vault::{LogFolder, Opener, Vault};
use object_store::{
    ObjectStore,
    path::{Path, PathPart},
};

use crate::{
    config::{Client, Config},
    hosts::Membership,
    keys,
    operation::Store,
};

/// The rooms that commands work with, opened.
pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) ledger: Ledger,
    pub(crate) access: Access,
    pub(crate) archive: Archive,
    pub(crate) clock: Arc<dyn Clock>,
    remote: Option<Remote>,
    /// This host among others; none: it is the only one.
    pub(crate) member: Option<Arc<Membership>>,
}

/// A remote store, and the spool in front of it.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) spool: Spool,
}

impl House {
    /// Opens what lies on disk; runs nothing. One process at a time: the vault's log is its own.
    pub(crate) async fn open(config: &Config, ways: WaysIn) -> anyhow::Result<Self> {
        let phase = Phase::begin();
        let folder = LogFolder::hold(&config.paths.write_ahead)?;
        let db = open_database(config).await?;
        let member = match &config.hosts {
            Some(hosts) => Some(Membership::join(&db, config, hosts, folder.name()).await?),
            None => None,
        };
        let log = Log::open_on(db, config, Brings::Yes, member.as_deref()).await?;
        let Log { ledger, db, store, remote, clock } = log;
        let phase = phase.end("store, database and ledger");
        let keys = keys::open(config)?;
        let phase = phase.end("keys");
        let limits = config.limits.vault;
        let archive = Archive::new(store.clone());
        let tail = member.as_ref().map(|_| config.limits.hosts.tail());
        let vault = Vault::open_in(folder, limits, tail, db.clone(), store, keys, clock.clone()).await?;
        for client in &config.clients {
            vault.prefer(&client.profile.id, client.cipher);
        }
        let phase = phase.end("vault");
        let secrets: Arc<dyn SecretBox> = Arc::new(Sealed(vault.opener().clone()));
        let limits = config.limits.people.clone();
        let access = Access::open_with(db.clone(), clock.clone(), secrets, limits, ways).await?;
        phase.end("people");
        Ok(Self { db, vault, ledger, access, archive, clock, remote, member })
    }

    /// Loads every client's packs and starts the recorder.
    pub(crate) async fn start_recorder(&self, config: &Config) -> anyhow::Result<Started> {
        let phase = Phase::begin();
        let engine = Arc::new(Engine::new(config.limits.packs.clone(), Some(config.paths.compiled.clone()))?);
        let packs = Arc::new(ActiveSets::default());
        let (db, vault, ledger, clock) =
            (self.db.clone(), self.vault.clone(), self.ledger.clone(), self.clock.clone());
        let keeper = PackKeeper::open(
            engine.clone(),
            packs.clone(),
            self.archive.clone(),
            config.trust(),
            ledger.clone(),
            db.clone(),
            clock.clone(),
        );
        let keeper = keeper.await?;
        let trust = config.trust();
        for client in &config.clients {
            let set = load_set(&engine, client, &trust)?;
            let id = &client.profile.id;
            self.ledger.append(id, started()).await?;
            keeper.begin(id, set).await.with_context(|| {
                format!("client `{id}`: the packs that stood last cannot be put in force; to begin anew, change those in caveat.toml")
            })?;
        }
        let phase = phase.end("packs");
        let keeping = config.limits.retention.clone();
        let retention =
            Retention::open(db.clone(), vault.clone(), ledger.clone(), clock.clone(), keeping).await?;
        let retention = if self.member.is_some() { retention.shared() } else { retention };
        let (opener, limits) = (vault.opener().clone(), config.limits.assurance.clone());
        let assurance = Assurance::open(db.clone(), opener, clock.clone(), limits).await?;
        let storage = self.storage(config).await?;
        let among = self.member.as_ref().map(|member| member.among.clone());
        let on = engine.clone();
        let rooms =
            Rooms { engine: on, packs, vault, ledger, retention, assurance, storage, among, db, clock };
        let clients: Clients = config.clients.iter().map(|c| c.profile.clone()).collect();
        let recorder = Recorder::start(rooms, clients, config.limits.calls.clone()).await?;
        if let Some(member) = &self.member {
            tokio::spawn(member.clone().follow(recorder.clone(), keeper.clone()));
        }
        phase.end("recorder");
        Ok(Started { recorder, packs: keeper, engine })
    }

    /// What stands behind the vault. A bucket that cannot lock what it is said to lock is refused here.
    async fn storage(&self, config: &Config) -> anyhow::Result<Storage> {
        let lock_days: HashMap<_, _> =
            config.clients.iter().filter_map(|c| Some((c.profile.id.clone(), c.lock_days?))).collect();
        if let (false, Some(remote)) = (lock_days.is_empty(), &self.remote) {
            match remote.spool.check_lock().await {
                Err(refused @ StoreError::Settings { .. }) => {
                    Err(refused).context("`lock-days` cannot be kept")?
                }
                Err(away) => {
                    tracing::warn!(error = %away, "whether the store locks objects is not known yet: none leaves the spool unlocked")
                }
                Ok(()) => {}
            }
        }
        let spool = self.remote.as_ref().map(|remote| remote.spool.clone());
        Ok(Storage { disk: Some(disk(config)), spool, lock_days })
    }

    /// Where recordings go in the end.
    pub(crate) fn store(&self, config: &Config) -> Store {
        match (&config.paths.store, &self.remote) {
            (Address::Folder(folder), _) => Store::Folder(folder.clone()),
            (_, Some(Remote { store, spool })) => {
                Store::Remote { store: store.clone(), spool: spool.clone() }
            }
            // A remote store always has its spool.
            (_, None) => Store::Folder(config.paths.spool.clone()),
        }
    }
}

/// A recorder that runs, and what changes its packs.
pub(crate) struct Started {
    pub(crate) recorder: Recorder,
    pub(crate) packs: PackKeeper,
    pub(crate) engine: Arc<Engine>,
}

/// The disks that the host writes to.
pub(crate) fn disk(config: &Config) -> Disk {
    let paths = &config.paths;
    let kept = match &paths.store {
        Address::Folder(folder) => folder.clone(),
        _ => paths.spool.clone(),
    };
    Disk::new(vec![paths.write_ahead.clone(), kept], &config.limits.store)
}

/// What a start is taken up with, for whoever finds it slow: the log tells of each phase at `debug`.
pub(crate) struct Phase(Instant);

impl Phase {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// This phase is over, and the next begins.
    pub(crate) fn end(self, what: &str) -> Self {
        tracing::debug!(what, ms = self.0.elapsed().as_secs_f64() * 1e3, "a phase of the start is over");
        Self::begin()
    }
}

/// The ledger alone, which may be read while a host runs.
pub(crate) struct Log {
    pub(crate) ledger: Ledger,
    db: Db,
    store: Arc<dyn ObjectStore>,
    remote: Option<Remote>,
    clock: Arc<dyn Clock>,
}

/// Whether this process brings to a remote store what lies in the spool: the one that has the write-ahead log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brings {
    Yes,
    No,
}

impl Log {
    /// For looking back.
    pub(crate) async fn look(config: &Config) -> anyhow::Result<Self> {
        Self::open_on(open_database(config).await?, config, Brings::No, None).await
    }

    async fn open_on(
        db: Db,
        config: &Config,
        brings: Brings,
        member: Option<&Membership>,
    ) -> anyhow::Result<Self> {
        let paths = &config.paths;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (store, remote) = open_store(config, brings).await.context("the store")?;
        let signer = LogSigner::open(&paths.ledger_key, &config.host.ledger_origin)?;
        let (host, log, c) = (config.host.name.clone(), store.clone(), clock.clone());
        let ledger = match member {
            Some(member) => {
                member.agree_on_keys(config, &signer).await?;
                let limits = ledger::Limits { append_attempts: APPEND_ATTEMPTS, ..Default::default() };
                Ledger::open_fenced(db.clone(), log, c, signer, host, limits, member.fence()).await?
            }
            None => Ledger::open(db.clone(), log, c, signer, host).await?,
        };
        Ok(Self { ledger, db, store, remote, clock })
    }
}

/// How often a batch is tried while other hosts append to the same log: the more hosts, the more often one is not the fastest.
const APPEND_ATTEMPTS: u32 = 200;

async fn open_database(config: &Config) -> anyhow::Result<Db> {
    let paths = &config.paths;
    for dir in [paths.keyring.parent(), paths.ledger_key.parent()].into_iter().flatten() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    Db::open(&paths.database, 8).await.context("the state database")
}

/// What it takes to look back, while a host runs or not: everything but the write-ahead log.
pub(crate) struct Looking {
    pub(crate) log: Log,
    pub(crate) opener: Opener,
    pub(crate) archive: Archive,
}

impl Looking {
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let log = Log::look(config).await?;
        let keys = keys::open(config)?;
        let (db, store, clock) = (log.db.clone(), log.store.clone(), log.clock.clone());
        let opener = Opener::open(config.limits.vault, db, store, keys, clock).await?;
        for client in &config.clients {
            opener.prefer(&client.profile.id, client.cipher);
        }
        let archive = Archive::new(log.store.clone());
        Ok(Self { log, opener, archive })
    }

    /// People and tokens, which may be seen to while a host runs.
    pub(crate) async fn access(&self, config: &Config) -> anyhow::Result<Access> {
        let (db, clock) = (self.log.db.clone(), self.log.clock.clone());
        let secrets: Arc<dyn SecretBox> = Arc::new(Sealed(self.opener.clone()));
        Ok(Access::open(db, clock, secrets, config.limits.people.clone()).await?)
    }

    /// Expected and captured calls.
    pub(crate) async fn assurance(&self, config: &Config) -> anyhow::Result<Assurance> {
        let (db, clock) = (self.log.db.clone(), self.log.clock.clone());
        Ok(Assurance::open(db, self.opener.clone(), clock, config.limits.assurance.clone()).await?)
    }
}

/// The store that the configuration names; with a spool in front of it where it is a remote one.
async fn open_store(
    config: &Config,
    brings: Brings,
) -> anyhow::Result<(Arc<dyn ObjectStore>, Option<Remote>)> {
    let (paths, limits) = (&config.paths, &config.limits.store);
    let opened = config.store.open(&paths.store, &paths.base, limits)?;
    let opened = Opened { at_hand: wanted_by_a_start, ..opened };
    if !paths.store.is_remote() {
        return Ok((opened.store, None));
    }
    let (dir, remote) = (paths.spool.clone(), opened.store.clone());
    let spool = match brings {
        Brings::Yes if config.hosts.is_some() => Spool::open_through(dir, opened, limits.clone()).await?,
        Brings::Yes => Spool::open(dir, opened, limits.clone()).await?,
        Brings::No => Spool::look(dir, opened, limits.clone()).await?,
    };
    Ok((Arc::new(spool.clone()), Some(Remote { store: remote, spool })))
}

/// The partial tiles in which a log ends, and the packs that ruled: with these a host starts while the store is away. A tile
/// that becomes complete is the end of its partial ones.
fn wanted_by_a_start(object: &Path) -> bool {
    let mut parts = object.parts();
    let is_partial = |part: PathPart<'_>| part.as_ref().ends_with(".p");
    match parts.next().as_ref().map(PathPart::as_ref) {
        Some("ledger") => parts.any(is_partial),
        Some("packs" | "settings" | "signatures") => true,
        _ => false,
    }
}

/// Admits, loads and configures the packs of one client.
pub(crate) fn load_set(engine: &Engine, client: &Client, trust: &Trust) -> anyhow::Result<ActiveSet> {
    let mut set = ActiveSet::default();
    for choice in &client.packs {
        let about = || format!("client `{}`, pack {}", client.profile.id, choice.file.display());
        let file = PackFile::open(&choice.file).with_context(about)?;
        trust.admit(&client.profile.id, &file).with_context(|| choice.file.display().to_string())?;
        let loaded = choice.written.load(engine, &file).with_context(about)?;
        set.packs.push(Active { loaded: Arc::new(loaded), mode: choice.mode });
    }
    Ok(set)
}

fn started() -> EntryKind {
    EntryKind::HostStarted { version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// Second factors are sealed by the vault.
struct Sealed(Opener);

impl SecretBox for Sealed {
    fn seal(&self, client: &ClientId, context: &str, plain: &[u8]) -> Result<Vec<u8>, String> {
        now(self.0.seal_detail(client, context, plain)).map_err(|e| e.to_string())
    }
    fn open(&self, client: &ClientId, context: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        now(self.0.open_detail(client, context, sealed))
            .map(|plain| plain.to_vec())
            .map_err(|e| e.to_string())
    }
}

/// The door seals within a step of its own; the vault may have to read a key first.
fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}
