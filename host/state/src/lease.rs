//! Leases among hosts: whoever has one may do a thing that one host at a time may do.
//!
//! A lease is a row with a holder, a term and an end by the database's clock; no host's own clock counts. It is taken by one
//! statement that changes the row only when it has lapsed. Since a host may stop for any time between looking and acting,
//! nothing rests on the end: whoever acts puts [`Lease::guard`] into the transaction of the act, which waits for whoever is
//! taking the lease, and does nothing once somebody else has. A lease that has lapsed and that nobody took is still good.

use crate::{Db, Kind, StateError, Statement, Written, sql};

pub(crate) const MIGRATIONS: &[&str] = &["
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    term BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    note TEXT NOT NULL
);
CREATE UNIQUE INDEX lease_term ON lease (name, term)"];

/// A lease that was taken; whether it still holds, the database knows.
#[derive(Debug, Clone)]
pub struct Lease {
    db: Db,
    name: String,
    holder: String,
    term: i64,
}

/// Who has, or had, a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of the lease.
    pub name: String,
    /// Who took it last.
    pub holder: String,
    /// What they left with it.
    pub note: String,
    /// It has not lapsed.
    pub holds: bool,
}

impl Db {
    /// Brings the table of leases up to date.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn open_leases(&self) -> Result<(), StateError> {
        self.migrate("leases", MIGRATIONS, &[]).await
    }

    /// Takes the lease `name` for so many milliseconds, and leaves `note` with it. None while somebody else has it; a holder
    /// that has it itself takes it anew, and what was taken before is void.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        note: &str,
        lease_ms: u64,
    ) -> Result<Option<Lease>, StateError> {
        let now = self.now();
        let take = Statement::new(format!(
            "INSERT INTO lease (name, holder, term, until_ms, note) VALUES ($1, $2, 1, {now} + $3, $4)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = lease.term + 1,
               until_ms = excluded.until_ms, note = excluded.note
             WHERE lease.until_ms < {now} OR lease.holder = excluded.holder RETURNING term"
        ));
        let take = take.bind(name).bind(holder).bind(lease_ms as i64).bind(note).giving();
        let Written::Done { given: Some(term), .. } = self.common().run("take a lease", take).await? else {
            return Ok(None);
        };
        let (name, holder) = (name.to_owned(), holder.to_owned());
        Ok(Some(Lease { db: self.clone(), name, holder, term }))
    }

    /// Every lease whose name begins with `prefix`.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn leases(&self, prefix: &str) -> Result<Vec<Held>, StateError> {
        let text = format!(
            "SELECT name, holder, note, CAST(CASE WHEN until_ms >= {} THEN 1 ELSE 0 END AS BIGINT) FROM lease
             WHERE name LIKE $1 || '%' ORDER BY name",
            self.now()
        );
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(prefix)
            .fetch_all(self.common())
            .await
            .map_err(sql("list leases"))?;
        let held = |(name, holder, note, holds)| Held { name, holder, note, holds: holds == 1 };
        Ok(rows.into_iter().map(held).collect())
    }

    /// The database's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn clock_ms(&self) -> Result<i64, StateError> {
        let text = sqlx::AssertSqlSafe(format!("SELECT {}", self.now()));
        sqlx::query_scalar(text).fetch_one(self.common()).await.map_err(sql("read its clock"))
    }

    /// The database's clock, in the midst of a statement.
    fn now(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Kind::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }
}

impl Lease {
    /// What was taken.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Holds it for so many milliseconds from now. False: somebody else has taken it since.
    ///
    /// # Errors
    /// [`StateError`]: nobody knows.
    pub async fn renew(&self, lease_ms: u64) -> Result<bool, StateError> {
        let text = format!(
            "UPDATE lease SET until_ms = {} + $4 WHERE name = $1 AND holder = $2 AND term = $3",
            self.db.now()
        );
        let renew = self.bound(Statement::new(text)).bind(lease_ms as i64);
        Ok(self.db.common().run("renew a lease", renew).await?.rows() == 1)
    }

    /// Gives it up, and leaves `note` with it.
    ///
    /// # Errors
    /// [`StateError`]: it lapses by itself.
    pub async fn release(&self, note: &str) -> Result<(), StateError> {
        let release = Statement::new(
            "UPDATE lease SET until_ms = 0, note = $4 WHERE name = $1 AND holder = $2 AND term = $3",
        );
        self.db.common().run("give up a lease", self.bound(release).bind(note)).await?;
        Ok(())
    }

    /// Put first into a write, has it do nothing unless the lease is still this holder's when it is committed.
    pub fn guard(&self) -> Statement {
        // On PostgreSQL whoever takes the lease changes the term, which is part of a key, and so waits for those who act under
        // it, and they for whoever is taking it. Who renews the lease waits for nobody.
        let text = match self.db.kind {
            Kind::Sqlite => "SELECT term FROM lease WHERE name = $1 AND holder = $2 AND term = $3",
            Kind::Postgres => {
                "SELECT term FROM lease WHERE name = $1 AND holder = $2 AND term = $3 FOR KEY SHARE"
            }
        };
        self.bound(Statement::new(text)).giving().or_nothing()
    }

    fn bound(&self, statement: Statement) -> Statement {
        statement.bind(self.name.as_str()).bind(self.holder.as_str()).bind(self.term)
    }
}
