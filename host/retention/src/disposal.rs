//! The end of a recording: its keys first, then the object, and a receipt for both.

use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Disposal, Moment, RecordingId};
use caveat_state::{Statement, sql};
use caveat_vault::VaultError;

use crate::{Receipt, Retention, RetentionError, Told};

/// What a recording is destroyed on.
#[derive(Debug, Clone)]
pub struct Destroyed<'a> {
    /// What, and on whose account.
    pub disposal: Disposal,
    /// The rule or the wish behind it.
    pub rule: &'a str,
    /// The ledger index of the verdict that allows it.
    pub verdict: u64,
    /// Where it stands that two people agreed, where a person asks for it.
    pub agreed: Option<u64>,
    /// The time that dates are compared with.
    pub now: Moment,
    /// Holds while this host may destroy it; none: nobody else would.
    pub guard: Option<Statement>,
}

impl Retention {
    /// Destroys a recording: intent in the ledger, then the act, then its result; what was known of its call beside the
    /// decisions on it goes, too. Refused under a hold and before
    /// `retain-until`, whatever the verdict says. A store that keeps the object is asked again by
    /// [`Retention::delete_leftovers`]: without its keys it is noise.
    ///
    /// # Errors
    /// [`RetentionError::Held`], [`RetentionError::MustKeep`].
    pub async fn dispose(
        &self,
        client: &ClientId,
        recording: RecordingId,
        on: Destroyed<'_>,
    ) -> Result<Receipt, RetentionError> {
        self.apply_holds(client, recording).await?;
        if let Some(hold) = self.holds(client, recording).await?.into_iter().next() {
            return Err(RetentionError::Held { recording, matter: hold.matter });
        }
        if let Some(until) = self.schedule(client, recording).await?.retain_until
            && until > on.now
        {
            return Err(RetentionError::MustKeep { recording, until });
        }
        let Destroyed { disposal, rule, verdict, agreed, guard, .. } = on;
        let Disposal { what, basis } = disposal;
        let pseudonym = self.pseudonym(client, recording).await?;
        let name = pseudonym.clone();
        let intent = EntryKind::DisposalIntent { recording: name, what, basis, verdict, agreed };
        let mut beside: Vec<Statement> = guard.into_iter().collect();
        beside.push(self.is_kept(client, recording));
        let intent = self.ledger.append_beside(client, intent, beside).await?;
        let intent = intent.ok_or(RetentionError::NotOurs { recording })?.index;
        // Anything put under a hold since is kept: the intent has no effect then.
        if let Some(hold) = self.holds(client, recording).await?.into_iter().next() {
            self.ledger.append(client, EntryKind::DisposalResult { intent, ok: false }).await?;
            return Err(RetentionError::Held { recording, matter: hold.matter });
        }
        let done = self.vault.destroy(client, recording).await;
        let (ok, object_gone) = match &done {
            Ok(()) => (true, true),
            // The keys go first.
            Err(VaultError::Store { .. }) => (true, false),
            Err(_) => (false, false),
        };
        let result = EntryKind::DisposalResult { intent, ok };
        if !ok {
            self.ledger.append(client, result).await?;
            done?;
            return Err(RetentionError::NotOurs { recording });
        }
        self.ledger.erase_details_of(client, &pseudonym).await?;
        // In one commit, so that no crash and no other host makes two of it.
        let state = if object_gone { "gone" } else { "object-remains" };
        let gone = self.no_longer_kept(client, recording, state);
        let result = self.ledger.append_beside(client, result, vec![gone]).await?;
        let result = result.ok_or(RetentionError::NotOurs { recording })?.index;
        let told = Told { disposal, rule: rule.to_owned(), verdict, intent, result };
        self.enter_receipt(client, recording, &told, object_gone).await
    }

    /// Asks the store once more to delete what it would not when its keys were destroyed; how many are gone.
    pub async fn delete_leftovers(&self, client: &ClientId, limit: u32) -> Result<u64, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT recording FROM retention_kept WHERE client = $1 AND state = 'object-remains'
             ORDER BY recording LIMIT $2",
        )
        .bind(client.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.db.pool())
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
