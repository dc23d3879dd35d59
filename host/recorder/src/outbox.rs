//! News that a client's own system is to be told, until it has taken them: sealed in the database, so that a restart forgets
//! none. What happened in the moment before a host ends, and was not written here yet, is not told.

use caveat_model::ClientId;
use caveat_state::{Db, StateError, Statement, sql};
use caveat_vault::Vault;

use crate::RecorderError;

const MIGRATIONS: &[&str] = &["
CREATE TABLE outbox (
    client TEXT NOT NULL,
    receiver TEXT NOT NULL,
    number BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (client, receiver, number)
)"];

/// What a body is sealed for.
const DETAIL: &str = "outbox";

/// What waits for every receiver; cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    vault: Vault,
}

/// A piece of news that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Larger than of those before; [`crate::Numbered::number`].
    pub number: u64,
    /// What is to be sent.
    pub body: Vec<u8>,
}

impl Outbox {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("outbox", MIGRATIONS, &[]).await
    }

    pub(crate) async fn open(db: Db, vault: Vault) -> Result<Self, RecorderError> {
        Self::migrate(&db).await?;
        Ok(Self { db, vault })
    }

    /// Keeps news for a receiver, under a name of it that says nothing; they are durable when this returns.
    ///
    /// # Errors
    /// The database or the vault fails.
    pub async fn put(
        &self,
        client: &ClientId,
        receiver: &str,
        news: &[Outgoing],
    ) -> Result<(), RecorderError> {
        let mut writes = Vec::with_capacity(news.len());
        for Outgoing { number, body } in news {
            let put = Statement::new(
                "INSERT INTO outbox (client, receiver, number, body) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (client, receiver, number) DO NOTHING",
            );
            let sealed = self.vault.seal_detail(client, DETAIL, body).await?;
            writes.push(put.bind(client.as_str()).bind(receiver).bind(*number as i64).bind(sealed));
        }
        self.db.of(client).write("keep news for a receiver", writes).await?;
        Ok(())
    }

    /// What waits for a receiver, the oldest first.
    ///
    /// # Errors
    /// The database or the vault fails.
    pub async fn waiting(
        &self,
        client: &ClientId,
        receiver: &str,
        limit: u32,
    ) -> Result<Vec<Outgoing>, RecorderError> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT number, body FROM outbox WHERE client = $1 AND receiver = $2 ORDER BY number LIMIT $3",
        )
        .bind(client.as_str())
        .bind(receiver)
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read news for a receiver"))?;
        let mut waiting = Vec::with_capacity(rows.len());
        for (number, sealed) in rows {
            let body = self.vault.open_detail(client, DETAIL, &sealed).await?.to_vec();
            waiting.push(Outgoing { number: number as u64, body });
        }
        Ok(waiting)
    }

    /// How many wait for a receiver.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count(&self, client: &ClientId, receiver: &str) -> Result<u64, RecorderError> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE client = $1 AND receiver = $2")
                .bind(client.as_str())
                .bind(receiver)
                .fetch_one(self.db.of(client))
                .await
                .map_err(sql("count news for a receiver"))?;
        Ok(count.max(0) as u64)
    }

    /// It was taken, or given up.
    ///
    /// # Errors
    /// The database fails.
    pub async fn strike(&self, client: &ClientId, receiver: &str, number: u64) -> Result<(), RecorderError> {
        let strike = Statement::new("DELETE FROM outbox WHERE client = $1 AND receiver = $2 AND number = $3");
        let strike = strike.bind(client.as_str()).bind(receiver).bind(number as i64);
        self.db.of(client).run("strike off news", strike).await?;
        Ok(())
    }

    /// Forgets what waits for receivers that there are no more: those of a client that are not among these.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_only(&self, client: &ClientId, receivers: &[String]) -> Result<(), RecorderError> {
        let known: Vec<String> = sqlx::query_scalar("SELECT DISTINCT receiver FROM outbox WHERE client = $1")
            .bind(client.as_str())
            .fetch_all(self.db.of(client))
            .await
            .map_err(sql("list receivers of news"))?;
        let forget = |receiver: &String| {
            Statement::new("DELETE FROM outbox WHERE client = $1 AND receiver = $2")
                .bind(client.as_str())
                .bind(receiver.as_str())
        };
        let gone: Vec<_> = known.iter().filter(|known| !receivers.contains(known)).map(forget).collect();
        if !gone.is_empty() {
            self.db.of(client).write("forget news for receivers that are gone", gone).await?;
        }
        Ok(())
    }
}
