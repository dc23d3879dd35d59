//! Bytes at rest that somebody changed: every one of container, write-ahead log and keyring, flipped, cut off, swapped,
//! spliced, replayed. Each table says how much it tried, and all of it has to be found.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../stores/tests/faulty/mod.rs"]
mod faulty;
mod house;

use std::fs;

use caveat_model::{ClientId, RecordingId};
use caveat_vault::{Header, KeySource, Keyring, Kind, SealReason, Suite, Vault};
use house::{House, client, two_legs};
use object_store::{ObjectStoreExt, PutPayload, path::Path};
use sha2::{Digest, Sha256};

/// One way of changing bytes.
type Change = (&'static str, Vec<Vec<u8>>);

/// Everything that can be done to `good` alone: `parts` are the stretches of it that mean something by themselves.
fn changes(good: &[u8], parts: &[std::ops::Range<usize>], masks: &[u8]) -> Vec<Change> {
    let flipped = (0..good.len())
        .flat_map(|at| masks.iter().map(move |with| edited(good, |bytes: &mut Vec<u8>| bytes[at] ^= with)));
    let cut = (0..good.len()).map(|len| good[..len].to_vec());
    let beheaded = (1..good.len()).step_by(7).map(|from| good[from..].to_vec());
    let zeroed = (0..good.len())
        .step_by(16)
        .map(|at| edited(good, |b| b[at..].iter_mut().take(16).for_each(|b| *b = 0)));
    let longer = [vec![0], vec![0xff], good.to_vec()].map(|more| [good, &more].concat());
    let pairs =
        || parts.iter().flat_map(|a| parts.iter().filter(move |b| a.start < b.start).map(move |b| (a, b)));
    let swapped = pairs().map(|(a, b)| {
        let between = &good[a.end..b.start];
        [&good[..a.start], &good[b.clone()], between, &good[a.clone()], &good[b.end..]].concat()
    });
    let left_out = parts.iter().map(|p| [&good[..p.start], &good[p.end..]].concat());
    let repeated = parts.iter().map(|p| [&good[..p.end], &good[p.clone()], &good[p.end..]].concat());
    let all: [(&str, Vec<Vec<u8>>); 8] = [
        ("flipped", flipped.collect()),
        ("cut off", cut.collect()),
        ("without its beginning", beheaded.collect()),
        ("zeroed", zeroed.collect()),
        ("longer", longer.to_vec()),
        ("swapped", swapped.collect()),
        ("left out", left_out.collect()),
        ("repeated", repeated.collect()),
    ];
    // Zeros over zeros, and a swap of what is alike, change nothing.
    all.map(|(what, bad)| (what, bad.into_iter().filter(|b| b != good).collect())).into()
}

fn edited(good: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = good.to_vec();
    edit(&mut bytes);
    bytes
}

/// Where each frame of an object lies, by its written format.
fn frames(object: &[u8]) -> Vec<std::ops::Range<usize>> {
    let number =
        |at: usize, len: usize| object[at..at + len].iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
    let (mut at, end) = (12 + number(8, 4), number(object.len() - 129 + 49, 8));
    let mut found = vec![];
    while at < end {
        let next = at + 10 + number(at + 6, 4);
        found.push(at..next);
        at = next;
    }
    found
}

async fn recorded(vault: &Vault, id: RecordingId, suite: Suite, words: &[&[u8]]) -> Path {
    let header = Header { suite, ..two_legs() };
    let writer = vault.begin(&client("acme"), id, header).await.unwrap();
    for (index, words) in (0..).zip(words) {
        writer.append(0, index, Kind::Transcript, words).await.unwrap();
    }
    Path::from(writer.seal(SealReason::Ended).await.unwrap().object)
}

#[tokio::test]
async fn every_change_to_a_container_is_found() {
    for suite in Suite::ALL {
        every_change_is_found(suite).await;
    }
}

async fn every_change_is_found(suite: Suite) {
    let house = House::in_memory().await;
    let vault = house.open().await;
    let (id, other) = (house.id(), house.id());
    let path = recorded(&vault, id, suite, &[b"one", b"two", b"three"]).await;
    let elsewhere = recorded(&vault, other, suite, &[b"one", b"two", b"three"]).await;
    let bytes = async |path: &Path| house.store.get(path).await.unwrap().bytes().await.unwrap().to_vec();
    let (good, theirs) = (bytes(&path).await, bytes(&elsewhere).await);
    let (parts, same) = (frames(&good), frames(&theirs));
    let mut all = changes(&good, &parts, &[0x01, 0x80, 0xff]);
    let splice = |(a, b): (&std::ops::Range<usize>, &std::ops::Range<usize>)| {
        [&good[..a.start], &theirs[b.clone()], &good[a.end..]].concat()
    };
    all.push(("spliced", parts.iter().zip(&same).map(splice).collect()));
    let halves = |at: usize| [[&good[..at], &theirs[at..]].concat(), [&theirs[..at], &good[at..]].concat()];
    all.push(("joined from two", parts.iter().flat_map(|p| halves(p.start)).collect()));
    all.push(("replayed from another", vec![theirs.clone()]));
    let mut tried = 0;
    for (what, bad) in all {
        println!("container of {suite:?}, {what}: {}", bad.len());
        assert!(!bad.is_empty(), "{what}");
        for (n, bad) in bad.into_iter().enumerate() {
            tried += 1;
            house.store.put(&path, PutPayload::from(bad)).await.unwrap();
            let found = match vault.reader(&client("acme"), id).await {
                Ok(reader) => reader.verify().await.is_err(),
                Err(_) => true,
            };
            assert!(found, "{what}, number {n}");
        }
    }
    println!("container of {suite:?}: {tried} changes, all found");
    house.store.put(&path, PutPayload::from(good)).await.unwrap();
    assert_eq!(vault.reader(&client("acme"), id).await.unwrap().verify().await.unwrap().frames, 3);
}

/// Where each record of a log lies, as `FORMAT.md` has them: a length, so many bytes, a sum of 16.
fn records(log: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut parts) = (8, vec![]);
    while let Some(len) = log.get(at..at + 4).map(|l| u32::from_be_bytes(l.try_into().unwrap()) as usize)
        && len > 0
    {
        parts.push(at..at + 4 + len + 16);
        at += 4 + len + 16;
    }
    parts
}

/// A changed log never gives a frame that is another: what does not check is left out, and what follows it is found.
#[tokio::test]
async fn no_change_to_the_log_passes_for_what_was_written() {
    let mut house = House::in_memory().await;
    house.limits.log_file_bytes = 1_024;
    let vault = house.open().await;
    let (acme, id) = (client("acme"), house.id());
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    let words: [&[u8]; 3] = [b"one", b"two", b"three"];
    for (index, words) in (0..).zip(words) {
        writer.append(0, index, Kind::Transcript, words).await.unwrap();
    }
    drop((writer, vault));
    let log = house.log_files().remove(0);
    let good = fs::read(&log).unwrap();
    let parts = records(&good);
    assert_eq!(parts.len(), 3);
    let end = parts[2].end;
    let mut all = changes(&good[..end], &parts, &[0x10]);
    all.push(("replayed as another file", vec![good.clone()]));
    let (mut tried, mut kept) = (0, [0; 4]);
    for (what, bad) in all {
        println!("log, {what}: {}", bad.len());
        for (n, bad) in bad.into_iter().enumerate() {
            tried += 1;
            let number =
                if what == "replayed as another file" { "00000000000000ff" } else { "0000000000000001" };
            house.log_files().iter().for_each(|f| fs::remove_file(f).unwrap());
            fs::write(log.with_file_name(format!("{number}.wal")), &bad).unwrap();
            let vault = house.open().await;
            let recovered = vault.recover().await.remove(0).seal.unwrap();
            let reader = vault.reader(&acme, id).await.unwrap();
            assert_eq!(reader.verify().await.unwrap().frames, recovered.frames, "{what}, number {n}");
            for info in reader.frames() {
                let segment = info.segment;
                let read = reader.read(segment.leg, segment.index, segment.kind).await.unwrap();
                assert_eq!(read.as_slice(), words[segment.index as usize], "{what}, number {n}");
            }
            if what == "flipped" && n >= 8 * 3 {
                assert_eq!(
                    recovered.frames, 2,
                    "{what}, number {n}: only the record that was changed is lost"
                );
            }
            kept[recovered.frames as usize] += 1;
            drop((reader, vault));
            house.store.delete(&Path::from(recovered.object)).await.unwrap();
            house.forget_seals().await;
        }
    }
    println!("log: {tried} changes; so many left 0, 1, 2, 3 frames: {kept:?}");
}

/// A keyring that was changed opens nothing, or exactly what it opened before.
#[test]
fn no_change_to_a_keyring_gives_other_keys() {
    let dir = tempfile::tempdir().unwrap();
    for passphrase in [None, Some("correct horse")] {
        let path = dir.path().join(format!("keyring-{}", passphrase.is_some()));
        let wrapped = Keyring::open(&path, passphrase)
            .unwrap()
            .wrap(&client("acme"), Suite::default(), b"page key")
            .unwrap();
        let good = fs::read(&path).unwrap();
        let mut all = changes(&good, &[], &[0x01, 0x10, 0x80]);
        if passphrase.is_some() {
            // Each costs 64 MiB and three passes: every byte but those of the sealed part, which `once` flips one by one.
            let sealed = good.windows(9).position(|w| w == b"\"sealed\":").unwrap_or(good.len());
            let few = |at: &usize| *at < sealed + 9 || at.is_multiple_of(8);
            all = vec![
                (
                    "flipped",
                    (0..good.len()).filter(few).map(|at| edited(&good, |b| b[at] ^= 1 << (at % 7))).collect(),
                ),
                ("cut off", (0..good.len()).step_by(9).map(|len| good[..len].to_vec()).collect()),
            ];
        }
        for (what, bad) in all {
            println!("keyring, passphrase {}, {what}: {}", passphrase.is_some(), bad.len());
            let (half, at) = (bad.len() / 2, dir.path());
            std::thread::scope(|scope| {
                for (worker, bad) in [&bad[..half], &bad[half..]].into_iter().enumerate() {
                    let wrapped = &wrapped;
                    scope.spawn(move || {
                        let path = at.join(format!("changed-{worker}"));
                        for (n, bad) in bad.iter().enumerate() {
                            fs::write(&path, bad).unwrap();
                            let opened = Keyring::open(&path, passphrase);
                            let same =
                                |k: Keyring| k.unwrap_key(&client("acme"), wrapped).map(|key| key.to_vec());
                            let key = opened.and_then(same);
                            assert!(key.as_ref().map_or(true, |k| k == b"page key"), "{what}, number {n}");
                        }
                    });
                }
            });
        }
    }
}

/// What belongs to one client, version or keyring opens nothing in the place of another's.
#[test]
fn no_part_of_a_keyring_does_in_the_place_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let [acme, bank] = ["acme", "bank"].map(client);
    let plain = |who: &ClientId| format!("page key of {who}").into_bytes();
    // Two keyrings of the same two clients, each with two versions.
    let made: Vec<_> = ["one", "other"]
        .map(|name| {
            let path = dir.path().join(name);
            let keys = Keyring::open(&path, None).unwrap();
            let mut wrapped = vec![];
            for who in [&acme, &bank] {
                wrapped.push((who.clone(), keys.wrap(who, Suite::default(), &plain(who)).unwrap()));
                keys.rotate(who).unwrap();
                wrapped.push((who.clone(), keys.wrap(who, Suite::default(), &plain(who)).unwrap()));
            }
            (fs::read_to_string(path).unwrap(), wrapped)
        })
        .into();
    let [(one, wrapped), (other, theirs)] = made.as_slice() else { panic!("two") };
    // Whatever stands between quotes and is long enough to be a key.
    let long = |text: &str| -> Vec<String> {
        text.split('"').filter(|part| part.len() >= 40).map(str::to_owned).collect()
    };
    let (keys, strange) = (long(one), long(other));
    assert_eq!((keys.len(), strange.len()), (4, 4), "{one}");
    let mut bad: Vec<(String, bool)> = vec![];
    for (n, a) in keys.iter().enumerate() {
        bad.extend(strange.iter().map(|b| (one.replace(a, b), true)));
        for (m, b) in keys.iter().enumerate().skip(n + 1) {
            // Two versions of one client's key are told apart by what they open, wherever they stand.
            let of_two_clients = n / 2 != m / 2;
            bad.push((one.replace(a, "\0").replace(b, a).replace('\0', b), of_two_clients));
        }
    }
    println!("keyring, swapped or from another: {}", bad.len());
    assert_eq!(bad.len(), 16 + 6);
    for (n, (bad, fails)) in bad.iter().enumerate() {
        let path = dir.path().join("changed");
        fs::write(&path, bad).unwrap();
        let Ok(opened) = Keyring::open(&path, None) else { continue };
        let opens = |(who, wrapped): &(ClientId, Vec<u8>)| opened.unwrap_key(who, wrapped).ok();
        let own: Vec<_> = wrapped.iter().map(opens).collect();
        assert!(!fails || own.iter().any(Option::is_none), "number {n}: a key was replaced, and all opens");
        for (key, (who, _)) in own.iter().zip(wrapped) {
            assert!(key.as_ref().is_none_or(|key| key[..] == plain(who)), "number {n}");
        }
    }
    // Nor does what one keyring wrapped open with the other, or for the other client.
    fs::write(dir.path().join("whole"), one).unwrap();
    let keys = Keyring::open(dir.path().join("whole"), None).unwrap();
    for (who, of_other) in theirs {
        assert!(keys.unwrap_key(who, of_other).is_err());
    }
    for (who, own) in wrapped {
        let another = if *who == acme { &bank } else { &acme };
        assert!(keys.unwrap_key(another, own).is_err() && keys.unwrap_key(who, own).is_ok());
    }
}

/// Records of one client's call in the place of another's, and of another host's log.
#[tokio::test]
async fn no_record_of_another_call_passes_in_a_log() {
    let house = House::in_memory().await;
    let vault = house.open().await;
    let (acme, bank) = (client("acme"), client("bank"));
    let (id, theirs) = (house.id(), house.id());
    let ours = vault.begin(&acme, id, two_legs()).await.unwrap();
    let other = vault.begin(&bank, theirs, two_legs()).await.unwrap();
    for (index, word) in (0..).zip([b"one", b"two"]) {
        ours.append(0, index, Kind::Transcript, word).await.unwrap();
        other.append(0, index, Kind::Transcript, b"not").await.unwrap();
    }
    drop((ours, other, vault));
    let log = house.log_files().remove(0);
    let good = fs::read(&log).unwrap();
    let parts = records(&good);
    assert_eq!(parts.len(), 4);
    let named = |part: &std::ops::Range<usize>, who: &str| {
        good[part.clone()].windows(who.len()).position(|w| w == who.as_bytes()).map(|at| part.start + at)
    };
    // A record of the bank's call that says it is of ours, in its own place and behind ours.
    let mut tried = 0;
    for part in parts.iter().filter(|part| named(part, "bank").is_some()) {
        let at = named(part, "bank").unwrap();
        for with_sum in [false, true] {
            let mut bad = edited(&good, |b| b[at..at + 4].copy_from_slice(b"acme"));
            let place = bad[part.clone()].windows(16).position(|w| w == theirs.0.as_bytes());
            let place = part.start + place.expect("a record names its recording");
            bad[place..place + 16].copy_from_slice(id.0.as_bytes());
            if with_sum {
                // Bound to the file's number and the place in it.
                let (head, record) = (&good[..8], &bad[part.start..part.end - 16]);
                let place = [1_u64, part.start as u64].map(u64::to_be_bytes).concat();
                let sum = Sha256::digest([head, &place, record].concat());
                bad[part.end - 16..part.end].copy_from_slice(&sum[..16]);
            }
            tried += 1;
            house.log_files().iter().for_each(|f| fs::remove_file(f).unwrap());
            fs::write(&log, &bad).unwrap();
            let vault = house.open().await;
            for recovered in vault.recover().await {
                let Ok(seal) = recovered.seal else { continue };
                let reader = vault.reader(&recovered.client, recovered.recording).await.unwrap();
                let (mut opened, said) =
                    (0, if recovered.client == bank { ["not"; 2] } else { ["one", "two"] });
                for segment in reader.frames().map(|info| info.segment) {
                    let Ok(read) = reader.read(segment.leg, segment.index, segment.kind).await else {
                        continue;
                    };
                    assert_eq!(read.as_slice(), said[segment.index as usize].as_bytes(), "number {tried}");
                    opened += 1;
                }
                // Of the bank's one is gone; of ours, only what a record that checks stands before.
                assert!(opened == 2 || recovered.client == bank || with_sum, "number {tried}: {opened}");
                assert!(opened < 2 || recovered.client == acme, "number {tried}: it was moved");
                drop(reader);
                house.store.delete(&Path::from(seal.object)).await.unwrap();
            }
            drop(vault);
            house.forget_seals().await;
        }
    }
    println!("log, of another client's call: {tried}");
    assert_eq!(tried, 4);
}

/// Ten hours of two legs: opening the recording takes one read of the object, and any second one more.
#[tokio::test(flavor = "multi_thread")]
async fn any_second_of_ten_hours_is_one_read_away() {
    use std::sync::{Arc, atomic::Ordering::SeqCst};
    const HOURS: u32 = 10 * 3_600;
    let store = faulty::Faulty::default();
    let mut house = House::on(Arc::new(store.clone()));
    house.limits.log_file_bytes = 16 << 20;
    let vault = house.open().await;
    let id = house.id();
    let writer = vault.begin(&client("acme"), id, two_legs()).await.unwrap();
    let second = |leg: u8, index: u32| [&[leg][..], &index.to_be_bytes()].concat();
    for minute in (0..HOURS).step_by(600) {
        let writer = &writer;
        let appends = (minute..minute + 600).flat_map(|index| {
            [0, 1].map(|leg| async move {
                writer.append(leg, index, Kind::Audio, &second(leg, index)).await.unwrap()
            })
        });
        futures::future::join_all(appends).await;
    }
    assert_eq!(writer.seal(SealReason::Ended).await.unwrap().frames, u64::from(HOURS) * 2);
    let before = store.asked.load(SeqCst);
    let reader = vault.reader(&client("acme"), id).await.unwrap();
    assert_eq!(store.asked.load(SeqCst) - before, 1, "to open it");
    for index in [0, 1, 17, 3_599, 18_000, HOURS - 1] {
        for leg in [0, 1] {
            let before = store.asked.load(SeqCst);
            assert_eq!(*reader.read(leg, index, Kind::Audio).await.unwrap(), second(leg, index));
            assert_eq!(store.asked.load(SeqCst) - before, 1, "second {index} of leg {leg}");
        }
    }
}
