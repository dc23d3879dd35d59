//! How long a recording is kept, what holds it, and its end. The only crate that deletes recordings.
//!
//! A recording's dates come from verdicts and only ever become stricter: `retain-until` the latest, `destroy-by` the
//! earliest that any ruling named. Never rules by itself: a disposal rests on a verdict that the recorder has logged.
//! Start at [`Retention::note`] and [`Retention::dispose`].

use std::sync::Arc;

use caveat_ledger::{EntryKind, Ledger, LedgerError};
use caveat_model::{ClientId, Clock, Disposal, Hold, Moment, RecordingId, Terms};
use caveat_state::{Db, StateError, Statement, sql};
use caveat_vault::{Vault, VaultError};

/// What can go wrong with keeping and destroying.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// A hold is in force.
    #[error("recording `{recording}` is under hold `{matter}`: nothing is destroyed until it is lifted")]
    Held {
        /// Which recording.
        recording: RecordingId,
        /// Which hold.
        matter: String,
    },
    /// It has to be kept.
    #[error("recording `{recording}` has to be kept until {until}")]
    MustKeep {
        /// Which recording.
        recording: RecordingId,
        /// Until when.
        until: Moment,
    },
    /// The database failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The dates of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    /// It has to be kept until then.
    pub retain_until: Option<Moment>,
    /// It should be gone by then; the duty to keep goes before.
    pub destroy_by: Option<Moment>,
}

impl Schedule {
    /// When it may be, and should be, destroyed; none: nobody said.
    pub fn due(&self) -> Option<Moment> {
        self.destroy_by.map(|by| self.retain_until.map_or(by, |until| until.max(by)))
    }
}

/// Dates and holds of every client's recordings; cheap to clone.
#[derive(Clone)]
pub struct Retention {
    db: Db,
    vault: Vault,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
}

const MIGRATIONS: &[&str] = &["
CREATE TABLE retention_schedule (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    retain_until_ms BIGINT NOT NULL,
    destroy_by_ms BIGINT NOT NULL,
    PRIMARY KEY (client, recording)
);
CREATE TABLE retention_hold (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    matter TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (client, recording, matter)
)"];

/// Stands for "no date" where the smaller of two is kept.
const NEVER: i64 = i64::MAX;

impl Retention {
    /// Opens the room's tables.
    pub async fn open(
        db: Db,
        vault: Vault,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RetentionError> {
        db.migrate("retention", MIGRATIONS).await?;
        Ok(Self { db, vault, ledger, clock })
    }

    /// Takes in what a verdict says of keeping. Dates only ever become stricter, whatever the clock or a later verdict
    /// says.
    pub async fn note(
        &self,
        client: &ClientId,
        recording: RecordingId,
        terms: &Terms,
    ) -> Result<(), RetentionError> {
        if terms.retain_until.is_none() && terms.destroy_by.is_none() {
            return Ok(());
        }
        // MAX and MIN of two values have other names on PostgreSQL; CASE has not.
        let note = Statement::new(
            "INSERT INTO retention_schedule (client, recording, retain_until_ms, destroy_by_ms)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (client, recording) DO UPDATE SET
               retain_until_ms = CASE WHEN excluded.retain_until_ms > retention_schedule.retain_until_ms
                 THEN excluded.retain_until_ms ELSE retention_schedule.retain_until_ms END,
               destroy_by_ms = CASE WHEN excluded.destroy_by_ms < retention_schedule.destroy_by_ms
                 THEN excluded.destroy_by_ms ELSE retention_schedule.destroy_by_ms END",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .bind(terms.retain_until.map_or(0, |m| m.as_millis() as i64))
        .bind(terms.destroy_by.map_or(NEVER, |m| m.as_millis() as i64));
        self.db.run("note how long a recording is kept", note).await?;
        Ok(())
    }

    /// The dates of a recording.
    pub async fn schedule(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Schedule, RetentionError> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "SELECT retain_until_ms, destroy_by_ms FROM retention_schedule WHERE client = $1 AND recording = $2",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_optional(self.db.pool())
        .await
        .map_err(sql("read how long a recording is kept"))?;
        let date = |ms: i64| Moment::from_millis(ms as u64);
        Ok(row.map_or_else(Schedule::default, |(keep, destroy)| Schedule {
            retain_until: (keep != 0).then(|| date(keep)),
            destroy_by: (destroy != NEVER).then(|| date(destroy)),
        }))
    }

    /// Puts a recording under a hold.
    pub async fn set_hold(
        &self,
        client: &ClientId,
        recording: RecordingId,
        matter: &str,
    ) -> Result<(), RetentionError> {
        let entry = EntryKind::HoldSet {
            recording: self.pseudonym(client, recording).await?,
            hold: self.vault.commitment(client, "hold", matter.as_bytes()).await?.to_string(),
        };
        self.ledger.append(client, entry).await?;
        sqlx::query(
            "INSERT INTO retention_hold (client, recording, matter, since_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (client, recording, matter) DO NOTHING",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .bind(matter)
        .bind(self.clock.now().as_millis() as i64)
        .execute(self.db.pool())
        .await
        .map_err(sql("set a hold"))?;
        Ok(())
    }

    /// Lifts a hold. That two people agree is the caller's to have checked.
    pub async fn lift_hold(
        &self,
        client: &ClientId,
        recording: RecordingId,
        matter: &str,
    ) -> Result<(), RetentionError> {
        let entry = EntryKind::HoldLifted {
            recording: self.pseudonym(client, recording).await?,
            hold: self.vault.commitment(client, "hold", matter.as_bytes()).await?.to_string(),
        };
        self.ledger.append(client, entry).await?;
        sqlx::query("DELETE FROM retention_hold WHERE client = $1 AND recording = $2 AND matter = $3")
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(matter)
            .execute(self.db.pool())
            .await
            .map_err(sql("lift a hold"))?;
        Ok(())
    }

    /// The holds on a recording.
    pub async fn holds(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Vec<Hold>, RetentionError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT matter, since_ms FROM retention_hold WHERE client = $1 AND recording = $2 ORDER BY matter",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_all(self.db.pool())
        .await
        .map_err(sql("read holds"))?;
        let hold = |(matter, ms): (String, i64)| Hold { matter, since: Moment::from_millis(ms as u64) };
        Ok(rows.into_iter().map(hold).collect())
    }

    /// The recordings that are under hold for a matter, the oldest first.
    pub async fn held_for(
        &self,
        client: &ClientId,
        matter: &str,
    ) -> Result<Vec<RecordingId>, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT recording FROM retention_hold WHERE client = $1 AND matter = $2 ORDER BY recording",
        )
        .bind(client.as_str())
        .bind(matter)
        .fetch_all(self.db.pool())
        .await
        .map_err(sql("read what is held for a matter"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Destroys a recording: intent in the ledger, then the act, then its result. `verdict` is the ledger index of the
    /// verdict that allows it. Refused under a hold and before `retain-until`, whatever the verdict says.
    pub async fn dispose(
        &self,
        client: &ClientId,
        recording: RecordingId,
        disposal: Disposal,
        verdict: u64,
    ) -> Result<(), RetentionError> {
        if let Some(hold) = self.holds(client, recording).await?.into_iter().next() {
            return Err(RetentionError::Held { recording, matter: hold.matter });
        }
        if let Some(until) = self.schedule(client, recording).await?.retain_until
            && until > self.clock.now()
        {
            return Err(RetentionError::MustKeep { recording, until });
        }
        let pseudonym = self.pseudonym(client, recording).await?;
        let Disposal { what, basis } = disposal;
        let intent = EntryKind::DisposalIntent { recording: pseudonym, what, basis, verdict };
        let intent = self.ledger.append(client, intent).await?.index;
        let done = self.vault.destroy(client, recording).await;
        self.ledger.append(client, EntryKind::DisposalResult { intent, ok: done.is_ok() }).await?;
        Ok(done?)
    }

    async fn pseudonym(&self, client: &ClientId, recording: RecordingId) -> Result<String, RetentionError> {
        Ok(self.vault.commitment(client, "recording", recording.0.as_bytes()).await?.to_string())
    }
}
