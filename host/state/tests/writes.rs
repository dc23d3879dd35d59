//! Writes that share a commit.
#![allow(clippy::unwrap_used, reason = "tests")]

use caveat_state::{Db, Statement, Written};

fn put(key: &str, n: i64) -> Statement {
    Statement::new("INSERT INTO t (k, n) VALUES ($1, $2)").bind(key).bind(n)
}

async fn table() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open_file(&dir.path().join("state.db")).await.unwrap();
    db.migrate("room", &["CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)"], &[]).await.unwrap();
    (dir, db)
}

async fn rows(db: &Db) -> Vec<(String, i64)> {
    sqlx::query_as("SELECT k, n FROM t ORDER BY k").fetch_all(db.common()).await.unwrap()
}

#[tokio::test]
async fn of_writes_that_come_together_only_those_fail_that_would_alone() {
    let (_dir, db) = table().await;
    db.common().run("put", put("taken", 0)).await.unwrap();
    // Held up by a transaction, so that they are there together when it is over.
    let tx = db.common().begin().await.unwrap();
    let writes: Vec<_> = (0..300)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let key = if n % 100 == 7 { "taken".to_owned() } else { format!("k{n:03}") };
                // Its second statement fails on some, and then its first has not been either.
                db.common().write("put", vec![put(&format!("a{n:03}"), n), put(&key, n)]).await
            })
        })
        .collect();
    tx.commit().await.unwrap();
    let mut failed = vec![];
    for (n, write) in writes.into_iter().enumerate() {
        match write.await.unwrap() {
            Ok(written) => assert_eq!(written, Written::Done { rows: 2, given: None }),
            Err(error) => {
                assert!(error.to_string().contains("UNIQUE"), "{error}");
                failed.push(n);
            }
        }
    }
    assert_eq!(failed, [7, 107, 207]);
    let rows = rows(&db).await;
    assert_eq!(rows.len(), 1 + 2 * 297);
    assert!(!rows.iter().any(|(key, _)| key == "a107"), "half a write is there");
}

#[tokio::test]
async fn each_of_many_that_come_together_is_told_what_became_of_it() {
    let (_dir, db) = table().await;
    let tx = db.common().begin().await.unwrap();
    let writes: Vec<_> = (0..60i64)
        .map(|n| {
            let (db, key) = (db.clone(), format!("k{n:02}"));
            let giving = Statement::new("INSERT INTO t (k, n) VALUES ($1, $2) RETURNING n").giving();
            let raise = Statement::new("UPDATE t SET n = $2 WHERE k = $1").bind(key.as_str()).bind(n * 2);
            let write = match n % 3 {
                0 => vec![giving.bind(key.as_str()).bind(n)],
                1 => vec![put(&key, n), raise.or_nothing()],
                // Its update finds nothing, and may.
                _ => vec![raise, put(&key, n)],
            };
            tokio::spawn(async move { db.common().write("put", write).await.unwrap() })
        })
        .collect();
    tx.commit().await.unwrap();
    for (n, write) in (0..).zip(writes) {
        let (rows, given) = [(1, Some(n)), (2, None), (1, None)][n as usize % 3];
        assert_eq!(write.await.unwrap(), Written::Done { rows, given }, "{n}");
    }
    let is = |n: i64| (format!("k{n:02}"), if n % 3 == 1 { n * 2 } else { n });
    assert_eq!(rows(&db).await, (0..60).map(is).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_write_that_finds_nothing_to_do_is_undone_and_says_where() {
    let (_dir, db) = table().await;
    let raise = |key: &str| Statement::new("UPDATE t SET n = n + 1 WHERE k = $1").bind(key).or_nothing();
    let missing = db.common().write("raise", vec![put("a", 1), raise("b"), put("c", 1)]);
    let (missing, other) = tokio::join!(missing, db.common().write("put", vec![put("d", 1)]));
    assert_eq!((missing.unwrap(), other.unwrap().rows()), (Written::Nothing { at: 1 }, 1));
    assert_eq!(rows(&db).await, [("d".to_owned(), 1)]);
    let given = Statement::new("UPDATE t SET n = n + 41 WHERE k = $1 RETURNING n").giving();
    let found = db.common().run("raise", given.clone().bind("d")).await.unwrap();
    assert_eq!(found, Written::Done { rows: 1, given: Some(42) });
    assert_eq!(
        db.common().run("raise", given.bind("z")).await.unwrap(),
        Written::Done { rows: 0, given: None }
    );
    db.close().await;
    assert!(db.common().run("put", put("late", 1)).await.is_err());
}
