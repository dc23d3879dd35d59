//! The ledger's door: append, read, prove.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use caveat_model::{ClientId, Clock, Digest};
use caveat_state::{Db, StateError, Statement};
use object_store::ObjectStore;
use tlog_tiles::{HashReader, Tile, TileHashReader, stored_hash_index};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Consistency, ENTRY_BYTES_MAX, Entry, EntryKind, Inclusion, LedgerError, LogSigner, Position, checkpoint,
    details::Details,
    head::{Head, Heads},
    objects::{HEIGHT, Objects, WIDTH, path, split_bundle, tile_name},
    places::Places,
    tree::Root,
    writer::{self, Conditions, Job, NewEntry, Shared},
};

/// How much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most appends written as one batch.
    pub batch_entries: usize,
    /// Most appends of one client that wait; further callers wait outside.
    pub queue_entries: usize,
    /// How often a batch is tried while other hosts append to the same log.
    pub append_attempts: u32,
    /// Most entries that [`Ledger::entries`] gives at once.
    pub read_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_entries: 256, queue_entries: 1024, append_attempts: 16, read_entries: 4096 }
    }
}

/// The logs of all clients. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
    queues: Arc<Mutex<HashMap<ClientId, mpsc::Sender<Job>>>>,
}

/// Brings the tables of this room up to date.
///
/// # Errors
/// [`StateError`].
pub async fn migrate(db: &Db) -> Result<(), StateError> {
    Details::migrate(db).await?;
    Heads::migrate(db).await?;
    Places::migrate(db).await
}

impl Ledger {
    /// Opens the ledger. What `store` says it has written must survive power loss (a local folder: `with_fsync(true)`),
    /// and it must refuse `PutMode::Create` on what is there. `host` names this process among all that share `db`: two
    /// that run at once must not share it.
    ///
    /// # Errors
    /// [`LedgerError::Name`] for an unusable host id, [`LedgerError::State`].
    pub async fn open(
        db: Db,
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        signer: LogSigner,
        host: String,
    ) -> Result<Self, LedgerError> {
        Self::open_within(db, store, clock, signer, host, Limits::default()).await
    }

    /// [`Ledger::open`] with other limits; each is at least 1.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_within(
        db: Db,
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        signer: LogSigner,
        host: String,
        limits: Limits,
    ) -> Result<Self, LedgerError> {
        Self::open_fenced(db, store, clock, signer, host, limits, vec![]).await
    }

    /// [`Ledger::open_within`] of a host among others. `fence` stands before everything that it appends, in one transaction:
    /// once one of it finds nothing, the host appends nothing any more ([`LedgerError::Fenced`]).
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_fenced(
        db: Db,
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        signer: LogSigner,
        host: String,
        limits: Limits,
        fence: Vec<Statement>,
    ) -> Result<Self, LedgerError> {
        if host.is_empty() || host.len() > 64 || !host.bytes().all(|b| b.is_ascii_graphic()) {
            let given = host.chars().take(70).collect();
            let why = "1 to 64 printable ASCII characters without spaces are wanted";
            return Err(LedgerError::Name { given, what: "host id", why });
        }
        let limits = Limits {
            batch_entries: limits.batch_entries.max(1),
            queue_entries: limits.queue_entries.max(1),
            append_attempts: limits.append_attempts.max(1),
            read_entries: limits.read_entries.max(1),
        };
        let details = Details::open(db.clone()).await?;
        let heads = Heads::open(db.clone(), fence).await?;
        let places = Places::open(db).await?;
        let objects = Objects::new(store);
        let shared = Shared { heads, details, places, objects, clock, signer, host, limits };
        Ok(Self { shared: Arc::new(shared), queues: Arc::default() })
    }

    /// Appends. When this returns, the entry is durable. Entries that come at the same time share one write. A caller that
    /// stops waiting does not take its entry back.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`], [`LedgerError::NoDetail`]: nothing was written. [`LedgerError::Append`]: the entry is
    /// not acknowledged, and may or may not be in the log; the log itself stays whole, and appending again is safe.
    pub async fn append(&self, client: &ClientId, event: EntryKind) -> Result<Position, LedgerError> {
        self.append_one(client, NewEntry::new(event)).await
    }

    /// Appends an entry and does `conditions` with it, in one commit. None: a statement that has to change a row found none,
    /// and nothing was done.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_beside(
        &self,
        client: &ClientId,
        event: EntryKind,
        conditions: Vec<Statement>,
    ) -> Result<Option<Position>, LedgerError> {
        let entry = vec![NewEntry::new(event)];
        let positions = self.append_knowing(client, entry, move |_| conditions.clone()).await?;
        Ok(positions.and_then(|positions| positions.into_iter().next()))
    }

    /// Appends entries one behind the other, and does with them, in one commit, the statements that `beside` makes of the
    /// index of the first. None: a statement that has to change a row found none, and nothing was done. `beside` may be
    /// called more than once, and what it made of an index that is not the last one was not done.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_knowing(
        &self,
        client: &ClientId,
        entries: Vec<NewEntry>,
        beside: impl Fn(u64) -> Vec<Statement> + Send + Sync + 'static,
    ) -> Result<Option<Vec<Position>>, LedgerError> {
        match self.send(client, entries, vec![], Box::new(beside)).await {
            Err(LedgerError::Append(why)) if matches!(*why, LedgerError::Refused { .. }) => Ok(None),
            done => done.map(Some),
        }
    }

    /// Appends an entry and keeps the sealed blob that it speaks of, in one commit. When this returns, both are durable.
    ///
    /// # Errors
    /// As [`Ledger::append`]; where the entry is not acknowledged, the blob may or may not be there.
    pub async fn append_with_detail(
        &self,
        client: &ClientId,
        sealed: Bytes,
        event: impl FnOnce(Digest) -> EntryKind,
    ) -> Result<Position, LedgerError> {
        self.append_one(client, NewEntry::with_detail(sealed, event)).await
    }

    async fn append_one(&self, client: &ClientId, entry: NewEntry) -> Result<Position, LedgerError> {
        let position = self.append_all(client, vec![entry], vec![]).await?.into_iter().next();
        position.ok_or_else(|| LedgerError::Stopped { client: client.clone() })
    }

    /// Appends entries one behind the other, and does statements of other rooms, all in one commit. When this returns, all
    /// of it is durable. The statements must not have to change a row.
    ///
    /// # Errors
    /// As [`Ledger::append`]; where the entries are not acknowledged, what was to be done with them may or may not be.
    pub async fn append_all(
        &self,
        client: &ClientId,
        entries: Vec<NewEntry>,
        beside: Vec<Statement>,
    ) -> Result<Vec<Position>, LedgerError> {
        self.send(client, entries, beside, Box::new(|_| vec![])).await
    }

    async fn send(
        &self,
        client: &ClientId,
        entries: Vec<NewEntry>,
        beside: Vec<Statement>,
        conditions: Conditions,
    ) -> Result<Vec<Position>, LedgerError> {
        for NewEntry { event, detail, .. } in &entries {
            if let Some(digest) = event.detail().filter(|_| detail.is_none()) {
                self.detail_is_durable(client, digest).await?;
            }
            let widest = writer::encode(self.shared.clock.now(), &self.shared.host, u64::MAX, event)?;
            if widest.len() > ENTRY_BYTES_MAX {
                return Err(LedgerError::TooLarge { bytes: widest.len(), max: ENTRY_BYTES_MAX });
            }
        }
        let (reply, answer) = oneshot::channel();
        let stopped = || LedgerError::Stopped { client: client.clone() };
        self.queue(client).send(Job { entries, beside, conditions, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(LedgerError::Append)
    }

    /// Entries in a client's log.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn size(&self, client: &ClientId) -> Result<u64, LedgerError> {
        Ok(self.head(client).await?.now.size)
    }

    /// The public key of a client's log, for auditors.
    pub fn vkey(&self, client: &ClientId) -> String {
        self.shared.signer.vkey(client)
    }

    /// The name of a client's log.
    pub fn log_name(&self, client: &ClientId) -> String {
        self.shared.signer.log_name(client)
    }

    /// The signed size and root of a client's log as they are now (C2SP tlog-checkpoint).
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn checkpoint(&self, client: &ClientId) -> Result<String, LedgerError> {
        let Root { size, hash } = self.head(client).await?.now;
        checkpoint::sign(&self.shared.signer, client, size, hash)
    }

    /// Proves that entry `index` is in the log.
    ///
    /// # Errors
    /// [`LedgerError::Range`] beyond the end; [`LedgerError::Damaged`], [`LedgerError::Store`], [`LedgerError::State`].
    pub async fn prove(&self, client: &ClientId, index: u64) -> Result<Inclusion, LedgerError> {
        let root = self.head(client).await?.now;
        if index >= root.size {
            return Err(beyond(client, root.size, format!("there is no entry {index}")));
        }
        let prove = |tree: &TileHashReader<'_>| tlog_tiles::prove_record(root.size, index, tree);
        let hashes = self.shared.read_tree(client, root, prove).await?;
        let checkpoint = checkpoint::sign(&self.shared.signer, client, root.size, root.hash)?;
        Ok(Inclusion::new(index, hashes, checkpoint))
    }

    /// Proves that each of these entries is in the log, all against one checkpoint.
    ///
    /// # Errors
    /// As [`Ledger::prove`].
    pub async fn prove_all(
        &self,
        client: &ClientId,
        indices: &[u64],
    ) -> Result<(String, Vec<Inclusion>), LedgerError> {
        let root = self.head(client).await?.now;
        let checkpoint = checkpoint::sign(&self.shared.signer, client, root.size, root.hash)?;
        let mut proofs = vec![];
        for &index in indices {
            if index >= root.size {
                return Err(beyond(client, root.size, format!("there is no entry {index}")));
            }
            let prove = |tree: &TileHashReader<'_>| tlog_tiles::prove_record(root.size, index, tree);
            let hashes = self.shared.read_tree(client, root, prove).await?;
            proofs.push(Inclusion::new(index, hashes, checkpoint.clone()));
        }
        Ok((checkpoint, proofs))
    }

    /// Proves that the log, when it had `to` entries, began with the same entries as when it had `from`.
    ///
    /// # Errors
    /// [`LedgerError::Range`] unless 1 <= `from` <= `to` <= size; else as [`Ledger::prove`].
    pub async fn prove_consistency(
        &self,
        client: &ClientId,
        from: u64,
        to: u64,
    ) -> Result<Consistency, LedgerError> {
        let root = self.head(client).await?.now;
        if !(1..=to).contains(&from) || to > root.size {
            return Err(beyond(client, root.size, format!("nothing can be proven from {from} to {to}")));
        }
        // Every hash that a proof or root of a smaller tree needs is in the larger one.
        let prove = |tree: &TileHashReader<'_>| {
            let from_root = tlog_tiles::tree_hash(from, tree)?;
            let to_root = tlog_tiles::tree_hash(to, tree)?;
            Ok(Consistency::new(from, from_root, to, to_root, tlog_tiles::prove_tree(to, from, tree)?))
        };
        self.shared.read_tree(client, root, prove).await
    }

    /// Entries with their indices and stored bytes, each checked against the root. At most [`Limits::read_entries`]: ask
    /// again from after the last. What lies beyond the end is left out.
    ///
    /// # Errors
    /// As [`Ledger::prove`].
    pub async fn entries(
        &self,
        client: &ClientId,
        range: Range<u64>,
    ) -> Result<Vec<(u64, Entry, Bytes)>, LedgerError> {
        let root = self.head(client).await?.now;
        let most = range.start.saturating_add(self.shared.limits.read_entries);
        let wanted: Vec<u64> = (range.start..range.end.min(root.size).min(most)).collect();
        self.read(client, root, &wanted).await
    }

    /// The entries at these indices, in their order; what lies beyond the end is left out.
    pub(crate) async fn entries_at(
        &self,
        client: &ClientId,
        wanted: &[u64],
    ) -> Result<Vec<(u64, Entry, Bytes)>, LedgerError> {
        let root = self.head(client).await?.now;
        let wanted: Vec<u64> = wanted.iter().copied().filter(|index| *index < root.size).collect();
        self.read(client, root, &wanted).await
    }

    /// Entries of a tree, by their indices in order.
    async fn read(
        &self,
        client: &ClientId,
        root: Root,
        wanted: &[u64],
    ) -> Result<Vec<(u64, Entry, Bytes)>, LedgerError> {
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let indexes: Vec<_> = wanted.iter().map(|n| stored_hash_index(0, *n)).collect();
        let read = |tree: &TileHashReader<'_>| tree.read_hashes(&indexes);
        let leaves = self.shared.read_tree(client, root, read).await?;
        let mut leaves = wanted.iter().copied().zip(leaves).peekable();
        let mut found = Vec::with_capacity(wanted.len());
        let width = u64::from(WIDTH);
        while let Some((next, _)) = leaves.peek() {
            let n = next / width;
            let in_tile = (root.size - n * width).min(width) as u32;
            let tile = Tile::new(HEIGHT, 0, n, in_tile, true);
            let damaged = |why| LedgerError::Damaged {
                client: client.clone(),
                path: path(client, &tile_name(&tile)).to_string(),
                why,
            };
            let bundle = self.shared.read_tile(client, &tile).await?;
            let entries = split_bundle(&bundle).map_err(damaged)?;
            while let Some((index, leaf)) = leaves.next_if(|(index, _)| index / width == n) {
                let bytes =
                    entries.get((index % width) as usize).filter(|b| tlog_tiles::record_hash(b) == leaf);
                let bytes =
                    bytes.ok_or_else(|| damaged(format!("entry {index} is not the one in the tree")))?;
                let entry = serde_json::from_slice(bytes)
                    .map_err(|e| damaged(format!("entry {index} cannot be read: {e}")))?;
                found.push((index, entry, bytes.clone()));
            }
        }
        Ok(found)
    }

    pub(crate) async fn head(&self, client: &ClientId) -> Result<Head, LedgerError> {
        self.shared.heads.get(client).await
    }

    async fn detail_is_durable(&self, client: &ClientId, digest: Digest) -> Result<(), LedgerError> {
        if self.has_detail(client, digest).await? {
            return Ok(());
        }
        Err(LedgerError::NoDetail { client: client.clone(), digest })
    }

    /// The way to a client's writer, which is started on first use.
    fn queue(&self, client: &ClientId) -> mpsc::Sender<Job> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(client).filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (queue, jobs) = mpsc::channel(self.shared.limits.queue_entries);
        tokio::spawn(writer::run(self.shared.clone(), client.clone(), jobs));
        queues.insert(client.clone(), queue.clone());
        queue
    }
}

fn beyond(client: &ClientId, size: u64, asked: String) -> LedgerError {
    LedgerError::Range { client: client.clone(), size, asked }
}
