//! The write-ahead log: one preallocated, append-only file at a time for all calls, of frames already encrypted.
//!
//! A thread gathers what is queued, writes it, calls `fdatasync` once, and acknowledges all of it. A write or sync that
//! fails poisons the file: what the kernel still holds of it is unknown, so it is never written or synced again, and the
//! batch is written from memory to a fresh file. Only when that fails too do callers hear of it.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, mpsc::TryRecvError},
};

use caveat_model::{ClientId, RecordingId};
use tokio::sync::{mpsc, oneshot};

use crate::{Limits, VaultError, locked, once::sha256, tails::Tail};

pub(crate) const MAGIC: &[u8; 8] = b"cavwal\x00\x01";
const SUM: usize = 16;
/// What a record adds to the longest client name and its frame, in bytes.
const RECORD_OVERHEAD: usize = 4 + 1 + 40 + 16 + 4 + SUM;

/// Whose recording.
pub(crate) type Name = (ClientId, RecordingId);

/// Where a frame lies in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    file: u64,
    offset: u64,
    len: u32,
}

impl Location {
    /// Of the frame.
    pub(crate) fn bytes(self) -> u32 {
        self.len
    }

    /// The frame, in the bytes of its whole file.
    pub(crate) fn of(self, file: &[u8]) -> Option<&[u8]> {
        let start = usize::try_from(self.offset).ok()?;
        file.get(start..start.checked_add(self.len as usize)?)
    }
}

/// A frame on its way to the disk. `seq` counts the frames of its recording.
pub(crate) struct Append {
    /// Shared, since every file and every part of a tail notes whose frames it holds.
    pub(crate) name: Arc<Name>,
    pub(crate) seq: u32,
    pub(crate) frame: Vec<u8>,
    /// Called on the log's thread, once, after the sync.
    pub(crate) done: Box<dyn FnOnce(Result<Location, VaultError>) + Send>,
}

enum Request {
    Append(Append),
    /// Answers when everything queued before is settled.
    Flush(oneshot::Sender<()>),
}

/// The log of one host.
pub(crate) struct Wal {
    queue: mpsc::Sender<Request>,
    shelf: Arc<Shelf>,
    tail: Arc<OnceLock<Arc<Tail>>>,
    /// Parts that were found damaged when it was opened.
    damaged: u64,
}

/// Room in the queue for one frame.
pub(crate) struct Slot<'a>(mpsc::Permit<'a, Request>);

impl Slot<'_> {
    pub(crate) fn send(self, append: Append) {
        self.0.send(Request::Append(append));
    }
}

impl Wal {
    /// Opens the log in `dir` and returns what earlier runs left in it.
    pub(crate) fn open(dir: &Path, limits: &Limits) -> io::Result<(Self, Vec<Found>)> {
        Self::open_on(dir, limits, Arc::new(RealDisk))
    }

    fn open_on(dir: &Path, limits: &Limits, disk: Arc<dyn Disk>) -> io::Result<(Self, Vec<Found>)> {
        remove_unused(dir)?;
        let (mut found, mut live, mut last, mut damaged) = (vec![], BTreeMap::new(), 0, 0);
        for id in file_ids(dir)? {
            let (records, of_file) = scan(&path_of(dir, id), id)?;
            damaged += of_file;
            live.insert(id, records.iter().map(|r| Arc::new(r.name.clone())).collect());
            found.extend(records);
            last = id;
        }
        let shelf = Arc::new(Shelf {
            dir: dir.to_owned(),
            live: Mutex::new(Live { current: last + 1, files: live }),
        });
        let (queue, requests) = mpsc::channel(limits.log_queue_count.max(1));
        let tail = Arc::default();
        let scribe = Scribe {
            shelf: shelf.clone(),
            tail: Arc::clone(&tail),
            disk,
            ahead: None,
            file: None,
            file_bytes: limits.log_file_bytes,
            batch_bytes: limits.log_batch_bytes,
        };
        std::thread::Builder::new().name("vault-log".into()).spawn(move || scribe.run(requests))?;
        Ok((Self { queue, shelf, tail, damaged }, found))
    }

    /// Parts of it that were found damaged when it was opened, with acknowledged records behind them.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// From now on what is durable here goes into the tail, too.
    pub(crate) fn has_tail(&self, tail: Arc<Tail>) {
        // One vault opens one tail.
        let _ = self.tail.set(tail);
    }

    /// Waits for room in the queue.
    pub(crate) async fn slot(&self) -> Result<Slot<'_>, VaultError> {
        self.queue.reserve().await.map(Slot).map_err(|_| VaultError::Closed)
    }

    /// Waits until everything queued so far is settled.
    pub(crate) async fn flush(&self) -> Result<(), VaultError> {
        let (done, wait) = oneshot::channel();
        self.queue.send(Request::Flush(done)).await.map_err(|_| VaultError::Closed)?;
        wait.await.map_err(|_| VaultError::Closed)
    }

    /// Nothing of this recording is needed any more; files without any that is are removed.
    pub(crate) fn release(&self, name: &Name) {
        self.shelf.release(|n| n == name);
    }

    pub(crate) fn reader(&self) -> LogReader {
        LogReader { dir: self.shelf.dir.clone(), open: None }
    }
}

/// Reads frames back; meant for a run of them in order.
pub(crate) struct LogReader {
    dir: PathBuf,
    open: Option<(u64, File)>,
}

impl LogReader {
    pub(crate) fn read(&mut self, at: Location) -> io::Result<Vec<u8>> {
        let file = match self.open.take() {
            Some((id, file)) if id == at.file => file,
            _ => File::open(path_of(&self.dir, at.file))?,
        };
        let mut frame = vec![0; at.len as usize];
        file.read_exact_at(&mut frame, at.offset)?;
        self.open = Some((at.file, file));
        Ok(frame)
    }
}

/// The files, and which recordings still need them.
struct Shelf {
    dir: PathBuf,
    live: Mutex<Live>,
}

struct Live {
    /// The file being written, or the next one; never removed.
    current: u64,
    files: BTreeMap<u64, HashSet<Arc<Name>>>,
}

impl Shelf {
    fn release(&self, gone: impl Fn(&Name) -> bool) {
        let mut live = locked(&self.live);
        live.files.values_mut().for_each(|names| names.retain(|n| !gone(n)));
        let current = live.current;
        live.files.retain(|id, names| {
            let keep = *id == current || !names.is_empty();
            if !keep && let Err(error) = fs::remove_file(path_of(&self.dir, *id)) {
                tracing::warn!(%error, file = id, "a write-ahead log file that is no longer needed stays");
            }
            keep
        });
    }
}

/// The system calls of the log, so that tests can make them fail.
trait Disk: Send + Sync + 'static {
    /// A file of this length that does not exist yet, every byte of it allocated, durable in its folder.
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn LogFile>>;
}

trait LogFile: Send {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn LogFile>> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        // Real zeros: a sync of an allocated and written file has no metadata to write.
        io::copy(&mut io::Read::take(io::repeat(0), len), &mut file)?;
        file.flush()?;
        file.sync_all()?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(Box::new(file))
    }
}

impl LogFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file that is made while the one before is being filled, so that nobody waits for it. Its name ends in `.new`.
type Ahead = std::sync::mpsc::Receiver<(PathBuf, Box<dyn LogFile>)>;

/// Makes one file after the other, each when the one before was taken; ends with its taker, or where it cannot.
fn make_ahead(disk: Arc<dyn Disk>, dir: PathBuf, len: u64) -> io::Result<Ahead> {
    let (give, ready) = std::sync::mpsc::sync_channel(0);
    let make = move || {
        for n in 0u64.. {
            let path = dir.join(format!("{n}.{UNUSED}"));
            // Who needs one will then make it, and say what is wrong.
            let Ok(file) = disk.create(&path, len) else { break };
            if give.send((path.clone(), file)).is_err() {
                let _ = fs::remove_file(path);
                break;
            }
        }
    };
    std::thread::Builder::new().name("vault-log-next".into()).spawn(make)?;
    Ok(ready)
}

/// What files that were made and not needed end in.
const UNUSED: &str = "new";

fn remove_unused(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == UNUSED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The only writer.
struct Scribe {
    shelf: Arc<Shelf>,
    /// There from when the log's tail was opened, where it has one.
    tail: Arc<OnceLock<Arc<Tail>>>,
    disk: Arc<dyn Disk>,
    ahead: Option<Ahead>,
    file: Option<Open>,
    file_bytes: u64,
    batch_bytes: usize,
}

struct Open {
    id: u64,
    file: Box<dyn LogFile>,
    /// Of the next record.
    end: u64,
}

impl Scribe {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let (mut batch, mut flushes, mut bytes) = (VecDeque::new(), vec![], 0);
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Append(append) => {
                        bytes += append.frame.len() + RECORD_OVERHEAD;
                        batch.push_back(append);
                    }
                    Request::Flush(done) => flushes.push(done),
                }
                next = if bytes < self.batch_bytes { requests.try_recv().ok() } else { None };
            }
            self.commit(batch);
            for done in flushes {
                // Whoever asked may have gone away.
                let _ = done.send(());
            }
        }
    }

    /// Makes the batch durable and tells everyone.
    fn commit(&mut self, mut batch: VecDeque<Append>) {
        let mut failures = 0;
        while !batch.is_empty() {
            match self.write_some(&batch) {
                Ok(written) => {
                    failures = 0;
                    for at in written {
                        if let Some(Append { name, seq, frame, done }) = batch.pop_front() {
                            // Before anybody hears of it, so that whoever does finds it in the tail.
                            if let Some(tail) = self.tail.get() {
                                tail.take(name, seq, frame);
                            }
                            done(Ok(at));
                        }
                    }
                }
                Err((path, error)) => {
                    tracing::error!(path = %path.display(), %error, "the write-ahead log failed; this file is not used again");
                    self.file = None;
                    failures += 1;
                    if failures == 2 {
                        let why = error.to_string();
                        for append in batch.drain(..) {
                            (append.done)(Err(VaultError::Poisoned { path: path.clone(), why: why.clone() }));
                        }
                    }
                }
            }
        }
    }

    /// Writes as much of the batch as fits into the current file, in one write and one sync.
    fn write_some(&mut self, batch: &VecDeque<Append>) -> Result<Vec<Location>, (PathBuf, io::Error)> {
        let file_bytes = self.file_bytes;
        // A record longer than a file gets one of its own.
        let fits = |open: &Open, len: u64| open.end == MAGIC.len() as u64 || open.end + len <= file_bytes;
        let first = batch.front().map_or(0, |a| (a.frame.len() + RECORD_OVERHEAD) as u64);
        let mut open = match self.file.take().filter(|open| fits(open, first)) {
            Some(open) => open,
            None => self.fresh()?,
        };
        let (start, mut records, mut written) = (open.end, vec![], vec![]);
        for append in batch {
            let len = (append.frame.len() + RECORD_OVERHEAD) as u64;
            if !fits(&open, len) {
                break;
            }
            let before = records.len() as u64;
            let record = (&*append.name, append.seq, append.frame.as_slice());
            let offset = encode(record, open.id, start + before, &mut records);
            written.push(Location { file: open.id, offset, len: append.frame.len() as u32 });
            open.end = start + records.len() as u64;
        }
        // Known as needed before it is there, so that no release can remove the file in between.
        let names = batch.iter().take(written.len()).map(|a| a.name.clone());
        locked(&self.shelf.live).files.entry(open.id).or_default().extend(names);
        let result = open.file.write_at(&records, start).and_then(|()| open.file.sync());
        result.map_err(|e| (path_of(&self.shelf.dir, open.id), e))?;
        self.file = Some(open);
        Ok(written)
    }

    fn fresh(&mut self) -> Result<Open, (PathBuf, io::Error)> {
        let id = {
            let mut live = locked(&self.shelf.live);
            live.current = live.files.keys().last().map_or(live.current, |last| live.current.max(last + 1));
            live.current
        };
        // The file before may have been kept only because it was the current one.
        self.shelf.release(|_| false);
        let path = path_of(&self.shelf.dir, id);
        let made = match self.ahead.as_ref().map(|ahead| ahead.try_recv()) {
            Some(Ok(made)) => Some(made),
            // Begun again below.
            Some(Err(TryRecvError::Disconnected)) => {
                self.ahead = None;
                None
            }
            Some(Err(TryRecvError::Empty)) | None => None,
        };
        let open = || {
            let file = match made {
                Some((made, file)) => {
                    fs::rename(made, &path)?;
                    File::open(&self.shelf.dir)?.sync_all()?;
                    file
                }
                None => self.disk.create(&path, self.file_bytes)?,
            };
            file.write_at(MAGIC, 0)?;
            Ok(Open { id, file, end: MAGIC.len() as u64 })
        };
        let open = open().map_err(|e| {
            // Nothing in it was ever acknowledged.
            let _ = fs::remove_file(&path);
            (path.clone(), e)
        })?;
        locked(&self.shelf.live).files.entry(id).or_default();
        if self.ahead.is_none() {
            self.ahead = make_ahead(self.disk.clone(), self.shelf.dir.clone(), self.file_bytes).ok();
        }
        Ok(open)
    }
}

/// Appends one record that begins at `at` of file `id`; returns the offset of its frame in the file.
pub(crate) fn encode((name, seq, frame): (&Name, u32, &[u8]), id: u64, at: u64, out: &mut Vec<u8>) -> u64 {
    let start = out.len();
    let (client, recording) = (name.0.as_str().as_bytes(), name.1);
    let body = 1 + client.len() + 16 + 4 + frame.len();
    out.extend_from_slice(&(body as u32).to_be_bytes());
    out.push(client.len() as u8);
    out.extend_from_slice(client);
    out.extend_from_slice(recording.0.as_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
    let frame_at = at + (out.len() - start) as u64;
    out.extend_from_slice(frame);
    let sum = checksum(id, at, &out[start..]);
    out.extend_from_slice(&sum);
    frame_at
}

/// Bound to the place, so that a record copied elsewhere is not one.
pub(crate) fn checksum(id: u64, at: u64, record: &[u8]) -> [u8; SUM] {
    let digest = sha256(&[MAGIC, &id.to_be_bytes(), &at.to_be_bytes(), record]);
    std::array::from_fn(|i| digest[i])
}

/// A frame that an earlier run left.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: Name,
    pub(crate) seq: u32,
    pub(crate) at: Location,
    /// Its Merkle leaf hash.
    pub(crate) digest: [u8; 32],
}

/// Every whole record of a file, and how many parts between them are damaged; what follows the last that is whole was never
/// acknowledged.
fn scan(path: &Path, id: u64) -> io::Result<(Vec<Found>, u64)> {
    let bytes = fs::read(path)?;
    let (mut found, mut damaged) = (vec![], 0);
    if !bytes.starts_with(MAGIC) && end_of_data(&bytes) > 0 {
        tracing::error!(path = %path.display(), "a write-ahead log file does not begin like one: what checks in it is taken");
    }
    let mut at = MAGIC.len();
    loop {
        while let Some((record, next)) = parse(&bytes, id, at) {
            found.push(record);
            at = next;
        }
        // A torn record is the last there is; behind a damaged one, others were acknowledged.
        let Some(next) = (at + 1..end_of_data(&bytes)).find(|next| parse(&bytes, id, *next).is_some()) else {
            break;
        };
        tracing::error!(path = %path.display(), offset = at, bytes = next - at, "a part of the write-ahead log is damaged, and what was in it is lost");
        damaged += 1;
        at = next;
    }
    if at < end_of_data(&bytes) {
        tracing::warn!(path = %path.display(), offset = at, "the write-ahead log ends in a torn record, which is cut off");
    }
    Ok((found, damaged))
}

/// Behind it there are only the zeros that a file is made of.
fn end_of_data(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)
}

/// The record at `at` and the offset after it.
pub(crate) fn parse(bytes: &[u8], id: u64, at: usize) -> Option<(Found, usize)> {
    let body_len = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
    let end = at.checked_add(4)?.checked_add(body_len)?;
    let (record, sum) = (bytes.get(at..end)?, bytes.get(end..end.checked_add(SUM)?)?);
    let (&[client_len], rest) = record[4..].split_first_chunk()?;
    let (client, rest) = rest.split_at_checked(client_len.into())?;
    let (recording, rest) = rest.split_first_chunk::<16>()?;
    let (seq, frame) = rest.split_first_chunk::<4>()?;
    let client = std::str::from_utf8(client).ok()?.parse().ok()?;
    // Last, because it reads all of it, and a search for the next record tries every place.
    if checksum(id, at as u64, record) != sum {
        return None;
    }
    let recording = RecordingId(uuid::Uuid::from_bytes(*recording));
    let at = Location { file: id, offset: (end - frame.len()) as u64, len: frame.len() as u32 };
    let digest = crate::merkle::leaf_hash(frame);
    Some((Found { name: (client, recording), seq: u32::from_be_bytes(*seq), at, digest }, end + SUM))
}

fn path_of(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016x}.wal"))
}

/// In order.
fn file_ids(dir: &Path) -> io::Result<Vec<u64>> {
    let mut ids = vec![];
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|n| n.strip_suffix(".wal"));
        ids.extend(id.and_then(|id| u64::from_str_radix(id, 16).ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}

#[cfg(test)]
#[path = "wal_tests.rs"]
mod tests;
