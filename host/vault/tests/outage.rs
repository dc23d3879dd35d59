//! The vault in front of stores that fail and disks that are full: what was acknowledged is sealed in the end.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../stores/tests/faulty/mod.rs"]
mod faulty;
mod house;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use caveat_model::RecordingId;
use caveat_stores::{Backlog, Limits, Opened, Spool, nothing_at_hand};
use caveat_vault::{Kind, SealReason, Vault, VaultError, Writer};
use faulty::{Fault, Faulty};
use futures::TryStreamExt;
use house::{House, client, second, two_legs};
use object_store::ObjectStore;
use tokio::time::{Instant, sleep};

async fn spool(dir: PathBuf, store: &Faulty) -> Spool {
    let limits = Limits {
        request_timeout_ms: 20,
        transfer_bytes_per_s_min: 1 << 30,
        retry_ms: 1,
        retry_max_ms: 20,
        spool_delay_ms: 1,
        spool_grace_ms: 10,
        ..Limits::default()
    };
    let opened = Opened { store: Arc::new(store.clone()), lock: None, at_hand: nothing_at_hand };
    Spool::open(dir, opened, limits).await.unwrap()
}

async fn drained(spool: &Spool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while spool.backlog() != Backlog::default() {
        assert!(Instant::now() < deadline, "{:?}", spool.backlog());
        sleep(Duration::from_millis(1)).await;
    }
}

async fn record(writer: &Writer, seconds: std::ops::Range<u32>) {
    for index in seconds {
        writer.append(0, index, Kind::Audio, &second(0, index)).await.unwrap();
    }
}

async fn is_whole(vault: &Vault, id: RecordingId, seconds: u32) {
    let reader = vault.reader(&client("acme"), id).await.unwrap();
    assert_eq!(reader.verify().await.unwrap().frames, u64::from(seconds));
    for index in 0..seconds {
        assert_eq!(*reader.read(0, index, Kind::Audio).await.unwrap(), second(0, index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_and_end_whatever_the_store_does() {
    for fault in Fault::ALL {
        let store = Faulty::default();
        let folder = tempfile::tempdir().unwrap();
        let first = spool(folder.path().to_owned(), &store).await;
        let mut house = House::on(Arc::new(first.clone()));
        let (ended, cut_off, running) = (house.id(), house.id(), house.id());
        let vault = house.open().await;
        store.set(fault);
        let begin = async |id| vault.begin(&client("acme"), id, two_legs()).await.unwrap();
        let writers = (begin(ended).await, begin(cut_off).await, begin(running).await);
        record(&writers.0, 0..4).await;
        record(&writers.1, 0..3).await;
        record(&writers.2, 0..1).await;
        let seal = writers.0.seal(SealReason::Ended).await.unwrap();
        is_whole(&vault, ended, 4).await;
        // The host dies in the middle of the outage, and comes back in it.
        house.store = Arc::new(store.clone());
        drop((vault, writers.1, writers.2, first));
        let again = spool(folder.path().to_owned(), &store).await;
        house.store = Arc::new(again.clone());
        let vault = house.open().await;
        assert!(vault.recover().await.iter().all(|r| r.seal.is_ok()), "{fault:?}");
        assert_eq!(vault.reader(&client("acme"), ended).await.unwrap().seal(), &seal);
        for (id, seconds) in [(ended, 4), (cut_off, 3), (running, 1)] {
            is_whole(&vault, id, seconds).await;
        }
        store.set(Fault::None);
        drained(&again).await;
        let there: Vec<_> = store.inner.list(None).try_collect().await.unwrap();
        assert_eq!(there.len(), 3, "{fault:?}: each is in the store, once");
        for (id, seconds) in [(ended, 4), (cut_off, 3), (running, 1)] {
            is_whole(&vault, id, seconds).await;
        }
    }
}

/// A disk of its own, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Needs root; none without.
    fn mount(at: &Path, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={kib}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        if !mount.is_ok_and(|done| done.status.success()) {
            println!("skipped: only root may mount a small disk");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    fn grow(&self, kib: u32) {
        let options = format!("remount,size={kib}k");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Writes until the disk is full; how many seconds were acknowledged.
async fn until_full(writer: &Writer) -> u32 {
    for index in 0..1_000 {
        match writer.append(0, index, Kind::Audio, &second(0, index)).await {
            Ok(()) => {}
            Err(VaultError::Poisoned { why, .. }) => {
                assert!(why.contains("No space"), "{why}");
                return index;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let house = House::in_memory().await;
    let Some(disk) = SmallDisk::mount(&house.log_dir(), 1_024) else { return };
    let (ended, cut_off, later) = (house.id(), house.id(), house.id());
    let vault = house.open().await;
    let begin = async |vault: &Vault, id| vault.begin(&client("acme"), id, two_legs()).await.unwrap();
    let (a, b) = (begin(&vault, ended).await, begin(&vault, cut_off).await);
    record(&b, 0..5).await;
    let seconds = until_full(&a).await;
    assert!(seconds > 50, "{seconds}");
    // What is there can be sealed, and the host can be restarted, on the full disk.
    assert_eq!(a.seal(SealReason::Ended).await.unwrap().frames, u64::from(seconds));
    is_whole(&vault, ended, seconds).await;
    drop((vault, b));
    let vault = house.open().await;
    assert!(vault.recover().await.iter().all(|r| r.seal.is_ok()));
    is_whole(&vault, cut_off, 5).await;
    // Sealing made room.
    let c = begin(&vault, later).await;
    record(&c, 0..5).await;
    assert_eq!(c.seal(SealReason::Ended).await.unwrap().frames, 5);
    is_whole(&vault, later, 5).await;
    drop((vault, disk));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_spool_keeps_recordings_in_the_log_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("spool"), 256) else { return };
    let store = Faulty::default();
    store.set(Fault::Hangs);
    let spooled = spool(folder.path().join("spool"), &store).await;
    let house = House::on(Arc::new(spooled.clone()));
    let vault = house.open().await;
    let (mut kept, mut ids) = (0, vec![]);
    for _ in 0..12 {
        let id = house.id();
        ids.push(id);
        let writer = vault.begin(&client("acme"), id, two_legs()).await.unwrap();
        record(&writer, 0..4).await;
        match writer.seal(SealReason::Ended).await {
            Ok(_) => {}
            Err(VaultError::Store { .. }) => kept += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kept > 0 && kept == vault.unsealed(), "{kept}");
    disk.grow(4_096);
    assert_eq!(vault.recover().await.iter().filter(|r| r.seal.is_ok()).count(), kept);
    store.set(Fault::None);
    drained(&spooled).await;
    for id in ids {
        is_whole(&vault, id, 4).await;
    }
    drop((vault, spooled, disk));
}
