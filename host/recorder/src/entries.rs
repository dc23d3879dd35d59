//! The entries of the log about one recording. The ledger has noted where they stand; what is older than these notes is
//! looked through.

use std::collections::HashSet;

use bytes::Bytes;
use caveat_ledger::{Entry, EntryKind};
use caveat_model::{ClientId, Moment, RecordingId};

use crate::{RecorderError, house::House};

/// How many entries are read at once.
const ENTRIES_AT_ONCE: u64 = 256;

/// Entries about one recording, in their order: what happened to it, and what came of it.
pub(crate) struct EntriesAbout {
    client: ClientId,
    name: String,
    next: u64,
    size: u64,
    /// The ledger has noted where entries stand from here on.
    listed_since: u64,
    /// Of this recording, whose results are wanted, too; only those before `listed_since`.
    intents: HashSet<u64>,
}

impl EntriesAbout {
    /// Of a recording that began then.
    ///
    /// # Errors
    /// The ledger or the database fails.
    pub(crate) async fn open(
        house: &House,
        client: &ClientId,
        id: RecordingId,
        began: Moment,
    ) -> Result<Self, RecorderError> {
        let name = house.pseudonym(client, id).await?;
        let size = house.ledger.size(client).await?;
        let listed_since = house.ledger.listed_since(client).await?;
        let next = match listed_since {
            0 => 0,
            old => house.first_at(client, began, old).await?,
        };
        Ok(Self { client: client.clone(), name, next, size, listed_since, intents: HashSet::new() })
    }

    /// The next ones; empty at the end.
    ///
    /// # Errors
    /// The ledger cannot be read, or an entry is not the one in its tree.
    pub(crate) async fn next(&mut self, house: &House) -> Result<Vec<(u64, Entry, Bytes)>, RecorderError> {
        while self.next < self.listed_since {
            let until = self.listed_since.min(self.next + ENTRIES_AT_ONCE);
            let mut found = house.ledger.entries(&self.client, self.next..until).await?;
            found.retain(|(index, entry, _)| self.is_ours(*index, &entry.event));
            self.next = until;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let found = house.ledger.entries_about(&self.client, &self.name, self.next, ENTRIES_AT_ONCE).await?;
        // What was appended since it was asked for is of the next answer.
        let found: Vec<_> = found.into_iter().filter(|(index, ..)| *index < self.size).collect();
        self.next = found.last().map_or(self.size, |(index, ..)| index + 1);
        Ok(found)
    }

    fn is_ours(&mut self, index: u64, entry: &EntryKind) -> bool {
        use EntryKind as E;
        let is_ours = match entry.intent() {
            Some(intent) => self.intents.contains(&intent),
            None => entry.recording() == Some(self.name.as_str()),
        };
        if is_ours
            && matches!(entry, E::AccessIntent { .. } | E::DisposalIntent { .. } | E::MaskIntent { .. })
        {
            self.intents.insert(index);
        }
        is_ours
    }
}
