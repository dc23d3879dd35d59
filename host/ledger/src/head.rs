//! The heads of the logs in SQL: the compare-and-swap that makes an append exclusive among hosts, the entries that may not
//! be in their places yet, and each host's own count.

use bytes::Bytes;
use caveat_model::ClientId;
use caveat_state::{Db, StateError, Statement, Written, sql};
use tlog_tiles::{HASH_SIZE, Hash};

use crate::{LedgerError, tree::Root};

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE ledger_head (
        client TEXT PRIMARY KEY,
        size BIGINT NOT NULL,
        root BYTEA NOT NULL,
        base_size BIGINT NOT NULL,
        base_root BYTEA NOT NULL
    );
    CREATE TABLE ledger_seq (
        client TEXT NOT NULL,
        host TEXT NOT NULL,
        next BIGINT NOT NULL,
        PRIMARY KEY (client, host)
    );
",
    "ALTER TABLE ledger_head ADD COLUMN batch BYTEA",
];

/// What is committed, and an earlier tree of which everything is in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Head {
    pub(crate) now: Root,
    pub(crate) base: Root,
}

impl Head {
    pub(crate) const EMPTY: Self = Self { now: Root::EMPTY, base: Root::EMPTY };
}

/// A move of the head that is to be committed.
pub(crate) struct Move<'a> {
    pub(crate) client: &'a ClientId,
    pub(crate) host: &'a str,
    /// Where it has to be.
    pub(crate) from: Root,
    pub(crate) head: Head,
    /// The entries that lead from `head.base` to `head.now`, as a bundle.
    pub(crate) batch: Vec<u8>,
    pub(crate) next_seq: u64,
}

/// The tables `ledger_head` and `ledger_seq`.
#[derive(Debug, Clone)]
pub(crate) struct Heads {
    db: Db,
    /// Stand before every move, and have it do nothing once this host may not append any more.
    fence: Vec<Statement>,
}

impl Heads {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("ledger", MIGRATIONS, &[]).await
    }

    pub(crate) async fn open(db: Db, fence: Vec<Statement>) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db, fence })
    }

    pub(crate) async fn get(&self, client: &ClientId) -> Result<Head, LedgerError> {
        let row: Option<(i64, Vec<u8>, i64, Vec<u8>)> =
            sqlx::query_as("SELECT size, root, base_size, base_root FROM ledger_head WHERE client = $1")
                .bind(client.as_str())
                .fetch_optional(self.db.of(client))
                .await
                .map_err(sql("read the head of a log"))?;
        row.map_or(Ok(Head::EMPTY), |(size, root, base_size, base_root)| {
            head(client, (size, root), (base_size, base_root))
        })
    }

    /// The head with the entries that lead to it from its base; none when the log is empty.
    pub(crate) async fn last_batch(&self, client: &ClientId) -> Result<Option<(Head, Bytes)>, LedgerError> {
        type Columns = (i64, Vec<u8>, i64, Vec<u8>, Option<Vec<u8>>);
        let row: Option<Columns> = sqlx::query_as(
            "SELECT size, root, base_size, base_root, batch FROM ledger_head WHERE client = $1",
        )
        .bind(client.as_str())
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read the last batch of a log"))?;
        row.map(|(size, root, base_size, base_root, batch)| {
            let head = head(client, (size, root), (base_size, base_root))?;
            Ok((head, batch.unwrap_or_default().into()))
        })
        .transpose()
    }

    /// The next number in `host`'s own count; the first is 1.
    pub(crate) async fn next_seq(&self, client: &ClientId, host: &str) -> Result<u64, LedgerError> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT next FROM ledger_seq WHERE client = $1 AND host = $2")
                .bind(client.as_str())
                .bind(host)
                .fetch_optional(self.db.of(client))
                .await
                .map_err(sql("read a host's own count"))?;
        Ok(next.map_or(1, |n| n.max(1) as u64))
    }

    /// Moves the head and `host`'s count, and does `conditions` with it, each for the job of its number, and the lists
    /// `beside`: all or nothing. After an error it may have moved or not.
    pub(crate) async fn advance(
        &self,
        to: Move<'_>,
        conditions: Vec<(usize, Statement)>,
        beside: Vec<Vec<Statement>>,
    ) -> Result<Moved, LedgerError> {
        let Move { client, host, from, head: Head { base, now }, batch, next_seq } = to;
        let mut statements = Vec::with_capacity(4 + conditions.len());
        statements.extend(self.fence.iter().cloned());
        let fences = statements.len();
        if from.size == 0 {
            let begin = Statement::new(
                "INSERT INTO ledger_head (client, size, root, base_size, base_root)
                 VALUES ($1, 0, $2, 0, $2) ON CONFLICT (client) DO NOTHING",
            );
            statements.push(begin.bind(client.as_str()).bind(&from.hash.0[..]));
        }
        let swap = Statement::new(
            "UPDATE ledger_head SET size = $1, root = $2, base_size = $3, base_root = $4, batch = $5
             WHERE client = $6 AND size = $7 AND root = $8",
        );
        statements.push(
            swap.bind(now.size as i64)
                .bind(&now.hash.0[..])
                .bind(base.size as i64)
                .bind(&base.hash.0[..])
                .bind(batch)
                .bind(client.as_str())
                .bind(from.size as i64)
                .bind(&from.hash.0[..])
                .or_nothing(),
        );
        let count = Statement::new(
            "INSERT INTO ledger_seq (client, host, next) VALUES ($1, $2, $3)
             ON CONFLICT (client, host) DO UPDATE SET next = excluded.next",
        );
        statements.push(count.bind(client.as_str()).bind(host).bind(next_seq as i64));
        let own = statements.len();
        let (jobs, conditions): (Vec<usize>, Vec<Statement>) = conditions.into_iter().unzip();
        statements.extend(conditions);
        Ok(match self.db.of(client).write_with("move the head of a log", statements, beside).await? {
            Written::Done { .. } => Moved::Done,
            Written::Nothing { at } if at < fences => Moved::Fenced,
            Written::Nothing { at } => match at.checked_sub(own).and_then(|at| jobs.get(at)) {
                Some(job) => Moved::Refused(*job),
                None => Moved::Behind,
            },
        })
    }
}

/// What became of moving a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It is durable.
    Done,
    /// The head was no longer where it was to be moved from.
    Behind,
    /// This host may not append any more.
    Fenced,
    /// A condition of the job of this number found nothing to do.
    Refused(usize),
}

/// The columns of a row.
fn head(client: &ClientId, now: (i64, Vec<u8>), base: (i64, Vec<u8>)) -> Result<Head, LedgerError> {
    let part = |(size, hash): (i64, Vec<u8>)| {
        let hash = <[u8; HASH_SIZE]>::try_from(hash).ok()?;
        Some(Root { size: u64::try_from(size).ok()?, hash: Hash(hash) })
    };
    match (part(now), part(base)) {
        (Some(now), Some(base)) => Ok(Head { now, base }),
        _ => Err(LedgerError::Damaged {
            client: client.clone(),
            path: "ledger_head".into(),
            why: "the row holds no size and root".into(),
        }),
    }
}
