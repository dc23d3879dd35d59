//! The heads of the logs in SQL: the compare-and-swap that makes an append exclusive among hosts, and each host's own count.

use caveat_model::ClientId;
use caveat_state::{Db, StateError, sql};
use tlog_tiles::{HASH_SIZE, Hash};

use crate::{LedgerError, tree::Root};

const MIGRATIONS: &[&str] = &["
    CREATE TABLE ledger_head (
        client TEXT PRIMARY KEY,
        size BIGINT NOT NULL,
        root BYTEA NOT NULL,
        base_size BIGINT NOT NULL,
        base_root BYTEA NOT NULL
    );
    CREATE TABLE ledger_seq (
        client TEXT NOT NULL,
        host TEXT NOT NULL,
        next BIGINT NOT NULL,
        PRIMARY KEY (client, host)
    );
"];

/// What is committed, and what was before the last batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Head {
    pub(crate) now: Root,
    pub(crate) base: Root,
}

impl Head {
    pub(crate) const EMPTY: Self = Self { now: Root::EMPTY, base: Root::EMPTY };
}

/// The tables `ledger_head` and `ledger_seq`.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    db: Db,
}

impl Heads {
    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        db.migrate("ledger", MIGRATIONS).await?;
        Ok(Self { db })
    }

    pub(crate) async fn get(&self, client: &ClientId) -> Result<Head, LedgerError> {
        let row: Option<(i64, Vec<u8>, i64, Vec<u8>)> =
            sqlx::query_as("SELECT size, root, base_size, base_root FROM ledger_head WHERE client = $1")
                .bind(client.as_str())
                .fetch_optional(self.db.pool())
                .await
                .map_err(sql("read the head of a log"))?;
        let Some((size, root, base_size, base_root)) = row else { return Ok(Head::EMPTY) };
        let part = |size: i64, hash: Vec<u8>| {
            let hash = <[u8; HASH_SIZE]>::try_from(hash).ok()?;
            Some(Root { size: u64::try_from(size).ok()?, hash: Hash(hash) })
        };
        match (part(size, root), part(base_size, base_root)) {
            (Some(now), Some(base)) => Ok(Head { now, base }),
            _ => Err(LedgerError::Damaged {
                client: client.clone(),
                path: "ledger_head".into(),
                why: "the row holds no size and root".into(),
            }),
        }
    }

    /// The next number in `host`'s own count; the first is 1.
    pub(crate) async fn next_seq(&self, client: &ClientId, host: &str) -> Result<u64, LedgerError> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT next FROM ledger_seq WHERE client = $1 AND host = $2")
                .bind(client.as_str())
                .bind(host)
                .fetch_optional(self.db.pool())
                .await
                .map_err(sql("read a host's own count"))?;
        Ok(next.map_or(1, |n| n.max(1) as u64))
    }

    /// Moves the head from `base` to `now` and `host`'s count to `next_seq`, both or neither. False when the head was no
    /// longer at `base`. After an error it may have moved or not.
    pub(crate) async fn advance(
        &self,
        client: &ClientId,
        host: &str,
        base: Root,
        now: Root,
        next_seq: u64,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        if base.size == 0 {
            sqlx::query(
                "INSERT INTO ledger_head (client, size, root, base_size, base_root)
                 VALUES ($1, 0, $2, 0, $2) ON CONFLICT (client) DO NOTHING",
            )
            .bind(client.as_str())
            .bind(base.hash.0.to_vec())
            .execute(&mut *tx)
            .await
            .map_err(sql("begin a log"))?;
        }
        let moved = sqlx::query(
            "UPDATE ledger_head SET size = $1, root = $2, base_size = $3, base_root = $4
             WHERE client = $5 AND size = $3 AND root = $4",
        )
        .bind(now.size as i64)
        .bind(now.hash.0.to_vec())
        .bind(base.size as i64)
        .bind(base.hash.0.to_vec())
        .bind(client.as_str())
        .execute(&mut *tx)
        .await
        .map_err(sql("move the head of a log"))?;
        if moved.rows_affected() != 1 {
            tx.rollback().await.map_err(sql("give way to another host"))?;
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO ledger_seq (client, host, next) VALUES ($1, $2, $3)
             ON CONFLICT (client, host) DO UPDATE SET next = excluded.next",
        )
        .bind(client.as_str())
        .bind(host)
        .bind(next_seq as i64)
        .execute(&mut *tx)
        .await
        .map_err(sql("note a host's own count"))?;
        tx.commit().await.map_err(sql("commit to a log"))?;
        Ok(true)
    }
}
