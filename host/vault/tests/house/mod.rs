//! A vault's surroundings that outlive it, so that a test can restart it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../state/tests/database/mod.rs"]
mod database;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use caveat_model::{ClientId, Clock, ManualClock, Moment, RecordingId};
use caveat_state::Db;
use caveat_vault::{
    Codec, Cut, Header, KeySource, Keyring, LegInfo, Limits, Suite, Taken, Vault, VaultConfig, VaultError,
};
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

pub struct House {
    dir: tempfile::TempDir,
    pub store: Arc<dyn ObjectStore>,
    pub limits: Limits,
    clock: Arc<ManualClock>,
    /// Where keys are; none: a keyring.
    pub keys: Option<Arc<dyn KeySource>>,
}

impl House {
    pub async fn local() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let objects = dir.path().join("objects");
        fs::create_dir(&objects).unwrap();
        let store = LocalFileSystem::new_with_prefix(objects).unwrap().with_fsync(true);
        Self::with(dir, Arc::new(store))
    }

    pub async fn in_memory() -> Self {
        Self::with(tempfile::tempdir().unwrap(), Arc::new(InMemory::new()))
    }

    pub fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self::with(tempfile::tempdir().unwrap(), store)
    }

    fn with(dir: tempfile::TempDir, store: Arc<dyn ObjectStore>) -> Self {
        let limits = Limits { log_file_bytes: 64 << 10, ..Limits::default() };
        let clock = Arc::new(ManualClock::new(Moment::from_millis(1_795_000_000_000)));
        Self { dir, store, limits, clock, keys: None }
    }

    pub async fn open(&self) -> Vault {
        let config = VaultConfig { dir: self.log_dir(), limits: self.limits };
        Vault::open(config, self.db().await, self.store.clone(), self.keys(), self.clock()).await.unwrap()
    }

    pub async fn db(&self) -> Db {
        database::open(&self.path("state.db")).await
    }

    /// The database with the rows of every client.
    pub async fn whole(&self) -> Db {
        database::whole(&self.path("state.db")).await
    }

    pub fn keys(&self) -> Arc<dyn KeySource> {
        let keyring = || Arc::new(Keyring::open(self.path("keyring.json"), None).unwrap());
        self.keys.clone().unwrap_or_else(|| keyring())
    }

    /// What a backup of the database would be now.
    pub async fn copy_database(&self, to: &Path) {
        let statement = format!("VACUUM INTO '{}'", to.display());
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(self.whole().await.common()).await.unwrap();
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// A new recording, later than the one before.
    pub fn id(&self) -> RecordingId {
        self.clock.advance_millis(1);
        RecordingId::new(self.clock.now())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log_dir(&self) -> PathBuf {
        self.path("log")
    }

    pub fn log_files(&self) -> Vec<PathBuf> {
        let is_log = |p: &PathBuf| p.extension().is_some_and(|e| e == "wal");
        all_files(&self.log_dir()).into_iter().filter(is_log).collect()
    }

    /// Every file of the house in which `needle` stands.
    pub fn files_with(&self, needle: &[u8]) -> Vec<String> {
        let has = |p: &PathBuf| fs::read(p).unwrap().windows(needle.len()).any(|w| w == needle);
        all_files(self.dir.path()).iter().filter(|p| has(p)).map(|p| p.display().to_string()).collect()
    }

    /// How many pages, and how many recordings with keys.
    pub async fn key_rows(&self) -> (i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM vault_page), (SELECT COUNT(*) FROM vault_recording WHERE page <> '')",
        )
        .fetch_one(self.whole().await.common())
        .await
        .unwrap()
    }

    /// Every wrapped page key.
    pub async fn page_keys(&self) -> Vec<Vec<u8>> {
        sqlx::query_scalar("SELECT wrapped FROM vault_page")
            .fetch_all(self.whole().await.common())
            .await
            .unwrap()
    }

    /// As a host left it that knew the first so many steps of the tables, and counted nothing of what is kept.
    pub async fn back_to(&self, version: i64) {
        let whole = self.whole().await;
        let back = sqlx::query("UPDATE migration SET version = $1 WHERE room = 'vault'").bind(version);
        back.execute(whole.common()).await.unwrap();
        sqlx::query("DELETE FROM vault_kept").execute(whole.common()).await.unwrap();
    }

    /// As if the host had died just before it noted a seal.
    pub async fn forget_seals(&self) {
        sqlx::query("UPDATE vault_recording SET state = 'open', seal = ''")
            .execute(self.whole().await.common())
            .await
            .unwrap();
    }
}

pub fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

pub fn two_legs() -> Header {
    let leg = |leg| LegInfo { leg, sample_rate_hz: 8000, codec: Codec::Pcmu };
    Header {
        began: Moment::from_millis(1_795_000_000_000),
        legs: vec![leg(0), leg(1)],
        suite: Suite::default(),
    }
}

/// Redacts whole seconds of a leg.
pub async fn cut(
    vault: &Vault,
    client: &ClientId,
    id: RecordingId,
    (leg, seconds): (u8, Range<u32>),
    taken: Taken,
) -> Result<u32, VaultError> {
    let reader = vault.reader(client, id).await?;
    vault.redact(&reader, &[Cut { leg, seconds, edges: vec![] }], taken).await
}

/// Eight thousand samples that no other second has.
pub fn second(leg: u8, index: u32) -> Vec<u8> {
    (0..8000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ leg ^ index as u8).collect()
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(all_files(&path)) } else { files.push(path) }
    }
    files
}
