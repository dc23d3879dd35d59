//! A store that fails: for every write on the path, failed but persisted and failed and not persisted, then retry, restart
//! and verify. The store also refuses to see anything rewritten that the format calls immutable.

use std::{
    collections::BTreeSet,
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use caveat_ledger::{EntryKind, Ledger, LedgerError, NewEntry};
use caveat_model::ClientId;
use futures::{StreamExt, future::join_all, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    memory::InMemory, path::Path,
};

use crate::house::{House, client, note};

/// Fails one write, counted from when it is told to; counts what is read.
#[derive(Debug, Default)]
pub(crate) struct Faulty {
    pub(crate) reads: AtomicU64,
    inner: Arc<InMemory>,
    /// Writes to go until the one that fails; below zero none does.
    countdown: Arc<AtomicI64>,
    persists: bool,
    /// Every write fails, and does nothing.
    refuses: AtomicBool,
}

impl Faulty {
    pub(crate) fn new(persists: bool) -> Self {
        let countdown = Arc::new(AtomicI64::new(-1));
        let (reads, refuses) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { inner: Arc::new(InMemory::new()), countdown, persists, reads, refuses }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

fn fault() -> Error {
    Error::Generic { store: "Faulty", source: "the line went dead".into() }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let rewrites = options.mode != PutMode::Create;
        assert!(!rewrites || at.as_ref().ends_with("/checkpoint"), "{at} may not be rewritten");
        let fails = self.countdown.fetch_sub(1, SeqCst) == 0;
        if self.refuses.load(SeqCst) || (fails && !self.persists) {
            return Err(fault());
        }
        let put = self.inner.put_opts(at, payload, options).await;
        if fails { Err(fault()) } else { put }
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }
    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, SeqCst);
        self.inner.get_opts(at, options).await
    }
    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.reads.fetch_add(1, SeqCst);
        self.inner.get_ranges(at, ranges).await
    }
    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, countdown, persists) = (self.inner.clone(), self.countdown.clone(), self.persists);
        let delete = move |path: Result<Path>| {
            let (inner, countdown) = (inner.clone(), countdown.clone());
            async move {
                let path = path?;
                let fails = countdown.fetch_sub(1, SeqCst) == 0;
                if !fails || persists {
                    inner.delete(&path).await?;
                }
                if fails { Err(fault()) } else { Ok(path) }
            }
        };
        paths.then(delete).boxed()
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Texts of the notes in a log, and how many there are.
async fn notes(ledger: &Ledger, of: &ClientId) -> (BTreeSet<String>, usize) {
    let entries = ledger.entries(of, 0..u64::MAX).await.unwrap();
    let texts = entries.iter().filter_map(|(_, entry, _)| match &entry.event {
        EntryKind::Note { text } => Some(text.clone()),
        _ => None,
    });
    (texts.collect(), entries.len())
}

/// Waits until every tile of the log is in its place, which is when its checkpoint is, or until `over`.
async fn in_place(house: &House, ledger: &Ledger, of: &ClientId, over: impl Fn() -> bool) {
    let path = Path::from(format!("ledger/{of}/checkpoint"));
    let now = ledger.checkpoint(of).await.unwrap();
    while !over() {
        if let Ok(found) = house.store.get(&path).await
            && found.bytes().await.unwrap() == now.as_bytes()
        {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Fails the write number `nth` of appends that come after `before` others.
async fn one_fault(before: u64, nth: i64, persists: bool, restart: bool) {
    let faulty = Arc::new(Faulty::new(persists));
    let house = House::on(faulty.clone()).await;
    let acme = client("acme");
    let mut ledger = house.ledger("h1").await;
    join_all((0..before).map(|n| ledger.append(&acme, note(format!("before {n}"))))).await;
    ledger.append(&acme, note("ready")).await.unwrap();
    in_place(&house, &ledger, &acme, || false).await;

    faulty.countdown.store(nth, SeqCst);
    let mut expected = BTreeSet::from(["ready".to_owned()]);
    let mut refused = 0;
    for n in 0..3 {
        let text = format!("after {n}");
        while ledger.append(&acme, note(&text)).await.is_err() {
            refused += 1;
            assert!(refused <= 1, "one fault is one refusal at most");
        }
        // Once the fault has come, tiles may be late until the next use.
        in_place(&house, &ledger, &acme, || faulty.countdown.load(SeqCst) < 0).await;
        if restart {
            ledger = house.ledger("h1").await;
        }
        expected.insert(text);
    }
    expected.extend((0..before).map(|n| format!("before {n}")));

    let (found, entries) = notes(&ledger, &acme).await;
    assert_eq!(found, expected, "write {nth} of {before}");
    assert_eq!(entries, expected.len(), "write {nth} of {before}: what was refused is not there twice");
    let again = house.ledger("h2").await;
    again.append(&acme, note("another host")).await.unwrap();
    let report = house.verify(&again, &acme).await;
    assert!(report.problems.is_empty(), "write {nth} of {before}, persists {persists}: {report}");
    assert!(faulty.countdown.load(SeqCst) < 0, "it came to the fault");
}

#[tokio::test]
async fn any_one_write_may_fail() {
    // Three appends, each of which puts a bundle and a tile and a checkpoint, and 253 and one before them, so that the
    // second of them completes a tile.
    for (persists, restart) in [(false, false), (true, false), (false, true), (true, true)] {
        for before in [0, 253] {
            for nth in 0..9 {
                one_fault(before, nth, persists, restart).await;
            }
        }
    }
}

#[tokio::test]
async fn the_database_may_fail_between_two_batches() {
    let house = House::on(Arc::new(Faulty::new(false))).await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    ledger.append(&acme, note("1")).await.unwrap();
    let whole = house.whole().await;
    let run = async |statement: &'static str| sqlx::query(statement).execute(whole.common()).await.unwrap();
    run("ALTER TABLE ledger_head RENAME TO elsewhere").await;
    let refused = ledger.append(&acme, note("2")).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Append(_)), "{refused}");
    run("ALTER TABLE elsewhere RENAME TO ledger_head").await;
    for text in ["3", "4"] {
        ledger.append(&acme, note(text)).await.unwrap();
    }
    let (found, entries) = notes(&ledger, &acme).await;
    assert_eq!((found, entries), (["1", "3", "4"].map(str::to_owned).into(), 3));
    assert!(house.verify(&ledger, &acme).await.problems.is_empty());
}

#[tokio::test]
async fn the_head_and_the_hosts_own_count_move_together() {
    let house = House::new().await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    ledger.append(&acme, note("1")).await.unwrap();
    let whole = house.whole().await;
    let run = async |statement: &'static str| sqlx::raw_sql(statement).execute(whole.common()).await.unwrap();
    run("ALTER TABLE ledger_seq RENAME COLUMN next TO elsewhere").await;
    assert!(ledger.append(&acme, note("2")).await.is_err());
    assert_eq!(ledger.size(&acme).await.unwrap(), 1);
    run("ALTER TABLE ledger_seq RENAME COLUMN elsewhere TO next").await;
    ledger.append(&acme, note("3")).await.unwrap();
    let report = house.verify(&ledger, &acme).await;
    assert!(report.problems.is_empty() && report.entries == 2, "{report}");
}

/// As `caveat ledger export` beside a host that was killed before the tiles of its last batch were in place.
#[tokio::test]
async fn what_is_not_in_place_yet_is_read_by_who_must_not_write() {
    let store = Arc::new(Faulty::new(false));
    let house = House::on(store.clone()).await;
    let (ledger, acme) = (house.ledger("h1").await, client("acme"));
    for from in [0, 250] {
        let notes = (from..from + 250).map(|n| ledger.append(&acme, note(n.to_string())));
        join_all(notes).await.into_iter().for_each(|done| {
            done.unwrap();
        });
    }
    in_place(&house, &ledger, &acme, || false).await;
    store.refuses.store(true, SeqCst);
    // It fills a tile, and begins another; in one batch, because the next one waits for the tiles of the one before.
    let last = (500..520).map(|n| NewEntry::new(note(n.to_string()))).collect();
    ledger.append_all(&acme, last, vec![]).await.unwrap();
    let looks = house.ledger("looks").await;
    assert_eq!(notes(&looks, &acme).await.1, 520);
    let report = house.verify(&looks, &acme).await;
    assert!(report.is_good() && report.entries == 520, "{report}");
    // It is as if nobody had looked: the writer finishes what it began.
    store.refuses.store(false, SeqCst);
    ledger.append(&acme, note("521")).await.unwrap();
    let report = house.verify(&ledger, &acme).await;
    assert!(report.is_good() && report.entries == 521, "{report}");
}
