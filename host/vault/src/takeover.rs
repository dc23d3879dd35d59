//! Taking over what a dead host was recording: its tail goes into this host's own log, and is sealed from there like what an
//! earlier run of this host left.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use caveat_model::{ClientId, RecordingId};
use caveat_state::{Purpose, Statement, Written};
use tokio::sync::oneshot;

use crate::{
    Vault, VaultError, locked,
    seal::{Held, Pending},
    tails,
    vault::Inner,
    wal::{self, Append, Location, Name},
};

impl Vault {
    /// Takes over what another log has open; [`Vault::recover`] seals it. `guard` holds while this host may take it over.
    /// When this fails, or this host ends before it is through, whoever tries again finds everything as it was.
    ///
    /// # Errors
    /// [`VaultError::TakenOver`]: somebody else has it. The store or the database fails.
    pub async fn adopt(
        &self,
        log: &str,
        guard: Statement,
    ) -> Result<Vec<(ClientId, RecordingId)>, VaultError> {
        let inner = &*self.0;
        let store = inner.opener.store();
        let objects = tails::close(store, log).await?;
        let open: HashSet<Name> = inner.opener.pages().open_in(log).await?.into_iter().collect();
        let mut held: HashMap<Name, BTreeMap<u32, Held>> =
            open.iter().map(|name| (name.clone(), BTreeMap::new())).collect();
        for number in &objects {
            let bytes = tails::read(store, log, *number).await?;
            inner.take_in(*number, &bytes, &mut held).await?;
        }
        // From here on the host that has it may die too.
        if let Some(tail) = &inner.tail {
            tail.caught_up().await?;
        }
        let moved = inner.move_log(log, guard).await?;
        if !matches!(moved, Written::Done { .. }) {
            return Err(VaultError::TakenOver);
        }
        let pending = held.into_iter().map(|(name, frames)| Pending::left(name, frames.into_values()));
        locked(&inner.unsealed).extend(pending);
        for number in objects {
            if let Err(error) = tails::delete(store, log, number).await {
                tracing::debug!(%error, "a part of a tail that nobody needs stays");
            }
        }
        Ok(open.into_iter().collect())
    }

    /// Names this host's log.
    pub fn log(&self) -> &str {
        &self.0.log
    }

    /// Waits until what was appended so far can be sealed by another host, too. A vault of one host does not wait.
    ///
    /// # Errors
    /// [`VaultError::TakenOver`], [`VaultError::NotInStore`].
    pub async fn in_store(&self) -> Result<(), VaultError> {
        match &self.0.tail {
            Some(tail) => tail.caught_up().await,
            None => Ok(()),
        }
    }

    /// Waits until another host has taken over what this one was recording: nothing is acknowledged any more.
    pub async fn taken_over(&self) {
        match &self.0.tail {
            Some(tail) => tail.closed().await,
            None => std::future::pending().await,
        }
    }
}

impl Inner {
    /// Has this log hold what `from` has open.
    async fn move_log(&self, from: &str, guard: Statement) -> Result<Written, VaultError> {
        let text = "UPDATE vault_recording SET log = $2 WHERE log = $1 AND state = 'open'";
        let moved = Statement::new(text).bind(from).bind(self.log.as_str());
        let db = self.opener.pages().db();
        Ok(db.across(Purpose::Recovery).write("take over open recordings", vec![guard, moved]).await?)
    }

    /// Appends the frames of an object to this host's log, of recordings that are open.
    async fn take_in(
        &self,
        number: u64,
        bytes: &[u8],
        held: &mut HashMap<Name, BTreeMap<u32, Held>>,
    ) -> Result<(), VaultError> {
        let mut at = wal::MAGIC.len();
        let mut waiting = vec![];
        while let Some((found, next)) = wal::parse(bytes, number, at) {
            at = next;
            let wanted = held.get(&found.name).is_some_and(|frames| !frames.contains_key(&found.seq));
            if let (true, Some(frame)) = (wanted, found.at.of(bytes)) {
                let (tell, told) = oneshot::channel::<Result<Location, VaultError>>();
                let done = Box::new(move |result| drop(tell.send(result)));
                let (name, seq, frame) = (Arc::new(found.name.clone()), found.seq, frame.to_vec());
                self.wal.slot().await?.send(Append { name, seq, frame, done });
                waiting.push((found, told));
            }
        }
        for (found, told) in waiting {
            let at = told.await.map_err(|_| VaultError::Closed)??;
            let held = held.entry(found.name).or_default();
            held.insert(found.seq, Held { at, digest: found.digest });
        }
        Ok(())
    }
}
