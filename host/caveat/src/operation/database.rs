//! What is asked of the database as such, whoever's tables are in it.

use std::path::Path;

use anyhow::Context;
use caveat_state::Db;

/// The database of a host.
#[derive(Clone)]
pub(crate) struct Database {
    db: Db,
    is_server: bool,
}

impl Database {
    /// `url` is what it was opened by.
    pub(crate) fn new(db: Db, url: &str) -> Self {
        Self { db, is_server: is_server(url) }
    }

    /// It runs, and takes statements.
    pub(crate) async fn answers(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").fetch_one(self.db.common()).await.map(drop)
    }

    /// A server's own clock, in milliseconds since 1970; none: it is a file.
    pub(crate) async fn clock_ms(&self) -> Result<Option<u64>, sqlx::Error> {
        if !self.is_server {
            return Ok(None);
        }
        let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        let ms: i64 = sqlx::query_scalar(now).fetch_one(self.db.common()).await?;
        Ok(Some(ms.unsigned_abs()))
    }

    /// Writes a file as it is at one moment, while others write.
    ///
    /// # Errors
    /// `to` is there already; the database failed.
    pub(crate) async fn snapshot(&self, to: &Path) -> anyhow::Result<()> {
        let to = to.to_str().context("the path of the snapshot is no text")?;
        sqlx::query("VACUUM INTO $1")
            .bind(to)
            .execute(self.db.common())
            .await
            .context("cannot copy the database")?;
        Ok(())
    }
}

/// Whether it is PostgreSQL, not a file.
pub(crate) fn is_server(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}
