//! What a ledger stands on: a database and a key in a folder, a store, a clock that is moved by hand.

#[path = "../../../state/tests/database/mod.rs"]
mod database;

use std::{path::PathBuf, sync::Arc};

use caveat_ledger::{EntryKind, Ledger, Limits, LogSigner, Report, verify_bundle};
use caveat_model::{ClientId, ManualClock, Moment};
use caveat_state::Db;
use object_store::{ObjectStore, memory::InMemory};
use tempfile::TempDir;

pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) db: Db,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) signer: LogSigner,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::on(Arc::new(InMemory::new())).await
    }

    pub(crate) async fn on(store: Arc<dyn ObjectStore>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = database::open(&dir.path().join("state.db")).await;
        let clock = Arc::new(ManualClock::new("2026-11-23".parse::<Moment>().unwrap()));
        let signer = LogSigner::open(&dir.path().join("log.key"), "caveat.example").unwrap();
        Self { dir, db, store, clock, signer }
    }

    /// The database as the owner of its tables has it.
    pub(crate) async fn whole(&self) -> Db {
        database::whole(&self.dir.path().join("state.db")).await
    }

    /// A ledger as a fresh process would open it.
    pub(crate) async fn ledger(&self, host: &str) -> Ledger {
        self.ledger_within(host, Limits::default()).await
    }

    pub(crate) async fn ledger_within(&self, host: &str, limits: Limits) -> Ledger {
        let (db, store, clock) = (self.db.clone(), self.store.clone(), self.clock.clone());
        Ledger::open_within(db, store, clock, self.signer.clone(), host.into(), limits).await.unwrap()
    }

    pub(crate) async fn export(&self, ledger: &Ledger, client: &ClientId) -> PathBuf {
        let dir = self.dir.path().join(format!("bundle-{client}-{}", fresh()));
        ledger.export(client, &dir).await.unwrap();
        dir
    }

    /// Exports and checks.
    pub(crate) async fn verify(&self, ledger: &Ledger, client: &ClientId) -> Report {
        let dir = self.export(ledger, client).await;
        verify_bundle(&dir, &ledger.vkey(client)).unwrap()
    }
}

pub(crate) fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

pub(crate) fn note(text: impl Into<String>) -> EntryKind {
    EntryKind::Note { text: text.into() }
}

fn fresh() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
