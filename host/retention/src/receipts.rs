//! What was destroyed, and where the ledger says so.

use caveat_model::{ClientId, Disposal, Moment, RecordingId};
use caveat_state::{Statement, sql};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Retention, RetentionError, moment, word};

/// A destruction as the ledger tells of it before its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What, and on whose account.
    pub disposal: Disposal,
    /// The rule or the wish behind it.
    pub rule: String,
    /// Ledger index of the verdict.
    pub verdict: u64,
    /// Ledger index of the intent.
    pub intent: u64,
}

/// A receipt: its ledger entries can be proved to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// Its number.
    pub id: u64,
    /// Of which recording.
    pub recording: String,
    /// What of it.
    pub what: String,
    /// On whose account.
    pub basis: String,
    /// The rule or the wish behind it.
    pub rule: String,
    /// Ledger index of the verdict.
    pub verdict: u64,
    /// Ledger index of the intent.
    pub intent: u64,
    /// Ledger index of the result: the keys were destroyed.
    pub result: u64,
    /// When.
    pub at: Moment,
    /// Whether the store has deleted the object, too.
    pub object_gone: bool,
}

type Row = (i64, String, String, String, String, i64, i64, i64, i64, i64);

impl Retention {
    /// What enters a receipt for a part of a recording, whose object stays, once it is known where the result stands; for
    /// the commit of that result.
    pub fn receipt(
        &self,
        client: &ClientId,
        recording: RecordingId,
        told: &Told,
    ) -> impl Fn(u64) -> Statement + Send + Sync + use<> {
        self.entering_receipt(client, recording, told, false)
    }

    /// The receipts of a client, the newest first.
    pub async fn receipts(&self, client: &ClientId, limit: u32) -> Result<Vec<Receipt>, RetentionError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, recording, what, basis, rule, verdict, intent, result, at_ms, object_gone
             FROM retention_receipt WHERE client = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(client.as_str())
        .bind(self.rows(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list receipts"))?;
        Ok(rows.into_iter().map(receipt).collect())
    }

    /// The receipt for what was done on an intent.
    pub(crate) async fn receipt_of(
        &self,
        client: &ClientId,
        intent: u64,
    ) -> Result<Option<Receipt>, RetentionError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, recording, what, basis, rule, verdict, intent, result, at_ms, object_gone
             FROM retention_receipt WHERE client = $1 AND intent = $2",
        )
        .bind(client.as_str())
        .bind(intent as i64)
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read a receipt"))?;
        Ok(row.map(receipt))
    }

    pub(crate) fn entering_receipt(
        &self,
        client: &ClientId,
        recording: RecordingId,
        told: &Told,
        object_gone: bool,
    ) -> impl Fn(u64) -> Statement + Send + Sync + use<> {
        let (client, told, now_ms) = (client.clone(), told.clone(), self.now_ms());
        move |result| {
            Statement::new(
                "INSERT INTO retention_receipt
                   (client, id, recording, what, basis, rule, verdict, intent, result, at_ms, object_gone)
                 SELECT $1, COALESCE((SELECT MAX(id) FROM retention_receipt WHERE client = $1), 0) + 1,
                   $2, $3, $4, $5, $6, $7, $8, $9, $10",
            )
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(word(&told.disposal.what))
            .bind(word(&told.disposal.basis))
            .bind(told.rule.as_str())
            .bind(told.verdict as i64)
            .bind(told.intent as i64)
            .bind(result as i64)
            .bind(now_ms)
            .bind(i64::from(object_gone))
        }
    }

    pub(crate) async fn object_gone(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<(), RetentionError> {
        sqlx::query(
            "UPDATE retention_receipt SET object_gone = 1 WHERE client = $1 AND recording = $2 AND what = 'recording'",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .execute(self.db.of(client))
        .await
        .map_err(sql("note that an object is gone"))?;
        Ok(())
    }
}

fn receipt((id, recording, what, basis, rule, verdict, intent, result, at, gone): Row) -> Receipt {
    Receipt {
        id: id as u64,
        recording,
        what,
        basis,
        rule,
        verdict: verdict as u64,
        intent: intent as u64,
        result: result as u64,
        at: moment(at),
        object_gone: gone != 0,
    }
}
