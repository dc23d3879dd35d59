//! The vault in front of stores that fail and disks that are full: what was acknowledged is sealed in the end.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../stores/tests/faulty/mod.rs"]
mod faulty;
mod house;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, atomic::Ordering::SeqCst},
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

    /// Something else takes all of it but so much, or gives it back.
    fn leave(&self, kib: Option<u64>) {
        let ballast = self.0.join("ballast");
        let _ = std::fs::remove_file(&ballast);
        if let Some(kib) = kib {
            let mut file = File::create(&ballast).unwrap();
            while file.write_all(&[0; 4_096]).is_ok() {}
            let length = file.metadata().unwrap().len();
            file.set_len(length - (kib << 10)).unwrap();
        }
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

/// Numbers that look like chance, the same for a seed.
fn rolls(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    }
}

/// What a host does for six hours, and what it has acknowledged.
struct Shift {
    house: House,
    store: Faulty,
    spool_dir: PathBuf,
    /// None: the disk of the spool is as large as the machine's.
    disk: Option<SmallDisk>,
    running: Vec<(RecordingId, Writer)>,
    acknowledged: BTreeMap<RecordingId, u32>,
    /// Seals that the store or a full spool refused, a count.
    kept: usize,
    restarts: usize,
}

impl Shift {
    async fn begin(&mut self, vault: &Vault) {
        let id = self.house.id();
        let writer = vault.begin(&client("acme"), id, two_legs()).await.unwrap();
        self.running.push((id, writer));
        self.acknowledged.insert(id, 0);
    }

    /// Another second of every call: none is harmed by what the store does.
    async fn talk(&mut self) {
        let appended = self.running.iter().map(|(id, writer)| {
            let index = self.acknowledged[id];
            async move { writer.append(0, index, Kind::Audio, &second(0, index)).await }
        });
        for done in futures::future::join_all(appended).await {
            done.unwrap();
        }
        for (id, _) in &self.running {
            *self.acknowledged.get_mut(id).unwrap() += 1;
        }
    }

    async fn end(&mut self, which: usize) {
        let (_, writer) = self.running.swap_remove(which);
        match writer.seal(SealReason::Ended).await {
            Ok(_) => {}
            Err(VaultError::Store { .. }) => self.kept += 1,
            Err(other) => panic!("{other}"),
        }
    }

    /// The host dies with its calls, and comes back.
    async fn restart(&mut self, vault: Vault, spooled: Spool) -> (Vault, Spool) {
        self.running.clear();
        self.restarts += 1;
        self.house.store = Arc::new(self.store.clone());
        drop((vault, spooled));
        self.start().await
    }

    async fn start(&mut self) -> (Vault, Spool) {
        let spooled = spool(self.spool_dir.clone(), &self.store).await;
        self.house.store = Arc::new(spooled.clone());
        (self.house.open().await, spooled)
    }
}

/// Six hours, of which a minute takes a few milliseconds, of calls that begin and end in front of a store whose fault changes
/// every few minutes, beside a spool that is full now and then, with restarts, by a seed that is printed.
#[tokio::test(flavor = "multi_thread")]
async fn hours_of_faults_lose_no_acknowledged_second() {
    for seed in 1..=4 {
        hours(seed).await;
    }
}

async fn hours(seed: u64) {
    let (folder, mut roll) = (tempfile::tempdir().unwrap(), rolls(seed));
    // On odd seeds the disk of the spool is small, and something else fills it for an hour at a time.
    let disk = if seed % 2 == 1 { SmallDisk::mount(&folder.path().join("disk"), 64 << 10) } else { None };
    let spool_dir = folder.path().join("disk/spool");
    let store = Faulty::default();
    let (running, acknowledged) = (vec![], BTreeMap::new());
    let house = House::on(Arc::new(store.clone()));
    let mut shift = Shift { house, store, spool_dir, disk, running, acknowledged, kept: 0, restarts: 0 };
    let (mut vault, mut spooled) = shift.start().await;
    for minute in 0..360u64 {
        if minute % 7 == 0 {
            shift.store.set(Fault::ALL[roll(Fault::ALL.len() as u64) as usize]);
        }
        if minute % 60 == 0
            && let Some(disk) = &shift.disk
        {
            disk.leave((minute % 120 != 0).then_some(64));
        }
        if shift.running.len() < 6 && roll(3) > 0 {
            shift.begin(&vault).await;
        }
        shift.talk().await;
        if !shift.running.is_empty() && roll(3) == 0 {
            shift.end(roll(shift.running.len() as u64) as usize).await;
        }
        if roll(20) == 0 {
            vault.recover().await;
        }
        if roll(40) == 0 {
            (vault, spooled) = shift.restart(vault, spooled).await;
        }
    }
    if let Some(disk) = &shift.disk {
        disk.leave(None);
    }
    shift.store.set(Fault::None);
    // Who still talks is cut off.
    (vault, spooled) = shift.restart(vault, spooled).await;
    let left = vault.recover().await;
    assert!(left.iter().all(|r| r.seal.is_ok()), "seed {seed}: {:?}", left.iter().find(|r| r.seal.is_err()));
    drained(&spooled).await;
    let Shift { store, acknowledged, kept, restarts, .. } = &shift;
    println!(
        "seed {seed}: {} recordings of {} s, {kept} seals refused at first, {restarts} restarts, {} requests to the store",
        acknowledged.len(),
        acknowledged.values().sum::<u32>(),
        store.asked.load(SeqCst),
    );
    let there: Vec<_> = store.inner.list(None).try_collect().await.unwrap();
    assert_eq!(there.len(), acknowledged.len(), "seed {seed}: each is in the store, once");
    for (id, seconds) in acknowledged {
        is_whole(&vault, *id, *seconds).await;
    }
    assert!(shift.disk.is_none() || *kept > 0, "seed {seed}: the spool was never full");
    drop((vault, spooled));
}
