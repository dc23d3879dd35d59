//! News that a client's own system is to be told, until it has taken them: sealed in the database, so that a restart forgets
//! none. What happened in the moment before a host ends, and was not written here yet, is not told.
//!
//! Of hosts that share a database each tells what happened on it, so that nothing is told twice while all of them live. What a
//! host leaves, in order or dead, is nobody's for a moment, and then another's.

use caveat_model::ClientId;
use caveat_state::{Db, Purpose, StateError, Statement, Written, sql};
use caveat_vault::Vault;
use tokio::sync::watch;

use crate::RecorderError;

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE outbox (
    client TEXT NOT NULL,
    receiver TEXT NOT NULL,
    number BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (client, receiver, number)
)",
    "
ALTER TABLE outbox ADD COLUMN log TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_log ON outbox (log)",
];

/// What a body is sealed for.
const DETAIL: &str = "outbox";

/// What waits for every receiver; cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    db: Db,
    vault: Vault,
    /// Counts how often this host took over what was another's.
    taken_over: watch::Sender<u64>,
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
        db.migrate("outbox", MIGRATIONS, &[(Purpose::Recovery, "outbox")]).await
    }

    pub(crate) async fn open(db: Db, vault: Vault) -> Result<Self, RecorderError> {
        Self::migrate(&db).await?;
        Ok(Self { db, vault, taken_over: watch::Sender::default() })
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
                "INSERT INTO outbox (client, receiver, number, body, log) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (client, receiver, number) DO NOTHING",
            );
            let sealed = self.vault.seal_detail(client, DETAIL, body).await?;
            let put = put.bind(client.as_str()).bind(receiver).bind(*number as i64);
            writes.push(put.bind(sealed).bind(self.vault.log()));
        }
        self.db.of(client).write("keep news for a receiver", writes).await?;
        Ok(())
    }

    /// What waits for a receiver here, the oldest first.
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
            "SELECT number, body FROM outbox WHERE client = $1 AND receiver = $2 AND log = $3
             ORDER BY number LIMIT $4",
        )
        .bind(client.as_str())
        .bind(receiver)
        .bind(self.vault.log())
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

    /// How many wait for a receiver here.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count(&self, client: &ClientId, receiver: &str) -> Result<u64, RecorderError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM outbox WHERE client = $1 AND receiver = $2 AND log = $3",
        )
        .bind(client.as_str())
        .bind(receiver)
        .bind(self.vault.log())
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

    /// Changes when this host has taken over what was another's: more waits than before.
    pub fn taken_over(&self) -> watch::Receiver<u64> {
        self.taken_over.subscribe()
    }

    /// Leaves what waits to whoever comes first: another host, or the next run of this one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn leave(&self) -> Result<(), RecorderError> {
        self.moved(self.vault.log(), "", None).await
    }

    /// Takes what was left.
    pub(crate) async fn take_what_was_left(&self) -> Result<(), RecorderError> {
        self.moved("", self.vault.log(), None).await
    }

    /// A host that shares its database with none has all that waits, under whatever name it ran before.
    pub(crate) async fn take_all(&self) -> Result<(), RecorderError> {
        let all = Statement::new("UPDATE outbox SET log = $1 WHERE log <> $1").bind(self.vault.log());
        self.db.across(Purpose::Recovery).run("take up news", all).await?;
        Ok(())
    }

    /// Takes what a dead host had, unless `guard` does not hold.
    pub(crate) async fn take_from(&self, log: &str, guard: Statement) -> Result<(), RecorderError> {
        self.moved(log, self.vault.log(), Some(guard)).await
    }

    async fn moved(&self, from: &str, to: &str, guard: Option<Statement>) -> Result<(), RecorderError> {
        let moved = Statement::new("UPDATE outbox SET log = $2 WHERE log = $1").bind(from).bind(to);
        let moved = guard.into_iter().chain([moved.or_nothing()]).collect();
        let moved = self.db.across(Purpose::Recovery).write("hand over news", moved).await?;
        if to == self.vault.log() && matches!(moved, Written::Done { .. }) {
            self.taken_over.send_modify(|times| *times += 1);
        }
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
