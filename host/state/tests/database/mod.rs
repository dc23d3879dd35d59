//! The database of a test: an SQLite file; or, where `CAVEAT_TEST_POSTGRES` names a server and a host's role, and
//! `CAVEAT_TEST_POSTGRES_OWNER` the same with an owner's, a schema of its own there, so that the same tests run on both.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use caveat_state::{Db, StateError};

/// As a host has it; the tables that it opens are made by their owner on the way. The same path is the same database.
pub(crate) async fn open(path: &Path) -> Db {
    let Some(server) = Server::of(path) else { return Db::open_file(path).await.unwrap() };
    let owner = server.owner().await;
    Db::open(&server.host, 8).await.unwrap().migrated_by(&owner)
}

/// As the owner of its tables has it, from whom no policy hides any row.
pub(crate) async fn whole(path: &Path) -> Db {
    match Server::of(path) {
        Some(server) => server.owner().await,
        None => Db::open_file(path).await.unwrap(),
    }
}

/// As a host has it that makes no tables.
pub(crate) async fn host(path: &Path) -> Result<Db, StateError> {
    Db::open(&Server::of(path).unwrap().host, 8).await
}

/// As a host would have it that came in by the owner's role.
pub(crate) async fn as_a_host_who_owns(path: &Path) -> Result<Db, StateError> {
    Db::open(&Server::of(path).unwrap().owner, 8).await
}

/// Addresses of one schema, as its host and as its owner.
struct Server {
    schema: String,
    host: String,
    owner: String,
}

impl Server {
    fn of(path: &Path) -> Option<Self> {
        let host = std::env::var("CAVEAT_TEST_POSTGRES").ok()?;
        let owner = std::env::var("CAVEAT_TEST_POSTGRES_OWNER").unwrap();
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let schema = format!("t{:x}", hasher.finish());
        let at = |server| format!("{server}?options=-csearch_path%3D{schema}");
        Some(Self { host: at(host), owner: at(owner), schema })
    }

    async fn owner(&self) -> Db {
        let (_, role) = self.host.split_once("://").unwrap();
        let role = role.split(['@', ':']).next().unwrap();
        let (owner, _) = Db::open_as_owner(&self.owner, role, None).await.unwrap();
        let schema = format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema);
        sqlx::query(sqlx::AssertSqlSafe(schema)).execute(owner.common()).await.unwrap();
        owner
    }
}
