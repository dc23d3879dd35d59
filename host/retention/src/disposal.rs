//! The end of a recording: its keys first, then the object, and a receipt for both.
//!
//! | step | what | a crash after it leaves |
//! |---|---|---|
//! | [`Retention::intend`] | intent in the ledger, with whatever tells the next start of it | the keys: nothing was done |
//! | [`Retention::carry_out`] | the keys, in the database; then the object | no keys: [`Retention::finish`] does the rest |
//! | the same | result, receipt, and that nothing is kept, in one commit | nothing to do |

use caveat_ledger::{EntryKind, NewEntry};
use caveat_model::{ClientId, Disposal, Moment, RecordingId};
use caveat_state::{Statement, sql};
use caveat_vault::VaultError;
use serde::{Deserialize, Serialize};

use crate::{Receipt, Retention, RetentionError, Told};

/// What a recording is destroyed on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Destroyed {
    /// What, and on whose account.
    pub disposal: Disposal,
    /// The rule or the wish behind it.
    pub rule: String,
    /// The ledger index of the verdict that allows it.
    pub verdict: u64,
    /// Where it stands that two people agreed, where a person asks for it.
    pub agreed: Option<u64>,
}

/// What becomes durable with the result of a disposal, or not at all.
#[derive(Debug, Default)]
pub struct WithResult {
    /// Entries behind the result.
    pub entries: Vec<EntryKind>,
    /// What other rooms write.
    pub statements: Vec<Statement>,
}

impl Retention {
    /// Enters in the ledger that a recording is about to be destroyed, and does with it what `beside` makes of the index;
    /// that index. Refused under a hold and before `retain-until`, whatever the verdict says; `now` is what dates are
    /// compared with.
    ///
    /// # Errors
    /// [`RetentionError::Held`], [`RetentionError::MustKeep`]; [`RetentionError::NotOurs`] where it is no longer kept, or
    /// a statement of `beside` that has to change a row does not.
    pub async fn intend(
        &self,
        client: &ClientId,
        recording: RecordingId,
        on: &Destroyed,
        now: Moment,
        beside: impl Fn(u64) -> Vec<Statement> + Send + Sync + 'static,
    ) -> Result<u64, RetentionError> {
        self.apply_holds(client, recording).await?;
        self.is_free(client, recording).await?;
        if let Some(until) = self.schedule(client, recording).await?.retain_until
            && until > now
        {
            return Err(RetentionError::MustKeep { recording, until });
        }
        let name = self.pseudonym(client, recording).await?;
        let Disposal { what, basis } = on.disposal;
        let (verdict, agreed) = (on.verdict, on.agreed);
        let intent = EntryKind::DisposalIntent { recording: name, what, basis, verdict, agreed };
        let kept = self.is_kept(client, recording);
        let all = move |index| [beside(index), vec![kept.clone()]].concat();
        let entered = self.ledger.append_knowing(client, vec![NewEntry::new(intent)], all).await?;
        let entered = entered.and_then(|positions| positions.into_iter().next());
        Ok(entered.ok_or(RetentionError::NotOurs { recording })?.index)
    }

    /// Destroys a recording on an intent: the act, then its result; what was known of its call beside the decisions on it
    /// goes, too. A store that keeps the object is asked again by [`Retention::delete_leftovers`]: without its keys it is
    /// noise.
    ///
    /// # Errors
    /// [`RetentionError::Held`]: nothing was done. As [`Retention::finish`].
    pub async fn carry_out(
        &self,
        client: &ClientId,
        recording: RecordingId,
        (on, intent): (&Destroyed, u64),
        with: WithResult,
    ) -> Result<Receipt, RetentionError> {
        // Anything put under a hold since is kept: the intent has no effect then.
        self.is_free(client, recording).await?;
        self.finish(client, recording, (on, intent), with).await
    }

    /// [`Retention::carry_out`] of what was begun before a crash, whose keys are gone: holds come too late. Result, receipt
    /// and that it is no longer kept stand in one commit, so that no crash and no other host makes two of it.
    ///
    /// # Errors
    /// [`RetentionError::NotOurs`]: it was no longer kept, or a statement that has to change a row did not; no result was
    /// entered. Where the vault or the ledger fails, nobody knows how far it came.
    pub async fn finish(
        &self,
        client: &ClientId,
        recording: RecordingId,
        (on, intent): (&Destroyed, u64),
        with: WithResult,
    ) -> Result<Receipt, RetentionError> {
        let object_gone = match self.vault.destroy(client, recording).await {
            Ok(()) => true,
            // The keys go first.
            Err(VaultError::Store { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        let state = if object_gone { "gone" } else { "object-remains" };
        let WithResult { entries, mut statements } = with;
        statements.push(self.no_longer_kept(client, recording, state));
        statements.push(self.ledger.erasing_details_of(client, &self.pseudonym(client, recording).await?));
        let told = Told { disposal: on.disposal, rule: on.rule.clone(), verdict: on.verdict, intent };
        let receipt = self.entering_receipt(client, recording, &told, object_gone);
        let beside = move |result| [statements.clone(), vec![receipt(result)]].concat();
        let result = EntryKind::DisposalResult { intent, ok: true };
        let entries = [result].into_iter().chain(entries).map(NewEntry::new).collect();
        let entered = self.ledger.append_knowing(client, entries, beside).await?;
        entered.ok_or(RetentionError::NotOurs { recording })?;
        // What lay beside the decisions goes from the disk, too.
        self.db.forget_deleted().await;
        self.receipt_of(client, intent).await?.ok_or(RetentionError::NotOurs { recording })
    }

    async fn is_free(&self, client: &ClientId, recording: RecordingId) -> Result<(), RetentionError> {
        match self.holds(client, recording).await?.into_iter().next() {
            Some(hold) => Err(RetentionError::Held { recording, matter: hold.matter }),
            None => Ok(()),
        }
    }

    /// Asks the store once more to delete what it would not when its keys were destroyed; how many are gone.
    pub async fn delete_leftovers(&self, client: &ClientId, limit: u32) -> Result<u64, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT recording FROM retention_kept WHERE client = $1 AND state = 'object-remains'
             ORDER BY next_review_ms, recording LIMIT $2",
        )
        .bind(client.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list objects that remain"))?;
        let mut gone = 0;
        for recording in rows.iter().filter_map(|id| id.parse().ok()) {
            match self.vault.destroy(client, recording).await {
                Ok(()) => {
                    self.set_state(client, recording, "gone").await?;
                    self.object_gone(client, recording).await?;
                    gone += 1;
                }
                Err(error) => tracing::warn!(%client, %recording, %error, "the store still keeps the object"),
            }
        }
        Ok(gone)
    }
}
