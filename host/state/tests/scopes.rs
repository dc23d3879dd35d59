//! Whose rows are reached. On SQLite there are no policies, and what is tested is that the same calls do the same work.
#![allow(clippy::unwrap_used, reason = "tests")]

mod database;

use std::{future::poll_fn, pin::pin, task::Poll};

use caveat_model::ClientId;
use caveat_state::{Db, Purpose, StateError, Statement};

const STEPS: &[&str] =
    &["CREATE TABLE thing (client TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (client, n))"];

async fn opened() -> (tempfile::TempDir, Db, [ClientId; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let db = database::open(&dir.path().join("state.db")).await;
    db.migrate("things", STEPS, &[(Purpose::Expiry, "thing")]).await.unwrap();
    (dir, db, ["acme", "globex"].map(|id| id.parse().unwrap()))
}

/// Whether a server holds to what is said here.
fn is_server() -> bool {
    std::env::var_os("CAVEAT_TEST_POSTGRES").is_some()
}

fn put(client: &ClientId, n: i64) -> Statement {
    Statement::new("INSERT INTO thing (client, n) VALUES ($1, $2)").bind(client.as_str()).bind(n)
}

const ALL: &str = "SELECT COUNT(*) FROM thing";

macro_rules! count {
    ($scope:expr) => {
        sqlx::query_scalar::<_, i64>(ALL).fetch_one($scope).await.unwrap()
    };
}

#[tokio::test]
async fn a_client_reaches_its_own_rows_and_no_statement_others() {
    let (_dir, db, [acme, globex]) = opened().await;
    db.of(&acme).write("put", vec![put(&acme, 1), put(&acme, 2)]).await.unwrap();
    db.of(&globex).run("put", put(&globex, 1)).await.unwrap();
    assert_eq!(count!(db.across(Purpose::Expiry)), 3);
    if !is_server() {
        return;
    }
    assert_eq!((count!(db.of(&acme)), count!(db.of(&globex)), count!(db.common())), (2, 1, 0));
    // A purpose is good for the tables that a room names for it.
    for purpose in Purpose::ALL {
        assert_eq!(count!(db.across(purpose)), if purpose == Purpose::Expiry { 3 } else { 0 }, "{purpose}");
    }
    let change = Statement::new("UPDATE thing SET n = n + 10 WHERE client = 'globex'");
    assert_eq!(db.of(&acme).run("change", change).await.unwrap().rows(), 0);
    let gone = Statement::new("DELETE FROM thing");
    assert_eq!(db.of(&globex).run("delete", gone).await.unwrap().rows(), 1);
    for refused in [put(&globex, 9), Statement::new("UPDATE thing SET client = 'globex' WHERE n = 1")] {
        let error = db.of(&acme).run("write", refused).await.unwrap_err().to_string();
        assert!(error.contains("row-level security"), "{error}");
    }
    let error = db.common().run("write", put(&acme, 9)).await.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
    assert_eq!(count!(db.across(Purpose::Expiry)), 2);
}

/// Whoever takes a connection that another had sees nothing of it, whatever became of it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_client_stays_with_a_connection() {
    let (_dir, db, [acme, globex]) = opened().await;
    for n in 0..3 {
        db.of(&acme).run("put", put(&acme, n)).await.unwrap();
    }
    db.of(&globex).run("put", put(&globex, 0)).await.unwrap();
    let mut all = vec![];
    for n in 0..120 {
        let (db, acme, globex) = (db.clone(), acme.clone(), globex.clone());
        all.push(tokio::spawn(async move {
            let seen = match n % 4 {
                0 => count!(db.of(&acme)),
                // Broken off in the midst of a transaction.
                1 => {
                    let mut tx = db.of(&acme).begin().await.unwrap();
                    sqlx::query_scalar(ALL).fetch_one(&mut *tx).await.unwrap()
                }
                2 => count!(db.of(&globex)),
                _ => count!(db.common()),
            };
            (n % 4, seen)
        }));
    }
    for seen in all {
        let (who, seen) = seen.await.unwrap();
        let wanted = if is_server() { [3, 3, 1, 0][who] } else { 4 };
        assert_eq!(seen, wanted, "{who}");
    }
}

/// A connection to a server that went is not taken for one that lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_ended_is_replaced() {
    if !is_server() {
        return;
    }
    let (_dir, db, [acme, _]) = opened().await;
    db.of(&acme).run("put", put(&acme, 1)).await.unwrap();
    let mut held = db.common().begin().await.unwrap();
    let mut idle = db.common().begin().await.unwrap();
    let pid: i64 =
        sqlx::query_scalar("SELECT CAST(pg_backend_pid() AS BIGINT)").fetch_one(&mut *idle).await.unwrap();
    idle.rollback().await.unwrap();
    let end = "SELECT pg_terminate_backend(CAST($1 AS INTEGER))";
    assert!(sqlx::query_scalar::<_, bool>(end).bind(pid).fetch_one(&mut *held).await.unwrap());
    held.rollback().await.unwrap();
    for _ in 0..10 {
        assert_eq!(count!(db.of(&acme)), 1);
    }
    db.of(&acme).run("put", put(&acme, 2)).await.unwrap();
}

#[tokio::test]
async fn a_hosts_role_makes_no_tables_and_an_owner_is_no_host() {
    if !is_server() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let whole = database::whole(&path).await;
    let host = database::host(&path).await.unwrap();
    let error = host.migrate("things", STEPS, &[]).await.unwrap_err();
    assert!(matches!(error, StateError::TooOld { found: 0, known: 1, .. }), "{error}");
    whole.migrate("things", STEPS, &[]).await.unwrap();
    host.migrate("things", STEPS, &[]).await.unwrap();
    let newer = [STEPS, &["ALTER TABLE thing ADD COLUMN m BIGINT"]].concat();
    assert!(matches!(host.migrate("things", &newer, &[]).await, Err(StateError::TooOld { found: 1, .. })));
    whole.migrate("things", &newer, &[]).await.unwrap();
    let error = host.migrate("things", STEPS, &[]).await.unwrap_err();
    assert!(matches!(error, StateError::TooNew { found: 2, known: 1, .. }), "{error}");
    for refused in [
        "CREATE TABLE other (n BIGINT)",
        "ALTER TABLE thing DISABLE ROW LEVEL SECURITY",
        "DROP POLICY client ON thing",
        "UPDATE migration SET version = 9",
        "SET ROLE caveat_owner",
    ] {
        let error = sqlx::query(refused).execute(host.common()).await.unwrap_err().to_string();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{refused}: {error}");
    }
    let error = database::as_a_host_who_owns(&path).await.unwrap_err();
    assert!(matches!(&error, StateError::Privileged { why, .. } if why.contains("owns")), "{error}");
    // What a purpose is good for is set anew with each version.
    let across = async |purpose| count!(host.across(purpose));
    let acme = "acme".parse().unwrap();
    host.of(&acme).run("put", put(&acme, 1)).await.unwrap();
    assert_eq!((across(Purpose::Packs).await, across(Purpose::Count).await), (0, 0));
    whole.migrate("things", &newer, &[(Purpose::Packs, "thing")]).await.unwrap();
    assert_eq!((across(Purpose::Packs).await, across(Purpose::Count).await), (1, 0));
    whole.migrate("things", &newer, &[(Purpose::Count, "thing")]).await.unwrap();
    assert_eq!((across(Purpose::Packs).await, across(Purpose::Count).await), (0, 1));
}

/// Polls an act until it has waited `n` times, then drops it, unless it came to its end before.
async fn drop_after(n: usize, act: impl Future) {
    let (mut act, mut left) = (pin!(act), n);
    poll_fn(|context| match act.as_mut().poll(context) {
        Poll::Pending if left > 0 => {
            left -= 1;
            Poll::Pending
        }
        _ => Poll::Ready(()),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_waiting_for_a_transaction_leaves_none_open_for_others_to_write_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let db = database::open(&path).await;
    db.migrate("things", STEPS, &[]).await.unwrap();
    // Sees what is committed, and nothing else.
    let other = if is_server() { database::host(&path).await.unwrap() } else { database::open(&path).await };
    let acme: ClientId = "acme".parse().unwrap();
    let mut written = 0;
    // Where it waits depends on how fast the server is; a file has it wait at one place.
    for round in 0..if is_server() { 100 } else { 4 } {
        drop_after(round % 4, db.of(&acme).begin()).await;
        db.quiet().await.unwrap();
        // On every connection there is.
        let writes = (written..written + 8).map(|n: i64| {
            let put = sqlx::query("INSERT INTO thing (client, n) VALUES ('acme', $1)").bind(n);
            put.execute(db.of(&acme))
        });
        for done in futures::future::join_all(writes).await {
            done.unwrap();
        }
        written += 8;
        assert_eq!(count!(other.of(&acme)), written, "round {round}");
    }
}
