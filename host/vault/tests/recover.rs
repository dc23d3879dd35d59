//! Restarts: what was acknowledged is sealed, nothing is doubled, nothing is lost to a store that fails.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;

use std::fs;

use caveat_vault::{Kind, SealReason, VaultError};
use house::{House, client, second, two_legs};
use object_store::{ObjectStoreExt, PutPayload, path::Path};

#[tokio::test]
async fn a_restart_seals_what_was_acknowledged() {
    let house = House::local().await;
    let (acme, id, empty) = (client("acme"), house.id(), house.id());
    let vault = house.open().await;
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    for index in 0..5 {
        writer.append(0, index, Kind::Audio, &second(0, index)).await.unwrap();
    }
    let interim = writer.interim();
    drop(vault.begin(&acme, empty, two_legs()).await.unwrap());
    drop((writer, vault));

    let vault = house.open().await;
    let err = vault.reader(&acme, id).await.err().unwrap();
    assert!(matches!(err, VaultError::NotSealed { .. }), "{err}");
    // A call of this run is none of recovery's business.
    let running = vault.begin(&acme, house.id(), two_legs()).await.unwrap();
    let mut recovered = vault.recover().await;
    recovered.sort_by_key(|r| r.recording);
    let seals: Vec<_> = recovered.iter().map(|r| (r.recording, r.seal.as_ref().unwrap())).collect();
    assert_eq!(seals.len(), 2);
    assert_eq!((seals[0].0, seals[0].1.frames, seals[0].1.root), (id, 5, interim.root));
    assert_eq!((seals[1].0, seals[1].1.frames, seals[1].1.duration_ms), (empty, 0, 0));
    assert!(seals.iter().all(|(_, seal)| seal.end == SealReason::Interrupted));
    assert!(vault.recover().await.is_empty());
    assert!(house.log_files().is_empty());
    let reader = vault.reader(&acme, id).await.unwrap();
    assert_eq!(*reader.read(0, 4, Kind::Audio).await.unwrap(), second(0, 4));
    assert_eq!(reader.verify().await.unwrap().frames, 5);
    running.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    assert_eq!(running.seal(SealReason::Ended).await.unwrap().frames, 1);
}

#[tokio::test]
async fn a_torn_tail_costs_only_what_was_not_acknowledged() {
    let house = House::local().await;
    let (acme, id) = (client("acme"), house.id());
    let vault = house.open().await;
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    for index in 0..3 {
        writer.append(0, index, Kind::Audio, &second(0, index)).await.unwrap();
    }
    drop((writer, vault));
    // As if the power had failed while the third was being written.
    let path = house.log_files().remove(0);
    let log = fs::read(&path).unwrap();
    let end = log.iter().rposition(|b| *b != 0).unwrap();
    fs::write(&path, &log[..end - 4000]).unwrap();

    let vault = house.open().await;
    let recovered = vault.recover().await;
    assert_eq!(recovered[0].seal.as_ref().unwrap().frames, 2);
    assert_eq!(vault.reader(&acme, id).await.unwrap().verify().await.unwrap().frames, 2);
}

#[tokio::test]
async fn a_crash_between_object_and_database_doubles_nothing() {
    let house = House::local().await;
    let (acme, id) = (client("acme"), house.id());
    let vault = house.open().await;
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    let log: Vec<_> = house.log_files().into_iter().map(|p| (fs::read(&p).unwrap(), p)).collect();
    let seal = writer.seal(SealReason::Ended).await.unwrap();
    drop(vault);
    house.forget_seals().await;
    log.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());

    let vault = house.open().await;
    let recovered = vault.recover().await;
    assert_eq!(recovered[0].seal.as_ref().unwrap(), &seal, "the object that is there counts");
    assert_eq!(vault.reader(&acme, id).await.unwrap().seal(), &seal);
    assert!(house.log_files().is_empty());
}

#[tokio::test]
async fn what_lies_in_the_way_is_left_alone_and_the_recording_kept() {
    let house = House::local().await;
    let (acme, id) = (client("acme"), house.id());
    let vault = house.open().await;
    let writer = vault.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    let path = Path::from(format!("recordings/acme/{id}.caveat"));
    house.store.put(&path, PutPayload::from_static(b"somebody else's")).await.unwrap();
    let err = writer.seal(SealReason::Ended).await.unwrap_err();
    assert!(matches!(err, VaultError::ObjectConflict { .. }), "{err}");
    assert!(vault.recover().await[0].seal.is_err());
    assert_eq!(house.store.get(&path).await.unwrap().bytes().await.unwrap().as_ref(), b"somebody else's");
    house.store.delete(&path).await.unwrap();
    let seal = vault.recover().await.remove(0).seal.unwrap();
    assert_eq!((seal.frames, seal.end), (1, SealReason::Ended));
    assert_eq!(vault.reader(&acme, id).await.unwrap().verify().await.unwrap().frames, 1);
}
