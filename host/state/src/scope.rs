//! Whose rows a statement may reach. On PostgreSQL the database holds to it: every table with a column `client` has a policy
//! by which a connection sees and writes the rows of the client that it was taken for, and no others, whatever a statement
//! says. What looks across clients says for which [`Purpose`], and each purpose is good for the tables that their rooms name.
//!
//! A connection is told whose it is each time it is taken from the pool, in place of the question whether it still lives:
//! nothing of whoever had it before is left, and it costs no further turn with the server. An SQLite file has no policies.

use std::fmt;

use caveat_model::ClientId;
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Any, AnyConnection, Describe, Either, Execute, Executor, SqlStr, Transaction,
    any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo},
    pool::PoolConnection,
};

use crate::{Db, StateError, Statement, Written, sql};

/// What a statement looks across clients for; there is nothing else that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Whose a session, a token, an invitation or a ceremony is, of which only a hash is shown, and the row that stands in
    /// for people who do not exist.
    SignIn,
    /// What has lapsed is deleted, whosever it is.
    Expiry,
    /// What a host was at when it ended or died is found, finished, and taken over.
    Recovery,
    /// Which sets of packs the clients have.
    Packs,
    /// Which expected calls are due.
    Assurance,
    /// How much there is of something, for metrics.
    Count,
}

impl Purpose {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::SignIn, Self::Expiry, Self::Recovery, Self::Packs, Self::Assurance, Self::Count];

    /// As the database knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Expiry => "expiry",
            Self::Recovery => "recovery",
            Self::Packs => "packs",
            Self::Assurance => "assurance",
            Self::Count => "count",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose rows are reached.
#[derive(Debug, Clone)]
enum Scope {
    Client(String),
    Across(Purpose),
    Nobody,
}

tokio::task_local! {
    /// For whom a connection is being taken from the pool; the pool's own calls ask.
    static TAKEN_FOR: Scope;
}

/// What goes on in a task of its own is for whomever it is here.
pub(crate) fn kept<F: Future>(of: F) -> impl Future<Output = F::Output> {
    TAKEN_FOR.scope(taken_for(), of)
}

fn taken_for() -> Scope {
    TAKEN_FOR.try_with(Clone::clone).unwrap_or(Scope::Nobody)
}

/// Tells a connection whose it is now; who takes none for anybody sees nobody's rows.
pub(crate) async fn tell(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let scope = taken_for();
    let (client, across) = match &scope {
        Scope::Client(client) => (client.as_str(), ""),
        Scope::Across(purpose) => ("", purpose.name()),
        Scope::Nobody => ("", ""),
    };
    sqlx::query("SELECT set_config('caveat.client', $1, false), set_config('caveat.across', $2, false)")
        .bind(client)
        .bind(across)
        .execute(connection)
        .await?;
    Ok(())
}

/// The database as far as it is somebody's. Takes single statements as it is; several in a transaction, or as data.
#[derive(Debug, Clone)]
pub struct Scoped {
    db: Db,
    scope: Scope,
}

impl Db {
    /// A client's rows.
    pub fn of(&self, client: &ClientId) -> Scoped {
        Scoped { db: self.clone(), scope: Scope::Client(client.as_str().to_owned()) }
    }

    /// The rows of every client, in the tables that are looked into for it.
    pub fn across(&self, purpose: Purpose) -> Scoped {
        Scoped { db: self.clone(), scope: Scope::Across(purpose) }
    }

    /// What belongs to no client; the rows of none.
    pub fn common(&self) -> Scoped {
        Scoped { db: self.clone(), scope: Scope::Nobody }
    }
}

impl Scoped {
    /// Begins a transaction that may write. On SQLite it takes the write lock at once, so that it cannot fail later, and
    /// every other writer waits until it is over: it must not wait for one.
    ///
    /// # Errors
    /// [`StateError`].
    pub async fn begin(self) -> Result<Transaction<'static, Any>, StateError> {
        TAKEN_FOR.scope(self.scope, self.db.begin_any()).await.map_err(sql("begin a transaction"))
    }

    /// Does statements together or not at all; when this returns, they are durable. On SQLite, writes that come at the
    /// same time share one commit, in no order that anybody may rely on. A caller that stops waiting does not take its
    /// write back.
    ///
    /// # Errors
    /// The database failed: nothing was done, unless it failed to commit, which may or may not have been done then.
    pub async fn write(self, what: &'static str, statements: Vec<Statement>) -> Result<Written, StateError> {
        self.write_with(what, statements, vec![]).await
    }

    /// [`Scoped::write`] that does further lists of statements in the same commit, all of it or nothing. The lists may be
    /// done in any order, and are told apart only so that those that are alike can be done together. What they change is not
    /// told; where one of their statements had to change a row and did not, its place in its own list is.
    ///
    /// # Errors
    /// As [`Scoped::write`].
    pub async fn write_with(
        self,
        what: &'static str,
        statements: Vec<Statement>,
        beside: Vec<Vec<Statement>>,
    ) -> Result<Written, StateError> {
        TAKEN_FOR.scope(self.scope, self.db.write_any(what, statements, beside)).await
    }

    /// [`Scoped::write`] of one statement.
    ///
    /// # Errors
    /// As [`Scoped::write`].
    pub async fn run(self, what: &'static str, statement: Statement) -> Result<Written, StateError> {
        self.write(what, vec![statement]).await
    }

    async fn take(&self) -> Result<PoolConnection<Any>, sqlx::Error> {
        TAKEN_FOR.scope(self.scope.clone(), self.db.pool.acquire()).await
    }
}

/// As a pool is one: each statement on a connection that is taken for it.
impl<'c> Executor<'c> for Scoped {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let told = async move {
            match self.take().await {
                Ok(mut connection) => connection.fetch_many(query).collect::<Vec<_>>().await,
                Err(error) => vec![Err(error)],
            }
        };
        told.map(stream::iter).flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        async move { self.take().await?.fetch_optional(query).await }.boxed()
    }

    fn prepare_with<'e>(
        self,
        text: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.take().await?.prepare_with(text, parameters).await }.boxed()
    }

    fn describe<'e>(self, text: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.take().await?.describe(text).await }.boxed()
    }
}
