#![allow(clippy::unwrap_used, reason = "tests")]
use std::sync::mpsc::{Receiver, Sender, channel};

use caveat_model::Moment;

use super::*;

fn limits() -> Limits {
    Limits { log_file_bytes: 1024, ..Limits::default() }
}

fn name() -> Name {
    ("acme".parse().unwrap(), RecordingId::new(Moment::from_millis(1)))
}

fn send(
    slot: Slot<'_>,
    name: &Name,
    seq: u32,
    frame: &[u8],
) -> oneshot::Receiver<Result<Location, VaultError>> {
    let (tell, told) = oneshot::channel();
    let done = Box::new(move |result| {
        let _ = tell.send(result);
    });
    slot.send(Append { name: Arc::new(name.clone()), seq, frame: frame.to_vec(), done });
    told
}

async fn append(wal: &Wal, name: &Name, seq: u32, frame: &[u8]) -> Result<Location, VaultError> {
    send(wal.slot().await.unwrap(), name, seq, frame).await.unwrap()
}

fn wal_files(dir: &Path) -> Vec<PathBuf> {
    file_ids(dir).unwrap().into_iter().map(|id| path_of(dir, id)).collect()
}

fn seqs(found: &[Found]) -> Vec<u32> {
    found.iter().map(|f| f.seq).collect()
}

/// What a disk does at each sync, and who is told that it has begun.
struct Script {
    syncs: Mutex<VecDeque<Sync>>,
    begun: Sender<()>,
}

enum Sync {
    Fails,
    WaitsFor(Receiver<()>),
}

struct ScriptedDisk(Arc<Script>);

struct ScriptedFile(Box<dyn LogFile>, Arc<Script>);

impl Disk for ScriptedDisk {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(ScriptedFile(RealDisk.create(path, len)?, self.0.clone())))
    }
}

impl LogFile for ScriptedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn sync(&self) -> io::Result<()> {
        let _ = self.1.begun.send(());
        let step = locked(&self.1.syncs).pop_front();
        match step {
            Some(Sync::Fails) => return Err(io::Error::other("the disk is dying")),
            Some(Sync::WaitsFor(go)) => go.recv().unwrap(),
            None => {}
        }
        self.0.sync()
    }
}

fn scripted(dir: &Path, syncs: impl IntoIterator<Item = Sync>) -> (Wal, Receiver<()>) {
    let (begun, seen) = channel();
    let script = Script { syncs: Mutex::new(syncs.into_iter().collect()), begun };
    let limits = Limits { log_file_bytes: 1 << 16, ..Limits::default() };
    (Wal::open_on(dir, &limits, Arc::new(ScriptedDisk(Arc::new(script)))).unwrap().0, seen)
}

#[tokio::test]
async fn what_was_acknowledged_is_found_again_across_files() {
    let dir = tempfile::tempdir().unwrap();
    let name = name();
    let (wal, found) = Wal::open(dir.path(), &limits()).unwrap();
    assert!(found.is_empty());
    let mut places = vec![];
    for seq in 0..9u8 {
        places.push(append(&wal, &name, seq.into(), &[seq + 1; 300]).await.unwrap());
    }
    // Longer than a file.
    places.push(append(&wal, &name, 9, &[10; 5000]).await.unwrap());
    assert!(wal_files(dir.path()).len() > 3);
    let (again, found) = Wal::open(dir.path(), &limits()).unwrap();
    assert_eq!(seqs(&found), (0..10).collect::<Vec<_>>());
    assert_eq!(found.iter().map(|f| f.at).collect::<Vec<_>>(), places);
    let mut reader = again.reader();
    for f in &found {
        let frame = reader.read(f.at).unwrap();
        assert_eq!((frame[0], merkle_hash(&frame)), (f.seq as u8 + 1, f.digest));
        assert_eq!(f.name, name);
    }
}

fn merkle_hash(frame: &[u8]) -> [u8; 32] {
    crate::merkle::leaf_hash(frame)
}

#[tokio::test]
async fn a_file_goes_when_nothing_in_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), &limits()).unwrap();
    let (a, b) = (name(), (("other".parse().unwrap()), name().1));
    for seq in 0..2 {
        append(&wal, &a, seq, &[1; 300]).await.unwrap();
    }
    append(&wal, &b, 0, &[2; 600]).await.unwrap();
    assert_eq!(wal_files(dir.path()).len(), 2);
    wal.release(&a);
    assert_eq!(wal_files(dir.path()).len(), 1, "the current file stays");
    drop(wal);
    let (wal, found) = Wal::open(dir.path(), &limits()).unwrap();
    assert_eq!(found.len(), 1);
    wal.release(&b);
    assert!(wal_files(dir.path()).is_empty());
}

#[tokio::test]
async fn a_torn_or_changed_record_ends_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let name = name();
    let (wal, _) = Wal::open(dir.path(), &limits()).unwrap();
    append(&wal, &name, 0, b"first").await.unwrap();
    let second = append(&wal, &name, 1, b"second").await.unwrap();
    drop(wal);
    let path = wal_files(dir.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let end = second.offset as usize + 6 + SUM;
    let start = second.offset as usize - (4 + 1 + 4 + 16 + 4);
    let seqs_of = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        seqs(&scan(&path, second.file).unwrap().0)
    };
    assert_eq!(seqs_of(&whole), [0, 1]);
    assert_eq!(seqs_of(&whole[..end]), [0, 1]);
    for bit in start * 8..end * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(seqs_of(&flipped), [0], "bit {bit}");
    }
    for len in start..end {
        assert_eq!(seqs_of(&whole[..len]), [0], "length {len}");
    }
    // A record is bound to its place: a copy behind the last one is not taken for another.
    let copied = [&whole[..end], &whole[MAGIC.len()..start]].concat();
    assert_eq!(seqs_of(&copied), [0, 1]);
}

#[tokio::test]
async fn a_failed_sync_moves_the_batch_to_a_fresh_file() {
    let dir = tempfile::tempdir().unwrap();
    let name = name();
    let (wal, _) = scripted(dir.path(), [Sync::Fails]);
    let first = append(&wal, &name, 0, b"first").await.unwrap();
    let second = append(&wal, &name, 1, b"second").await.unwrap();
    assert_eq!((first.file, second.file), (2, 2), "file 1 is poisoned");
    let (_, found) = Wal::open(dir.path(), &limits()).unwrap();
    assert_eq!(seqs(&found), [0, 0, 1], "the poisoned file is kept until the recording is sealed");
}

#[tokio::test]
async fn a_second_failure_is_told_and_the_next_segment_tries_afresh() {
    let dir = tempfile::tempdir().unwrap();
    let name = name();
    let (wal, _) = scripted(dir.path(), [Sync::Fails, Sync::Fails]);
    let err = append(&wal, &name, 0, b"first").await.unwrap_err();
    assert!(matches!(err, VaultError::Poisoned { .. }), "{err}");
    assert!(err.to_string().contains("the disk is dying"), "{err}");
    assert_eq!(append(&wal, &name, 1, b"second").await.unwrap().file, 3);
}

#[tokio::test]
async fn one_sync_covers_all_that_waited() {
    let dir = tempfile::tempdir().unwrap();
    let name = name();
    let (go, wait) = channel();
    let (wal, begun) = scripted(dir.path(), [Sync::WaitsFor(wait)]);
    let first = send(wal.slot().await.unwrap(), &name, 0, b"first");
    begun.recv().unwrap();
    let mut rest = vec![];
    for seq in 1..50 {
        rest.push(send(wal.slot().await.unwrap(), &name, seq, b"another"));
    }
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    for told in rest {
        told.await.unwrap().unwrap();
    }
    assert_eq!(begun.try_iter().count(), 1, "49 segments, one sync");
}
