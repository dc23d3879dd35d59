//! The spool in front of a store that fails in every way, for hours: here, a minute takes [`MINUTE`].
#![allow(clippy::unwrap_used, reason = "tests")]

mod faulty;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use caveat_stores::{Backlog, Limits, Opened, Spool, StoreError, nothing_at_hand};
use faulty::{Fault, Faulty};
use futures::{StreamExt, TryStreamExt};
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, path::Path};
use tokio::time::{Instant, sleep};

/// A minute of a real store, whose time-outs are then half a minute and its back-off two minutes at most.
const MINUTE: Duration = Duration::from_millis(15);

struct House {
    dir: tempfile::TempDir,
    store: Faulty,
    limits: Limits,
}

impl House {
    fn new() -> Self {
        let limits = Limits {
            request_timeout_ms: 8,
            transfer_bytes_per_s_min: 1 << 30,
            retry_ms: 1,
            retry_max_ms: 30,
            spool_delay_ms: 5,
            spool_grace_ms: 20,
            ..Limits::default()
        };
        Self { dir: tempfile::tempdir().unwrap(), store: Faulty::default(), limits }
    }

    fn opened(&self) -> Opened {
        Opened { store: Arc::new(self.store.clone()), lock: None, at_hand: nothing_at_hand }
    }

    async fn open(&self) -> Spool {
        Spool::open(self.dir.path().to_owned(), self.opened(), self.limits.clone()).await.unwrap()
    }

    /// Objects that lie in the spool's folder.
    fn kept(&self) -> usize {
        fn files(dir: std::path::PathBuf) -> usize {
            let entries = std::fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path());
            entries.map(|path| if path.is_dir() { files(path) } else { 1 }).sum()
        }
        files(self.dir.path().join("once"))
    }
}

async fn put(store: &dyn ObjectStore, path: &str, bytes: &'static [u8]) -> object_store::Result<()> {
    store.put_opts(&path.into(), bytes.into(), PutMode::Create.into()).await.map(drop)
}

async fn get(store: &dyn ObjectStore, path: &str) -> object_store::Result<Bytes> {
    store.get(&path.into()).await?.bytes().await
}

async fn drained(spool: &Spool) {
    until("it is drained", || spool.backlog() == Backlog::default()).await;
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_done_at_once_and_brought_later_and_freed_after_its_grace() {
    let mut house = House::new();
    let grace = std::mem::replace(&mut house.limits.spool_grace_ms, 3_600_000);
    let spool = house.open().await;
    house.store.set(Fault::Hangs);
    put(&spool, "a/1", b"one").await.unwrap();
    assert!(matches!(put(&spool, "a/1", b"two").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(get(&spool, "a/1").await.unwrap(), "one");
    until("an attempt fails", || spool.backlog().failing == 1).await;
    assert_eq!(spool.backlog().objects, 1);
    house.store.set(Fault::None);
    drained(&spool).await;
    assert_eq!(get(&*house.store.inner, "a/1").await.unwrap(), "one");
    assert_eq!(house.kept(), 1, "until the grace period is over");
    drop(spool);
    house.limits.spool_grace_ms = grace;
    let spool = house.open().await;
    until("the copy is freed", || house.kept() == 0).await;
    assert_eq!(get(&spool, "a/1").await.unwrap(), "one");
    assert_eq!(spool.get_range(&"a/1".into(), 1..3).await.unwrap(), "ne");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_at_hand_is_there_when_the_store_is_away() {
    let house = House::new();
    let opened = Opened { at_hand: |path| path.as_ref().split('/').next() == Some("edge"), ..house.opened() };
    let open = async || Spool::open(house.dir.path().to_owned(), opened.clone(), house.limits.clone()).await;
    for _ in 0..2 {
        let spool = open().await.unwrap();
        let _ = put(&spool, "edge/1", b"one").await;
        let _ = put(&spool, "other/1", b"two").await;
        drained(&spool).await;
        until("the other copy is freed", || house.kept() == 1).await;
        assert_eq!(get(&*house.store.inner, "edge/1").await.unwrap(), "one", "it is brought all the same");
    }
    house.store.set(Fault::Unavailable);
    let spool = open().await.unwrap();
    assert_eq!(get(&spool, "edge/1").await.unwrap(), "one");
    assert!(get(&spool, "other/1").await.is_err());
    let listed = async |prefix: &str| spool.list(Some(&prefix.into())).try_collect::<Vec<_>>().await;
    assert_eq!(listed("edge/").await.unwrap().len(), 1, "listed too");
    assert!(listed("other").await.is_err());
    house.store.set(Fault::None);
    spool.delete(&"edge/1".into()).await.unwrap();
    drained(&spool).await;
    assert_eq!(house.kept(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_a_name_taken_finds_what_took_it() {
    let house = House::new();
    let spool = house.open().await;
    // As in the moment in which another has written it, and has not noted it yet.
    let file = house.dir.path().join("once/a/1");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, b"one").unwrap();
    assert!(matches!(put(&spool, "a/1", b"one").await, Err(object_store::Error::AlreadyExists { .. })));
    assert_eq!(get(&spool, "a/1").await.unwrap(), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_survived_and_a_restart_in_it_too() {
    for fault in Fault::ALL {
        for restart in [false, true] {
            let house = House::new();
            let mut spool = house.open().await;
            house.store.set(fault);
            put(&spool, "a/1", b"one").await.unwrap();
            spool.put(&"checkpoint".into(), "first".into()).await.unwrap();
            sleep(2 * MINUTE).await;
            spool.put(&"checkpoint".into(), "second".into()).await.unwrap();
            put(&spool, "a/2", b"two").await.unwrap();
            spool.delete(&"a/2".into()).await.unwrap();
            put(&spool, "a/3", b"three").await.unwrap();
            sleep(2 * MINUTE).await;
            spool.delete(&"a/3".into()).await.unwrap();
            assert_eq!(get(&spool, "checkpoint").await.unwrap(), "second", "{fault:?}");
            if restart {
                drop(spool);
                spool = house.open().await;
            }
            assert_eq!(get(&spool, "a/1").await.unwrap(), "one", "{fault:?}");
            for gone in ["a/2", "a/3"] {
                let found = if fault == Fault::None { get(&spool, gone).await.err() } else { None };
                assert!(matches!(found, None | Some(Error::NotFound { .. })), "{fault:?} {gone}");
            }
            house.store.set(Fault::None);
            drained(&spool).await;
            let there: Vec<_> = house.store.inner.list(None).try_collect().await.unwrap();
            let mut there: Vec<_> = there.into_iter().map(|m| m.location.to_string()).collect();
            there.sort();
            // A store that forgets deletions, and said that it did not, cannot be told again.
            there.retain(|path| !(fault == Fault::Forgets && path == "a/3"));
            assert_eq!(there, ["a/1", "checkpoint"], "{fault:?}, restart {restart}");
            assert_eq!(get(&*house.store.inner, "checkpoint").await.unwrap(), "second");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_at_once_never_travels() {
    let house = House::new();
    let spool = house.open().await;
    put(&spool, "staging/1", b"x").await.unwrap();
    spool.delete(&"staging/1".into()).await.unwrap();
    put(&spool, "later", b"x").await.unwrap();
    drained(&spool).await;
    // One put, one reading back: of what came later.
    assert_eq!(house.store.asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(spool.backlog(), Backlog::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_way_is_left_alone_and_the_copy_kept() {
    let house = House::new();
    put(&*house.store.inner, "a/1", b"somebody else's").await.unwrap();
    let spool = house.open().await;
    put(&spool, "a/1", b"ours").await.unwrap();
    until("an attempt fails", || spool.backlog().failing == 1).await;
    assert_eq!((spool.backlog().objects, house.kept()), (1, 1));
    assert_eq!(get(&*house.store.inner, "a/1").await.unwrap(), "somebody else's");
    assert_eq!(get(&spool, "a/1").await.unwrap(), "ours");
    house.store.inner.delete(&"a/1".into()).await.unwrap();
    drained(&spool).await;
    assert_eq!(get(&*house.store.inner, "a/1").await.unwrap(), "ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_spool_belongs_to_one_host() {
    let house = House::new();
    let _spool = house.open().await;
    let second = Spool::open(house.dir.path().to_owned(), house.opened(), house.limits.clone()).await;
    assert!(matches!(second, Err(StoreError::Busy { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_both_sides_and_nothing_that_is_gone() {
    let house = House::new();
    for path in ["a/old", "a/gone"] {
        put(&*house.store.inner, path, b"x").await.unwrap();
    }
    let spool = house.open().await;
    house.store.set(Fault::Hangs);
    put(&spool, "a/new", b"x").await.unwrap();
    put(&spool, "b/other", b"x").await.unwrap();
    spool.delete(&"a/gone".into()).await.unwrap();
    async fn list(store: &Spool) -> object_store::Result<Vec<String>> {
        let prefix = Path::from("a");
        let metas: Vec<_> = store.list(Some(&prefix)).try_collect().await?;
        let mut names: Vec<_> = metas.into_iter().map(|m| m.location.to_string()).collect();
        names.sort();
        Ok(names)
    }
    assert!(list(&spool).await.is_err(), "half a list is none");
    house.store.set(Fault::Lies);
    let look = Spool::look(house.dir.path().to_owned(), house.opened(), house.limits.clone()).await.unwrap();
    for store in [&spool, &look] {
        assert_eq!(list(store).await.unwrap(), ["a/new", "a/old"]);
        assert!(matches!(get(store, "a/gone").await, Err(Error::NotFound { .. })));
        assert_eq!(get(store, "a/new").await.unwrap(), "x");
    }
    assert!(put(&look, "a/x", b"x").await.is_err() && look.delete(&"a/new".into()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_beside_a_spool_at_work_does_not_fail() {
    let house = House::new();
    put(&*house.store.inner, "a/old", b"x").await.unwrap();
    let spool = house.open().await;
    let look = Spool::look(house.dir.path().to_owned(), house.opened(), house.limits.clone()).await.unwrap();
    let at_work = tokio::spawn(async move {
        for round in 0..4 {
            let paths: Vec<Path> = (0..200).map(|n| Path::from(format!("b/{round}-{n}"))).collect();
            for path in &paths {
                put(&spool, path.as_ref(), b"x").await.unwrap();
            }
            drained(&spool).await;
            // As many marks are set, and go again when the store has heard of them.
            let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
            spool.delete_stream(paths).try_collect::<Vec<_>>().await.unwrap();
            drained(&spool).await;
        }
    });
    while !at_work.is_finished() {
        let listed: Vec<_> = look.list(Some(&"a".into())).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
    }
    at_work.await.unwrap();
}

/// Six hours of a store whose fault changes every few minutes, with restarts, by a seed that is printed.
#[tokio::test(flavor = "multi_thread")]
async fn hours_of_faults_lose_nothing() {
    for seed in 1..=4u64 {
        println!("seed {seed}");
        hours(seed).await;
    }
}

async fn hours(seed: u64) {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut roll = move |sides: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % sides
    };
    let house = House::new();
    let mut spool = house.open().await;
    let (mut expected, mut checkpoint) = (BTreeMap::<String, Bytes>::new(), Bytes::new());
    let mut faults = Fault::ALL.to_vec();
    // What the store says it has deleted is believed; what it says it has written is not.
    faults.retain(|f| *f != Fault::Forgets || !seed.is_multiple_of(2));
    for minute in 0..360u64 {
        if minute % 7 == 0 {
            house.store.set(faults[roll(faults.len() as u64) as usize]);
        }
        for n in 0..roll(6) {
            let path = format!("recordings/acme/{minute}-{n}.caveat");
            let bytes = Bytes::from(vec![(minute ^ n) as u8; 1 + roll(20_000) as usize]);
            spool
                .put_opts(&path.as_str().into(), bytes.clone().into(), PutMode::Create.into())
                .await
                .unwrap();
            expected.insert(path, bytes);
        }
        checkpoint = Bytes::from(format!("checkpoint {minute}"));
        spool.put(&"ledger/acme/checkpoint".into(), checkpoint.clone().into()).await.unwrap();
        if roll(4) == 0
            && seed.is_multiple_of(2)
            && let Some(path) = expected.keys().nth(roll(expected.len().max(1) as u64) as usize).cloned()
        {
            spool.delete(&path.as_str().into()).await.unwrap();
            expected.remove(&path);
        }
        if roll(30) == 0 {
            drop(spool);
            spool = house.open().await;
        }
        sleep(MINUTE * roll(200) as u32 / 100).await;
    }
    house.store.set(Fault::None);
    drained(&spool).await;
    let there: Vec<_> = house.store.inner.list(None).try_collect().await.unwrap();
    assert_eq!(there.len(), expected.len() + 1, "seed {seed}");
    for (path, bytes) in &expected {
        assert_eq!(get(&*house.store.inner, path).await.unwrap(), bytes, "seed {seed}: {path}");
        assert_eq!(get(&spool, path).await.unwrap(), bytes, "seed {seed}: {path}");
    }
    assert_eq!(get(&*house.store.inner, "ledger/acme/checkpoint").await.unwrap(), checkpoint);
    until("everything is freed", || house.kept() == 0).await;
}
