//! A host's rooms, opened in a folder of their own, with packs written by hand.

#[path = "../../../state/tests/database/mod.rs"]
mod database;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use caveat_engine::Engine;
use caveat_ledger::{Ledger, LogSigner};
use caveat_model::{Cipher, ClientId, Clock, KeyState, Placement, PlacementTraits, StoreKind, SystemClock};
use caveat_packs::{ActiveSet, ActiveSets, Archive, PackFile, load};
use caveat_recorder::{
    Assurance, AssuranceLimits, ClientProfile, Clients, Limits, PackKeeper, Practice, Recorder, Rooms,
};
use caveat_retention::Retention;
use caveat_state::Db;
use caveat_vault::{Keyring, Vault, VaultConfig, VaultError};
use object_store::{ObjectStore, memory::InMemory};
use serde_json::Value;

/// The rooms of a host, and what is left of an earlier one.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) client: ClientId,
    pub(crate) practice: Practice,
    pub(crate) keeping: caveat_retention::Limits,
}

pub(crate) struct Open {
    pub(crate) keeper: PackKeeper,
    pub(crate) recorder: Recorder,
    pub(crate) ledger: Ledger,
    pub(crate) vault: Vault,
    pub(crate) retention: Retention,
    pub(crate) sets: Arc<ActiveSets>,
    pub(crate) db: Db,
}

impl House {
    pub(crate) fn new() -> Self {
        let (dir, store) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
        Self {
            dir,
            store,
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            client: "acme".parse().unwrap(),
            practice: Practice::default(),
            // No look at the schedule but those that a test asks for.
            keeping: caveat_retention::Limits { sweep_every_ms: u64::MAX, ..Default::default() },
        }
    }

    pub(crate) async fn open(&self, declared: &[&PackFile]) -> Open {
        let at = |name: &str| self.dir.path().join(name);
        let clock = self.clock.clone();
        let db = database::open(&at("state.db")).await;
        let signer = LogSigner::open(&at("ledger-key"), "caveat.example").unwrap();
        let store = self.store.clone();
        let ledger =
            Ledger::open(db.clone(), store.clone(), clock.clone(), signer, "h1".into()).await.unwrap();
        let keys = Arc::new(Keyring::open(at("keyring"), None).unwrap());
        let vault = free(|| {
            let config = VaultConfig { dir: at("write-ahead"), limits: caveat_vault::Limits::default() };
            Vault::open(config, db.clone(), store.clone(), keys.clone(), clock.clone())
        })
        .await;
        let limits = caveat_engine::Limits::default();
        let engine = Arc::new(Engine::new(limits, Some(at("compiled"))).unwrap());
        let packs = Arc::new(ActiveSets::default());
        let archive = Archive::new(store);
        let (l, d, c) = (ledger.clone(), db.clone(), clock.clone());
        let keeper =
            PackKeeper::open(engine.clone(), packs.clone(), archive, caveat_packs::Trust::default(), l, d, c)
                .await
                .unwrap();
        let declared = declared.iter().map(|file| Arc::new(load(&engine, file, &Value::Null).unwrap()));
        keeper.begin(&self.client, ActiveSet::obeying(declared)).await.unwrap();
        let (d, v, l, c) = (db.clone(), vault.clone(), ledger.clone(), clock.clone());
        let retention = Retention::open(d, v, l, c, self.keeping.clone()).await.unwrap();
        let opened = vault.clone();
        let (o, limits) = (vault.opener().clone(), AssuranceLimits::default());
        let assurance = Assurance::open(db.clone(), o, clock.clone(), limits).await.unwrap();
        let (p, l, kept) = (packs.clone(), ledger.clone(), retention.clone());
        let rooms = Rooms {
            engine,
            packs: p,
            vault,
            ledger: l,
            retention,
            assurance,
            storage: Default::default(),
            among: None,
            db: db.clone(),
            clock,
        };
        let clients: Clients = [profile(&self.client, &self.practice)].into_iter().collect();
        let recorder = Recorder::start(rooms, clients, self.limits.clone()).await.unwrap();
        Open { keeper, recorder, ledger, vault: opened, retention: kept, sets: packs, db }
    }
}

/// Waits until the last task of an earlier start, dropped by now, has let go of the write-ahead log.
async fn free<F: Future<Output = Result<Vault, VaultError>>>(open: impl Fn() -> F) -> Vault {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match open().await {
            Err(VaultError::Busy { .. }) if Instant::now() < until => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}

fn profile(client: &ClientId, practice: &Practice) -> ClientProfile {
    let (cipher, key) = (Cipher::None, KeyState::None);
    let traits = PlacementTraits::default();
    ClientProfile {
        id: client.clone(),
        recorder_region: None,
        purposes: vec![],
        can_pause: true,
        medical_record: false,
        placement: Placement { kind: StoreKind::Primary, region: None, cipher, key, traits },
        full_need: vec![],
        attributes: vec![],
        practice: practice.clone(),
    }
}
