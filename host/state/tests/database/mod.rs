//! The database of a test: an SQLite file; or, where `CAVEAT_TEST_POSTGRES` names a server, a schema of its own there, so
//! that the same tests run on both.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use caveat_state::Db;

/// The same path is the same database.
pub(crate) async fn open(path: &Path) -> Db {
    let Ok(server) = std::env::var("CAVEAT_TEST_POSTGRES") else { return Db::open_file(path).await.unwrap() };
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let schema = format!("t{:x}", hasher.finish());
    let admin = Db::open(&server, 1).await.unwrap();
    let statement = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(admin.pool()).await.unwrap();
    admin.close().await;
    Db::open(&format!("{server}?options=-csearch_path%3D{schema}"), 8).await.unwrap()
}
