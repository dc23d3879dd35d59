//! What the rules leave to a person: kept, sealed, until somebody decides.

use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Moment, RecordingId};
use caveat_state::sql;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Retention, RetentionError, date, moment};

/// Something that waits for a person, or was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Review {
    /// For deciding it.
    pub id: u64,
    /// About which recording.
    pub recording: String,
    /// `asks-a-person`, `retain-past-destroy`, `destroy-under-hold`, `refused`.
    pub kind: String,
    /// What is at odds, for people.
    pub what: String,
    /// The rules behind it.
    pub rule: String,
    /// Since when.
    pub opened: Moment,
    /// What was decided.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decision: String,
    /// By whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decided_by: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Moment>,
}

/// What a person can decide. Neither lifts a hold or shortens a duty to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ReviewDecision")]
pub enum Decision {
    /// It is kept at least until then.
    KeepUntil(Moment),
    /// It goes as soon as nothing stands against it any more; where a pack leaves that to a person, this is the answer.
    Destroy,
    /// The order of duties stands as it is: nothing changes.
    LeaveAsIs,
}

type Row = (i64, String, String, String, String, i64, String, String, i64);

impl Retention {
    /// Asks a person, unless the same is open already or was decided; true if it is new.
    pub async fn open_review(
        &self,
        client: &ClientId,
        recording: RecordingId,
        kind: &str,
        (what, rule): (&str, &str),
    ) -> Result<bool, RetentionError> {
        let done = sqlx::query(
            "INSERT INTO retention_review
               (client, id, recording, kind, what, rule, opened_ms, decision, decided_by, decided_ms)
             SELECT $1, COALESCE((SELECT MAX(id) FROM retention_review WHERE client = $1), 0) + 1,
               $2, $3, $4, $5, $6, '', '', 0
             WHERE NOT EXISTS (SELECT 1 FROM retention_review
               WHERE client = $1 AND recording = $2 AND kind = $3 AND rule = $5)",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .bind(kind)
        .bind(what)
        .bind(rule)
        .bind(self.now_ms())
        .execute(self.db.of(client))
        .await
        .map_err(sql("ask a person"))?;
        Ok(done.rows_affected() == 1)
    }

    /// What waits for a decision, the oldest first; with what was decided, the newest first, where `decided`.
    pub async fn reviews(
        &self,
        client: &ClientId,
        decided: bool,
        limit: u32,
    ) -> Result<Vec<Review>, RetentionError> {
        let text = match decided {
            false => {
                "SELECT id, recording, kind, what, rule, opened_ms, decision, decided_by, decided_ms
                 FROM retention_review WHERE client = $1 AND decided_ms = 0 ORDER BY id LIMIT $2"
            }
            true => {
                "SELECT id, recording, kind, what, rule, opened_ms, decision, decided_by, decided_ms
                 FROM retention_review WHERE client = $1 ORDER BY id DESC LIMIT $2"
            }
        };
        let rows: Vec<Row> = sqlx::query_as(text)
            .bind(client.as_str())
            .bind(self.rows(limit))
            .fetch_all(self.db.of(client))
            .await
            .map_err(sql("list what waits for a decision"))?;
        Ok(rows.into_iter().map(review).collect())
    }

    /// A person decides; it is logged before it has effect.
    ///
    /// # Errors
    /// [`RetentionError::NoSuchReview`].
    pub async fn decide(
        &self,
        client: &ClientId,
        id: u64,
        decision: Decision,
        by: &str,
    ) -> Result<Review, RetentionError> {
        let missing = || RetentionError::NoSuchReview { id };
        let open = self.review(client, id).await?.filter(|r| r.decided.is_none()).ok_or_else(missing)?;
        let recording: RecordingId = open.recording.parse().map_err(|_| missing())?;
        let entry = EntryKind::Decided {
            recording: self.pseudonym(client, recording).await?,
            person: self.vault.commitment(client, "person", by.as_bytes()).await?.to_string(),
            destroy: decision == Decision::Destroy,
        };
        self.ledger.append(client, entry).await?;
        let (text, rule) = (words(decision), format!("decided by {by}"));
        match decision {
            Decision::KeepUntil(until) => {
                self.tighten(client, recording, Some((until, rule)), None).await?;
            }
            Decision::Destroy => {
                self.tighten(client, recording, None, Some((self.clock.now(), rule))).await?;
                self.postpone(client, recording, Moment::default()).await?;
            }
            Decision::LeaveAsIs => {}
        }
        sqlx::query(
            "UPDATE retention_review SET decision = $3, decided_by = $4, decided_ms = $5
             WHERE client = $1 AND id = $2 AND decided_ms = 0",
        )
        .bind(client.as_str())
        .bind(id as i64)
        .bind(text)
        .bind(by)
        .bind(self.now_ms().max(1))
        .execute(self.db.of(client))
        .await
        .map_err(sql("note a decision"))?;
        self.review(client, id).await?.ok_or_else(missing)
    }

    /// Whether a person decided that a recording may be destroyed where the rules leave that open.
    pub async fn may_be_destroyed(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<bool, RetentionError> {
        let newest: Option<String> = sqlx::query_scalar(
            "SELECT decision FROM retention_review WHERE client = $1 AND recording = $2 AND decided_ms > 0
             ORDER BY decided_ms DESC, id DESC LIMIT 1",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read a decision"))?;
        Ok(newest.is_some_and(|decision| decision == words(Decision::Destroy)))
    }

    async fn review(&self, client: &ClientId, id: u64) -> Result<Option<Review>, RetentionError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, recording, kind, what, rule, opened_ms, decision, decided_by, decided_ms
             FROM retention_review WHERE client = $1 AND id = $2",
        )
        .bind(client.as_str())
        .bind(id as i64)
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read what waits for a decision"))?;
        Ok(row.map(review))
    }
}

fn words(decision: Decision) -> String {
    match decision {
        Decision::KeepUntil(until) => format!("keep until {until}"),
        Decision::Destroy => "destroy".to_owned(),
        Decision::LeaveAsIs => "leave as is".to_owned(),
    }
}

fn review((id, recording, kind, what, rule, opened, decision, decided_by, decided): Row) -> Review {
    let (id, opened, decided) = (id as u64, moment(opened), date(decided));
    Review { id, recording, kind, what, rule, opened, decision, decided_by, decided }
}
