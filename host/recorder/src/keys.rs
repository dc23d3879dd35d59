//! A client's own key: how it stands, a new version, and the end of old ones, on which two people have to agree.

use caveat_access::SignedIn;
use caveat_ledger::{EntryKind, KeyAct};
use caveat_model::ClientId;
use caveat_vault::KeyStatus;

use crate::{Recorder, RecorderError, house::House, redaction::Agreement};

impl Recorder {
    /// How the client's key stands.
    ///
    /// # Errors
    /// The key source or the database fails.
    pub async fn key_status(&self, client: &ClientId) -> Result<KeyStatus, RecorderError> {
        Ok(self.house.vault.opener().key_status(client).await?)
    }

    /// Makes a new version of the client's key; its number. Everything is wrapped anew under it in the background.
    ///
    /// # Errors
    /// As [`Recorder::key_status`].
    pub async fn rotate_key(&self, who: &SignedIn) -> Result<u32, RecorderError> {
        let (house, client) = (&self.house, &who.client);
        let newest = house.vault.opener().key_status(client).await?.newest().unwrap_or_default();
        house.enter_keys(client, KeyAct::Rotate, newest.saturating_add(1), Some((who, None))).await?;
        let version = house.vault.opener().rotate_key(client).await?;
        self.rewrap_in_the_background(client.clone());
        Ok(version)
    }

    /// Whether every version before `before` may be destroyed by now.
    ///
    /// # Errors
    /// [`caveat_vault::VaultError::KeyInUse`] while one of them wraps something; else as [`Recorder::key_status`].
    pub(crate) async fn may_destroy_keys(&self, client: &ClientId, before: u32) -> Result<(), RecorderError> {
        Ok(self.key_status(client).await?.may_destroy(client, before)?)
    }

    /// Destroys them. Two people agreed.
    ///
    /// # Errors
    /// As [`Recorder::may_destroy_keys`].
    pub(crate) async fn destroy_keys(
        &self,
        second: &SignedIn,
        before: u32,
        agreed: Agreement,
    ) -> Result<(), RecorderError> {
        let (house, client) = (&self.house, &second.client);
        self.may_destroy_keys(client, before).await?;
        house.enter_keys(client, KeyAct::Destroy, before, Some((second, Some(agreed)))).await?;
        house.vault.opener().destroy_key_versions(client, before).await?;
        house.enter_keys(client, KeyAct::Destroyed, before, None).await
    }

    /// Until everything is under the newest version. A start does what an earlier run left.
    pub(crate) fn rewrap_in_the_background(&self, client: ClientId) {
        let house = self.house.clone();
        tokio::spawn(async move {
            if let Err(error) = house.rewrap(&client).await {
                tracing::error!(%client, %error, "keys were not all wrapped anew: the next start goes on");
            }
        });
    }
}

impl House {
    async fn rewrap(&self, client: &ClientId) -> Result<(), RecorderError> {
        let (opener, mut done) = (self.vault.opener(), 0);
        loop {
            match opener.rewrap(client, self.limits.key_rewrap_batch.max(1)).await? {
                0 => break,
                keys => done += keys,
            }
        }
        if done > 0 {
            let newest = opener.key_status(client).await?.newest().unwrap_or_default();
            self.enter_keys(client, KeyAct::Rewrapped, newest, None).await?;
            tracing::info!(%client, keys = done, version = newest, "wrapped anew");
        }
        Ok(())
    }

    async fn enter_keys(
        &self,
        client: &ClientId,
        act: KeyAct,
        version: u32,
        who: Option<(&SignedIn, Option<Agreement>)>,
    ) -> Result<(), RecorderError> {
        let agreed = who.and_then(|(_, agreed)| agreed).map(|agreed| agreed.index);
        let person = match who {
            Some((who, _)) => {
                let name = who.person.as_str().as_bytes();
                Some(self.vault.commitment(client, "person", name).await?.to_string())
            }
            None => None,
        };
        self.enter(client, EntryKind::Keys { act, version, person, agreed }).await?;
        Ok(())
    }
}
