//! What an earlier run left unfinished: sealed, entered in the ledger, listed. Nothing of it is deleted.
//!
//! A crash can come between any two steps of opening or closing a recording, and between any two steps here. So each step
//! looks at what is there and does only what is missing; a start that finds nothing unfinished changes nothing.

use std::collections::HashMap;

use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Moment, RecordingId};
use caveat_vault::{SealReason, SealRecord, VaultError};

use crate::{RecorderError, catalog::Running, history::CLOCK_BACK_MS, house::House, why::damaged};

/// How many ledger entries are read at once.
const ENTRIES: u64 = 256;

/// What the ledger says of a recording so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Opened,
    Closed,
}

impl House {
    /// Brings every recording of this host's log that is listed as running to its end.
    pub(crate) async fn finish_what_was_left(&self) -> Result<(), RecorderError> {
        self.tell_of_damage().await?;
        for left in self.vault.recover().await {
            let (client, recording) = (&left.client, left.recording);
            match left.seal {
                Ok(_) => tracing::warn!(%client, %recording, "sealed after a crash"),
                Err(error) => {
                    tracing::error!(%client, %recording, %error, "not sealed yet; it is kept and tried again");
                }
            }
        }
        self.settle(self.vault.log()).await?;
        self.finish_what_is_listed().await?;
        self.remove_what_was_left().await
    }

    /// What the write-ahead log has lost, whoever's it was, every client is told of: which records they were, nobody knows.
    async fn tell_of_damage(&self) -> Result<(), RecorderError> {
        let parts = self.vault.damaged_parts();
        if parts == 0 {
            return Ok(());
        }
        let reason = damaged(parts);
        for client in self.clients.iter() {
            let why = (reason.rule.as_str(), "", reason.message.as_str());
            self.alerts.raise(&client.id, self.clock.now(), None, "host", why).await?;
        }
        Ok(())
    }

    /// Tries again to seal what could not be sealed when its call was over.
    pub(crate) async fn seal_what_was_kept(&self) -> Result<(), RecorderError> {
        if self.vault.unsealed() == 0 {
            return Ok(());
        }
        let mut sealed = HashMap::new();
        for kept in self.vault.recover().await {
            match kept.seal {
                Ok(seal) => drop(sealed.insert((kept.client, kept.recording), seal)),
                Err(error) => {
                    tracing::error!(client = %kept.client, recording = %kept.recording, %error, "not sealed yet; it is kept and tried again");
                }
            }
        }
        for (client, id, began) in self.catalog.running().await? {
            if let Some(seal) = sealed.get(&(client.clone(), id)) {
                tracing::warn!(%client, recording = %id, "sealed at a later attempt");
                self.finish(&client, id, began, seal).await?;
            }
        }
        Ok(())
    }

    async fn finish_what_is_listed(&self) -> Result<(), RecorderError> {
        self.finish_those(self.catalog.running().await?).await
    }

    /// Brings recordings that are listed as running to their ends, unless they are open.
    pub(crate) async fn finish_those(&self, listed: Vec<Running>) -> Result<(), RecorderError> {
        for (client, id, began) in listed {
            match self.vault.reader(&client, id).await {
                Ok(reader) => self.finish(&client, id, began, reader.seal()).await?,
                Err(VaultError::Unknown { .. } | VaultError::Gone { .. }) => {
                    self.never_mind(&client, id, began).await?;
                }
                // It stays listed as running, and the next start tries again.
                Err(error) => tracing::error!(%client, recording = %id, %error, "not finished"),
            }
        }
        Ok(())
    }

    async fn finish(
        &self,
        client: &ClientId,
        id: RecordingId,
        began: Moment,
        seal: &SealRecord,
    ) -> Result<(), RecorderError> {
        if self.told(client, id, began).await? != Told::Closed {
            self.enter_seal(client, id, seal).await?;
        }
        self.lock_object(client, id, &seal.object).await?;
        // What was found late, and what packs want removed, goes before anybody can listen.
        let (_, facts) = self.catalog.get(client, id).await?;
        self.retention.begin(client, id, facts.began, &[]).await?;
        self.after_call(client, id, &facts).await?;
        self.catalog.sealed(client, id, state_of(seal.end), seal.duration_ms).await
    }

    /// It was about to begin, or was being discarded: nothing is kept of it.
    async fn never_mind(
        &self,
        client: &ClientId,
        id: RecordingId,
        began: Moment,
    ) -> Result<(), RecorderError> {
        let recording = self.pseudonym(client, id).await?;
        if self.told(client, id, began).await? == Told::Opened {
            let recording = recording.clone();
            let why = "host.stopped".to_owned();
            self.enter(client, EntryKind::Discarded { recording, why }).await?;
        }
        self.late.strike(client, id, None).await?;
        self.retention.forget(client, id).await?;
        self.catalog.gone(client, id, "discarded").await?;
        Ok(self.ledger.erase_details_of(client, &recording).await?)
    }

    /// Enters in the ledger how a recording was sealed.
    pub(crate) async fn enter_seal(
        &self,
        client: &ClientId,
        id: RecordingId,
        seal: &SealRecord,
    ) -> Result<(), RecorderError> {
        let entry = EntryKind::Sealed {
            recording: self.pseudonym(client, id).await?,
            frames: seal.frames,
            duration_ms: seal.duration_ms,
            root: seal.root,
            object_digest: seal.object_digest,
            reason: if seal.end == SealReason::Interrupted { "interrupted" } else { "ended" }.to_owned(),
        };
        self.enter(client, entry).await?;
        Ok(())
    }

    /// Reads the ledger backwards, no further than to where the recording's call began.
    async fn told(&self, client: &ClientId, id: RecordingId, began: Moment) -> Result<Told, RecorderError> {
        let name = self.pseudonym(client, id).await?;
        let mut until = self.ledger.size(client).await?;
        while until > 0 {
            let from = until.saturating_sub(ENTRIES);
            for (_, entry, _) in self.ledger.entries(client, from..until).await?.into_iter().rev() {
                match entry.event {
                    EntryKind::Sealed { recording, .. } | EntryKind::Discarded { recording, .. }
                        if recording == name =>
                    {
                        return Ok(Told::Closed);
                    }
                    EntryKind::RecordingOpened { recording } if recording == name => return Ok(Told::Opened),
                    _ if began.since(entry.at) > CLOCK_BACK_MS => return Ok(Told::Nothing),
                    _ => {}
                }
            }
            until = from;
        }
        Ok(Told::Nothing)
    }
}

/// How a sealed recording is listed.
pub(crate) fn state_of(end: SealReason) -> &'static str {
    if end == SealReason::Interrupted { "interrupted" } else { "sealed" }
}
