//! Leases among hosts, by the clock of the database.
#![allow(clippy::unwrap_used, reason = "tests")]

mod database;

use caveat_state::{Db, Lease, Statement, Written};

async fn opened() -> (tempfile::TempDir, Db, Db) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let [here, there] = [database::open(&path).await, database::open(&path).await];
    here.open_leases().await.unwrap();
    here.migrate("room", &["CREATE TABLE act (by_whom TEXT NOT NULL)"]).await.unwrap();
    (dir, here, there)
}

/// Acts under a lease; whether it was done.
async fn act(db: &Db, lease: &Lease, by: &str) -> bool {
    let act = Statement::new("INSERT INTO act (by_whom) VALUES ($1)").bind(by);
    matches!(db.write("act", vec![lease.guard(), act]).await.unwrap(), Written::Done { .. })
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

/// Numbers that are given by counting are given once, whoever counts at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn who_counts_together_counts_again() {
    let (_dir, here, there) = opened().await;
    here.migrate("count", &["CREATE TABLE numbered (n BIGINT PRIMARY KEY)"]).await.unwrap();
    let counts: Vec<_> = (0..40)
        .map(|n| {
            let db = if n % 2 == 0 { here.clone() } else { there.clone() };
            let count = Statement::new(
                "INSERT INTO numbered (n) SELECT COALESCE((SELECT MAX(n) FROM numbered), 0) + 1",
            );
            tokio::spawn(async move { db.run("count", count).await })
        })
        .collect();
    for count in counts {
        count.await.unwrap().unwrap();
    }
    let most: i64 = sqlx::query_scalar("SELECT MAX(n) FROM numbered").fetch_one(here.pool()).await.unwrap();
    assert_eq!(most, 40);
}
