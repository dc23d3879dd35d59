//! The vault: begins, recovers, reads, redacts and destroys recordings; seals details beside the ledger.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use caveat_model::{ClientId, Clock, Digest, KeyState, Placement, PlacementTraits, RecordingId, StoreKind};
use caveat_state::Db;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{
    Header, KeySource, Limits, Opener, Reader, SealRecord, Suite, VaultConfig, VaultError, Writer, container,
    error::io_error,
    locked,
    pages::{Pages, State, blocking},
    seal::{Held, Pending, object_path, store_error},
    secrets::RecordingKeys,
    segment::Binding,
    tails::{Tail, TailLimits},
    wal::{Found, Name, Wal},
};

/// What a start found unfinished, and what became of it.
#[derive(Debug)]
pub struct Recovered {
    /// Whose.
    pub client: ClientId,
    /// Which.
    pub recording: RecordingId,
    /// Its seal; on an error it stays in the log and the next [`Vault::recover`] tries again.
    pub seal: Result<SealRecord, VaultError>,
}

/// All sealed recordings of one host; cheap to clone.
#[derive(Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) limits: Limits,
    /// What can be read without the log.
    pub(crate) opener: Opener,
    pub(crate) wal: Wal,
    /// Names this log in the database.
    pub(crate) log: String,
    /// What other hosts can seal; none: no other host shares the store.
    pub(crate) tail: Option<Arc<Tail>>,
    pub(crate) unsealed: Mutex<Vec<Pending>>,
    /// Whoever seals has one of these.
    seals: Semaphore,
    /// Held as long as the vault is open.
    _lock: File,
}

impl Vault {
    /// Opens the log, brings the tables up to date, and finds what an earlier run left; [`Vault::recover`] seals it.
    /// Open a local store with `with_fsync(true)`: the log is freed once the store has the object.
    pub async fn open(
        config: VaultConfig,
        db: Db,
        store: Arc<dyn ObjectStore>,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        let dir = config.dir.clone();
        let log = blocking(move || LogFolder::hold(&dir)).await?;
        Self::open_in(log, config.limits, None, db, store, keys, clock).await
    }

    /// As [`Vault::open`], with a log that is held already. `tail`: of a host among others that share database and store,
    /// so that they can seal what it leaves.
    pub async fn open_in(
        log: LogFolder,
        limits: Limits,
        tail: Option<TailLimits>,
        db: Db,
        store: Arc<dyn ObjectStore>,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        // A run that ended in between has not: what was redacted must not wait for the next redaction.
        db.forget_deleted().await;
        let opener = Opener::open(limits, db, store.clone(), keys, clock).await?;
        let LogFolder { dir, name: log, lock } = log;
        let folder = dir.clone();
        let (wal, found) = blocking(move || {
            Wal::open(&folder, &limits).map_err(io_error("open the write-ahead log in", &folder))
        })
        .await?;
        let unsealed = unfinished(opener.pages(), &wal, &log, found).await?;
        let tail = match tail {
            Some(limits) => {
                let names = unsealed.iter().map(|pending| pending.name.clone()).collect();
                let tail = Tail::open(store, &log, limits, &names).await?;
                wal.has_tail(tail.clone());
                tokio::spawn(Tail::run(Arc::downgrade(&tail)));
                Some(tail)
            }
            None => None,
        };
        let unsealed = Mutex::new(unsealed);
        let seals = Semaphore::new(limits.seal_count.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self(Arc::new(Inner { dir, limits, opener, wal, log, tail, unsealed, seals, _lock: lock })))
    }

    /// Begins a recording under fresh keys, which are durable when this returns.
    pub async fn begin(
        &self,
        client: &ClientId,
        recording: RecordingId,
        header: Header,
    ) -> Result<Writer, VaultError> {
        header.check(&self.0.limits)?;
        let name = (client.clone(), recording);
        let bytes = header.encode(client, recording);
        let keys = RecordingKeys::random(header.suite);
        self.0.opener.pages().insert(&name, &self.0.log, &bytes, &keys).await?;
        let binding = Binding::new(client, recording, &bytes);
        Ok(Writer::new(self.0.clone(), name, header, binding, keys.layers.cover))
    }

    /// Seals what earlier runs left in the log, as interrupted, and what failed to be sealed in this one. Deletes
    /// nothing; a recording that cannot be sealed now is reported and kept.
    pub async fn recover(&self) -> Vec<Recovered> {
        let waiting = std::mem::take(&mut *locked(&self.0.unsealed));
        let mut recovered = Vec::with_capacity(waiting.len());
        for pending in waiting {
            let (client, recording) = pending.name.clone();
            recovered.push(Recovered { client, recording, seal: self.0.seal_or_keep(pending).await });
        }
        recovered
    }

    /// How many recordings wait for [`Vault::recover`].
    pub fn unsealed(&self) -> usize {
        locked(&self.0.unsealed).len()
    }

    /// How many parts of the write-ahead log were found damaged when it was opened, a count: each may have held seconds that
    /// were acknowledged. A torn end is none.
    pub fn damaged_parts(&self) -> u64 {
        self.0.wal.damaged()
    }

    /// Opens a sealed recording.
    pub async fn reader(&self, client: &ClientId, recording: RecordingId) -> Result<Reader, VaultError> {
        self.0.opener.reader(client, recording).await
    }

    /// Destroys a recording: first its keys, in the database, then the object. Where the store refuses to delete, the
    /// error says so, the keys are gone all the same, and calling again only deletes.
    pub async fn destroy(&self, client: &ClientId, recording: RecordingId) -> Result<(), VaultError> {
        let name = (client.clone(), recording);
        match self.0.opener.pages().destroy(&name, State::Destroyed).await {
            Ok(()) | Err(VaultError::Gone { .. }) => {}
            Err(e) => return Err(e),
        }
        self.0.release(&name);
        self.delete_patches(&name).await?;
        let path = object_path(&name);
        match self.0.opener.store().delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(store_error("delete", &path)(e)),
        }
    }

    /// Where a recording's object lies in the store.
    pub fn object_name(client: &ClientId, recording: RecordingId) -> String {
        object_path(&(client.clone(), recording)).to_string()
    }

    /// Seals a small text of a client, bound to `context`: it opens under the same context only.
    pub async fn seal_detail(
        &self,
        client: &ClientId,
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.0.opener.seal_detail(client, context, plain).await
    }

    /// Opens what [`Vault::seal_detail`] sealed.
    pub async fn open_detail(
        &self,
        client: &ClientId,
        context: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.0.opener.open_detail(client, context, sealed).await
    }

    /// A keyed digest (HMAC-SHA256) of personal data: the same for the same client, context and data, and nothing to
    /// whoever lacks the client's key.
    pub async fn commitment(
        &self,
        client: &ClientId,
        context: &str,
        data: &[u8],
    ) -> Result<Digest, VaultError> {
        self.0.opener.commitment(client, context, data).await
    }

    /// Bytes of a client's sealed recordings, without those that were destroyed.
    pub async fn kept_bytes(&self, client: &ClientId) -> Result<u64, VaultError> {
        self.0.opener.pages().kept_bytes(client).await
    }

    /// The reading half.
    pub fn opener(&self) -> &Opener {
        &self.0.opener
    }

    /// What a client's keys and details are sealed with from now on.
    pub fn prefer(&self, client: &ClientId, suite: Suite) {
        self.0.opener.prefer(client, suite);
    }

    /// What a client's keys and details are sealed with.
    pub fn suite_of(&self, client: &ClientId) -> Suite {
        self.0.opener.pages().suite_of(client)
    }

    /// How a recording sealed with `suite` is encrypted, for storage rulings; region and traits are the caller's to add.
    pub fn placement(&self, suite: Suite) -> Placement {
        Placement {
            kind: StoreKind::Primary,
            region: None,
            cipher: suite.cipher(),
            key: KeyState::Active,
            traits: PlacementTraits::default(),
        }
    }
}

impl Inner {
    /// Nothing of this recording is needed any more, in the log and in its tail.
    pub(crate) fn release(&self, name: &Name) {
        self.wal.release(name);
        if let Some(tail) = &self.tail {
            tail.release(name);
        }
    }

    /// Seals; keeps what could not be sealed for the next [`Vault::recover`], unless its keys are gone.
    pub(crate) async fn seal_or_keep(&self, pending: Pending) -> Result<SealRecord, VaultError> {
        let turn = self.seals.acquire().await;
        let sealed = self.seal(&pending).await;
        drop(turn);
        if !matches!(sealed, Ok(_) | Err(VaultError::Gone { .. })) {
            locked(&self.unsealed).push(pending);
        }
        sealed
    }

    /// Size of an object with this many frames.
    pub(crate) fn object_bytes(&self, frame_bytes: u64, frames: usize) -> u64 {
        frame_bytes + container::rest_bytes(frames)
    }
}

/// Open recordings of this log, with the frames that the log holds of them.
async fn unfinished(
    pages: &Pages,
    wal: &Wal,
    log: &str,
    found: Vec<Found>,
) -> Result<Vec<Pending>, VaultError> {
    let mut by_name: BTreeMap<Name, BTreeMap<u32, Held>> = BTreeMap::new();
    for Found { name, seq, at, digest } in found {
        // A batch that was written again from memory is there twice.
        by_name.entry(name).or_default().entry(seq).or_insert(Held { at, digest });
    }
    let mut pending = vec![];
    for name in pages.open_in(log).await? {
        by_name.entry(name).or_default();
    }
    for (name, frames) in by_name {
        match pages.row(&name).await {
            // Of what another host has taken over, this log keeps nothing.
            Ok(row) if row.state == State::Open && row.log == log => {
                pending.push(Pending::left(name, frames.into_values()));
            }
            Ok(_) => wal.release(&name),
            Err(VaultError::Unknown { client, recording }) => {
                tracing::error!(%client, %recording, "the write-ahead log holds a recording that the database does not know: it is kept; was the database restored from a backup?");
            }
            Err(e) => return Err(e),
        }
    }
    Ok(pending)
}

/// The folder of a write-ahead log, held by this process: two that write one log would number its files alike.
pub struct LogFolder {
    dir: PathBuf,
    name: String,
    lock: File,
}

impl LogFolder {
    /// Makes the folder where it is not there, and holds it.
    ///
    /// # Errors
    /// [`VaultError::Busy`]: another process has it; the disk fails.
    pub fn hold(dir: &Path) -> Result<Self, VaultError> {
        fs::create_dir_all(dir).map_err(io_error("create", dir))?;
        let lock = lock(dir)?;
        let name = log_name(dir).map_err(io_error("name the write-ahead log in", dir))?;
        Ok(Self { dir: dir.to_owned(), name, lock })
    }

    /// Names the log among those of all hosts; kept with it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn lock(dir: &Path) -> Result<File, VaultError> {
    let path = dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(VaultError::Busy { path: dir.to_owned() }),
        Err(TryLockError::Error(e)) => Err(io_error("lock", &path)(e)),
    }
}

/// A random name, kept with the log: the database tells by it which host's log holds a recording.
fn log_name(dir: &Path) -> io::Result<String> {
    let path = dir.join("name");
    match fs::read_to_string(&path) {
        Ok(name) if !name.is_empty() => return Ok(name),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let name = uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string();
    let mut file = File::create(&path)?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    Ok(name)
}
