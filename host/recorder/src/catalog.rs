//! The list of recordings. What describes a call is sealed: the tables hold ids, dates and states.

use caveat_model::{ClientId, Facts, Moment, RecordingId};
use caveat_state::{Db, Purpose, StateError, Statement, Written, sql};
use caveat_vault::Vault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RecorderError;

/// A recording in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// Its id.
    pub id: RecordingId,
    /// When its call began.
    pub began: Moment,
    /// Length of its timeline in milliseconds, once sealed.
    pub duration_ms: u64,
    /// `recording`, `sealed`, `interrupted`, `discarded`, `destroyed`.
    pub state: String,
}

/// The recordings of every client.
#[derive(Clone)]
pub(crate) struct Catalog {
    db: Db,
    vault: Vault,
}

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE recording (
    client TEXT NOT NULL,
    id TEXT NOT NULL,
    began_ms BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    facts BYTEA NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE INDEX recording_began ON recording (client, began_ms)",
    "
ALTER TABLE recording ADD COLUMN log TEXT NOT NULL DEFAULT '';
CREATE INDEX recording_running ON recording (state, log)",
];

type Row = (String, i64, i64, String);

/// A recording that is listed as running, and when its call began.
pub(crate) type Running = (ClientId, RecordingId, Moment);

impl Catalog {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("catalog", MIGRATIONS, &[(Purpose::Recovery, "recording")]).await
    }

    pub(crate) async fn open(db: Db, vault: Vault) -> Result<Self, RecorderError> {
        Self::migrate(&db).await?;
        Ok(Self { db, vault })
    }

    /// Enters a recording, or brings its entry up to date.
    pub(crate) async fn put(
        &self,
        client: &ClientId,
        id: RecordingId,
        state: &str,
        duration_ms: u64,
        facts: &Facts,
    ) -> Result<(), RecorderError> {
        let entry = self.entry(client, id, state, duration_ms, facts).await?;
        self.db.of(client).run("enter a recording", entry).await?;
        Ok(())
    }

    /// What [`Catalog::put`] writes.
    pub(crate) async fn entry(
        &self,
        client: &ClientId,
        id: RecordingId,
        state: &str,
        duration_ms: u64,
        facts: &Facts,
    ) -> Result<Statement, RecorderError> {
        let plain = serde_json::to_vec(facts).map_err(|source| RecorderError::Facts { id, source })?;
        let sealed = self.vault.seal_detail(client, &context(id), &plain).await?;
        let entry = Statement::new(
            "INSERT INTO recording (client, id, began_ms, duration_ms, state, facts, log)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (client, id) DO UPDATE SET
               duration_ms = excluded.duration_ms, state = excluded.state, facts = excluded.facts",
        )
        .bind(client.as_str())
        .bind(id.to_string())
        .bind(facts.began.as_millis() as i64)
        .bind(duration_ms as i64)
        .bind(state)
        .bind(sealed)
        .bind(self.vault.log());
        Ok(entry)
    }

    /// Notes that nothing of it is kept any more; its facts go with it.
    pub(crate) async fn gone(
        &self,
        client: &ClientId,
        id: RecordingId,
        state: &str,
    ) -> Result<(), RecorderError> {
        self.db.of(client).run("note that a recording is gone", self.going(client, id, state)).await?;
        Ok(())
    }

    /// What [`Catalog::gone`] writes.
    pub(crate) fn going(&self, client: &ClientId, id: RecordingId, state: &str) -> Statement {
        Statement::new("UPDATE recording SET state = $3, facts = $4 WHERE client = $1 AND id = $2")
            .bind(client.as_str())
            .bind(id.to_string())
            .bind(state)
            .bind(Vec::<u8>::new())
    }

    /// Notes how a recording that a crash cut short was sealed. What was known of it stays as it was last entered.
    pub(crate) async fn sealed(
        &self,
        client: &ClientId,
        id: RecordingId,
        state: &str,
        duration_ms: u64,
    ) -> Result<(), RecorderError> {
        sqlx::query("UPDATE recording SET state = $4, duration_ms = $3 WHERE client = $1 AND id = $2")
            .bind(client.as_str())
            .bind(id.to_string())
            .bind(duration_ms as i64)
            .bind(state)
            .execute(self.db.of(client))
            .await
            .map_err(sql("note an interrupted recording"))?;
        Ok(())
    }

    /// Every recording that is listed as running in this host's log, and when its call began; those of before logs were
    /// noted, too.
    pub(crate) async fn running(&self) -> Result<Vec<Running>, RecorderError> {
        let here = self.vault.log();
        Ok([self.running_in(here).await?, self.running_in("").await?].concat())
    }

    async fn running_in(&self, log: &str) -> Result<Vec<Running>, RecorderError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT client, id, began_ms FROM recording
             WHERE state = 'recording' AND log = $1 ORDER BY id",
        )
        .bind(log)
        .fetch_all(self.db.across(Purpose::Recovery))
        .await
        .map_err(sql("list running recordings"))?;
        let running = |(client, id, began): (String, String, i64)| {
            Some((client.parse().ok()?, id.parse().ok()?, Moment::from_millis(began as u64)))
        };
        Ok(rows.into_iter().filter_map(running).collect())
    }

    /// Lists under this host's log what is listed as running in another's, and gives it. None: `guard` did not hold.
    pub(crate) async fn take_over(
        &self,
        log: &str,
        guard: Statement,
    ) -> Result<Option<Vec<Running>>, RecorderError> {
        let running = self.running_in(log).await?;
        let text = "UPDATE recording SET log = $2 WHERE log = $1 AND state = 'recording'";
        let moved = Statement::new(text).bind(log).bind(self.vault.log());
        let moved =
            self.db.across(Purpose::Recovery).write("list what was taken over", vec![guard, moved]).await?;
        Ok(matches!(moved, Written::Done { .. }).then_some(running))
    }

    /// Recordings that began within a range, newest first, from after the last one of a page before; with their sealed facts.
    pub(crate) async fn page(
        &self,
        client: &ClientId,
        (from, until): (Moment, Moment),
        state: Option<&str>,
        after: Option<(Moment, RecordingId)>,
        limit: u32,
    ) -> Result<Vec<(Listed, Vec<u8>)>, RecorderError> {
        let (last_ms, last_id) = match after {
            Some((began, id)) => (began.as_millis() as i64, id.to_string()),
            None => (i64::MAX, String::new()),
        };
        let rows: Vec<(String, i64, i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, began_ms, duration_ms, state, facts FROM recording
             WHERE client = $1 AND began_ms >= $2 AND began_ms < $3 AND ($4 = '' OR state = $4)
               AND (began_ms < $5 OR (began_ms = $5 AND id < $6))
             ORDER BY began_ms DESC, id DESC LIMIT $7",
        )
        .bind(client.as_str())
        .bind(from.as_millis() as i64)
        .bind(until.as_millis() as i64)
        .bind(state.unwrap_or_default())
        .bind(last_ms)
        .bind(last_id)
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list recordings"))?;
        let row = |(id, began, duration, state, facts)| Some((listed((id, began, duration, state))?, facts));
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// Facts as they lie in the list; none where they are gone.
    pub(crate) async fn opened(
        &self,
        client: &ClientId,
        id: RecordingId,
        sealed: &[u8],
    ) -> Result<Option<Facts>, RecorderError> {
        if sealed.is_empty() {
            return Ok(None);
        }
        let plain = self.vault.open_detail(client, &context(id), sealed).await?;
        serde_json::from_slice(&plain).map(Some).map_err(|source| RecorderError::Facts { id, source })
    }

    /// How a recording is listed.
    pub(crate) async fn state_of(&self, client: &ClientId, id: RecordingId) -> Result<String, RecorderError> {
        let state: Option<String> =
            sqlx::query_scalar("SELECT state FROM recording WHERE client = $1 AND id = $2")
                .bind(client.as_str())
                .bind(id.to_string())
                .fetch_optional(self.db.of(client))
                .await
                .map_err(sql("read a recording's state"))?;
        state.ok_or(RecorderError::NoSuchRecording { id })
    }

    /// One recording's entry and facts.
    pub(crate) async fn get(
        &self,
        client: &ClientId,
        id: RecordingId,
    ) -> Result<(Listed, Facts), RecorderError> {
        let row: Option<(String, i64, i64, String, Vec<u8>)> = sqlx::query_as(
            "SELECT id, began_ms, duration_ms, state, facts FROM recording WHERE client = $1 AND id = $2",
        )
        .bind(client.as_str())
        .bind(id.to_string())
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read a recording's entry"))?;
        let missing = || RecorderError::NoSuchRecording { id };
        let (text, began, duration, state, sealed) = row.ok_or_else(missing)?;
        let entry = listed((text, began, duration, state)).ok_or_else(missing)?;
        match self.opened(client, id, &sealed).await? {
            Some(facts) => Ok((entry, facts)),
            None => Err(RecorderError::NotKept { id, state: entry.state }),
        }
    }
}

fn context(id: RecordingId) -> String {
    format!("facts of {id}")
}

fn listed((id, began, duration, state): Row) -> Option<Listed> {
    let (began, duration_ms) = (Moment::from_millis(began as u64), duration as u64);
    Some(Listed { id: id.parse().ok()?, began, duration_ms, state })
}
