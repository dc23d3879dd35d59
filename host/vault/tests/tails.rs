//! Hosts that share a store: what one leaves is sealed by another, and the one that was only stopped adds nothing to it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod house;

use caveat_state::Lease;
use caveat_vault::{Kind, LogFolder, SealReason, TailLimits, Vault, VaultError};
use house::{House, client, second, two_legs};

const TAIL: TailLimits = TailLimits { every_ms: 20, waiting_bytes_max: 1 << 20 };

/// A host of this name.
async fn host(house: &House, name: &str) -> Vault {
    let log = LogFolder::hold(&house.path(name)).unwrap();
    let (db, store) = (house.db().await, house.store.clone());
    Vault::open_in(log, house.limits, Some(TAIL), db, store, house.keys(), house.clock()).await.unwrap()
}

async fn lease(house: &House, name: &str) -> Lease {
    let db = house.db().await;
    db.open_leases().await.unwrap();
    db.take_lease("log", name, "", 60_000).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_host_left_is_sealed_once_and_it_adds_nothing() {
    let house = House::local().await;
    let (acme, id, empty) = (client("acme"), house.id(), house.id());
    let stopped = host(&house, "stopped").await;
    let writer = stopped.begin(&acme, id, two_legs()).await.unwrap();
    for index in 0..4 {
        writer.append(0, index, Kind::Audio, &second(0, index)).await.unwrap();
    }
    stopped.in_store().await.unwrap();
    let begun = stopped.begin(&acme, empty, two_legs()).await.unwrap();

    let other = host(&house, "other").await;
    let guard = lease(&house, "other").await;
    let mut adopted = other.adopt(stopped.log(), guard.guard()).await.unwrap();
    adopted.sort();
    assert_eq!(adopted, [(acme.clone(), id), (acme.clone(), empty)]);
    // It goes on, and hears that nobody listens.
    let late = writer.append(0, 4, Kind::Audio, &second(0, 4)).await;
    stopped.taken_over().await;
    assert!(matches!(stopped.in_store().await, Err(VaultError::TakenOver)), "{late:?}");
    let refused = writer.append(0, 5, Kind::Audio, &second(0, 5)).await;
    assert!(matches!(refused, Err(VaultError::TakenOver)), "{refused:?}");

    let sealed = other.recover().await;
    assert_eq!(sealed.len(), 2);
    assert!(sealed.iter().all(|r| r.seal.as_ref().unwrap().end == SealReason::Interrupted));
    let reader = other.reader(&acme, id).await.unwrap();
    assert_eq!(reader.verify().await.unwrap().frames, 4);
    assert_eq!(*reader.read(0, 3, Kind::Audio).await.unwrap(), second(0, 3));
    // What it has besides does not take the place of what was sealed.
    assert_eq!(writer.seal(SealReason::Ended).await.unwrap().frames, 4);
    drop((begun, stopped));

    // It starts anew, has nothing left to seal, and its log is its own again.
    let again = host(&house, "stopped").await;
    assert!(again.recover().await.is_empty());
    let writer = again.begin(&acme, house.id(), two_legs()).await.unwrap();
    writer.append(1, 0, Kind::Audio, &second(1, 0)).await.unwrap();
    again.in_store().await.unwrap();
    assert_eq!(writer.seal(SealReason::Ended).await.unwrap().frames, 1);
}

/// The end that was put when it was taken over before is not taken for the end of what it has begun since.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_over_from_again_before_it_shared_anything_adds_nothing_either() {
    let house = House::local().await;
    let (acme, first, second_one) = (client("acme"), house.id(), house.id());
    let host_before = host(&house, "unlucky").await;
    let writer = host_before.begin(&acme, first, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    host_before.in_store().await.unwrap();
    let log = host_before.log().to_owned();
    let other = host(&house, "other").await;
    let guard = lease(&house, "other").await;
    other.adopt(&log, guard.guard()).await.unwrap();
    assert_eq!(other.recover().await.len(), 1);
    drop((writer, host_before));

    let again = host(&house, "unlucky").await;
    let writer = again.begin(&acme, second_one, two_legs()).await.unwrap();
    assert_eq!(other.adopt(&log, guard.guard()).await.unwrap(), [(acme.clone(), second_one)]);
    assert_eq!(other.recover().await.pop().unwrap().seal.unwrap().frames, 0);
    let late = writer.append(0, 0, Kind::Audio, &second(0, 0)).await;
    assert!(matches!(again.in_store().await, Err(VaultError::TakenOver)), "nobody will seal it: {late:?}");
}

/// What a log may tell of, so that whoever takes over seals no less.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_one_host_has_is_told_apart_from_what_another_could_seal() {
    let house = House::local().await;
    let (acme, id) = (client("acme"), house.id());
    let slow = TailLimits { every_ms: 3_600_000, ..TAIL };
    let log = LogFolder::hold(&house.path("here")).unwrap();
    let (db, store) = (house.db().await, house.store.clone());
    let here =
        Vault::open_in(log, house.limits, Some(slow), db, store, house.keys(), house.clock()).await.unwrap();
    let writer = here.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    let interim = writer.interim();
    assert_eq!(
        (interim.frames, writer.is_shared(&interim).unwrap()),
        (1, false),
        "its tail has not gone out"
    );

    let there = host(&house, "there").await;
    let guard = lease(&house, "there").await;
    there.adopt(here.log(), guard.guard()).await.unwrap();
    assert_eq!(there.recover().await.pop().unwrap().seal.unwrap().frames, 0, "it was not told of");

    let quick = host(&house, "quick").await;
    let writer = quick.begin(&acme, house.id(), two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    let interim = writer.interim();
    quick.in_store().await.unwrap();
    assert!(writer.is_shared(&interim).unwrap());
}

/// A host that was stopped for a while may wake in the midst of discarding.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_over_from_destroys_nothing() {
    let house = House::local().await;
    let (acme, id, other) = (client("acme"), house.id(), house.id());
    let (here, there) = (host(&house, "here").await, host(&house, "there").await);
    let writer = here.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    let early = here.begin(&acme, other, two_legs()).await.unwrap();
    early.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    early.discard().await.unwrap();
    here.in_store().await.unwrap();

    let guard = lease(&house, "there").await;
    there.adopt(here.log(), guard.guard()).await.unwrap();
    assert!(matches!(writer.discard().await, Err(VaultError::TakenOver)));
    assert_eq!(there.recover().await.pop().unwrap().seal.unwrap().frames, 1);
    let reader = there.reader(&acme, id).await.unwrap();
    assert_eq!(*reader.read(0, 0, Kind::Audio).await.unwrap(), second(0, 0));
    assert!(matches!(there.reader(&acme, other).await, Err(VaultError::Gone { .. })), "that was before");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_lease_takes_nothing_over() {
    let house = House::local().await;
    let (acme, id) = (client("acme"), house.id());
    let dead = host(&house, "dead").await;
    let log = dead.log().to_owned();
    let writer = dead.begin(&acme, id, two_legs()).await.unwrap();
    writer.append(0, 0, Kind::Audio, &second(0, 0)).await.unwrap();
    dead.in_store().await.unwrap();
    drop((writer, dead));

    let [slow, quick] = [host(&house, "slow").await, host(&house, "quick").await];
    let lost = lease(&house, "slow").await;
    lost.release("").await.unwrap();
    let held = lease(&house, "quick").await;
    assert!(matches!(slow.adopt(&log, lost.guard()).await, Err(VaultError::TakenOver)));
    assert!(slow.recover().await.is_empty());
    assert_eq!(quick.adopt(&log, held.guard()).await.unwrap().len(), 1);
    assert_eq!(quick.recover().await.pop().unwrap().seal.unwrap().frames, 1);
}

/// Whoever takes over may die too, before it has sealed anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_third_host_seals_what_the_second_had_taken_over() {
    let house = House::local().await;
    let (acme, id) = (client("acme"), house.id());
    let first = host(&house, "first").await;
    let writer = first.begin(&acme, id, two_legs()).await.unwrap();
    for index in 0..3 {
        writer.append(0, index, Kind::Audio, &second(0, index)).await.unwrap();
    }
    first.in_store().await.unwrap();
    let log = first.log().to_owned();
    drop((writer, first));

    let second_host = host(&house, "second").await;
    let guard = lease(&house, "second").await;
    second_host.adopt(&log, guard.guard()).await.unwrap();
    let log = second_host.log().to_owned();
    guard.release("").await.unwrap();
    drop(second_host);

    let third = host(&house, "third").await;
    let guard = lease(&house, "third").await;
    assert_eq!(third.adopt(&log, guard.guard()).await.unwrap(), [(acme.clone(), id)]);
    assert_eq!(third.recover().await.pop().unwrap().seal.unwrap().frames, 3);
    let reader = third.reader(&acme, id).await.unwrap();
    assert_eq!(*reader.read(0, 2, Kind::Audio).await.unwrap(), second(0, 2));
}
