//! Appending: one task per client, one batch at a time.
//!
//! | step | what | a crash after it leaves |
//! |---|---|---|
//! | 1 | compare-and-swap of the head row, which takes in the batch's entries, with the details they speak of, in one transaction: **the commit point**; callers are answered | tiles missing: made again from the batch in the row |
//! | 2 | put tiles, bundles and the checkpoint in place | a whole log |
//!
//! Entries are in SQL before any tile gets its name: a host that lost the race, or died before step 1, has written no name
//! that a committed tree will want, so no tile is ever rewritten and no two hosts can overwrite each other's (Sunlight
//! stages for the same reason). Step 2 goes on while further batches are committed: the row keeps every entry since the
//! last tree that is known to be in place, and whoever takes up a log finishes step 2 first.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use bytes::Bytes;
use caveat_model::{ClientId, Clock, Digest, Moment};
use caveat_state::Statement;
use futures::future::{join_all, try_join_all};
use serde::Serialize;
use tlog_tiles::{HashReader, Tile, TileHashReader, record_hash, stored_hash_index};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Duration, sleep, timeout},
};

use crate::{
    EntryKind, LedgerError, Limits, LogSigner, Position, VERSION, checkpoint,
    details::{self, Details, NewDetail},
    head::{Head, Heads, Move, Moved},
    objects::{Objects, WIDTH, cut_from, path, push_entry, split_bundle, tile_name},
    places::{self, Places},
    tree::{Fetched, Root, Tree, Written},
};

/// How long the deletion of a complete tile's partial ones may hold up the next batch.
const PARTIALS: Duration = Duration::from_secs(1);

/// What every client's writer and every reader share.
pub(crate) struct Shared {
    pub(crate) heads: Heads,
    pub(crate) details: Details,
    pub(crate) places: Places,
    pub(crate) objects: Objects,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: LogSigner,
    pub(crate) host: String,
    pub(crate) limits: Limits,
}

/// Entries that wait to be written one after the other, and who waits for them.
pub(crate) struct Job {
    pub(crate) entries: Vec<NewEntry>,
    /// What becomes durable with them; none of it has to change a row.
    pub(crate) beside: Vec<Statement>,
    /// What is done with them, by the index of the first. Where a statement has to change a row and does not, nothing of
    /// the job is done.
    pub(crate) conditions: Conditions,
    pub(crate) reply: oneshot::Sender<Result<Vec<Position>, Arc<LedgerError>>>,
}

/// Statements that are made once it is known where an entry comes to stand.
pub(crate) type Conditions = Box<dyn Fn(u64) -> Vec<Statement> + Send + Sync>;

/// An entry that is yet to be appended.
pub struct NewEntry {
    pub(crate) event: EntryKind,
    /// What the entry speaks of, where it becomes durable with it.
    pub(crate) detail: Option<NewDetail>,
    /// A list that it stands in.
    pub(crate) list: Option<&'static str>,
}

impl NewEntry {
    /// An entry that speaks of nothing beside the log, or of what is durable there.
    pub fn new(event: EntryKind) -> Self {
        Self { event, detail: None, list: None }
    }

    /// An entry with the sealed blob that it speaks of, made from the blob's digest.
    pub fn with_detail(sealed: Bytes, event: impl FnOnce(Digest) -> EntryKind) -> Self {
        let (detail, event) = NewDetail::of(sealed, event);
        Self { event, detail: Some(detail), list: None }
    }

    /// Found by the name of this list ([`crate::Ledger::entries_about`]), besides by the recording that it is about.
    #[must_use]
    pub fn listed(self, list: &'static str) -> Self {
        Self { list: Some(list), ..self }
    }
}

/// Batches of entries that may be committed before the first of them is in place.
const BATCHES_AHEAD: usize = 4;

/// Where a writer stands: a committed tree, an earlier one with every tile in place, the entries between the two, and this
/// host's next number.
struct Tip {
    tree: Tree,
    placed: Tree,
    waiting: Vec<Bytes>,
    next_seq: u64,
}

/// Tiles on their way to their places.
struct Placing {
    from: Root,
    to: Tree,
    entries: usize,
    done: JoinHandle<Result<(), LedgerError>>,
}

/// Writes what comes, until nobody can send any more and all of it is in place.
pub(crate) async fn run(shared: Arc<Shared>, client: ClientId, mut queue: mpsc::Receiver<Job>) {
    let mut tip: Option<Tip> = None;
    let mut placing: Option<Placing> = None;
    let mut jobs = Vec::new();
    let (mut open, ahead) = (true, BATCHES_AHEAD * shared.limits.batch_entries);
    while open || placing.is_some() {
        // A log is taken up when nothing of ours is under way any more.
        let may_write = match &tip {
            Some(tip) => tip.waiting.len() < ahead,
            None => placing.is_none(),
        };
        tokio::select! {
            biased;
            done = finished(&mut placing), if placing.is_some() => {
                if let (Some(placed), Some(tip_then)) = (placing.take(), tip.take()) {
                    tip = tip_then.after(&client, placed, done);
                }
            }
            count = queue.recv_many(&mut jobs, shared.limits.batch_entries), if open && may_write => {
                open = count > 0;
                if open {
                    tip = shared.write(&client, tip.take(), std::mem::take(&mut jobs)).await;
                }
            }
        }
        if placing.is_none() {
            placing = tip.as_ref().and_then(|tip| shared.place(&client, tip));
        }
    }
}

async fn finished(placing: &mut Option<Placing>) -> Result<(), LedgerError> {
    match placing {
        Some(placing) => (&mut placing.done).await.map_err(|e| LedgerError::proof(e.to_string()))?,
        None => std::future::pending().await,
    }
}

impl Tip {
    fn at(tree: Tree, next_seq: u64) -> Self {
        Self { placed: tree.clone(), tree, waiting: vec![], next_seq }
    }

    /// After tiles have come to their places, or have not: then the log is taken up again at its next use.
    fn after(mut self, client: &ClientId, placing: Placing, done: Result<(), LedgerError>) -> Option<Self> {
        if self.placed.root() != placing.from || self.waiting.len() < placing.entries {
            return Some(self);
        }
        if let Err(e) = done {
            tracing::warn!(client = client.as_str(), error = %e, "tiles are late; made again at the next use");
            return None;
        }
        self.waiting.drain(..placing.entries);
        self.placed = placing.to;
        Some(self)
    }
}

impl Shared {
    /// Step 1 for a batch, and answers it. A job that is refused is answered, and the others are written without it.
    async fn write(&self, client: &ClientId, mut tip: Option<Tip>, mut batch: Vec<Job>) -> Option<Tip> {
        loop {
            match self.commit(client, &mut tip, &batch).await {
                Ok(Committed::All(positions)) => {
                    let mut positions = positions.into_iter();
                    for job in batch {
                        let of_job = positions.by_ref().take(job.entries.len()).collect();
                        // Whoever asked may have gone; the entries stand all the same.
                        let _ = job.reply.send(Ok(of_job));
                    }
                    return tip;
                }
                Ok(Committed::Without(refused)) if refused < batch.len() => {
                    let error = LedgerError::Refused { client: client.clone() };
                    let _ = batch.remove(refused).reply.send(Err(Arc::new(error)));
                    if batch.is_empty() {
                        return tip;
                    }
                }
                Ok(Committed::Without(_)) => return None,
                Err(e) => {
                    let e = Arc::new(e);
                    tracing::error!(client = client.as_str(), error = %e, "entries were not logged");
                    batch.into_iter().for_each(|job| drop(job.reply.send(Err(e.clone()))));
                    return None;
                }
            }
        }
    }

    async fn commit(
        &self,
        client: &ClientId,
        known: &mut Option<Tip>,
        jobs: &[Job],
    ) -> Result<Committed, LedgerError> {
        let new = || jobs.iter().flat_map(|job| &job.entries);
        let events: Vec<_> = new().map(|entry| (self.clock.now(), &entry.event)).collect();
        for attempt in 0..self.limits.append_attempts {
            let tip = match known.take() {
                Some(tip) => tip,
                None => self.take_up(client).await?,
            };
            let entries = self.encode(&events, tip.next_seq)?;
            let positions = positions(tip.tree.root().size, &entries);
            let next_seq = tip.next_seq + entries.len() as u64;
            let (tree, _) = tip.tree.grown(&entries)?;
            let mut waiting = tip.waiting.clone();
            waiting.extend(entries);
            let head = Head { base: tip.placed.root(), now: tree.root() };
            let batch = bundle(&waiting)?;
            let to = Move { client, host: &self.host, from: tip.tree.root(), head, batch, next_seq };
            let mut beside = details::insert(client, new().filter_map(|entry| entry.detail.as_ref()));
            beside.extend(places::insert(client, tip.tree.root().size, new()));
            beside.extend(jobs.iter().map(|job| job.beside.clone()).filter(|list| !list.is_empty()));
            match self.heads.advance(to, conditions(jobs, tip.tree.root().size), beside).await {
                Ok(Moved::Done) => {
                    *known = Some(Tip { tree, next_seq, waiting, ..tip });
                    return Ok(Committed::All(positions));
                }
                Ok(Moved::Refused(job)) => {
                    *known = Some(tip);
                    return Ok(Committed::Without(job));
                }
                Ok(Moved::Fenced) => return Err(LedgerError::Fenced { client: client.clone() }),
                Ok(Moved::Behind) => {
                    tracing::debug!(client = client.as_str(), "another host was faster");
                    sleep(pause(attempt)).await;
                    *known = self.caught_up(client, tip).await?;
                }
                Err(e) => {
                    // The commit itself may have gone through and only its answer been lost.
                    let tip = self.take_up(client).await?;
                    if !self.holds(client, tip.tree.root(), &positions).await? {
                        return Err(e);
                    }
                    *known = Some(tip);
                    return Ok(Committed::All(positions));
                }
            }
        }
        Err(LedgerError::Contended { client: client.clone(), attempts: self.limits.append_attempts })
    }

    /// A tip with what other hosts have appended since, from the batch in the row alone: no tile is read. None: more was
    /// appended than that, and the log has to be taken up.
    async fn caught_up(&self, client: &ClientId, tip: Tip) -> Result<Option<Tip>, LedgerError> {
        let Some((head, batch)) = self.heads.last_batch(client).await? else { return Ok(None) };
        let known = tip.tree.root().size;
        let Some(skipped) = known.checked_sub(head.base.size).and_then(|n| usize::try_from(n).ok()) else {
            return Ok(None);
        };
        let Ok(entries) = split_bundle(&batch) else { return Ok(None) };
        let Some(new) = entries.get(skipped..) else { return Ok(None) };
        let (tree, _) = tip.tree.grown(new)?;
        if tree.root() != head.now {
            return Ok(None);
        }
        let waiting = tip.waiting.iter().chain(new).cloned().collect();
        Ok(Some(Tip { tree, waiting, ..tip }))
    }

    /// Begins step 2 for all that waits.
    fn place(self: &Arc<Self>, client: &ClientId, tip: &Tip) -> Option<Placing> {
        if tip.waiting.is_empty() {
            return None;
        }
        let grown = tip
            .placed
            .grown(&tip.waiting)
            .inspect_err(|error| tracing::error!(client = client.as_str(), %error, "tiles cannot be made"));
        let (to, tiles) = grown.ok()?;
        let (shared, client, now) = (self.clone(), client.clone(), to.root());
        let done = tokio::spawn(async move { shared.put_in_place(&client, now, tiles).await });
        Some(Placing { from: tip.placed.root(), to, entries: tip.waiting.len(), done })
    }

    fn encode(&self, events: &[(Moment, &EntryKind)], first_seq: u64) -> Result<Vec<Bytes>, LedgerError> {
        let encode = |(seq, &(at, event)): (u64, &(Moment, &EntryKind))| encode(at, &self.host, seq, event);
        (first_seq..).zip(events).map(encode).collect()
    }

    /// Whether these leaves are in the tree.
    async fn holds(&self, client: &ClientId, root: Root, leaves: &[Position]) -> Result<bool, LedgerError> {
        if leaves.iter().any(|leaf| leaf.index >= root.size) {
            return Ok(false);
        }
        let indexes: Vec<_> = leaves.iter().map(|l| stored_hash_index(0, l.index)).collect();
        let read = |tree: &TileHashReader<'_>| tree.read_hashes(&indexes);
        let found = self.read_tree(client, root, read).await?;
        Ok(found.iter().zip(leaves).all(|(hash, leaf)| hash.0 == leaf.leaf_hash.0))
    }

    /// Step 2. Partial tiles of a tile that is complete now go too.
    async fn put_in_place(
        &self,
        client: &ClientId,
        root: Root,
        tiles: Vec<Written>,
    ) -> Result<(), LedgerError> {
        let complete: Vec<_> = tiles.iter().filter(|(t, _)| t.width() == WIDTH).map(|(t, _)| *t).collect();
        try_join_all(tiles.into_iter().map(|(tile, bytes)| async move {
            self.objects.put_once(client, &path(client, &tile_name(&tile)), bytes).await
        }))
        .await?;
        let note = checkpoint::sign(&self.signer, client, root.size, root.hash)?;
        self.objects.overwrite(&path(client, "checkpoint"), note.into()).await?;
        // What cannot be deleted costs space and nothing else, so nobody waits long for a store that does not answer.
        for tile in complete {
            if timeout(PARTIALS, self.delete_partials(client, &tile)).await.is_err() {
                tracing::debug!(client = client.as_str(), "partial tiles of a complete one are left");
            }
        }
        Ok(())
    }

    async fn delete_partials(&self, client: &ClientId, tile: &Tile) {
        let partial = path(client, &format!("{}.p", tile_name(tile)));
        match self.objects.list(&partial).await {
            Ok(widths) => drop(join_all(widths.iter().map(|width| self.objects.delete(width))).await),
            Err(error) => tracing::debug!(client = client.as_str(), %error, "partial tiles are left"),
        }
    }

    /// The committed tree, after finishing what the last batches left open.
    async fn take_up(&self, client: &ClientId) -> Result<Tip, LedgerError> {
        let next_seq = self.heads.next_seq(client, &self.host).await?;
        let tree = match self.heads.last_batch(client).await? {
            Some((head, batch)) => self.finish(client, head, &batch).await?,
            None => self.load(client, Root::EMPTY).await?,
        };
        Ok(Tip::at(tree, next_seq))
    }

    async fn finish(&self, client: &ClientId, head: Head, batch: &Bytes) -> Result<Tree, LedgerError> {
        let (tree, tiles) = self.grown_by(client, head, batch).await?;
        self.put_in_place(client, head.now, tiles).await?;
        Ok(tree)
    }

    /// The committed tree, and the tiles that its last batch makes.
    async fn grown_by(
        &self,
        client: &ClientId,
        head: Head,
        batch: &Bytes,
    ) -> Result<(Tree, Vec<Written>), LedgerError> {
        let damaged = |why| LedgerError::Damaged {
            client: client.clone(),
            path: "the batch in ledger_head".into(),
            why,
        };
        let entries = split_bundle(batch).map_err(damaged)?;
        let (tree, tiles) = self.load(client, head.base).await?.grown(&entries)?;
        if tree.root() != head.now {
            return Err(damaged("it does not lead to the committed root".into()));
        }
        Ok((tree, tiles))
    }

    async fn load(&self, client: &ClientId, root: Root) -> Result<Tree, LedgerError> {
        let edge = try_join_all(Tree::edge_of(root.size).into_iter().map(|tile| async move {
            match self.objects.tile(client, &tile).await? {
                Some(bytes) => Ok((tile, bytes)),
                None => Err(missing(client, &tile_name(&tile))),
            }
        }))
        .await?;
        Tree::take_up(root, edge).map_err(|why| LedgerError::Damaged {
            client: client.clone(),
            path: path(client, "tile").to_string(),
            why,
        })
    }

    /// A tile of the committed tree. One that is not in place yet is made from the last batch: who reads puts nothing in
    /// place, and may be somebody who must not write.
    pub(crate) async fn read_tile(&self, client: &ClientId, tile: &Tile) -> Result<Bytes, LedgerError> {
        if let Some(bytes) = self.objects.tile(client, tile).await? {
            return Ok(bytes);
        }
        if let Some((head, batch)) = self.heads.last_batch(client).await? {
            let (_, tiles) = self.grown_by(client, head, &batch).await?;
            if let Some(bytes) = cut_from(&tiles, tile) {
                return Ok(bytes);
            }
        }
        // It was put in place meanwhile; or the log has grown since its head was read, and the batches that were put in place
        // left no tile of this width.
        if let Some(bytes) = self.objects.tile(client, tile).await? {
            return Ok(bytes);
        }
        self.objects.grown(client, tile).await?.ok_or_else(|| missing(client, &tile_name(tile)))
    }

    /// Runs a computation over a committed tree; every hash it reads is checked against `root`.
    pub(crate) async fn read_tree<T>(
        &self,
        client: &ClientId,
        root: Root,
        compute: impl Fn(&TileHashReader<'_>) -> Result<T, tlog_tiles::Error>,
    ) -> Result<T, LedgerError> {
        let mut fetched = Fetched::default();
        loop {
            let (error, tiles) = match fetched.run(root, &compute) {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            if tiles.is_empty() {
                let why = format!("the tiles do not fit the root of size {}: {error}", root.size);
                return Err(LedgerError::Damaged {
                    client: client.clone(),
                    path: path(client, "tile").to_string(),
                    why,
                });
            }
            for tile in tiles {
                fetched.add(tile, self.read_tile(client, &tile).await?);
            }
        }
    }
}

/// What became of a batch.
enum Committed {
    All(Vec<Position>),
    /// Nothing was written; without the job of this number the others may be.
    Without(usize),
}

/// What may have to change a row, each for the job of its number; the first entry of all comes to stand at `first`.
fn conditions(jobs: &[Job], first: u64) -> Vec<(usize, Statement)> {
    let mut next = first;
    let mut all = vec![];
    for (number, job) in jobs.iter().enumerate() {
        all.extend((job.conditions)(next).into_iter().map(|statement| (number, statement)));
        next += job.entries.len() as u64;
    }
    all
}

/// How long a host that was not the fastest waits: for another time each, so that they do not meet again.
fn pause(attempt: u32) -> Duration {
    let most = 1 << attempt.min(PAUSE_DOUBLINGS);
    Duration::from_millis(RandomState::new().build_hasher().finish() % most)
}

/// At most 64 ms.
const PAUSE_DOUBLINGS: u32 = 6;

/// [`crate::Entry`], with its fields in the same order.
#[derive(Serialize)]
struct Borrowed<'a> {
    v: u8,
    at: Moment,
    host: &'a str,
    seq: u64,
    event: &'a EntryKind,
}

/// The stored bytes of an entry.
pub(crate) fn encode(at: Moment, host: &str, seq: u64, event: &EntryKind) -> Result<Bytes, LedgerError> {
    let entry = Borrowed { v: VERSION, at, host, seq, event };
    serde_json::to_vec(&entry).map(Bytes::from).map_err(LedgerError::Encode)
}

fn positions(first: u64, entries: &[Bytes]) -> Vec<Position> {
    let position =
        |(index, entry): (u64, &Bytes)| Position { index, leaf_hash: Digest(record_hash(entry).0) };
    (first..).zip(entries).map(position).collect()
}

fn bundle(entries: &[Bytes]) -> Result<Vec<u8>, LedgerError> {
    let mut bundle = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.len()).sum());
    entries.iter().try_for_each(|entry| push_entry(&mut bundle, entry))?;
    Ok(bundle)
}

fn missing(client: &ClientId, name: &str) -> LedgerError {
    LedgerError::Damaged {
        client: client.clone(),
        path: path(client, name).to_string(),
        why: "it is missing".into(),
    }
}
