//! How long a recording is kept, what holds it, and its end. The only crate that deletes recordings.
//!
//! A recording's dates come from verdicts and only ever become stricter: `retain-until` the latest, `destroy-by` the
//! earliest that any ruling named. Never rules by itself: a disposal rests on a verdict that the recorder has logged.
//! Start at `dates`, `holds` and `disposal`; `kept` says what is due, `clock` whether the time can be trusted,
//! `reviews` holds what a person has to decide, `receipts` what was destroyed.

mod clock;
mod dates;
mod disposal;
mod holds;
mod kept;
mod receipts;
mod reviews;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use caveat_ledger::{Ledger, LedgerError};
use caveat_model::{ClientId, Clock, Moment, RecordingId};
use caveat_state::{Db, StateError};
use caveat_vault::{Vault, VaultError};
use serde::{Deserialize, Serialize};

pub use clock::Trust;
pub use dates::Schedule;
pub use disposal::{Destroyed, WithResult};
pub use holds::{HoldOrder, Mark, NewHold, Scope};
pub use kept::{Due, Planned};
pub use receipts::{Receipt, Told};
pub use reviews::{Decision, Review};

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
    /// Another host destroys it, or has.
    #[error("recording `{recording}` is being destroyed, or was, by another host: look at its receipt")]
    NotOurs {
        /// Which recording.
        recording: RecordingId,
    },
    /// No such hold is in force.
    #[error("no hold {id} is in force; `caveat hold list` shows those that are")]
    NoSuchHold {
        /// As given.
        id: u64,
    },
    /// Nothing of that number waits for a decision.
    #[error("no review {id} waits for a decision; `caveat retention reviews` shows those that do")]
    NoSuchReview {
        /// As given.
        id: u64,
    },
    /// A range of dates that holds nothing.
    #[error("a hold from {from} until {until} holds nothing")]
    EmptyRange {
        /// As given.
        from: Moment,
        /// As given.
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

impl RetentionError {
    /// Whether the sender can mend it.
    pub fn is_the_senders(&self) -> bool {
        !matches!(self, Self::State(_) | Self::Vault(_) | Self::Ledger(_))
    }
}

/// Bounds on what is done by schedule. Every one can be set in `caveat.toml` under `[limits.retention]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How often the schedule is looked at.
    pub sweep_every_ms: u64,
    /// Recordings that one look destroys at most, of all clients.
    pub disposals_per_sweep_max: u32,
    /// Recordings that one look has reviewed at most, of all clients.
    pub reviews_per_sweep_max: u32,
    /// How often packs are asked about a recording that is kept.
    pub review_every_days: u32,
    /// What was refused or failed is tried again after this long.
    pub retry_after_ms: u64,
    /// The clock may be ahead of the time that has passed by so much.
    pub clock_ahead_ms_max: u64,
    /// The host may have been off for so long; a longer time may as well be a clock that jumped.
    pub off_days_max: u32,
    /// A clock that jumped is trusted after this long, unless a person confirms it before.
    pub clock_wait_ms: u64,
    /// Rows of one plan, list of receipts, holds or reviews.
    pub rows_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sweep_every_ms: 60_000,
            disposals_per_sweep_max: 100,
            reviews_per_sweep_max: 100,
            review_every_days: 30,
            retry_after_ms: 86_400_000,
            clock_ahead_ms_max: 3_600_000,
            off_days_max: 30,
            clock_wait_ms: 86_400_000,
            rows_max: 10_000,
        }
    }
}

/// Dates and holds of every client's recordings; cheap to clone.
#[derive(Clone)]
pub struct Retention {
    db: Db,
    vault: Vault,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    limits: Arc<Limits>,
    /// Other hosts share the database: nothing goes earlier than by its clock, too.
    shared: bool,
    /// What the clock and the ticks were when the time was last known to be right, by client.
    bases: Arc<Mutex<HashMap<ClientId, clock::Base>>>,
}

const MIGRATIONS: &[&str] = &[
    "
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
)",
    // No command has ever set a hold by recording and matter alone.
    "
DROP TABLE retention_hold;
ALTER TABLE retention_schedule ADD COLUMN wish_ms BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE retention_schedule ADD COLUMN retain_rule TEXT NOT NULL DEFAULT '';
ALTER TABLE retention_schedule ADD COLUMN destroy_rule TEXT NOT NULL DEFAULT '';
CREATE TABLE retention_kept (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    began_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    next_review_ms BIGINT NOT NULL,
    retry_ms BIGINT NOT NULL,
    PRIMARY KEY (client, recording)
);
CREATE INDEX retention_kept_review ON retention_kept (client, state, next_review_ms);
CREATE INDEX retention_kept_began ON retention_kept (client, began_ms);
CREATE TABLE retention_mark (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    kind TEXT NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (client, recording, kind, mark)
);
CREATE INDEX retention_mark_found ON retention_mark (client, kind, mark);
CREATE TABLE retention_order (
    client TEXT NOT NULL,
    id BIGINT NOT NULL,
    matter TEXT NOT NULL,
    scope TEXT NOT NULL,
    mark TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    detail BYTEA NOT NULL,
    set_by TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    lifted_ms BIGINT NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE TABLE retention_held (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    id BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (client, recording, id)
);
CREATE TABLE retention_review (
    client TEXT NOT NULL,
    id BIGINT NOT NULL,
    recording TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    rule TEXT NOT NULL,
    opened_ms BIGINT NOT NULL,
    decision TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_ms BIGINT NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE TABLE retention_receipt (
    client TEXT NOT NULL,
    id BIGINT NOT NULL,
    recording TEXT NOT NULL,
    what TEXT NOT NULL,
    basis TEXT NOT NULL,
    rule TEXT NOT NULL,
    verdict BIGINT NOT NULL,
    intent BIGINT NOT NULL,
    result BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    object_gone BIGINT NOT NULL,
    PRIMARY KEY (client, id)
);
CREATE TABLE retention_clock (
    client TEXT PRIMARY KEY,
    trusted_ms BIGINT NOT NULL,
    waited_ms BIGINT NOT NULL,
    jumped BIGINT NOT NULL
)",
    // Nobody goes through all that a client has for a few rows. SQLite passes over an index that has not all that is asked
    // for, where the primary key has it.
    "
CREATE INDEX retention_schedule_destroy ON retention_schedule (client, destroy_by_ms);
CREATE INDEX retention_schedule_wish ON retention_schedule (client, wish_ms);
DROP INDEX retention_mark_found;
CREATE INDEX retention_mark_by_mark ON retention_mark (client, kind, mark, recording);
CREATE INDEX retention_held_by_order ON retention_held (client, id, recording);
CREATE INDEX retention_review_recording ON retention_review (client, recording);
CREATE INDEX retention_receipt_recording ON retention_receipt (client, recording);
CREATE INDEX retention_receipt_intent ON retention_receipt (client, intent)",
    "CREATE INDEX retention_review_open ON retention_review (client, id) WHERE decided_ms = 0",
];

/// Stands for "no date" where the smaller of two is kept.
const NEVER: i64 = i64::MAX;

/// Brings the tables of this room up to date.
///
/// # Errors
/// [`StateError`].
pub async fn migrate(db: &Db) -> Result<(), StateError> {
    db.migrate("retention", MIGRATIONS, &[]).await
}

impl Retention {
    /// Opens the room's tables.
    pub async fn open(
        db: Db,
        vault: Vault,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, RetentionError> {
        migrate(&db).await?;
        let (limits, shared) = (Arc::new(limits), false);
        Ok(Self { db, vault, ledger, clock, limits, shared, bases: Arc::default() })
    }

    /// Of a host among others: whatever their clocks say, they destroy by the database's, where that is behind.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Bounds on what is done by schedule.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The recording's name in the ledger.
    async fn pseudonym(&self, client: &ClientId, recording: RecordingId) -> Result<String, RetentionError> {
        Ok(self.vault.commitment(client, "recording", recording.0.as_bytes()).await?.to_string())
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millis() as i64
    }

    fn rows(&self, limit: u32) -> i64 {
        i64::from(limit.min(self.limits.rows_max))
    }
}

/// A date in a column; none where it stands for "no date".
fn date(ms: i64) -> Option<Moment> {
    (ms != 0 && ms != NEVER).then(|| Moment::from_millis(ms.max(0) as u64))
}

fn moment(ms: i64) -> Moment {
    Moment::from_millis(ms.max(0) as u64)
}

/// As the contract calls it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
