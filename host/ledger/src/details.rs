//! Sealed details: what a decision was about, encrypted by the vault, kept beside the log in SQL so that it becomes durable
//! in the same commit as its entry. An entry holds the digest only, so a detail can be erased while every proof still
//! holds, also where the object store lets nothing be deleted.

use std::collections::HashMap;

use bytes::Bytes;
use caveat_model::{ClientId, Digest, Stage};
use caveat_state::{Db, StateError, Statement, sql};
use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;

use crate::{EntryKind, Ledger, LedgerError};

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE ledger_detail (
        client TEXT NOT NULL,
        digest BYTEA NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (client, digest)
    )
",
    "
    ALTER TABLE ledger_detail ADD COLUMN recording TEXT NOT NULL DEFAULT '';
    ALTER TABLE ledger_detail ADD COLUMN of_access BIGINT NOT NULL DEFAULT 0;
    CREATE INDEX ledger_detail_recording ON ledger_detail (client, recording)
",
];

/// Details that one statement enters: so many, then four, then one, so that few statements are ever prepared.
const AT_ONCE: [usize; 3] = [32, 4, 1];

/// A sealed blob that is yet to be kept.
pub(crate) struct NewDetail {
    digest: Digest,
    sealed: Bytes,
    /// The pseudonym of the recording that it is about; empty: of none.
    recording: String,
    /// It tells of somebody's access.
    of_access: bool,
}

impl NewDetail {
    fn of_nothing(sealed: Bytes) -> Self {
        Self { digest: digest(&sealed), sealed, recording: String::new(), of_access: false }
    }

    /// With the entry that speaks of it, made from its digest.
    pub(crate) fn of(sealed: Bytes, event: impl FnOnce(Digest) -> EntryKind) -> (Self, EntryKind) {
        let detail = Self::of_nothing(sealed);
        let event = event(detail.digest);
        let recording = event.recording().unwrap_or_default().to_owned();
        let of_access = matches!(event, EntryKind::Verdict { stage: Stage::Access, .. });
        (Self { recording, of_access, ..detail }, event)
    }
}

/// The table `ledger_detail`.
#[derive(Debug, Clone)]
pub(crate) struct Details {
    db: Db,
}

impl Details {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("ledger-details", MIGRATIONS, &[]).await
    }

    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db })
    }
}

/// Enters details, by lists that stand alone; one that is there stays.
pub(crate) fn insert<'a>(
    client: &ClientId,
    details: impl IntoIterator<Item = &'a NewDetail>,
) -> Vec<Vec<Statement>> {
    let details: Vec<_> = details.into_iter().collect();
    let (mut rest, mut lists) = (details.as_slice(), vec![]);
    for size in AT_ONCE {
        while let Some((some, more)) = rest.split_at_checked(size) {
            let row = |n| format!("($1, ${}, ${}, ${}, ${})", 4 * n + 2, 4 * n + 3, 4 * n + 4, 4 * n + 5);
            let rows: Vec<String> = (0..size).map(row).collect();
            let text = format!(
                "INSERT INTO ledger_detail (client, digest, sealed, recording, of_access) VALUES {}
                 ON CONFLICT (client, digest) DO NOTHING",
                rows.join(", ")
            );
            let insert = Statement::new(text).bind(client.as_str());
            let with = |insert: Statement, NewDetail { digest, sealed, recording, of_access }: &NewDetail| {
                let insert = insert.bind(&digest.0[..]).bind(&sealed[..]).bind(recording.as_str());
                insert.bind(i64::from(*of_access))
            };
            lists.push(vec![some.iter().fold(insert, |insert, detail| with(insert, detail))]);
            rest = more;
        }
    }
    lists
}

/// The name of a sealed blob.
pub(crate) fn digest(sealed: &[u8]) -> Digest {
    Digest(Sha256::digest(sealed).into())
}

impl Ledger {
    /// Keeps a sealed blob and gives its digest, for the entry that speaks of it. When this returns, it is durable. The
    /// ledger never sees what is in it: seal it first. [`Ledger::append_all`] does both at once.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn put_detail(&self, client: &ClientId, sealed: Bytes) -> Result<Digest, LedgerError> {
        let detail = NewDetail::of_nothing(sealed);
        let (digest, statements) = (detail.digest, insert(client, [&detail]).concat());
        self.shared.details.db.of(client).write("keep a detail", statements).await?;
        Ok(digest)
    }

    /// A sealed blob; none when it was erased or never there.
    ///
    /// # Errors
    /// [`LedgerError::State`]; [`LedgerError::Damaged`] when what is stored has another digest.
    pub async fn get_detail(&self, client: &ClientId, wanted: Digest) -> Result<Option<Bytes>, LedgerError> {
        self.get_details(client, &[wanted]).await?.remove(&wanted).transpose()
    }

    /// Sealed blobs, read at once, which for many takes a fraction of the time. Those that were erased, or never there,
    /// are left out; [`LedgerError::Damaged`] stands for one that is stored with another digest.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn get_details(
        &self,
        client: &ClientId,
        wanted: &[Digest],
    ) -> Result<HashMap<Digest, Result<Bytes, LedgerError>>, LedgerError> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let places: Vec<String> = (0..wanted.len()).map(|n| format!("${}", n + 2)).collect();
        let select = "SELECT digest, sealed FROM ledger_detail WHERE client = $1 AND digest IN";
        let select = AssertSqlSafe(format!("{select} ({})", places.join(", ")));
        let query = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(select).bind(client.as_str());
        let query = wanted.iter().fold(query, |query, digest| query.bind(&digest.0[..]));
        let found = query.fetch_all(self.shared.details.db.of(client)).await.map_err(sql("read details"))?;
        let read = |(name, sealed): (Vec<u8>, Vec<u8>)| {
            let name = Digest(name.try_into().ok()?);
            let damaged = || LedgerError::Damaged {
                client: client.clone(),
                path: format!("ledger_detail {name}"),
                why: "it has another digest than its name".into(),
            };
            let whole = digest(&sealed) == name;
            Some((name, whole.then(|| sealed.into()).ok_or_else(damaged)))
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Erases a sealed blob for good; it may be gone already. Entries and proofs stay as they are.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn erase_detail(&self, client: &ClientId, digest: Digest) -> Result<(), LedgerError> {
        let erase = Statement::new("DELETE FROM ledger_detail WHERE client = $1 AND digest = $2");
        let erase = erase.bind(client.as_str()).bind(&digest.0[..]);
        self.shared.details.db.of(client).run("erase a detail", erase).await?;
        Ok(())
    }

    /// Erases for good what lies beside the decisions on a recording, but for those on access to it: who asked for it, and
    /// why, is owed to others for longer. Entries and proofs stay as they are.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn erase_details_of(&self, client: &ClientId, recording: &str) -> Result<(), LedgerError> {
        let erase = self.erasing_details_of(client, recording);
        self.shared.details.db.of(client).run("erase the details of a recording", erase).await?;
        Ok(())
    }

    /// What [`Ledger::erase_details_of`] writes.
    pub fn erasing_details_of(&self, client: &ClientId, recording: &str) -> Statement {
        let erase = "DELETE FROM ledger_detail WHERE client = $1 AND recording = $2 AND of_access = 0";
        Statement::new(erase).bind(client.as_str()).bind(recording)
    }

    pub(crate) async fn has_detail(&self, client: &ClientId, digest: Digest) -> Result<bool, LedgerError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT COUNT(*) FROM ledger_detail WHERE client = $1 AND digest = $2")
                .bind(client.as_str())
                .bind(&digest.0[..])
                .fetch_optional(self.shared.details.db.of(client))
                .await
                .map_err(sql("look for a detail"))?;
        Ok(found.is_some_and(|n| n > 0))
    }
}
