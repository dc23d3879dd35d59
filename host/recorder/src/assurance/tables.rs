//! Where expected and captured calls are kept. Calls are found by a keyed commitment to their id; the id itself is sealed.

use std::sync::Arc;

use caveat_model::{ClientId, Clock, Moment, RecordingId};
use caveat_state::{Db, Purpose, StateError, Statement, sql};
use caveat_vault::Opener;

use super::{AssuranceLimits, Captured, CapturedState, ExpectedCall, OfCall};
use crate::RecorderError;

/// Expected and captured calls of every client; cheap to clone. It may be opened beside a running host.
#[derive(Clone)]
pub struct Assurance {
    db: Db,
    opener: Opener,
    pub(super) clock: Arc<dyn Clock>,
    pub(crate) limits: AssuranceLimits,
}

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE expected_call (
    client TEXT NOT NULL,
    call TEXT NOT NULL,
    began_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    judged BIGINT NOT NULL,
    detail BYTEA NOT NULL,
    PRIMARY KEY (client, call)
);
CREATE INDEX expected_call_due ON expected_call (judged, due_ms);
CREATE INDEX expected_call_began ON expected_call (client, began_ms);
CREATE TABLE captured_call (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    call TEXT NOT NULL,
    began_ms BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    legs BIGINT NOT NULL,
    levels TEXT NOT NULL,
    PRIMARY KEY (client, recording)
);
CREATE INDEX captured_call_call ON captured_call (client, call);
CREATE INDEX captured_call_began ON captured_call (client, began_ms)",
    "ALTER TABLE captured_call ADD COLUMN log TEXT NOT NULL DEFAULT ''",
    "
CREATE INDEX expected_call_old ON expected_call (began_ms);
CREATE INDEX captured_call_old ON captured_call (began_ms);
CREATE INDEX captured_call_state ON captured_call (state)",
];

/// What the commitment to a call's id, and what is sealed of it, are bound to.
const CONTEXT: &str = "expected call";

type Row = (String, String, i64, i64, String, i64, String);

impl Assurance {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate(
            "assurance",
            MIGRATIONS,
            &[
                (Purpose::Recovery, "captured_call"),
                (Purpose::Assurance, "expected_call"),
                (Purpose::Expiry, "expected_call"),
                (Purpose::Expiry, "captured_call"),
            ],
        )
        .await
    }

    /// Opens the tables.
    pub async fn open(
        db: Db,
        opener: Opener,
        clock: Arc<dyn Clock>,
        limits: AssuranceLimits,
    ) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db, opener, clock, limits })
    }

    /// The time, for reports that reach until now.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// How many expected calls may be entered at once.
    pub fn expected_max(&self) -> usize {
        self.limits.expected_max
    }

    /// Enters calls that should be captured. One that is there already is brought up to date; it is judged once, when it
    /// should have been over for a while.
    pub async fn expect(&self, client: &ClientId, calls: &[ExpectedCall]) -> Result<(), RecorderError> {
        // Sealed before the transaction: keys are in the same database, and may have to be made.
        let mut rows = Vec::with_capacity(calls.len());
        for expected in calls {
            let plain = serde_json::to_vec(expected).map_err(|e| RecorderError::Audio(e.to_string()))?;
            let sealed = self.opener.seal_detail(client, CONTEXT, &plain).await?;
            let lasts = expected.duration_ms.unwrap_or(0);
            let due = expected.began.plus_millis(lasts).plus_millis(self.limits.grace_ms);
            rows.push((self.name(client, &expected.id).await?, expected.began, due, sealed));
        }
        let mut tx = self.db.of(client).begin().await?;
        for (call, began, due, sealed) in rows {
            sqlx::query(
                "INSERT INTO expected_call (client, call, began_ms, due_ms, judged, detail)
                 VALUES ($1, $2, $3, $4, 0, $5)
                 ON CONFLICT (client, call) DO UPDATE SET
                   began_ms = excluded.began_ms, due_ms = excluded.due_ms, detail = excluded.detail",
            )
            .bind(client.as_str())
            .bind(call)
            .bind(began.as_millis() as i64)
            .bind(due.as_millis() as i64)
            .bind(sealed)
            .execute(&mut *tx)
            .await
            .map_err(sql("enter an expected call"))?;
        }
        tx.commit().await.map_err(sql("enter expected calls"))?;
        Ok(())
    }

    /// Notes how far a captured call has come, on the host that has this log.
    pub(crate) async fn note(
        &self,
        of: OfCall<'_>,
        log: &str,
        captured: &Captured,
    ) -> Result<(), RecorderError> {
        self.db.of(of.client).run("note a captured call", self.noted(of, log, captured).await?).await?;
        Ok(())
    }

    /// What [`Assurance::note`] writes.
    pub(crate) async fn noted(
        &self,
        of: OfCall<'_>,
        log: &str,
        captured: &Captured,
    ) -> Result<Statement, RecorderError> {
        let levels =
            serde_json::to_string(&captured.levels).map_err(|e| RecorderError::Audio(e.to_string()))?;
        let note = Statement::new(
            "INSERT INTO captured_call (client, recording, call, began_ms, duration_ms, state, legs, levels, log)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (client, recording) DO UPDATE SET duration_ms = excluded.duration_ms,
               state = excluded.state, legs = excluded.legs, levels = excluded.levels",
        )
        .bind(of.client.as_str())
        .bind(captured.recording.to_string())
        .bind(self.name(of.client, of.call).await?)
        .bind(captured.began.as_millis() as i64)
        .bind(captured.duration_ms as i64)
        .bind(word(captured.state))
        .bind(i64::from(captured.legs))
        .bind(levels)
        .bind(log);
        Ok(note)
    }

    /// After a crash nothing of a host runs any more.
    pub(crate) async fn nothing_runs(&self, log: &str) -> Result<(), StateError> {
        sqlx::query("UPDATE captured_call SET state = $2 WHERE state = $1 AND (log = $3 OR log = '')")
            .bind(word(CapturedState::Running))
            .bind(word(CapturedState::Interrupted))
            .bind(log)
            .execute(self.db.across(Purpose::Recovery))
            .await
            .map_err(sql("note calls that broke off"))?;
        Ok(())
    }

    /// The call as it was expected, if it was.
    pub(crate) async fn expected(&self, of: OfCall<'_>) -> Result<Option<ExpectedCall>, RecorderError> {
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT detail FROM expected_call WHERE client = $1 AND call = $2")
                .bind(of.client.as_str())
                .bind(self.name(of.client, of.call).await?)
                .fetch_optional(self.db.of(of.client))
                .await
                .map_err(sql("read an expected call"))?;
        match row {
            Some((detail,)) => Ok(Some(self.opened(of.client, &detail).await?)),
            None => Ok(None),
        }
    }

    /// Every recording of a call.
    pub(crate) async fn captured(&self, of: OfCall<'_>) -> Result<Vec<Captured>, RecorderError> {
        let call = self.name(of.client, of.call).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT recording, call, began_ms, duration_ms, state, legs, levels FROM captured_call
             WHERE client = $1 AND call = $2",
        )
        .bind(of.client.as_str())
        .bind(call)
        .fetch_all(self.db.of(of.client))
        .await
        .map_err(sql("read captured calls"))?;
        Ok(rows.into_iter().filter_map(captured).map(|(_, captured)| captured).collect())
    }

    /// Expected calls that are due and not judged yet, of all clients.
    pub(crate) async fn due(&self) -> Result<Vec<(ClientId, ExpectedCall)>, RecorderError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT client, detail FROM expected_call WHERE judged = 0 AND due_ms <= $1 ORDER BY due_ms LIMIT $2",
        )
        .bind(self.clock.now().as_millis() as i64)
        .bind(i64::from(self.limits.report_rows_max))
        .fetch_all(self.db.across(Purpose::Assurance))
        .await
        .map_err(sql("read expected calls that are due"))?;
        let mut due = Vec::with_capacity(rows.len());
        for (client, detail) in rows {
            let Ok(client) = client.parse::<ClientId>() else { continue };
            let expected = self.opened(&client, &detail).await?;
            due.push((client, expected));
        }
        Ok(due)
    }

    /// An expected call has been judged.
    pub(crate) async fn judged(&self, of: OfCall<'_>) -> Result<(), RecorderError> {
        sqlx::query("UPDATE expected_call SET judged = 1 WHERE client = $1 AND call = $2")
            .bind(of.client.as_str())
            .bind(self.name(of.client, of.call).await?)
            .execute(self.db.of(of.client))
            .await
            .map_err(sql("note that an expected call was judged"))?;
        Ok(())
    }

    /// Forgets calls that began too long ago.
    pub(crate) async fn forget_what_is_old(&self) -> Result<(), StateError> {
        let days = self.limits.kept_days.saturating_mul(86_400_000);
        let before = self.clock.now().as_millis().saturating_sub(days) as i64;
        for statement in [
            "DELETE FROM expected_call WHERE judged = 1 AND began_ms < $1",
            "DELETE FROM captured_call WHERE began_ms < $1 AND state <> 'running'",
        ] {
            let done = sqlx::query(statement).bind(before).execute(self.db.across(Purpose::Expiry)).await;
            done.map_err(sql("forget old calls"))?;
        }
        Ok(())
    }

    /// Expected calls that began in a time, with the name that captured ones have too.
    pub(super) async fn expected_in(
        &self,
        client: &ClientId,
        since: Moment,
        until: Moment,
    ) -> Result<Vec<(String, ExpectedCall)>, RecorderError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT call, detail FROM expected_call WHERE client = $1 AND began_ms >= $2 AND began_ms < $3
             ORDER BY began_ms LIMIT $4",
        )
        .bind(client.as_str())
        .bind(since.as_millis() as i64)
        .bind(until.as_millis() as i64)
        .bind(i64::from(self.limits.report_rows_max))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read expected calls"))?;
        let mut calls = Vec::with_capacity(rows.len());
        for (call, detail) in rows {
            calls.push((call, self.opened(client, &detail).await?));
        }
        Ok(calls)
    }

    /// Captured calls that began in a time.
    pub(super) async fn captured_in(
        &self,
        client: &ClientId,
        since: Moment,
        until: Moment,
    ) -> Result<Vec<(String, Captured)>, RecorderError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT recording, call, began_ms, duration_ms, state, legs, levels FROM captured_call
             WHERE client = $1 AND began_ms >= $2 AND began_ms < $3 ORDER BY began_ms LIMIT $4",
        )
        .bind(client.as_str())
        .bind(since.as_millis() as i64)
        .bind(until.as_millis() as i64)
        .bind(i64::from(self.limits.report_rows_max))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read captured calls"))?;
        Ok(rows.into_iter().filter_map(captured).collect())
    }

    async fn name(&self, client: &ClientId, call: &str) -> Result<String, RecorderError> {
        Ok(self.opener.commitment(client, CONTEXT, call.as_bytes()).await?.to_string())
    }

    async fn opened(&self, client: &ClientId, sealed: &[u8]) -> Result<ExpectedCall, RecorderError> {
        let plain = self.opener.open_detail(client, CONTEXT, sealed).await?;
        serde_json::from_slice(&plain).map_err(|e| RecorderError::Audio(e.to_string()))
    }
}

fn captured((recording, call, began, duration, state, legs, levels): Row) -> Option<(String, Captured)> {
    let recording: RecordingId = recording.parse().ok()?;
    let captured = Captured {
        recording,
        began: Moment::from_millis(began as u64),
        duration_ms: duration as u64,
        state: state_of(&state)?,
        legs: u8::try_from(legs).ok()?,
        levels: serde_json::from_str(&levels).ok()?,
    };
    Some((call, captured))
}

fn word(state: CapturedState) -> &'static str {
    match state {
        CapturedState::Running => "running",
        CapturedState::Sealed => "sealed",
        CapturedState::Interrupted => "interrupted",
        CapturedState::NotRecorded => "not-recorded",
    }
}

fn state_of(given: &str) -> Option<CapturedState> {
    use CapturedState as S;
    [S::Running, S::Sealed, S::Interrupted, S::NotRecorded].into_iter().find(|state| word(*state) == given)
}
