//! The vault's public API on real files, a real database and real stores.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;

use std::collections::HashMap;

use caveat_model::{Cipher, KeyState, Moment, RecordingId};
use caveat_vault::{Kind, Limits, SealReason, Segment, Suite, Vault, VaultConfig, VaultError};
use house::{House, client, second, two_legs};
use object_store::{ObjectStoreExt, PutPayload, path::Path};

#[tokio::test]
async fn what_was_appended_is_read_back() {
    let house = House::local().await;
    let vault = house.open().await;
    let id = house.id();
    let writer = vault.begin(&client("acme"), id, two_legs()).await.unwrap();
    let empty = writer.interim();
    for (leg, index) in [(0, 0), (1, 0), (0, 1), (1, 7), (1, 6)] {
        writer.append(leg, index, Kind::Audio, &second(leg, index)).await.unwrap();
    }
    writer.append(1, 7, Kind::Transcript, b"hello there").await.unwrap();
    writer.append(1, 7, Kind::Waveform, b"").await.unwrap();
    let interim = writer.interim();
    assert_eq!((empty.frames, interim.frames), (0, 7));
    let seal = writer.seal(SealReason::Ended).await.unwrap();
    assert_eq!((interim.frames, interim.root), (seal.frames, seal.root));
    assert_eq!((seal.duration_ms, seal.end), (8000, SealReason::Ended));
    assert_eq!(seal.object, format!("recordings/acme/{id}.caveat"));

    let reader = vault.reader(&client("acme"), id).await.unwrap();
    assert_eq!((reader.header(), reader.seal()), (&two_legs(), &seal));
    let frames: Vec<_> = reader.frames().map(|f| (f.segment.leg, f.segment.index, f.bytes)).collect();
    assert_eq!(
        frames,
        [(0, 0, 8000), (1, 0, 8000), (0, 1, 8000), (1, 7, 8000), (1, 6, 8000), (1, 7, 11), (1, 7, 0)]
    );
    assert_eq!(*reader.read(1, 6, Kind::Audio).await.unwrap(), second(1, 6));
    assert_eq!(reader.read(1, 7, Kind::Transcript).await.unwrap().as_slice(), b"hello there");
    assert!(reader.read(1, 7, Kind::Waveform).await.unwrap().is_empty());
    let missing = Segment { leg: 0, index: 6, kind: Kind::Audio };
    let err = reader.read(0, 6, Kind::Audio).await.unwrap_err();
    assert!(matches!(err, VaultError::NoSuchSegment { segment } if segment == missing), "{err}");
    let verified = reader.verify().await.unwrap();
    assert_eq!((verified.frames, verified.shredded, verified.root), (7, 0, seal.root));
}

#[tokio::test]
async fn what_the_format_cannot_hold_is_refused_and_loses_nothing() {
    let house = House::local().await;
    let vault = house.open().await;
    let writer = vault.begin(&client("acme"), house.id(), two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, b"x").await.unwrap();
    let refused = |r: Result<(), VaultError>, why: &str| {
        let err = r.unwrap_err().to_string();
        assert!(err.contains(why), "{err}");
    };
    refused(writer.append(0, 0, Kind::Audio, b"y").await, "written before");
    refused(writer.append(2, 0, Kind::Audio, b"y").await, "no leg 2");
    refused(writer.append(0, 1 << 17, Kind::Audio, b"y").await, "seconds per leg");
    refused(writer.append(0, 1, Kind::Audio, &vec![0; (1 << 20) + 1]).await, "segment_bytes");
    assert_eq!(writer.seal(SealReason::Ended).await.unwrap().frames, 1);
    let id = house.id();
    vault.begin(&client("acme"), id, two_legs()).await.unwrap();
    assert!(matches!(
        vault.begin(&client("acme"), id, two_legs()).await.err().unwrap(),
        VaultError::Exists { .. }
    ));
    let err = vault.reader(&client("acme"), id).await.err().unwrap();
    assert!(matches!(err, VaultError::NotSealed { .. }), "{err}");
    let err = vault.reader(&client("other"), id).await.err().unwrap();
    assert!(matches!(err, VaultError::Unknown { .. }), "{err}");
}

#[tokio::test]
async fn every_bit_and_every_length_of_an_object_matters() {
    let house = House::in_memory().await;
    let vault = house.open().await;
    let (acme, id) = (client("acme"), house.id());
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, b"one second").await.unwrap();
    writer.append(1, 0, Kind::Audio, b"another").await.unwrap();
    let path = Path::from(writer.seal(SealReason::Ended).await.unwrap().object);
    let object = house.store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
    let verifies = async |bytes: Vec<u8>| {
        house.store.put(&path, PutPayload::from(bytes)).await.unwrap();
        match vault.reader(&acme, id).await {
            Ok(reader) => reader.verify().await.is_ok(),
            Err(_) => false,
        }
    };
    assert!(verifies(object.clone()).await);
    for bit in 0..object.len() * 8 {
        let mut flipped = object.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(flipped).await, "bit {bit}");
    }
    for len in 0..object.len() {
        assert!(!verifies(object[..len].to_vec()).await, "length {len}");
    }
    assert!(verifies(object).await);
}

#[tokio::test]
async fn objects_cannot_be_swapped() {
    let house = House::in_memory().await;
    let vault = house.open().await;
    let id = house.id();
    // The same id, content and time for two clients, and a second recording of one.
    let mut paths = vec![];
    for (name, id) in [("acme", id), ("other", id), ("acme", house.id())] {
        let writer = vault.begin(&client(name), id, two_legs()).await.unwrap();
        writer.append(0, 0, Kind::Audio, b"one second").await.unwrap();
        paths.push(Path::from(writer.seal(SealReason::Ended).await.unwrap().object));
    }
    for from in &paths[1..] {
        house.store.copy(from, &paths[0]).await.unwrap();
        let opened = vault.reader(&client("acme"), id).await;
        assert!(matches!(opened.err().unwrap(), VaultError::Damaged { .. }), "{from}");
    }
}

#[tokio::test]
async fn nothing_legible_touches_the_disk() {
    let house = House::local().await;
    let vault = house.open().await;
    let id = house.id();
    let said = b"four one one one one one one one";
    let writer = vault.begin(&client("acme"), id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &said.repeat(50)).await.unwrap();
    writer.append(0, 0, Kind::Transcript, said).await.unwrap();
    assert_eq!(house.files_with(said), Vec::<String>::new(), "during the call");
    writer.seal(SealReason::Ended).await.unwrap();
    vault.seal_detail(&client("acme"), "c", said).await.unwrap();
    assert_eq!(house.files_with(said), Vec::<String>::new(), "after the call");
    assert!(!house.files_with(b"caveat\x00\x01").is_empty(), "the search finds what is there");
}

#[tokio::test]
async fn a_discarded_recording_opens_no_more() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, id) = (client("acme"), house.id());
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    writer.discard().await.unwrap();
    let err = vault.reader(&acme, id).await.err().unwrap();
    assert!(matches!(err, VaultError::Gone { state: "discarded", .. }), "{err}");
    assert!(matches!(vault.begin(&acme, id, two_legs()).await, Err(VaultError::Exists { .. })));
    drop(vault);
    assert!(house.open().await.recover().await.is_empty());
    assert_eq!(house.key_rows().await, (0, 0));
}

#[tokio::test]
async fn what_was_sealed_before_it_was_counted_is_counted() {
    let house = House::local().await;
    let vault = house.open().await;
    let (mut bytes, mut first) = (HashMap::<_, u64>::new(), None);
    for name in ["acme", "acme", "acme", "globex"] {
        let (client, id) = (client(name), house.id());
        let writer = vault.begin(&client, id, two_legs()).await.unwrap();
        writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
        let sealed = writer.seal(SealReason::Ended).await.unwrap().bytes;
        match first {
            None => first = Some(id),
            Some(_) => *bytes.entry(client).or_default() += sealed,
        }
    }
    vault.destroy(&client("acme"), first.unwrap()).await.unwrap();
    // Left open.
    drop(vault.begin(&client("acme"), house.id(), two_legs()).await.unwrap());
    drop(vault);
    house.back_to(3).await;
    let vault = house.open().await;
    for (client, bytes) in bytes {
        assert_eq!(vault.kept_bytes(&client).await.unwrap(), bytes, "{client}");
    }
}

#[tokio::test]
async fn a_destroyed_recording_leaves_its_neighbors() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, gone, kept) = (client("acme"), house.id(), house.id());
    let mut bytes = vec![];
    for id in [gone, kept] {
        let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
        writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
        bytes.push(writer.seal(SealReason::Ended).await.unwrap().bytes);
    }
    assert_eq!(vault.kept_bytes(&acme).await.unwrap(), bytes.iter().sum::<u64>());
    let before = house.page_keys().await;
    vault.destroy(&acme, gone).await.unwrap();
    vault.destroy(&acme, gone).await.unwrap();
    assert_eq!(vault.kept_bytes(&acme).await.unwrap(), bytes[1], "it is taken off once");
    let after = house.page_keys().await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after, "the page has a new key");
    let path = Path::from(format!("recordings/acme/{gone}.caveat"));
    assert!(matches!(house.store.head(&path).await, Err(object_store::Error::NotFound { .. })));
    assert!(matches!(vault.reader(&acme, gone).await.err().unwrap(), VaultError::Gone { .. }));
    let reader = vault.reader(&acme, kept).await.unwrap();
    assert_eq!(*reader.read(0, 0, Kind::Audio).await.unwrap(), second(0, 0));
    // The next recording joins the page under its new key.
    let id = house.id();
    vault.begin(&acme, id, two_legs()).await.unwrap().seal(SealReason::Ended).await.unwrap();
    assert_eq!(vault.reader(&acme, id).await.unwrap().verify().await.unwrap().frames, 0);
    assert_eq!(house.page_keys().await, after);
}

#[tokio::test]
async fn details_open_where_they_belong_and_commitments_are_stable() {
    let house = House::local().await;
    let vault = house.open().await;
    let (acme, other) = (client("acme"), client("other"));
    let sealed = vault.seal_detail(&acme, "entry 7", b"+1 212 555 0100").await.unwrap();
    let digest = vault.commitment(&acme, "number", b"+1 212 555 0100").await.unwrap();
    drop(vault);
    let vault = house.open().await;
    assert_eq!(vault.open_detail(&acme, "entry 7", &sealed).await.unwrap().as_slice(), b"+1 212 555 0100");
    assert!(vault.open_detail(&acme, "entry 8", &sealed).await.is_err());
    assert!(vault.open_detail(&other, "entry 7", &sealed).await.is_err());
    assert_eq!(vault.commitment(&acme, "number", b"+1 212 555 0100").await.unwrap(), digest);
    for (client, context, data) in
        [(&other, "number", "+1 212 555 0100"), (&acme, "name", "+1 212 555 0100"), (&acme, "number", "+1")]
    {
        assert_ne!(vault.commitment(client, context, data.as_bytes()).await.unwrap(), digest);
    }
    let placement = vault.placement(Suite::default());
    assert_eq!((placement.cipher, placement.key), (Cipher::Chacha20Poly1305, KeyState::Active));
}

#[tokio::test]
async fn a_page_of_keys_holds_as_many_as_it_may() {
    let mut house = House::in_memory().await;
    house.limits = Limits { page_recording_count: 2, ..house.limits };
    let vault = house.open().await;
    for _ in 0..5 {
        vault.begin(&client("acme"), house.id(), two_legs()).await.unwrap();
    }
    assert_eq!(house.key_rows().await, (3, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_share_the_log() {
    let house = House::local().await;
    let vault = house.open().await;
    let one = async |n: u64| {
        let (owner, id) =
            (client(["acme", "other"][n as usize % 2]), RecordingId::new(Moment::from_millis(n)));
        let writer = vault.begin(&owner, id, two_legs()).await.unwrap();
        for index in 0..20 {
            let (a, b) = (second(0, index), second(1, index));
            let (a, b) = tokio::join!(
                writer.append(0, index, Kind::Audio, &a),
                writer.append(1, index, Kind::Audio, &b)
            );
            a.and(b).unwrap();
        }
        writer.seal(SealReason::Ended).await.unwrap();
        assert_eq!(vault.reader(&owner, id).await.unwrap().verify().await.unwrap().frames, 40);
    };
    futures::future::join_all((0..20).map(one)).await;
    assert!(house.log_files().len() <= 1, "sealed recordings leave nothing but the current file");
}

#[tokio::test]
async fn one_log_belongs_to_one_host() {
    let house = House::local().await;
    let _vault = house.open().await;
    let config = VaultConfig { dir: house.log_dir(), limits: house.limits };
    let second = Vault::open(config, house.db().await, house.store.clone(), house.keys(), house.clock());
    assert!(matches!(second.await.err().unwrap(), VaultError::Busy { .. }));
}
