//! An object store whose writes are done when they are on the local disk; [`crate::worker`] brings them to the remote one.
//!
//! | in the spool's folder | what |
//! |---|---|
//! | `once/PATH` | an object that is never rewritten: until it was brought, read back, and the grace period has passed; some stay at hand |
//! | `latest/PATH` | the newest of an object that is rewritten; it stays |
//! | `marks/` | deletions and locks that the store does not know yet |
//!
//! Where several hosts share a store ([`Spool::open_through`]), nothing but marks of locks stays here: what one host has put,
//! the others have to see, and what it acknowledged has to outlive its disk.
//!
//! Reads look here first and then in the store. Whatever lies here when a host starts is brought anew: the store already
//! having it is no harm. One process at a time brings; others may [`Spool::look`].

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    fs::{self, File, TryLockError},
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use caveat_model::Moment;
use futures::{
    StreamExt, TryFutureExt, TryStreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    local::LocalFileSystem, path::Path,
};
use tokio::{
    sync::Notify,
    task::{AbortHandle, spawn_blocking},
    time::{Instant, sleep, timeout},
};

use crate::{
    AtHand, Limits, ObjectLock, Opened, StoreError, io_error,
    marks::{Mark, Marks},
    worker,
};

/// A remote store with a local disk in front of it; cheap to clone.
#[derive(Clone)]
pub struct Spool {
    pub(crate) desk: Arc<Desk>,
    /// Ends the worker with the last clone.
    _worker: Option<Arc<Worker>>,
}

struct Worker(AbortHandle);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What has not reached the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Objects that the store does not have for certain, a count.
    pub objects: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Deletions and locks that the store does not know for certain, a count.
    pub marks: u64,
    /// Of all these, those whose last attempt failed, a count.
    pub failing: u64,
}

/// What the worker and those who read and write share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) remote: Arc<dyn ObjectStore>,
    pub(crate) lock: Option<Arc<ObjectLock>>,
    pub(crate) at_hand: AtHand,
    pub(crate) limits: Limits,
    pub(crate) once: LocalFileSystem,
    pub(crate) latest: LocalFileSystem,
    pub(crate) marks: Marks,
    pub(crate) wake: Notify,
    state: Mutex<State>,
    /// Whether this process may change anything.
    writes: bool,
    /// Whether writes and deletions are done when the store has them.
    through: bool,
    /// Held as long as the spool is open by who brings.
    _lock: Option<File>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) entries: HashMap<Path, Entry>,
    /// Those that wait, by when something is to be done.
    pub(crate) due: BTreeSet<(Instant, Path)>,
}

/// Which folder a local copy is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    Once,
    Latest,
}

/// What is known of an object, beside what the store has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) copy: Option<Copy>,
    pub(crate) bytes: u64,
    /// The store has it: read back and compared.
    pub(crate) brought: bool,
    pub(crate) gone: bool,
    pub(crate) lock: Option<Moment>,
    /// Counts what callers did to it, so that what the worker found out about an earlier state is not taken for this one.
    pub(crate) generation: u64,
    /// The worker is at it.
    pub(crate) busy: bool,
    /// The store may have heard of it.
    pub(crate) attempted: bool,
    pub(crate) failures: u32,
    /// Where it stands in [`State::due`].
    pub(crate) due: Option<Instant>,
}

impl Entry {
    fn is_waiting(&self) -> bool {
        self.copy.is_some() && !self.brought
    }
}

impl State {
    /// Has something done to an object at `at`; now if it is due earlier already.
    pub(crate) fn plan(&mut self, path: &Path, at: Instant) {
        let Some(entry) = self.entries.get_mut(path) else { return };
        if let Some(before) = entry.due.take() {
            self.due.remove(&(before, path.clone()));
        }
        // Whoever is at it looks again when it is done.
        if !entry.busy {
            entry.due = Some(at);
            self.due.insert((at, path.clone()));
        }
    }

    fn forget(&mut self, path: &Path) {
        if let Some(at) = self.entries.remove(path).and_then(|entry| entry.due) {
            self.due.remove(&(at, path.clone()));
        }
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let mut backlog = Backlog::default();
        for entry in self.entries.values() {
            if entry.is_waiting() {
                backlog.objects += 1;
                backlog.bytes += entry.bytes;
            }
            backlog.marks += u64::from(entry.gone) + u64::from(entry.lock.is_some());
            backlog.failing += u64::from(entry.failures > 0);
        }
        backlog
    }
}

impl Spool {
    /// Opens the spool in `dir`, takes up what an earlier run left in it, and begins to bring it to the store.
    pub async fn open(dir: PathBuf, opened: Opened, limits: Limits) -> std::result::Result<Self, StoreError> {
        Self::working(Desk::open(dir, opened, limits, true, false).await?)
    }

    /// As [`Spool::open`], for a store that several hosts write to: a write or deletion is done when the store has done it,
    /// and fails with the store. What an earlier run left here is brought all the same.
    pub async fn open_through(
        dir: PathBuf,
        opened: Opened,
        limits: Limits,
    ) -> std::result::Result<Self, StoreError> {
        Self::working(Desk::open(dir, opened, limits, true, true).await?)
    }

    fn working(desk: Arc<Desk>) -> std::result::Result<Self, StoreError> {
        let worker = tokio::spawn(worker::run(desk.clone())).abort_handle();
        Ok(Self { desk, _worker: Some(Arc::new(Worker(worker))) })
    }

    /// Reads beside the process that has the spool open, and changes nothing.
    pub async fn look(dir: PathBuf, opened: Opened, limits: Limits) -> std::result::Result<Self, StoreError> {
        Ok(Self { desk: Desk::open(dir, opened, limits, false, false).await?, _worker: None })
    }

    /// What has not reached the store.
    pub fn backlog(&self) -> Backlog {
        self.desk.state().backlog()
    }

    /// Asks the store whether its objects can be locked at all.
    pub async fn check_lock(&self) -> std::result::Result<(), StoreError> {
        let why = match &self.desk.lock {
            Some(lock) if lock.is_possible().await? => return Ok(()),
            Some(_) => "its bucket was made without object lock: make another with it",
            None => "it is no store that can be asked to; only S3 is",
        };
        Err(StoreError::Settings { why: why.to_owned() })
    }

    /// Has the store refuse to change or delete an object until `until`; a lock is never made shorter. The wish is
    /// durable when this returns, and the local copy stays until the store has said that it is so.
    pub async fn lock(&self, object: &str, until: Moment) -> std::result::Result<(), StoreError> {
        let refused = |why: &str| StoreError::NotLocked { object: object.to_owned(), why: why.to_owned() };
        if self.desk.lock.is_none() {
            return Err(refused("it is no store that can be asked to; only S3 is"));
        }
        let path = Path::parse(object).map_err(|e| refused(&e.to_string()))?;
        let until = self.desk.state().entries.get(&path).and_then(|e| e.lock).map_or(until, |l| l.max(until));
        let desk = self.desk.clone();
        let marked = path.clone();
        spawn_blocking(move || desk.marks.set(&marked, Mark::Locked(until)))
            .await
            .map_err(|e| refused(&e.to_string()))?
            .map_err(|e| refused(&e.to_string()))?;
        let mut state = self.desk.state();
        let entry = state.entries.entry(path.clone()).or_default();
        entry.lock = entry.lock.max(Some(until));
        entry.generation += 1;
        // An object that is on its way is locked on its way.
        let at = if entry.is_waiting() { entry.due } else { None };
        state.plan(&path, at.unwrap_or_else(Instant::now));
        drop(state);
        self.desk.wake.notify_one();
        Ok(())
    }
}

impl Desk {
    async fn open(
        dir: PathBuf,
        Opened { store, lock, at_hand }: Opened,
        limits: Limits,
        writes: bool,
        through: bool,
    ) -> std::result::Result<Arc<Self>, StoreError> {
        let folder = |name: &str| {
            let at = dir.join(name);
            fs::create_dir_all(&at).map_err(io_error("create", &at))?;
            let local = LocalFileSystem::new_with_prefix(&at)
                .map_err(|source| StoreError::Store { what: "open its spool", source })?;
            // Empty folders stay: removing them would race with whoever writes into them.
            Ok(local.with_fsync(true))
        };
        let (once, latest) = (folder("once")?, folder("latest")?);
        let at = dir.join("marks");
        let marks = Marks::open(at.clone()).map_err(io_error("open", &at))?;
        let (state, wake) = Default::default();
        let held = if writes { Some(hold(&dir).await?) } else { None };
        let desk = Self {
            remote: store,
            lock,
            at_hand,
            limits,
            once,
            latest,
            marks,
            wake,
            state,
            writes,
            through,
            _lock: held,
        };
        if writes {
            desk.take_up().await?;
        }
        Ok(Arc::new(desk))
    }

    /// Finds what an earlier run left.
    async fn take_up(&self) -> std::result::Result<(), StoreError> {
        let reading = |source| StoreError::Store { what: "read its spool", source };
        let marks =
            self.marks.all().map_err(|e| StoreError::Io { what: "read", path: "marks".into(), source: e })?;
        let mut entries: HashMap<Path, Entry> = HashMap::new();
        for (copy, local) in [(Copy::Once, &self.once), (Copy::Latest, &self.latest)] {
            let found: Vec<ObjectMeta> = local.list(None).try_collect().await.map_err(reading)?;
            for meta in found {
                let entry = Entry { copy: Some(copy), bytes: meta.size, attempted: true, ..Entry::default() };
                entries.insert(meta.location, entry);
            }
        }
        for (path, marks) in marks {
            let entry = entries.entry(path.clone()).or_default();
            entry.attempted = true;
            for mark in marks {
                match mark {
                    Mark::Locked(until) => entry.lock = Some(until),
                    Mark::Gone => entry.gone = true,
                }
            }
            // It was deleted, and the host died before its copy went.
            if entry.gone
                && let Some(copy) = entry.copy.take()
            {
                self.local(copy).delete(&path).await.map_err(reading)?;
            }
        }
        let now = Instant::now();
        let mut state = self.state();
        for (path, entry) in entries {
            state.entries.insert(path.clone(), entry);
            state.plan(&path, now);
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every critical section writes its fields in one go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn local(&self, copy: Copy) -> &LocalFileSystem {
        match copy {
            Copy::Once => &self.once,
            Copy::Latest => &self.latest,
        }
    }

    async fn put(&self, path: &Path, payload: PutPayload, mode: PutMode) -> Result<PutResult> {
        let (copy, bytes) = match &mode {
            PutMode::Create => (Copy::Once, payload.content_length() as u64),
            PutMode::Overwrite => (Copy::Latest, payload.content_length() as u64),
            PutMode::Update(_) => {
                return Err(not_implemented("a conditional update"));
            }
        };
        if self.through {
            let limit = self.limits.time_for(bytes);
            let put = timeout(limit, self.remote.put_opts(path, payload, mode.into())).await;
            return put.unwrap_or_else(|_| Err(silent()));
        }
        {
            let mut state = self.state();
            if let Some(entry) = state.entries.get_mut(path)
                && entry.gone
            {
                // Whatever the store still has of it is compared with this one.
                entry.gone = false;
                entry.generation += 1;
                self.marks.clear(path, Mark::Gone);
            }
        }
        let put = self.local(copy).put_opts(path, payload, mode.into()).await?;
        let mut state = self.state();
        let entry = state.entries.entry(path.clone()).or_default();
        let waiting_since = entry.due.filter(|_| entry.is_waiting());
        (entry.copy, entry.bytes, entry.brought, entry.failures) = (Some(copy), bytes, false, 0);
        entry.generation += 1;
        let later = Instant::now() + Duration::from_millis(self.limits.spool_delay_ms);
        state.plan(path, waiting_since.unwrap_or(later));
        drop(state);
        self.wake.notify_one();
        Ok(put)
    }

    async fn delete(self: Arc<Self>, path: Path) -> Result<Path> {
        let unknown_to_the_store = {
            let mut state = self.state();
            let unknown =
                state.entries.get(&path).is_some_and(|e| e.copy == Some(Copy::Once) && !e.attempted);
            if unknown {
                state.forget(&path);
            }
            unknown
        };
        if unknown_to_the_store {
            return self.once.delete(&path).await.map(|()| path);
        }
        // What lies here still is deleted as it was put.
        if self.through && self.state().entries.get(&path).is_none_or(|entry| entry.copy.is_none()) {
            self.in_time(self.remote.delete(&path)).await?;
            return Ok(path);
        }
        let (desk, marked) = (self.clone(), path.clone());
        spawn_blocking(move || desk.marks.set(&marked, Mark::Gone)).await?.map_err(generic)?;
        let copy = {
            let mut state = self.state();
            let entry = state.entries.entry(path.clone()).or_default();
            let copy = entry.copy.take();
            (entry.gone, entry.brought, entry.failures, entry.attempted) = (true, false, 0, true);
            entry.generation += 1;
            state.plan(&path, Instant::now());
            copy
        };
        if let Some(copy) = copy {
            ignore_missing(self.local(copy).delete(&path).await)?;
        }
        self.wake.notify_one();
        Ok(path)
    }

    /// The local copy, if there is one.
    async fn get_here(&self, path: &Path, options: &GetOptions) -> Result<Option<GetResult>> {
        let known = if self.writes { self.state().entries.get(path).cloned() } else { None };
        let gone =
            if self.writes { known.as_ref().is_some_and(|e| e.gone) } else { self.marks.is_gone(path) };
        if gone {
            return Err(Error::NotFound { path: path.to_string(), source: "it was deleted".into() });
        }
        let places: &[Copy] = match known.map(|e| e.copy) {
            Some(Some(Copy::Once)) => &[Copy::Once],
            Some(Some(Copy::Latest)) => &[Copy::Latest],
            Some(None) => &[],
            // A copy lies here before it is known: whoever finds the name taken has to find what took it.
            None => &[Copy::Once, Copy::Latest],
        };
        for copy in places {
            match self.local(*copy).get_opts(path, options.clone()).await {
                Err(Error::NotFound { .. }) => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    }

    async fn get_there(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut found = self.in_time(self.remote.get_opts(path, options)).await?;
        found.payload = match found.payload {
            GetResultPayload::Stream(chunks) => GetResultPayload::Stream(self.each_in_time(chunks)),
            file => file,
        };
        Ok(found)
    }

    /// What the store answers within the time it has.
    pub(crate) async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.limits.time_for(0), answer).await.unwrap_or_else(|_| Err(silent()))
    }

    fn each_in_time<T: Send + 'static>(
        &self,
        items: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let limit = self.limits.time_for(0);
        stream::unfold(Some(items), move |items| async move {
            let mut items = items?;
            match timeout(limit, items.next()).await {
                Ok(Some(item)) => Some((item, Some(items))),
                Ok(None) => None,
                Err(_) => Some((Err(silent()), None)),
            }
        })
        .boxed()
    }

    /// What lies here below `prefix`, and what here is known to be gone.
    async fn listed_here(&self, prefix: Option<&Path>) -> Result<(Vec<ObjectMeta>, HashSet<Path>)> {
        let mut metas: Vec<ObjectMeta> = self.once.list(prefix).try_collect().await?;
        metas.extend(self.latest.list(prefix).try_collect::<Vec<_>>().await?);
        let gone = match self.writes {
            true => {
                let state = self.state();
                state.entries.iter().filter(|(_, e)| e.gone).map(|(path, _)| path.clone()).collect()
            }
            false => {
                let marks = self.marks.all().map_err(generic)?;
                marks.into_iter().filter(|(_, m)| m.contains(&Mark::Gone)).map(|(path, _)| path).collect()
            }
        };
        Ok((metas, gone))
    }

    fn list(self: Arc<Self>, prefix: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let there = self.each_in_time(self.remote.list(prefix.as_ref()));
        let both = async move {
            let (metas, gone) = self.listed_here(prefix.as_ref()).await?;
            let known: HashSet<Path> = metas.iter().map(|m| m.location.clone()).chain(gone).collect();
            let others = there.try_filter(move |meta| ready(!known.contains(&meta.location)));
            // What is wanted at hand is all here.
            let is_enough = prefix.as_ref().is_some_and(self.at_hand);
            let others = others.filter(move |found| ready(!is_enough || found.is_ok()));
            Ok(stream::iter(metas.into_iter().map(Ok)).chain(others))
        };
        both.try_flatten_stream().boxed()
    }
}

#[async_trait::async_trait]
impl ObjectStore for Spool {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.may_write()?;
        let (desk, path) = (self.desk.clone(), path.clone());
        // Whoever asked may go away in the middle; what lies on the disk is then noted all the same.
        tokio::spawn(async move { desk.put(&path, payload, options.mode).await }).await?
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("an upload in parts"))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.desk.get_here(path, &options).await? {
            Some(found) => Ok(found),
            None => self.desk.get_there(path, options).await,
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (desk, may_write) = (self.desk.clone(), self.desk.writes);
        let delete = move |path: Result<Path>| {
            let desk = desk.clone();
            async move {
                if !may_write {
                    return Err(not_implemented("a deletion by one who looks"));
                }
                tokio::spawn(desk.delete(path?)).await?
            }
        };
        paths.map(delete).buffered(DELETES).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.desk.clone().list(prefix.cloned())
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.desk.in_time(self.desk.remote.list_with_delimiter(prefix)).await?;
        let (_, gone) = self.desk.listed_here(prefix).await?;
        listed.objects.retain(|meta| !gone.contains(&meta.location));
        for local in [&self.desk.once, &self.desk.latest] {
            let here = local.list_with_delimiter(prefix).await?;
            listed.objects.retain(|meta| here.objects.iter().all(|h| h.location != meta.location));
            listed.objects.extend(here.objects);
            listed.common_prefixes.extend(here.common_prefixes);
        }
        listed.common_prefixes.sort();
        listed.common_prefixes.dedup();
        Ok(listed)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(not_implemented("a copy"))
    }
}

/// Two that bring would free each other's copies. One that has just ended may take a moment to let go.
async fn hold(dir: &FilePath) -> std::result::Result<File, StoreError> {
    let path = dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(e)) => return Err(io_error("lock", &path)(e)),
        }
    }
    Err(StoreError::Busy { path: dir.to_owned() })
}

const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How many objects are deleted at once.
const DELETES: usize = 8;
const NAME: &str = "Spool";

impl Spool {
    fn may_write(&self) -> Result<()> {
        if self.desk.writes { Ok(()) } else { Err(not_implemented("a write by one who looks")) }
    }
}

impl fmt::Display for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}({})", self.desk.remote)
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: NAME.to_owned() }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: NAME, source: source.into() }
}

fn silent() -> Error {
    generic("it did not answer in time (`request_timeout_ms` of [limits.store])")
}

pub(crate) fn ignore_missing(deleted: Result<()>) -> Result<()> {
    match deleted {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}
