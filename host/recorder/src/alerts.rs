//! Telling somebody: what was not recorded and why, what has to be seen to. Open until a person confirms.

use caveat_model::{ClientId, Moment, RecordingId};
use caveat_state::{Db, StateError, Statement, Written, sql};
use schemars::JsonSchema;
use serde::Serialize;

use crate::live::Watch;

/// Something somebody has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Alert {
    /// For confirming it.
    pub id: i64,
    /// Raised.
    pub at: Moment,
    /// About which recording.
    pub recording: Option<String>,
    /// Whom it is for, or what kind it is ("not-recorded", "privacy-officer", "task").
    pub kind: String,
    /// The rule behind it.
    pub rule: String,
    /// Its citation.
    pub citation: String,
    /// What to know or to do. No personal data.
    pub message: String,
}

/// The alerts of every client.
#[derive(Debug, Clone)]
pub(crate) struct Alerts {
    db: Db,
    watch: Watch,
}

pub(crate) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE alert (
    client TEXT NOT NULL,
    id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    recording TEXT,
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    citation TEXT NOT NULL,
    message TEXT NOT NULL,
    confirmed_by TEXT,
    PRIMARY KEY (client, id)
)",
    "
CREATE INDEX alert_open ON alert (client, id) WHERE confirmed_by IS NULL;
CREATE INDEX alert_same ON alert (client, kind, rule, (COALESCE(recording, ''))) WHERE confirmed_by IS NULL",
];

type Row = (i64, i64, Option<String>, String, String, String, String);

impl Alerts {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("alerts", MIGRATIONS, &[]).await
    }

    /// Those who watch `watch` are told of each.
    pub(crate) async fn open(db: Db, watch: Watch) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db, watch })
    }

    /// Raises one. The same about the same recording, or about none, is raised once until somebody confirms it.
    pub(crate) async fn raise(
        &self,
        client: &ClientId,
        at: Moment,
        recording: Option<RecordingId>,
        kind: &str,
        (rule, citation, message): (&str, &str, &str),
    ) -> Result<(), StateError> {
        tracing::warn!(%client, kind, rule, citation, message, "alert");
        let text = recording.map(|r| r.to_string());
        let raise = Statement::new(
            "INSERT INTO alert (client, id, at_ms, recording, kind, rule, citation, message)
             SELECT $1, COALESCE((SELECT MAX(id) FROM alert WHERE client = $1), 0) + 1, $2, $3, $4, $5, $6, $7
             WHERE NOT EXISTS (SELECT 1 FROM alert WHERE client = $1 AND kind = $4 AND rule = $5 AND message = $7
               AND COALESCE(recording, '') = COALESCE($3, '') AND confirmed_by IS NULL) RETURNING id",
        )
        .bind(client.as_str())
        .bind(at.as_millis() as i64)
        .bind(text.clone())
        .bind(kind)
        .bind(rule)
        .bind(citation)
        .bind(message)
        .giving();
        let raised = self.db.of(client).run("raise an alert", raise).await?;
        let [kind, rule, citation, message] = [kind, rule, citation, message].map(str::to_owned);
        if let Written::Done { given: Some(id), .. } = raised {
            self.watch.alert(client, Alert { id, at, recording: text, kind, rule, citation, message });
        }
        Ok(())
    }

    pub(crate) async fn unconfirmed(&self, client: &ClientId, limit: u32) -> Result<Vec<Alert>, StateError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, at_ms, recording, kind, rule, citation, message FROM alert
             WHERE client = $1 AND confirmed_by IS NULL ORDER BY id DESC LIMIT $2",
        )
        .bind(client.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read alerts"))?;
        let alert = |(id, at, recording, kind, rule, citation, message): Row| {
            let at = Moment::from_millis(at as u64);
            Alert { id, at, recording, kind, rule, citation, message }
        };
        Ok(rows.into_iter().map(alert).collect())
    }

    /// Confirms one; false if there is no such open alert.
    pub(crate) async fn confirm(&self, client: &ClientId, id: i64, by: &str) -> Result<bool, StateError> {
        let done = sqlx::query(
            "UPDATE alert SET confirmed_by = $3 WHERE client = $1 AND id = $2 AND confirmed_by IS NULL",
        )
        .bind(client.as_str())
        .bind(id)
        .bind(by)
        .execute(self.db.of(client))
        .await
        .map_err(sql("confirm an alert"))?;
        Ok(done.rows_affected() == 1)
    }
}
