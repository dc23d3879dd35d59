//! Leases among hosts, by the clock of the database.
#![allow(clippy::unwrap_used, reason = "tests")]

mod database;

use std::time::Duration;

use caveat_state::{Db, Lease, Statement, Written};
use tokio::time::{sleep, timeout};

async fn opened() -> (tempfile::TempDir, Db, Db) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let [here, there] = [database::open(&path).await, database::open(&path).await];
    here.open_leases().await.unwrap();
    here.migrate("room", &["CREATE TABLE act (by_whom TEXT NOT NULL)"], &[]).await.unwrap();
    (dir, here, there)
}

/// Acts under a lease; whether it was done.
async fn act(db: &Db, lease: &Lease, by: &str) -> bool {
    let act = Statement::new("INSERT INTO act (by_whom) VALUES ($1)").bind(by);
    matches!(db.common().write("act", vec![lease.guard(), act]).await.unwrap(), Written::Done { .. })
}

#[tokio::test]
async fn one_holder_at_a_time_acts() {
    let (_dir, here, there) = opened().await;
    let first = here.take_lease("job", "here", "a note", 60_000).await.unwrap().unwrap();
    assert!(there.take_lease("job", "there", "", 60_000).await.unwrap().is_none(), "it is held");
    assert!(act(&here, &first, "here").await && first.renew(60_000).await.unwrap());
    let held = there.leases("jo").await.unwrap();
    assert_eq!((held[0].holder.as_str(), held[0].note.as_str(), held[0].holds), ("here", "a note", true));
    assert!(there.leases("other").await.unwrap().is_empty());

    first.release("left").await.unwrap();
    let held = there.leases("job").await.unwrap();
    assert_eq!((held[0].note.as_str(), held[0].holds), ("left", false));
    // It lapsed, and nobody took it.
    assert!(act(&here, &first, "here").await);
    let second = there.take_lease("job", "there", "", 60_000).await.unwrap().unwrap();
    assert!(act(&there, &second, "there").await);
    assert!(!act(&here, &first, "here").await, "it is somebody else's");
    assert!(!first.renew(60_000).await.unwrap());
    first.release("").await.unwrap();
    assert!(there.leases("job").await.unwrap()[0].holds, "nobody gives up what another holds");
}

#[tokio::test]
async fn who_takes_its_own_lease_anew_voids_what_it_took_before() {
    let (_dir, here, there) = opened().await;
    let before = here.take_lease("job", "here", "", 60_000).await.unwrap().unwrap();
    let after = there.take_lease("job", "here", "", 60_000).await.unwrap().unwrap();
    assert!(!act(&here, &before, "before").await && act(&there, &after, "after").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_a_lapsed_lease_one_gets_it() {
    let (_dir, here, there) = opened().await;
    for round in 0..10 {
        let name = format!("job {round}");
        here.take_lease(&name, "before", "", 60_000).await.unwrap().unwrap().release("").await.unwrap();
        let takers: Vec<_> = (0..12)
            .map(|n| {
                let (db, name) = (if n % 2 == 0 { here.clone() } else { there.clone() }, name.clone());
                tokio::spawn(async move { db.take_lease(&name, &format!("host {n}"), "", 60_000).await })
            })
            .collect();
        let mut got = 0;
        for taker in takers {
            got += usize::from(taker.await.unwrap().unwrap().is_some());
        }
        assert_eq!(got, 1);
    }
}

/// Whether these tests run on PostgreSQL, where writers work beside each other. On SQLite one at a time writes.
fn beside_each_other() -> bool {
    std::env::var("CAVEAT_TEST_POSTGRES").is_ok()
}

/// Waits until the database counts one or more.
async fn until_counted(db: &Db, what: &str, text: &'static str) {
    let counted = async {
        while sqlx::query_scalar::<_, i64>(text).bind(HELD_UP).fetch_one(db.common()).await.unwrap() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), counted).await.unwrap_or_else(|_| panic!("not so after 20 s: {what}"));
}

/// A lock of the test's own, with which it holds up an act in the midst of its transaction.
const HELD_UP: i64 = 7_202_611;

/// A host that looked at its lease, and has not committed yet, is waited for: the lease goes over after the act, never
/// between the look and the act.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_lease_waits_for_whoever_acts_under_it() {
    if !beside_each_other() {
        return;
    }
    let (_dir, here, there) = opened().await;
    let first = here.take_lease("job", "here", "", 60_000).await.unwrap().unwrap();
    let mut holder = there.common().begin().await.unwrap();
    let hold = "SELECT CAST(1 AS BIGINT) FROM pg_advisory_xact_lock($1)";
    sqlx::query(hold).bind(HELD_UP).execute(&mut *holder).await.unwrap();
    let acting = {
        let (db, guard) = (here.clone(), first.guard());
        let slow = "INSERT INTO act (by_whom) SELECT 'here' FROM pg_advisory_xact_lock($1)";
        let slow = Statement::new(slow).bind(HELD_UP);
        tokio::spawn(async move { db.common().write("act", vec![guard, slow]).await })
    };
    let waits = "SELECT COUNT(*) FROM pg_locks
                 WHERE locktype = 'advisory' AND CAST(objid AS BIGINT) = $1 AND NOT granted";
    until_counted(&there, "the act is under way", waits).await;

    // Giving it up and renewing it wait for nobody, so a slow act costs no lease.
    let free = timeout(Duration::from_secs(20), async {
        first.renew(60_000).await.unwrap();
        first.release("").await.unwrap();
    });
    free.await.expect("who renews a lease waits for whoever acts under it");
    let taking = {
        let db = there.clone();
        tokio::spawn(async move { db.take_lease("job", "there", "", 60_000).await })
    };
    let blocked = "SELECT COUNT(*) FROM pg_stat_activity WHERE (
                     SELECT pid FROM pg_locks
                     WHERE locktype = 'advisory' AND CAST(objid AS BIGINT) = $1 AND NOT granted
                   ) = ANY(pg_blocking_pids(pid))";
    until_counted(&there, "who takes the lease waits for the act", blocked).await;
    assert!(!taking.is_finished());

    holder.rollback().await.unwrap();
    assert!(matches!(acting.await.unwrap().unwrap(), Written::Done { .. }), "it was there first");
    let second = taking.await.unwrap().unwrap().expect("it had lapsed");
    assert!(act(&there, &second, "there").await && !act(&here, &first, "here").await);
}

/// The other way about: who is taking it is waited for, and then nothing is done.
#[tokio::test(flavor = "multi_thread")]
async fn who_acts_waits_for_whoever_takes_the_lease() {
    if !beside_each_other() {
        return;
    }
    let (_dir, here, there) = opened().await;
    let first = here.take_lease("job", "here", "", 60_000).await.unwrap().unwrap();
    let mut taking = there.common().begin().await.unwrap();
    let take = "UPDATE lease SET holder = 'there', term = term + 1 WHERE name = 'job'";
    sqlx::query(take).execute(&mut *taking).await.unwrap();
    let acting = {
        let (db, lease) = (here.clone(), first.clone());
        tokio::spawn(async move { act(&db, &lease, "here").await })
    };
    let taker: i64 =
        sqlx::query_scalar("SELECT CAST(pg_backend_pid() AS BIGINT)").fetch_one(&mut *taking).await.unwrap();
    let blocked =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE CAST($1 AS INTEGER) = ANY(pg_blocking_pids(pid))";
    let waits = async {
        while sqlx::query_scalar::<_, i64>(blocked).bind(taker).fetch_one(there.common()).await.unwrap() == 0
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waits).await.expect("who acts does not wait for who takes the lease");
    taking.commit().await.unwrap();
    assert!(!acting.await.unwrap(), "it acted under a lease that was taken");
    let acts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM act").fetch_one(there.common()).await.unwrap();
    assert_eq!(acts, 0);
}

/// Numbers that are given by counting are given once, whoever counts at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn who_counts_together_counts_again() {
    let (_dir, here, there) = opened().await;
    here.migrate("count", &["CREATE TABLE numbered (n BIGINT PRIMARY KEY)"], &[]).await.unwrap();
    let counts: Vec<_> = (0..40)
        .map(|n| {
            let db = if n % 2 == 0 { here.clone() } else { there.clone() };
            let count = Statement::new(
                "INSERT INTO numbered (n) SELECT COALESCE((SELECT MAX(n) FROM numbered), 0) + 1",
            );
            tokio::spawn(async move { db.common().run("count", count).await })
        })
        .collect();
    for count in counts {
        count.await.unwrap().unwrap();
    }
    let most: i64 = sqlx::query_scalar("SELECT MAX(n) FROM numbered").fetch_one(here.common()).await.unwrap();
    assert_eq!(most, 40);
}
