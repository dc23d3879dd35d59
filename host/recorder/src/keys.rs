//! A client's own key: how it stands, a new version, and the end of old ones, on which two people have to agree.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use caveat_access::SignedIn;
use caveat_ledger::{EntryKind, KeyAct};
use caveat_model::ClientId;
use caveat_vault::KeyStatus;
use tokio::sync::Mutex as Queue;

use crate::{
    Recorder, RecorderError,
    begun::{Deed, Did, UnderWay, What, key_entry},
    house::House,
    redaction::Agreement,
};

/// One at a time for each client: of two that wrap the same keys anew, both would tell that it is done.
#[derive(Default)]
pub(crate) struct Rewraps(Mutex<HashMap<ClientId, Arc<Queue<()>>>>);

impl Rewraps {
    fn of(&self, client: &ClientId) -> Arc<Queue<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(client.clone()).or_default().clone()
    }
}

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
        let version = newest.saturating_add(1);
        let act = Deed::by_host(What::RotateKey { version });
        let intent = house.keys_entry(client, KeyAct::Rotate, version, (who, None)).await?;
        // It has its result when everything is wrapped anew, in this run of the host or in another.
        let (_, under_way) = house.intend(client, intent, &act).await?;
        let version = house.vault.opener().rotate_key(client).await?;
        self.rewrap_in_the_background(client.clone(), Some(under_way));
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
        let act = Deed { what: What::DestroyKeys { before }, access: None, request: Some(agreed.request) };
        let intent = house.keys_entry(client, KeyAct::Destroy, before, (second, Some(agreed))).await?;
        let (intent, under_way) = house.intend(client, intent, &act).await?;
        house.vault.opener().destroy_key_versions(client, before).await?;
        house.conclude(client, &under_way, (&act, intent), Some(Did::default())).await?;
        Ok(())
    }

    /// Until everything is under the newest version. A start does what an earlier run left.
    pub(crate) fn rewrap_in_the_background(&self, client: ClientId, under_way: Option<UnderWay>) {
        let house = self.house.clone();
        tokio::spawn(async move {
            let _under_way = under_way;
            if let Err(error) = house.rewrap(&client).await {
                tracing::error!(%client, %error, "keys were not all wrapped anew: the next start goes on");
            }
        });
    }
}

impl House {
    pub(crate) async fn rewrap(&self, client: &ClientId) -> Result<(), RecorderError> {
        let turn = self.rewraps.of(client);
        let _turn = turn.lock().await;
        let opener = self.vault.opener();
        let newest =
            async || opener.key_status(client).await.map(|status| status.newest().unwrap_or_default());
        // A rotation has its row before it has its version: what of `known` is not told of yet is owed here.
        let known = newest().await?;
        let (was_owed, mut done) = (!self.rotated(client, known).await?.is_empty(), 0);
        loop {
            match opener.rewrap(client, self.limits.key_rewrap_batch.max(1)).await? {
                0 => break,
                keys => done += keys,
            }
        }
        let newest = newest().await?;
        let rotated = self.rotated(client, newest).await?;
        // Told once, by whoever takes the row. No row was ever there where the version was made outside.
        let made_outside = done > 0 && !was_owed && newest == known;
        if !rotated.is_empty() || made_outside {
            let entry = key_entry(KeyAct::Rewrapped, newest);
            self.ledger.append_beside(client, entry, rotated).await?;
            tracing::info!(%client, keys = done, version = newest, "wrapped anew");
        }
        Ok(())
    }

    async fn keys_entry(
        &self,
        client: &ClientId,
        act: KeyAct,
        version: u32,
        (who, agreed): (&SignedIn, Option<Agreement>),
    ) -> Result<EntryKind, RecorderError> {
        let name = who.person.as_str().as_bytes();
        let person = Some(self.vault.commitment(client, "person", name).await?.to_string());
        Ok(EntryKind::Keys { act, version, person, agreed: agreed.map(|agreed| agreed.index) })
    }
}
