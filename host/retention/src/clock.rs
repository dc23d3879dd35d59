//! Whether the time can be trusted enough to destroy by it. A clock that jumped forward is not: what is due by it is not
//! destroyed before so much time has passed or a person has confirmed it.
//!
//! While the host runs, the clock is held against the time that has passed; across a restart, against the last time that
//! was trusted. A clock that is behind makes nothing due, and is no danger here.

use caveat_model::{ClientId, Moment};
use caveat_state::sql;

use crate::{Retention, RetentionError, moment};

const DAY_MS: u64 = 86_400_000;

/// When the time was last known to be right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base {
    now: Moment,
    ticks: u64,
    /// When this was last looked at.
    looked: u64,
}

/// Whether to act by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// By this time.
    Now(Moment),
    /// Not yet: it is so much ahead of what it should be, and waited for this much longer.
    Jumped {
        /// How far ahead, in milliseconds.
        ahead_ms: u64,
        /// How long it is still waited for, in milliseconds.
        left_ms: u64,
    },
}

struct Row {
    trusted: Moment,
    waited_ms: u64,
    jumped: bool,
}

impl Retention {
    /// Looks at the clock for a client's schedule, and remembers what it says.
    pub async fn trust(&self, client: &ClientId) -> Result<Trust, RetentionError> {
        let (now, ticks) = (self.latest_agreed().await?, self.clock.ticks_ms());
        let base = locked(&self.bases).get(client).copied();
        let Some(row) = self.clock_row(client).await? else {
            self.trust_from_here(client, now, ticks).await?;
            return Ok(Trust::Now(now));
        };
        let (expected, allowed_ms, since_ms) = match base {
            Some(base) => {
                let passed = ticks.saturating_sub(base.ticks);
                (
                    base.now.plus_millis(passed),
                    self.limits.clock_ahead_ms_max,
                    ticks.saturating_sub(base.looked),
                )
            }
            // How long the host was off, nobody knows; what had jumped before is waited for all the same.
            None if row.jumped => (row.trusted, self.limits.clock_ahead_ms_max, 0),
            None => (row.trusted, u64::from(self.limits.off_days_max).saturating_mul(DAY_MS), 0),
        };
        let ahead_ms = now.since(expected);
        if ahead_ms <= allowed_ms {
            match base {
                Some(base) => {
                    self.look(client, Base { looked: ticks, ..base });
                    self.put_clock(client, &Row { trusted: now.max(expected), waited_ms: 0, jumped: false })
                        .await?;
                }
                None => self.trust_from_here(client, now, ticks).await?,
            }
            return Ok(Trust::Now(now));
        }
        let waited_ms = if row.jumped { row.waited_ms.saturating_add(since_ms) } else { 0 };
        if row.jumped && waited_ms >= self.limits.clock_wait_ms {
            self.trust_from_here(client, now, ticks).await?;
            return Ok(Trust::Now(now));
        }
        let base = base.unwrap_or(Base { now: row.trusted, ticks, looked: ticks });
        self.look(client, Base { looked: ticks, ..base });
        self.put_clock(client, &Row { trusted: expected, waited_ms, jumped: true }).await?;
        Ok(Trust::Jumped {
            ahead_ms,
            left_ms: self.limits.clock_wait_ms - waited_ms.min(self.limits.clock_wait_ms),
        })
    }

    /// This host's time, or the database's where it is earlier.
    async fn latest_agreed(&self) -> Result<Moment, RetentionError> {
        let now = self.clock.now();
        if !self.shared {
            return Ok(now);
        }
        Ok(now.min(moment(self.db.clock_ms().await?)))
    }

    /// A person says that the clock is right.
    pub async fn confirm_clock(&self, client: &ClientId) -> Result<Moment, RetentionError> {
        let (now, ticks) = (self.clock.now(), self.clock.ticks_ms());
        self.trust_from_here(client, now, ticks).await?;
        Ok(now)
    }

    async fn trust_from_here(
        &self,
        client: &ClientId,
        now: Moment,
        ticks: u64,
    ) -> Result<(), RetentionError> {
        self.look(client, Base { now, ticks, looked: ticks });
        self.put_clock(client, &Row { trusted: now, waited_ms: 0, jumped: false }).await
    }

    fn look(&self, client: &ClientId, base: Base) {
        locked(&self.bases).insert(client.clone(), base);
    }

    async fn clock_row(&self, client: &ClientId) -> Result<Option<Row>, RetentionError> {
        let row: Option<(i64, i64, i64)> =
            sqlx::query_as("SELECT trusted_ms, waited_ms, jumped FROM retention_clock WHERE client = $1")
                .bind(client.as_str())
                .fetch_optional(self.db.of(client))
                .await
                .map_err(sql("read the last time"))?;
        Ok(row.map(|(trusted, waited, jumped)| Row {
            trusted: moment(trusted),
            waited_ms: waited.max(0) as u64,
            jumped: jumped != 0,
        }))
    }

    async fn put_clock(&self, client: &ClientId, row: &Row) -> Result<(), RetentionError> {
        sqlx::query(
            "INSERT INTO retention_clock (client, trusted_ms, waited_ms, jumped) VALUES ($1, $2, $3, $4)
             ON CONFLICT (client) DO UPDATE SET trusted_ms = excluded.trusted_ms, waited_ms = excluded.waited_ms,
               jumped = excluded.jumped",
        )
        .bind(client.as_str())
        .bind(row.trusted.as_millis() as i64)
        .bind(row.waited_ms as i64)
        .bind(i64::from(row.jumped))
        .execute(self.db.of(client))
        .await
        .map_err(sql("keep the time"))?;
        Ok(())
    }
}

/// A lock whose last holder panicked is still consistent: every critical section is one statement.
fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
