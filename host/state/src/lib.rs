//! The SQL handle: one set of statements that runs unchanged on SQLite (embedded default) and PostgreSQL (many hosts).
//!
//! Opens, migrates, begins transactions; knows no table but its own list of migrations and of leases. Each room owns its tables and
//! statements, gives its migrations to [`Db::migrate`], and writes SQL in the common subset: `$1` parameters, `BIGINT`,
//! `TEXT`, `BYTEA`, `INSERT ... ON CONFLICT`, `RETURNING`, compare-and-swap by `UPDATE ... WHERE`; no `FOR UPDATE`.
//! Whose rows a statement may reach is said first: [`Db::of`] a client, [`Db::across`] clients for a purpose, or what is
//! [`Db::common`] to all. What happens on calls is written by [`Scoped::write`], where many writes share one commit. What one
//! host at a time may do, it does under a [`Lease`].

mod group;
mod lease;
mod owner;
mod pooler;
mod scope;
mod write;

use std::{cmp::Ordering, path::Path, sync::Arc, time::Duration};

use sqlx::{
    Any, AnyConnection, AnyPool, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::sync::{mpsc, oneshot};

pub use lease::{Held, Lease};
pub use owner::Across;
pub use scope::{Purpose, Scoped};
pub use write::{Arg, Statement, Written};

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The address is not one of a supported database.
    #[error("`{url}` is no database address: use `sqlite:PATH` or `postgres://...`")]
    Url {
        /// The address, without its password.
        url: String,
    },
    /// A newer Caveat has been here.
    #[error("the tables of `{room}` are at version {found}, newer than this program's {known}: upgrade it")]
    TooNew {
        /// Whose tables.
        room: String,
        /// In the database.
        found: i64,
        /// Here.
        known: i64,
    },
    /// An older Caveat has been here, or none, and the host's role makes no tables.
    #[error(
        "the tables of `{room}` are at version {found}, and this program needs {known}: run `caveat database migrate` first"
    )]
    TooOld {
        /// Whose tables.
        room: String,
        /// In the database.
        found: i64,
        /// Here.
        known: i64,
    },
    /// Policies that keep clients apart do not hold for the role.
    #[error(
        "the role `{role}` {why}, so the database would not keep clients apart: name another role in `database`, and have \
         `caveat database migrate`, run as the owner of the tables, make it and give it what a host needs"
    )]
    Privileged {
        /// Which.
        role: String,
        /// What it may do.
        why: &'static str,
    },
    /// Tables are not kept apart by client.
    #[error(
        "the database does not keep clients apart in {tables}: run `caveat database migrate`, as the owner of the tables"
    )]
    Bare {
        /// Which.
        tables: String,
    },
    /// A pooler is in between that does not keep sessions.
    #[error(
        "`database` leads through a pooler that gives each transaction another connection, so the database would not keep \
         clients apart: have the pooler keep sessions (PgBouncer: `pool_mode = session`), or name the server itself"
    )]
    Pooled,
    /// The database said no, or could not be reached.
    #[error("the database failed to {what}: {source}")]
    Sql {
        /// What was attempted.
        what: &'static str,
        /// Its answer.
        #[source]
        source: sqlx::Error,
    },
    /// Several writes shared a transaction, and the database failed all of it.
    #[error("the database failed to {what}, with all that was to be committed with it: {source}")]
    Group {
        /// What was attempted.
        what: &'static str,
        /// Its answer.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The thread that writes could not be started.
    #[error("the thread that writes to the database could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The database was closed.
    #[error("the database was closed before it could {what}")]
    Closed {
        /// What was attempted.
        what: &'static str,
    },
}

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: AnyPool,
    /// Whoever writes in a transaction; on SQLite one connection, so that writers wait in line and not for a lock.
    writers: AnyPool,
    /// The way to the thread that commits by groups; SQLite only.
    group: Option<mpsc::Sender<group::Job>>,
    kind: Kind,
    /// Who makes the tables on PostgreSQL; none: they have to be there.
    owner: Option<owner::Owner>,
}

const PRAGMAS: [&str; 6] = [
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    // Pages of 4 KiB that SQLite's log may have before a commit puts them into the database.
    "PRAGMA wal_autocheckpoint = 8000",
];

/// Names the lock that migrations take on PostgreSQL; any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x6361_7665_6174;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Db {
    /// Opens the database at `url` for a host, and creates an SQLite file that is not there. SQLite runs in WAL mode with
    /// `synchronous=FULL`: a committed transaction survives power loss. On PostgreSQL the tables have to be there.
    ///
    /// # Errors
    /// [`StateError::Privileged`], [`StateError::Pooled`]: clients would not be kept apart there; else [`StateError`].
    pub async fn open(url: &str, max_connections: u32) -> Result<Self, StateError> {
        let kind = Kind::of(url)?;
        sqlx::any::install_default_drivers();
        if kind == Kind::Postgres {
            pooler::check(url).await?;
        }
        let pool = connect(url, kind, max_connections).await?;
        let (writers, group) = match kind {
            Kind::Sqlite => {
                let writers = connect(url, kind, 1).await?;
                let group = group::start(writers.clone()).map_err(StateError::Thread)?;
                (writers, Some(group))
            }
            Kind::Postgres => {
                owner::check_host(&pool).await?;
                (pool.clone(), None)
            }
        };
        Ok(Self { pool, writers, group, kind, owner: None })
    }

    /// Opens the SQLite file `path`.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn open_file(path: &Path) -> Result<Self, StateError> {
        Self::open(&format!("sqlite:{}", path.display()), 8).await
    }

    /// Opens a PostgreSQL database as the owner of its tables, who makes them for the role `host`. For migrations and for
    /// nothing else: no policy holds for an owner. Makes the role where it is not there, with the password, and
    /// says whether it did.
    ///
    /// # Errors
    /// The address is not one of PostgreSQL; [`StateError`].
    pub async fn open_as_owner(
        url: &str,
        host: &str,
        password: Option<&str>,
    ) -> Result<(Self, bool), StateError> {
        let kind = Kind::of(url)?;
        if kind != Kind::Postgres {
            return Err(StateError::Url { url: without_password(url) });
        }
        let pool = connect(url, kind, 1).await?;
        let owner = owner::Owner { pool: pool.clone(), host: host.to_owned() };
        let made = owner.make_host(password).await?;
        let (writers, owner) = (pool.clone(), Some(owner));
        Ok((Self { pool, writers, group: None, kind, owner }, made))
    }

    /// Likewise has `owner` make, on the way, the tables that are opened. Tests run so, each with tables of its own.
    #[must_use]
    pub fn migrated_by(self, owner: &Self) -> Self {
        Self { owner: owner.owner.clone(), ..self }
    }

    async fn begin_any(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.kind {
            Kind::Sqlite => group::begin(&self.writers).await,
            Kind::Postgres => self.begin_to_the_end().await,
        }
    }

    /// Whoever stops waiting while a server begins a transaction would have sqlx 0.9 put the connection back with the
    /// transaction open, and nobody would know of it: what another writes there next would be acknowledged, and never be
    /// committed. So it is begun to the end in any case, and what nobody waits for by then is rolled back.
    async fn begin_to_the_end(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        let writers = self.writers.clone();
        let begun = tokio::spawn(scope::kept(async move { writers.begin().await }));
        begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    async fn write_any(
        &self,
        what: &'static str,
        statements: Vec<Statement>,
        beside: Vec<Vec<Statement>>,
    ) -> Result<Written, StateError> {
        let Some(group) = &self.group else {
            return self.write_alone(what, &statements, &beside).await;
        };
        let closed = || StateError::Closed { what };
        let (reply, answer) = oneshot::channel();
        group.send(group::Job { what, statements, beside, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// On PostgreSQL. Numbers are given by counting, so two writers may come upon the same one: whoever is later counts again.
    async fn write_alone(
        &self,
        what: &'static str,
        statements: &[Statement],
        beside: &[Vec<Statement>],
    ) -> Result<Written, StateError> {
        let mut tries = 0..RECOUNTS;
        loop {
            let tx = self.begin_any().await.map_err(sql("begin a transaction"))?;
            match group::finish(tx, statements, beside).await {
                Err(error) if is_undone_by_another(&error) && tries.next().is_some() => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                written => return written.map_err(sql(what)),
            }
        }
    }

    /// Whether other hosts may share it.
    pub fn can_be_shared(&self) -> bool {
        self.kind == Kind::Postgres
    }

    /// Brings the tables of `room` up to date: runs the steps that it has not had, in order, in one transaction. Steps
    /// are only ever appended to the list. `across` says which of the tables are looked into across clients, and for what.
    /// On PostgreSQL their owner does all this; a host sees only whether it is done.
    ///
    /// # Errors
    /// [`StateError::TooNew`], [`StateError::TooOld`]; else [`StateError`].
    pub async fn migrate(
        &self,
        room: &str,
        steps: &[&'static str],
        across: &[Across],
    ) -> Result<(), StateError> {
        let known = steps.len() as i64;
        let mut tx = match (self.kind, &self.owner) {
            (Kind::Sqlite, _) => self.begin_any().await,
            (Kind::Postgres, None) => return self.is_migrated(room, known).await,
            (Kind::Postgres, Some(owner)) => owner.pool.begin().await,
        }
        .map_err(sql("begin a transaction"))?;
        if self.kind == Kind::Postgres {
            // Who migrates at the same time does so one after the other; on SQLite the write lock sees to it.
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(MIGRATION_LOCK)
                .execute(&mut *tx)
                .await
                .map_err(sql("wait for another to migrate"))?;
        }
        sqlx::query("CREATE TABLE IF NOT EXISTS migration (room TEXT PRIMARY KEY, version BIGINT NOT NULL)")
            .execute(&mut *tx)
            .await
            .map_err(sql("create its list of migrations"))?;
        let done = version(&mut tx, room).await?;
        if done > known {
            return Err(StateError::TooNew { room: room.to_owned(), found: done, known });
        }
        for step in &steps[done as usize..] {
            sqlx::raw_sql(*step).execute(&mut *tx).await.map_err(sql("migrate"))?;
        }
        sqlx::query(
            "INSERT INTO migration (room, version) VALUES ($1, $2)
             ON CONFLICT (room) DO UPDATE SET version = excluded.version",
        )
        .bind(room)
        .bind(known)
        .execute(&mut *tx)
        .await
        .map_err(sql("note a migration"))?;
        if let Some(owner) = &self.owner {
            owner.secure(&mut tx, room, across).await?;
        }
        tx.commit().await.map_err(sql("commit a migration"))
    }

    async fn is_migrated(&self, room: &str, known: i64) -> Result<(), StateError> {
        let there = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_class
                     WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relname = 'migration'";
        let there: i64 =
            sqlx::query_scalar(there).fetch_one(&self.pool).await.map_err(sql("look for its migrations"))?;
        let found = match there {
            0 => 0,
            _ => version(&mut *self.pool.acquire().await.map_err(sql("open"))?, room).await?,
        };
        let room = room.to_owned();
        match found.cmp(&known) {
            Ordering::Less => Err(StateError::TooOld { room, found, known }),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(StateError::TooNew { room, found, known }),
        }
    }

    /// Makes what was deleted, or replaced, go from the disk too. SQLite writes zeros over what it frees; here its log of
    /// changes, which still has the pages as they were, is emptied as well. On PostgreSQL it lasts until `VACUUM` and
    /// until archived logs are gone: see the end of the vault's `FORMAT.md`. Where others read in the log for longer than
    /// a lock is waited for, it stays for now and goes with the next call; false says so.
    pub async fn forget_deleted(&self) -> bool {
        if self.kind != Kind::Sqlite {
            return true;
        }
        let emptied =
            sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.writers);
        match emptied.await {
            Ok(0) => true,
            Ok(_) => {
                tracing::warn!(
                    "the database's log of changes is in use: what was deleted stays in it for now"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, "the database's log of changes is not emptied: what was deleted stays in it for now");
                false
            }
        }
    }

    /// Waits until nobody has a connection: what was under way then is done. For tests that cut acts short.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn quiet(&self) -> Result<(), StateError> {
        let mut all = vec![];
        for _ in 0..self.pool.options().get_max_connections() {
            all.push(self.pool.acquire().await.map_err(sql("wait for connections"))?);
        }
        drop(all);
        let tx = self.begin_any().await.map_err(sql("begin a transaction"))?;
        tx.rollback().await.map_err(sql("wait for connections"))
    }

    /// Waits for open connections and closes.
    pub async fn close(&self) {
        self.writers.close().await;
        self.pool.close().await;
        if let Some(owner) = &self.owner {
            owner.pool.close().await;
        }
    }
}

/// How far the migrations of a room are.
async fn version(connection: &mut AnyConnection, room: &str) -> Result<i64, StateError> {
    let version = sqlx::query_scalar("SELECT version FROM migration WHERE room = $1")
        .bind(room)
        .fetch_optional(connection)
        .await
        .map_err(sql("read its list of migrations"))?;
    Ok(version.unwrap_or(0))
}

impl Kind {
    fn of(url: &str) -> Result<Self, StateError> {
        match url.split_once(':') {
            Some(("sqlite", _)) => Ok(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(StateError::Url { url: without_password(url) }),
        }
    }
}

async fn connect(url: &str, kind: Kind, connections: u32) -> Result<AnyPool, StateError> {
    sqlx::any::install_default_drivers();
    let mut full_url = url.to_owned();
    if kind == Kind::Sqlite && !url.contains('?') {
        full_url.push_str("?mode=rwc");
    }
    let options: AnyConnectOptions =
        full_url.parse().map_err(|_| StateError::Url { url: without_password(url) })?;
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        // A file does not go away. A server may: a connection to one that went does not take whose it is.
        .test_before_acquire(false)
        .before_acquire(move |connection, _| {
            Box::pin(async move {
                if kind == Kind::Postgres {
                    scope::tell(connection).await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                match kind {
                    Kind::Postgres => scope::tell(connection).await?,
                    Kind::Sqlite => {
                        for pragma in PRAGMAS {
                            sqlx::query(pragma).execute(&mut *connection).await?;
                        }
                    }
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(sql("open"))
}

/// How often a write is done again that met another.
const RECOUNTS: u32 = 16;

/// Nothing of the write was done, and the same write may go through: unique_violation, serialization_failure,
/// deadlock_detected.
fn is_undone_by_another(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| ["23505", "40001", "40P01"].contains(&&*code))
}

/// Turns a database error into a [`StateError`] that says what was attempted.
pub fn sql(what: &'static str) -> impl Fn(sqlx::Error) -> StateError {
    move |source| StateError::Sql { what, source }
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => format!("{}...{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    async fn fresh() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open_file(&dir.path().join("state.db")).await.unwrap();
        (dir, db)
    }

    #[tokio::test]
    async fn migrations_run_once_and_in_order() {
        let (_dir, db) = fresh().await;
        let steps = ["CREATE TABLE t (k TEXT PRIMARY KEY, v BYTEA)", "ALTER TABLE t ADD COLUMN n BIGINT"];
        db.migrate("room", &steps[..1], &[]).await.unwrap();
        db.migrate("room", &steps, &[]).await.unwrap();
        db.migrate("room", &steps, &[]).await.unwrap();
        let blob = vec![0u8, 255, 7];
        sqlx::query("INSERT INTO t (k, v, n) VALUES ($1, $2, $3)")
            .bind("a")
            .bind(blob.clone())
            .bind(9i64)
            .execute(db.common())
            .await
            .unwrap();
        let (v, n): (Vec<u8>, i64) =
            sqlx::query_as("SELECT v, n FROM t WHERE k = $1").bind("a").fetch_one(db.common()).await.unwrap();
        assert_eq!((v, n), (blob, 9));
    }

    #[tokio::test]
    async fn a_newer_database_is_refused() {
        let (_dir, db) = fresh().await;
        db.migrate("room", &["CREATE TABLE a (x BIGINT)", "CREATE TABLE b (x BIGINT)"], &[]).await.unwrap();
        let err = db.migrate("room", &["CREATE TABLE a (x BIGINT)"], &[]).await.unwrap_err();
        assert!(matches!(err, StateError::TooNew { found: 2, known: 1, .. }), "{err}");
    }

    #[tokio::test]
    async fn a_failed_migration_leaves_nothing() {
        let (_dir, db) = fresh().await;
        let broken = ["CREATE TABLE a (x BIGINT); CREATE NONSENSE"];
        assert!(db.migrate("room", &broken, &[]).await.is_err());
        db.migrate("room", &["CREATE TABLE a (x BIGINT)"], &[]).await.unwrap();
    }

    #[tokio::test]
    async fn an_unknown_database_is_refused_without_its_password() {
        let err = Db::open("mysql://u:secret@host/db", 1).await.unwrap_err().to_string();
        assert!(err.contains("mysql://...@host/db") && !err.contains("secret"), "{err}");
    }
}
