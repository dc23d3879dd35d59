//! Answers that were given, for whoever asks the same again under the same key: what was done once is not done twice.

use caveat_model::{ClientId, Digest};
use caveat_state::{Db, StateError, sql};
use caveat_vault::Vault;
use sha2::{Digest as _, Sha256};

use crate::{Recorder, RecorderError};

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE answer (
    client TEXT NOT NULL,
    name TEXT NOT NULL,
    asked TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    status BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (client, name)
)",
    "CREATE INDEX answer_at ON answer (client, at_ms)",
];

/// What an answer is sealed for.
const DETAIL: &str = "answer";
/// The status of a request whose answer is not known yet.
const OPEN: i64 = 0;

/// The answers of every client.
#[derive(Clone)]
pub(crate) struct Answers {
    db: Db,
    vault: Vault,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it is entered now, and its answer has to be given or given up.
    New,
    /// It was answered: status and body.
    Answered(u16, Vec<u8>),
    /// It is being answered, or the host ended while it was.
    Open,
    /// The key was used for another request.
    Other,
}

impl Answers {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("answers", MIGRATIONS, &[]).await
    }

    pub(crate) async fn open(db: Db, vault: Vault) -> Result<Self, RecorderError> {
        Self::migrate(&db).await?;
        Ok(Self { db, vault })
    }
}

impl Recorder {
    /// Enters a request under a key of whoever asks, unless there is one already. Keys older than `kept_ms` are forgotten.
    ///
    /// # Errors
    /// The database or the vault fails.
    pub async fn ask_once(
        &self,
        client: &ClientId,
        (by, key): (&str, &str),
        asked: &[u8],
        kept_ms: u64,
    ) -> Result<Before, RecorderError> {
        let Answers { db, vault } = &self.house.answers;
        let now = self.house.clock.now().as_millis();
        sqlx::query("DELETE FROM answer WHERE client = $1 AND at_ms < $2")
            .bind(client.as_str())
            .bind(now.saturating_sub(kept_ms) as i64)
            .execute(db.of(client))
            .await
            .map_err(sql("forget old answers"))?;
        let (name, asked) = (name(by, key), digest(asked));
        let entered = sqlx::query(
            "INSERT INTO answer (client, name, asked, at_ms, status, body) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (client, name) DO NOTHING",
        )
        .bind(client.as_str())
        .bind(name.as_str())
        .bind(asked.as_str())
        .bind(now as i64)
        .bind(OPEN)
        .bind(Vec::<u8>::new())
        .execute(db.of(client))
        .await
        .map_err(sql("enter a request under its key"))?;
        if entered.rows_affected() == 1 {
            return Ok(Before::New);
        }
        let row: Option<(String, i64, Vec<u8>)> =
            sqlx::query_as("SELECT asked, status, body FROM answer WHERE client = $1 AND name = $2")
                .bind(client.as_str())
                .bind(name.as_str())
                .fetch_optional(db.of(client))
                .await
                .map_err(sql("read an answer"))?;
        Ok(match row {
            None | Some((_, OPEN, _)) => Before::Open,
            Some((before, ..)) if before != asked => Before::Other,
            Some((_, status, sealed)) => {
                let body = vault.open_detail(client, DETAIL, &sealed).await?;
                Before::Answered(u16::try_from(status).unwrap_or(500), body.to_vec())
            }
        })
    }

    /// The answer to a request that was entered.
    ///
    /// # Errors
    /// As [`Recorder::ask_once`].
    pub async fn answered(
        &self,
        client: &ClientId,
        (by, key): (&str, &str),
        (status, body): (u16, &[u8]),
    ) -> Result<(), RecorderError> {
        let Answers { db, vault } = &self.house.answers;
        let sealed = vault.seal_detail(client, DETAIL, body).await?;
        sqlx::query("UPDATE answer SET status = $3, body = $4 WHERE client = $1 AND name = $2")
            .bind(client.as_str())
            .bind(name(by, key))
            .bind(i64::from(status))
            .bind(sealed)
            .execute(db.of(client))
            .await
            .map_err(sql("note an answer"))?;
        Ok(())
    }

    /// A request that was entered came to nothing: it can be asked again.
    ///
    /// # Errors
    /// The database fails.
    pub async fn not_answered(
        &self,
        client: &ClientId,
        (by, key): (&str, &str),
    ) -> Result<(), RecorderError> {
        sqlx::query("DELETE FROM answer WHERE client = $1 AND name = $2")
            .bind(client.as_str())
            .bind(name(by, key))
            .execute(self.house.answers.db.of(client))
            .await
            .map_err(sql("forget a request"))?;
        Ok(())
    }
}

/// Keys of different people are different, though they spell the same.
fn name(by: &str, key: &str) -> String {
    digest(format!("{by}\n{key}").as_bytes())
}

fn digest(bytes: &[u8]) -> String {
    Digest(Sha256::digest(bytes).into()).to_string()
}
