//! What is behind the vault: whether there is room for another recording, which objects are locked, and what could not be
//! sealed at once.

use std::{collections::HashMap, sync::Weak, time::Duration};

use caveat_model::{ClientId, Moment, Reason, RecordingId, Verdict};
use caveat_stores::{Disk, Room, Spool};
use caveat_vault::Vault;

use crate::{
    Clients, RecorderError,
    house::House,
    why::{full, low},
};

/// How often room is looked for, and what could not be sealed is tried again.
const EVERY: Duration = Duration::from_secs(2);
const DAY_MS: u64 = 24 * 3_600_000;

/// Disks and stores of a host, as far as recordings depend on them.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    /// The disks that the host writes to; none: they are not watched.
    pub disk: Option<Disk>,
    /// The spool in front of a remote store.
    pub spool: Option<Spool>,
    /// Clients whose objects are locked in the store, and for how many days at least.
    pub lock_days: HashMap<ClientId, u32>,
}

impl House {
    /// Whether there is room for another recording.
    pub(crate) fn has_room(&self) -> bool {
        !matches!(self.storage.disk.as_ref().map(Disk::room), Some(Room::Full { .. }))
    }

    /// Nothing more is recorded, since the disk is full. Whoever sees to the host is told.
    pub(crate) async fn refuse_for_room(&self, client: &ClientId) -> Result<Reason, RecorderError> {
        tracing::error!(%client, "not recording: the disk is full");
        metrics::counter!("caveat_calls_without_room_total", "client" => client.to_string()).increment(1);
        let reason = full();
        self.tell_of_room(client, &reason).await?;
        Ok(reason)
    }

    async fn tell_of_room(&self, client: &ClientId, reason: &Reason) -> Result<(), RecorderError> {
        let why = (reason.rule.as_str(), "", reason.message.as_str());
        Ok(self.alerts.raise(client, self.clock.now(), None, "host", why).await?)
    }

    /// Has the store lock a sealed recording, where the client's recordings are immutable: until the latest date that a
    /// ruling named, and for the days that the configuration names.
    pub(crate) async fn lock_object(
        &self,
        client: &ClientId,
        id: RecordingId,
        object: &str,
    ) -> Result<(), RecorderError> {
        let (Some(spool), Some(days)) = (&self.storage.spool, self.storage.lock_days.get(client)) else {
            return Ok(());
        };
        let days = self.clock.now().plus_millis(u64::from(*days) * DAY_MS);
        let asked = self.retention.schedule(client, id).await?.retain_until;
        let until = asked.map_or(days, |asked: Moment| asked.max(days));
        Ok(spool.lock(object, until).await?)
    }

    /// Likewise what redactions have left of one.
    pub(crate) async fn lock_patches(&self, client: &ClientId, id: RecordingId) -> Result<(), RecorderError> {
        if self.storage.lock_days.contains_key(client) {
            for patch in self.vault.patches(client, id).await? {
                self.lock_object(client, id, &patch).await?;
            }
        }
        Ok(())
    }

    /// Takes in what a verdict says of keeping a sealed recording. A store that has locked it is told of a later date, first:
    /// it never takes one for shorter.
    pub(crate) async fn note_dates(
        &self,
        client: &ClientId,
        id: RecordingId,
        verdict: &Verdict,
    ) -> Result<(), RecorderError> {
        let spool = self.storage.spool.as_ref().filter(|_| self.storage.lock_days.contains_key(client));
        if let (Some(spool), Some(until)) = (spool, verdict.terms.retain_until) {
            spool.lock(&Vault::object_name(client, id), until).await?;
            for patch in self.vault.patches(client, id).await? {
                spool.lock(&patch, until).await?;
            }
        }
        Ok(self.retention.note(client, id, verdict).await?)
    }
}

/// Looks after disks and what is not sealed yet, as long as the house stands.
pub(crate) async fn look_after(house: Weak<House>, clients: Clients) {
    let mut told = None;
    while let Some(house) = house.upgrade() {
        let reason = match house.storage.disk.as_ref().map(Disk::room) {
            Some(Room::Full { .. }) => Some(full()),
            Some(Room::Low { .. }) => Some(low()),
            _ => None,
        };
        if reason != told
            && let Some(reason) = &reason
        {
            for client in clients.iter() {
                if let Err(error) = house.tell_of_room(&client.id, reason).await {
                    tracing::error!(%error, "nobody could be told that the disk is filling up");
                }
            }
        }
        told = reason;
        if let Err(error) = house.seal_what_was_kept().await {
            tracing::error!(%error, "what could not be sealed is tried again");
        }
        drop(house);
        tokio::time::sleep(EVERY).await;
    }
}
