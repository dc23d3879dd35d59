//! Wiring: opens the rooms in their order and hands each what it needs.

use std::{fs, sync::Arc};

use anyhow::Context;
use caveat_access::{Access, SecretBox};
use caveat_engine::Engine;
use caveat_ledger::{EntryKind, Ledger, LogSigner};
use caveat_model::{ClientId, Clock, SystemClock};
use caveat_packs::{Active, ActiveSet, ActiveSets, Archive, PackFile, Trust, load, settings_from_toml};
use caveat_recorder::{Assurance, Clients, PackKeeper, Recorder, Rooms};
use caveat_retention::Retention;
use caveat_state::Db;
use caveat_vault::{Keyring, Opener, Vault, VaultConfig};
use object_store::{ObjectStore, local::LocalFileSystem};

use crate::config::{Client, Config};

/// The rooms that commands work with, opened.
pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) vault: Vault,
    pub(crate) ledger: Ledger,
    pub(crate) access: Access,
    pub(crate) archive: Archive,
    pub(crate) clock: Arc<dyn Clock>,
}

impl House {
    /// Opens what lies on disk; runs nothing. One process at a time: the vault's log is its own.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let paths = &config.paths;
        let Log { ledger, db, store, clock } = Log::open(config).await?;
        let keys = Keyring::open(&paths.keyring, passphrase(config)?.as_deref())?;
        let vault_config = VaultConfig { dir: paths.write_ahead.clone(), limits: config.limits.vault };
        let archive = Archive::new(store.clone());
        let vault = Vault::open(vault_config, db.clone(), store, Arc::new(keys), clock.clone()).await?;
        let secrets: Arc<dyn SecretBox> = Arc::new(Sealed(vault.clone()));
        let access = Access::open(db.clone(), clock.clone(), secrets, config.limits.people.clone()).await?;
        Ok(Self { db, vault, ledger, access, archive, clock })
    }

    /// Loads every client's packs and starts the recorder.
    pub(crate) async fn start_recorder(&self, config: &Config) -> anyhow::Result<(Recorder, PackKeeper)> {
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
        let retention = Retention::open(db.clone(), vault.clone(), ledger.clone(), clock.clone()).await?;
        let (opener, limits) = (vault.opener().clone(), config.limits.assurance.clone());
        let assurance = Assurance::open(db.clone(), opener, clock.clone(), limits).await?;
        let rooms = Rooms { engine, packs, vault, ledger, retention, assurance, db, clock };
        let clients: Clients = config.clients.iter().map(|c| c.profile.clone()).collect();
        Ok((Recorder::start(rooms, clients, config.limits.calls.clone()).await?, keeper))
    }
}

/// The ledger alone, which may be read while a host runs.
pub(crate) struct Log {
    pub(crate) ledger: Ledger,
    db: Db,
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
}

impl Log {
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let paths = &config.paths;
        let folders = [paths.keyring.parent(), paths.ledger_key.parent(), Some(paths.store.as_path())];
        for dir in folders.into_iter().flatten() {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = LocalFileSystem::new_with_prefix(&paths.store)
            .with_context(|| format!("cannot use the store {}", paths.store.display()))?;
        // What the ledger and the vault take for durable has to be on the disk.
        let store: Arc<dyn ObjectStore> = Arc::new(store.with_fsync(true));
        let db = Db::open(&paths.database, 8).await.context("the state database")?;
        let signer = LogSigner::open(&paths.ledger_key, &config.host.ledger_origin)?;
        let host = config.host.name.clone();
        let ledger = Ledger::open(db.clone(), store.clone(), clock.clone(), signer, host).await?;
        Ok(Self { ledger, db, store, clock })
    }
}

/// What it takes to look back, while a host runs or not: everything but the write-ahead log.
pub(crate) struct Looking {
    pub(crate) log: Log,
    pub(crate) opener: Opener,
    pub(crate) archive: Archive,
}

impl Looking {
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let log = Log::open(config).await?;
        let keys = Arc::new(Keyring::open(&config.paths.keyring, passphrase(config)?.as_deref())?);
        let (db, store, clock) = (log.db.clone(), log.store.clone(), log.clock.clone());
        let opener = Opener::open(config.limits.vault, db, store, keys, clock).await?;
        let archive = Archive::new(log.store.clone());
        Ok(Self { log, opener, archive })
    }

    /// Expected and captured calls.
    pub(crate) async fn assurance(&self, config: &Config) -> anyhow::Result<Assurance> {
        let (db, clock) = (self.log.db.clone(), self.log.clock.clone());
        Ok(Assurance::open(db, self.opener.clone(), clock, config.limits.assurance.clone()).await?)
    }
}

/// Admits, loads and configures the packs of one client.
pub(crate) fn load_set(engine: &Engine, client: &Client, trust: &Trust) -> anyhow::Result<ActiveSet> {
    let mut set = ActiveSet::default();
    for choice in &client.packs {
        let about = || format!("client `{}`, pack {}", client.profile.id, choice.file.display());
        let file = PackFile::open(&choice.file).with_context(about)?;
        trust.admit(&client.profile.id, &file).with_context(|| choice.file.display().to_string())?;
        let loaded = load(engine, &file, &settings_from_toml(choice.settings.clone())).with_context(about)?;
        set.packs.push(Active { loaded: Arc::new(loaded), mode: choice.mode });
    }
    Ok(set)
}

fn started() -> EntryKind {
    EntryKind::HostStarted { version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn passphrase(config: &Config) -> anyhow::Result<Option<String>> {
    let Some(name) = &config.host.keyring_passphrase_env else { return Ok(None) };
    let value = std::env::var(name).with_context(|| {
        format!("host.keyring-passphrase-env names {name}, which is not set in the environment")
    })?;
    Ok(Some(value))
}

/// Second factors are sealed by the vault.
struct Sealed(Vault);

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
