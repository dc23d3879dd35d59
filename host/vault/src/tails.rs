//! The tail of a host's log in the shared store, so that another host can seal what a dead one left.
//!
//! Every `every_ms` what the log has taken since goes into the store as one object, in the log's own records; the objects of a
//! log are numbered, and each is put only where nothing is yet. Whoever takes a log over closes it first, by putting its end
//! where the log's host would put its next. Of the two, one finds its place taken: so nothing that a host has been told is in
//! the store can be missed by whoever takes over, whatever either's clock says, and however long a host was stopped.
//!
//! | object | what |
//! |---|---|
//! | `tails/LOG/NUMBER` | magic, then records as in the log, their sums bound to the number; a beginning is without records |
//! | | or the word `closed`: the log was taken over here |
//!
//! An object goes when nothing in it is needed any more, the newest never: it tells where the next belongs.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, path::Path};
use tokio::{sync::watch, time::sleep};

use crate::{
    VaultError, locked,
    seal::store_error,
    wal::{self, Name},
};

const CLOSED: &[u8] = b"closed";
/// How long a put that failed is waited with.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a start tries it.
const START_ATTEMPTS: u32 = 10;

/// For so many rounds after one that was not complete nothing is said to be in the store.
const ROUNDS_DOUBTED: u64 = 16;

/// How a log's tail is kept.
#[derive(Debug, Clone, Copy)]
pub struct TailLimits {
    /// How often it is put into the store, in milliseconds.
    pub every_ms: u64,
    /// What waits for a store that does not answer, in bytes; what comes beyond that is in the local log only.
    pub waiting_bytes_max: usize,
}

/// How far a log's tail has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// Everything of the rounds before this one is in the store, as far as there was room to wait for it.
    Before(u64),
    /// Another host has taken the log over.
    Closed,
}

impl Came {
    fn is_past(self, round: u64) -> bool {
        matches!(self, Self::Before(next) if next > round)
    }
}

/// The tail of this host's log.
pub(crate) struct Tail {
    store: Arc<dyn ObjectStore>,
    log: String,
    limits: TailLimits,
    state: Mutex<State>,
    came: watch::Sender<Came>,
}

#[derive(Default)]
struct State {
    /// Of what is gathered now.
    round: u64,
    gathered: Vec<(Arc<Name>, u32, Vec<u8>)>,
    bytes: usize,
    /// A round of which something found no room.
    incomplete: Option<u64>,
    /// Recordings that are not sealed or discarded.
    live: HashSet<Arc<Name>>,
    /// Which recordings still need an object of the tail.
    objects: BTreeMap<u64, HashSet<Arc<Name>>>,
}

impl Tail {
    /// Finds the end of the tail, or begins one. `unsealed` may be in any object that is there.
    pub(crate) async fn open(
        store: Arc<dyn ObjectStore>,
        log: &str,
        limits: TailLimits,
        unsealed: &HashSet<Name>,
    ) -> Result<Arc<Self>, VaultError> {
        let mut numbers = list(&*store, log).await?;
        // Behind the end that a host put which took over before there has to be something of this one, or whoever takes
        // over next takes that end for its own, and what comes behind it is sealed by nobody.
        let is_open = match numbers.last() {
            Some(last) => read(&*store, log, *last).await?.as_ref() != CLOSED,
            None => false,
        };
        if !is_open {
            let next = numbers.last().map_or(0, |last| last + 1);
            begin(&*store, log, next).await?;
            numbers.push(next);
        }
        let live: HashSet<_> = unsealed.iter().cloned().map(Arc::new).collect();
        let objects = numbers.into_iter().map(|n| (n, live.clone())).collect();
        let state = State { live, objects, ..State::default() };
        let (state, came) = (Mutex::new(state), watch::Sender::new(Came::Before(0)));
        Ok(Arc::new(Self { store, log: log.to_owned(), limits, state, came }))
    }

    /// Takes a frame that the log has.
    pub(crate) fn take(&self, name: Arc<Name>, seq: u32, frame: Vec<u8>) {
        let mut state = locked(&self.state);
        if state.bytes + frame.len() > self.limits.waiting_bytes_max {
            if state.incomplete != Some(state.round) {
                tracing::error!("the store is away for too long: what is recorded now is on this disk only");
            }
            state.incomplete = Some(state.round);
            return;
        }
        state.bytes += frame.len();
        state.live.insert(name.clone());
        state.gathered.push((name, seq, frame));
    }

    /// Nothing of this recording is needed any more.
    pub(crate) fn release(&self, name: &Name) {
        let mut state = locked(&self.state);
        state.live.remove(name);
        state.objects.values_mut().for_each(|names| _ = names.remove(name));
    }

    /// Whether another host has taken the log over.
    pub(crate) fn is_closed(&self) -> bool {
        *self.came.borrow() == Came::Closed
    }

    /// Waits until everything that was taken so far is in the store.
    pub(crate) async fn caught_up(&self) -> Result<(), VaultError> {
        let round = self.round();
        let mut came = self.came.subscribe();
        let passed = came.wait_for(|came| *came == Came::Closed || came.is_past(round));
        let came = *passed.await.map_err(|_| VaultError::Closed)?;
        self.stands(came, round).map(drop)
    }

    /// Of what was taken so far.
    pub(crate) fn round(&self) -> u64 {
        locked(&self.state).round
    }

    /// Whether everything up to this round is in the store by now.
    pub(crate) fn has(&self, round: u64) -> Result<bool, VaultError> {
        let came = *self.came.borrow();
        self.stands(came, round)
    }

    fn stands(&self, came: Came, round: u64) -> Result<bool, VaultError> {
        if came == Came::Closed {
            return Err(VaultError::TakenOver);
        }
        match locked(&self.state).incomplete {
            // Whoever asks may have appended some rounds ago.
            Some(without) if came.is_past(round) && without + ROUNDS_DOUBTED >= round => {
                Err(VaultError::NotInStore)
            }
            _ => Ok(came.is_past(round)),
        }
    }

    /// Waits until another host has taken the log over.
    pub(crate) async fn closed(&self) {
        let mut came = self.came.subscribe();
        let _ = came.wait_for(|came| *came == Came::Closed).await;
    }

    /// Brings what comes to the store, until the vault is gone or another host has taken the log over.
    pub(crate) async fn run(tail: std::sync::Weak<Self>) {
        let Some(every) = tail.upgrade().map(|tail| Duration::from_millis(tail.limits.every_ms.max(1)))
        else {
            return;
        };
        let mut round = 0;
        loop {
            sleep(every).await;
            let Some(tail) = tail.upgrade() else { return };
            if !tail.bring(round).await {
                tracing::error!(log = tail.log, "another host has taken over what this one was recording");
                tail.came.send_replace(Came::Closed);
                return;
            }
            round += 1;
            tail.came.send_replace(Came::Before(round));
            tail.delete_unneeded().await;
        }
    }

    /// False: the place is taken.
    async fn bring(&self, round: u64) -> bool {
        let (gathered, number) = {
            let mut state = locked(&self.state);
            state.round = round + 1;
            state.bytes = 0;
            let number = state.objects.last_key_value().map_or(0, |(last, _)| last + 1);
            (std::mem::take(&mut state.gathered), number)
        };
        if gathered.is_empty() {
            return true;
        }
        let mut bytes = wal::MAGIC.to_vec();
        for (name, seq, frame) in &gathered {
            let at = bytes.len() as u64;
            wal::encode((name, *seq, frame), number, at, &mut bytes);
        }
        let (bytes, path) = (Bytes::from(bytes), path(&self.log, number));
        loop {
            match put(&*self.store, &path, bytes.clone()).await {
                Ok(true) => break,
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!(%error, "the tail of the log is not in the store yet");
                    sleep(AGAIN).await;
                }
            }
        }
        let mut state = locked(&self.state);
        let needed = gathered.into_iter().map(|(name, ..)| name).filter(|name| state.live.contains(name));
        let needed = needed.collect();
        state.objects.insert(number, needed);
        true
    }

    async fn delete_unneeded(&self) {
        let unneeded: Vec<u64> = {
            let state = locked(&self.state);
            let newest = state.objects.last_key_value().map_or(0, |(last, _)| *last);
            state
                .objects
                .iter()
                .filter(|(n, names)| **n != newest && names.is_empty())
                .map(|(n, _)| *n)
                .collect()
        };
        for number in unneeded {
            match delete(&*self.store, &self.log, number).await {
                Ok(()) => drop(locked(&self.state).objects.remove(&number)),
                Err(error) => {
                    tracing::debug!(%error, "a part of the tail that nobody needs stays for now");
                    return;
                }
            }
        }
    }
}

/// Closes another host's tail; the numbers of what is in it. That host puts nothing behind it any more.
pub(crate) async fn close(store: &dyn ObjectStore, log: &str) -> Result<Vec<u64>, VaultError> {
    loop {
        let mut numbers = list(store, log).await?;
        if let Some(last) = numbers.last().copied()
            && read(store, log, last).await?.as_ref() == CLOSED
        {
            numbers.pop();
            return Ok(numbers);
        }
        let end = numbers.last().map_or(0, |last| last + 1);
        // The other one may have been first: then there is one more to read.
        if put(store, &path(log, end), CLOSED.into()).await? {
            return Ok(numbers);
        }
    }
}

/// An object of a tail.
pub(crate) async fn read(store: &dyn ObjectStore, log: &str, number: u64) -> Result<Bytes, VaultError> {
    let path = path(log, number);
    let found = store.get(&path).await.map_err(store_error("read", &path))?;
    found.bytes().await.map_err(store_error("read", &path))
}

pub(crate) async fn delete(store: &dyn ObjectStore, log: &str, number: u64) -> Result<(), VaultError> {
    let path = path(log, number);
    match store.delete(&path).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(e) => Err(store_error("delete", &path)(e)),
    }
}

/// The first object that a start puts. It outlives a store that is slow for a moment.
async fn begin(store: &dyn ObjectStore, log: &str, number: u64) -> Result<(), VaultError> {
    let path = path(log, number);
    let mut attempt = 1;
    loop {
        match put(store, &path, wal::MAGIC.as_slice().into()).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(VaultError::TakenOver),
            Err(error) if attempt < START_ATTEMPTS => {
                tracing::warn!(%error, "the store does not take the tail of the log yet");
                attempt += 1;
                sleep(AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// False: something else is there. An earlier attempt may have got there, and its answer been lost.
async fn put(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<bool, VaultError> {
    match store.put_opts(path, bytes.clone().into(), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(StoreError::AlreadyExists { .. }) => {
            let there = store.get(path).await.map_err(store_error("read", path))?;
            Ok(there.bytes().await.map_err(store_error("read", path))? == bytes)
        }
        Err(e) => Err(store_error("put", path)(e)),
    }
}

async fn list(store: &dyn ObjectStore, log: &str) -> Result<Vec<u64>, VaultError> {
    let folder = Path::from(format!("tails/{log}"));
    let found: Vec<_> =
        store.list(Some(&folder)).try_collect().await.map_err(store_error("list", &folder))?;
    let number = |path: &Path| u64::from_str_radix(path.filename()?, 16).ok();
    let mut numbers: Vec<u64> = found.iter().filter_map(|meta| number(&meta.location)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn path(log: &str, number: u64) -> Path {
    Path::from(format!("tails/{log}/{number:016x}"))
}
