//! Recordings that are kept: which there are, what they are found by, what has to be looked at, what is due, and what will be.

use caveat_model::{ClientId, Moment, RecordingId};
use caveat_state::{Statement, sql};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Mark, NEVER, Retention, RetentionError, Schedule, dates::DateColumns, moment};

/// A recording whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub recording: RecordingId,
    /// Its dates.
    pub schedule: Schedule,
}

/// What will become of a recording, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// Which.
    pub recording: RecordingId,
    /// When its call began.
    pub began: Moment,
    /// When it is destroyed, unless something stands against it.
    pub due: Moment,
    /// The rule, or the wish, that decides on that date.
    pub why: String,
    /// What stands against it now: matters of holds.
    pub held_by: Vec<String>,
    /// It should be gone before it may be: a person has to look at it.
    pub at_odds: bool,
}

impl Retention {
    /// A recording begins to be kept: it is found by `marks` from here on, and put under every hold that takes it in.
    /// Called again when more is known of it.
    pub async fn begin(
        &self,
        client: &ClientId,
        recording: RecordingId,
        began: Moment,
        marks: &[Mark],
    ) -> Result<(), RetentionError> {
        let enter = self.beginning(client, recording, began, marks).await?;
        self.db.of(client).write("enter a recording that is kept", enter).await?;
        self.apply_holds(client, recording).await
    }

    /// What [`Retention::begin`] writes first; [`Retention::apply_holds`] has to follow.
    pub async fn beginning(
        &self,
        client: &ClientId,
        recording: RecordingId,
        began: Moment,
        marks: &[Mark],
    ) -> Result<Vec<Statement>, RetentionError> {
        let enter = Statement::new(
            "INSERT INTO retention_kept (client, recording, began_ms, state, next_review_ms, retry_ms)
             VALUES ($1, $2, $3, 'kept', $4, 0) ON CONFLICT (client, recording) DO NOTHING",
        );
        let enter = enter.bind(client.as_str()).bind(recording.to_string());
        let mut writes = vec![enter.bind(began.as_millis() as i64).bind(NEVER)];
        for mark in marks {
            let found_by = Statement::new(
                "INSERT INTO retention_mark (client, recording, kind, mark) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (client, recording, kind, mark) DO NOTHING",
            );
            let found_by = found_by.bind(client.as_str()).bind(recording.to_string());
            writes.push(found_by.bind(mark.kind).bind(self.mark(client, mark).await?));
        }
        Ok(writes)
    }

    /// Nothing of it is kept any more: it was discarded.
    pub async fn forget(&self, client: &ClientId, recording: RecordingId) -> Result<(), RetentionError> {
        self.set_state(client, recording, "gone").await
    }

    /// It was looked at; next time then.
    pub async fn reviewed(
        &self,
        client: &ClientId,
        recording: RecordingId,
        next: Moment,
    ) -> Result<(), RetentionError> {
        sqlx::query("UPDATE retention_kept SET next_review_ms = $3 WHERE client = $1 AND recording = $2")
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(next.as_millis() as i64)
            .execute(self.db.of(client))
            .await
            .map_err(sql("note that a recording was looked at"))?;
        Ok(())
    }

    /// Its disposal was refused, or failed: it is tried again then.
    pub async fn postpone(
        &self,
        client: &ClientId,
        recording: RecordingId,
        until: Moment,
    ) -> Result<(), RetentionError> {
        sqlx::query("UPDATE retention_kept SET retry_ms = $3 WHERE client = $1 AND recording = $2")
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(until.as_millis() as i64)
            .execute(self.db.of(client))
            .await
            .map_err(sql("put off a disposal"))?;
        Ok(())
    }

    /// Recordings that have to be looked at by `now`, the longest waiting first.
    pub async fn to_review(
        &self,
        client: &ClientId,
        now: Moment,
        limit: u32,
    ) -> Result<Vec<RecordingId>, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT recording FROM retention_kept WHERE client = $1 AND state = 'kept' AND next_review_ms <= $2
             ORDER BY next_review_ms, recording LIMIT $3",
        )
        .bind(client.as_str())
        .bind(now.as_millis() as i64)
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list recordings to look at"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Recordings that are due by `now` and under no hold, the oldest first.
    pub async fn due(&self, client: &ClientId, now: Moment, limit: u32) -> Result<Vec<Due>, RetentionError> {
        type Row = (String, i64, i64, i64, String, String);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT k.recording, s.retain_until_ms, s.destroy_by_ms, s.wish_ms, s.retain_rule, s.destroy_rule
             FROM retention_schedule s CROSS JOIN retention_kept k
             WHERE s.client = $1 AND k.client = s.client AND k.recording = s.recording
               AND k.state = 'kept' AND k.next_review_ms <> $4 AND k.retry_ms <= $2
               AND s.retain_until_ms <= $2 AND (s.destroy_by_ms <= $2 OR s.wish_ms <= $2)
               AND NOT EXISTS (SELECT 1 FROM retention_held h
                 WHERE h.client = k.client AND h.recording = k.recording)
             ORDER BY k.began_ms, k.recording LIMIT $3",
        )
        .bind(client.as_str())
        .bind(now.as_millis() as i64)
        .bind(i64::from(limit))
        .bind(NEVER)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list recordings that are due"))?;
        let due = |(id, retain, destroy, wish, retain_rule, destroy_rule): Row| {
            let columns: DateColumns = (retain, destroy, wish, retain_rule, destroy_rule);
            Some(Due { recording: id.parse().ok()?, schedule: columns.into() })
        };
        Ok(rows.into_iter().filter_map(due).collect())
    }

    /// Recordings that should be gone by `now` and must not go: held, or to be kept longer. Those that a person was asked
    /// about already are left out.
    pub async fn at_odds(
        &self,
        client: &ClientId,
        now: Moment,
        limit: u32,
    ) -> Result<Vec<(Due, bool)>, RetentionError> {
        type Row = (String, i64, i64, i64, String, String, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT k.recording, s.retain_until_ms, s.destroy_by_ms, s.wish_ms, s.retain_rule, s.destroy_rule,
               (SELECT COUNT(*) FROM retention_held h WHERE h.client = k.client AND h.recording = k.recording)
             FROM retention_schedule s CROSS JOIN retention_kept k
             WHERE s.client = $1 AND k.client = s.client AND k.recording = s.recording
               AND k.state = 'kept' AND s.destroy_by_ms <= $2
               AND (s.destroy_by_ms < s.retain_until_ms OR EXISTS (SELECT 1 FROM retention_held h
                 WHERE h.client = k.client AND h.recording = k.recording))
               AND NOT EXISTS (SELECT 1 FROM retention_review r WHERE r.client = k.client
                 AND r.recording = k.recording AND r.kind IN ('destroy-under-hold', 'retain-past-destroy'))
             ORDER BY k.began_ms, k.recording LIMIT $3",
        )
        .bind(client.as_str())
        .bind(now.as_millis() as i64)
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list recordings at odds with their dates"))?;
        let odd = |(id, retain, destroy, wish, retain_rule, destroy_rule, holds): Row| {
            let columns: DateColumns = (retain, destroy, wish, retain_rule, destroy_rule);
            Some((Due { recording: id.parse().ok()?, schedule: columns.into() }, holds > 0))
        };
        Ok(rows.into_iter().filter_map(odd).collect())
    }

    /// What will go until then, and why; the first to go first.
    pub async fn plan(
        &self,
        client: &ClientId,
        until: Moment,
        limit: u32,
    ) -> Result<Vec<Planned>, RetentionError> {
        type Row = (String, i64, i64, i64, i64, String, String);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT k.recording, k.began_ms, s.retain_until_ms, s.destroy_by_ms, s.wish_ms, s.retain_rule, s.destroy_rule
             FROM retention_schedule s CROSS JOIN retention_kept k
             WHERE s.client = $1 AND k.client = s.client AND k.recording = s.recording
               AND k.state = 'kept'
               AND s.retain_until_ms <= $2 AND (s.destroy_by_ms <= $2 OR s.wish_ms <= $2)
             ORDER BY CASE WHEN s.retain_until_ms > CASE WHEN s.destroy_by_ms < s.wish_ms THEN s.destroy_by_ms ELSE s.wish_ms END
               THEN s.retain_until_ms
               ELSE CASE WHEN s.destroy_by_ms < s.wish_ms THEN s.destroy_by_ms ELSE s.wish_ms END END, k.recording
             LIMIT $3",
        )
        .bind(client.as_str())
        .bind(until.as_millis() as i64)
        .bind(self.rows(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("plan what goes"))?;
        let mut planned = Vec::with_capacity(rows.len());
        for (id, began, retain, destroy, wish, retain_rule, destroy_rule) in rows {
            let schedule = Schedule::from((retain, destroy, wish, retain_rule, destroy_rule));
            let (Ok(recording), Some(due)) = (id.parse(), schedule.due()) else { continue };
            let holds = self.holds(client, recording).await?;
            planned.push(Planned {
                recording,
                began: moment(began),
                due,
                why: schedule.why().to_owned(),
                held_by: holds.into_iter().map(|h| h.matter).collect(),
                at_odds: schedule.is_at_odds(),
            });
        }
        Ok(planned)
    }

    pub(crate) async fn set_state(
        &self,
        client: &ClientId,
        recording: RecordingId,
        state: &str,
    ) -> Result<(), RetentionError> {
        sqlx::query("UPDATE retention_kept SET state = $3 WHERE client = $1 AND recording = $2")
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(state)
            .execute(self.db.of(client))
            .await
            .map_err(sql("note what became of a recording"))?;
        Ok(())
    }

    /// Finds nothing where a recording is no longer kept. One that was never entered is.
    pub(crate) fn is_kept(&self, client: &ClientId, recording: RecordingId) -> Statement {
        let text = "SELECT CAST(1 AS BIGINT) WHERE NOT EXISTS (
             SELECT 1 FROM retention_kept WHERE client = $1 AND recording = $2 AND state <> 'kept')";
        Statement::new(text).bind(client.as_str()).bind(recording.to_string()).giving().or_nothing()
    }

    /// Notes that it is no longer kept; finds nothing where that was noted before.
    pub(crate) fn no_longer_kept(&self, client: &ClientId, recording: RecordingId, state: &str) -> Statement {
        let text = "INSERT INTO retention_kept (client, recording, began_ms, state, next_review_ms, retry_ms)
             VALUES ($1, $2, 0, $3, $4, 0)
             ON CONFLICT (client, recording) DO UPDATE SET state = excluded.state
             WHERE retention_kept.state = 'kept'";
        let noted = Statement::new(text).bind(client.as_str()).bind(recording.to_string());
        noted.bind(state).bind(NEVER).or_nothing()
    }
}
