//! Sealed details: what a decision was about, encrypted by the vault, kept beside the log in SQL so that it becomes durable
//! in the same commit as its entry. An entry holds the digest only, so a detail can be erased while every proof still
//! holds, also where the object store lets nothing be deleted.

use bytes::Bytes;
use caveat_model::{ClientId, Digest};
use caveat_state::{Db, StateError, Statement, sql};
use sha2::{Digest as _, Sha256};

use crate::{Ledger, LedgerError};

const MIGRATIONS: &[&str] = &["
    CREATE TABLE ledger_detail (
        client TEXT NOT NULL,
        digest BYTEA NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (client, digest)
    )
"];

/// Details that one statement enters: so many, then four, then one, so that few statements are ever prepared.
const AT_ONCE: [usize; 3] = [32, 4, 1];

/// A sealed blob and its digest.
pub(crate) type Sealed = (Digest, Bytes);

/// The table `ledger_detail`.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    db: Db,
}

impl Details {
    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        db.migrate("ledger-details", MIGRATIONS).await?;
        Ok(Self { db })
    }
}

/// Enters details; one that is there stays.
pub(crate) fn insert<'a>(client: &ClientId, details: impl IntoIterator<Item = &'a Sealed>) -> Vec<Statement> {
    let details: Vec<_> = details.into_iter().collect();
    let (mut rest, mut statements) = (details.as_slice(), vec![]);
    for size in AT_ONCE {
        while let Some((some, more)) = rest.split_at_checked(size) {
            let rows: Vec<String> =
                (0..size).map(|n| format!("($1, ${}, ${})", 2 * n + 2, 2 * n + 3)).collect();
            let text = format!(
                "INSERT INTO ledger_detail (client, digest, sealed) VALUES {} ON CONFLICT (client, digest) DO NOTHING",
                rows.join(", ")
            );
            let insert = Statement::new(text).bind(client.as_str());
            statements.push(
                some.iter()
                    .fold(insert, |insert, (digest, sealed)| insert.bind(&digest.0[..]).bind(&sealed[..])),
            );
            rest = more;
        }
    }
    statements
}

/// The name of a sealed blob.
pub(crate) fn digest(sealed: &[u8]) -> Digest {
    Digest(Sha256::digest(sealed).into())
}

impl Ledger {
    /// Keeps a sealed blob and gives its digest, for the entry that speaks of it. When this returns, it is durable. The
    /// ledger never sees what is in it: seal it first. [`Ledger::append_with_detail`] does both at once.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn put_detail(&self, client: &ClientId, sealed: Bytes) -> Result<Digest, LedgerError> {
        let digest = digest(&sealed);
        let statements = insert(client, [&(digest, sealed)]);
        self.shared.details.db.write("keep a detail", statements).await?;
        Ok(digest)
    }

    /// A sealed blob; none when it was erased or never there.
    ///
    /// # Errors
    /// [`LedgerError::State`]; [`LedgerError::Damaged`] when what is stored has another digest.
    pub async fn get_detail(&self, client: &ClientId, wanted: Digest) -> Result<Option<Bytes>, LedgerError> {
        let found: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT sealed FROM ledger_detail WHERE client = $1 AND digest = $2")
                .bind(client.as_str())
                .bind(&wanted.0[..])
                .fetch_optional(self.shared.details.db.pool())
                .await
                .map_err(sql("read a detail"))?;
        let Some(sealed) = found else { return Ok(None) };
        if digest(&sealed) != wanted {
            let (client, path) = (client.clone(), format!("ledger_detail {wanted}"));
            return Err(LedgerError::Damaged {
                client,
                path,
                why: "it has another digest than its name".into(),
            });
        }
        Ok(Some(sealed.into()))
    }

    /// Erases a sealed blob for good; it may be gone already. Entries and proofs stay as they are.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn erase_detail(&self, client: &ClientId, digest: Digest) -> Result<(), LedgerError> {
        let erase = Statement::new("DELETE FROM ledger_detail WHERE client = $1 AND digest = $2");
        let erase = erase.bind(client.as_str()).bind(&digest.0[..]);
        self.shared.details.db.run("erase a detail", erase).await?;
        Ok(())
    }

    pub(crate) async fn has_detail(&self, client: &ClientId, digest: Digest) -> Result<bool, LedgerError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT COUNT(*) FROM ledger_detail WHERE client = $1 AND digest = $2")
                .bind(client.as_str())
                .bind(&digest.0[..])
                .fetch_optional(self.shared.details.db.pool())
                .await
                .map_err(sql("look for a detail"))?;
        Ok(found.is_some_and(|n| n > 0))
    }
}
