//! What is asked of the database as such, whoever's tables are in it.

use std::path::Path;

use anyhow::Context;
use caveat_state::Db;
use sqlx::Row;

/// The database of a host.
#[derive(Clone)]
pub(crate) struct Database {
    db: Db,
    is_server: bool,
}

/// Who the host is to a PostgreSQL server.
pub(crate) struct Role {
    pub(crate) name: String,
    /// It may do everything, whatever the policies of tables say.
    pub(crate) is_superuser: bool,
    /// Likewise for row-level security.
    pub(crate) passes_policies: bool,
}

impl Database {
    /// `url` is what it was opened by.
    pub(crate) fn new(db: Db, url: &str) -> Self {
        Self { db, is_server: is_server(url) }
    }

    /// It runs, and takes statements.
    pub(crate) async fn answers(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").fetch_one(self.db.pool()).await.map(drop)
    }

    /// A server's own clock, in milliseconds since 1970; none: it is a file.
    pub(crate) async fn clock_ms(&self) -> Result<Option<u64>, sqlx::Error> {
        if !self.is_server {
            return Ok(None);
        }
        let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        let ms: i64 = sqlx::query_scalar(now).fetch_one(self.db.pool()).await?;
        Ok(Some(ms.unsigned_abs()))
    }

    /// Who the host is there; none: it is a file.
    pub(crate) async fn role(&self) -> Result<Option<Role>, sqlx::Error> {
        if !self.is_server {
            return Ok(None);
        }
        let of =
            "SELECT CAST(rolname AS TEXT), rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user";
        let row = sqlx::query(of).fetch_one(self.db.pool()).await?;
        Ok(Some(Role {
            name: row.try_get(0)?,
            is_superuser: row.try_get(1)?,
            passes_policies: row.try_get(2)?,
        }))
    }

    /// Writes a file as it is at one moment, while others write.
    ///
    /// # Errors
    /// `to` is there already; the database failed.
    pub(crate) async fn snapshot(&self, to: &Path) -> anyhow::Result<()> {
        let to = to.to_str().context("the path of the snapshot is no text")?;
        sqlx::query("VACUUM INTO $1")
            .bind(to)
            .execute(self.db.pool())
            .await
            .context("cannot copy the database")?;
        Ok(())
    }
}

/// Whether it is PostgreSQL, not a file.
pub(crate) fn is_server(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}
