//! Where the entries about something stand, so that nobody reads a whole log for a few of them: a row for each entry, in the
//! commit of the entry itself. What is found by it is read from the log, and checked, like everything else.

use bytes::Bytes;
use caveat_model::ClientId;
use caveat_state::{Db, StateError, Statement, sql};

use crate::{Entry, Ledger, LedgerError, writer::NewEntry};

/// Entries of logs that are older than this table stand in no row: those before `since`.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE ledger_place (
        client TEXT NOT NULL,
        about TEXT NOT NULL,
        entry BIGINT NOT NULL,
        PRIMARY KEY (client, about, entry)
    );
    CREATE INDEX ledger_place_entry ON ledger_place (client, entry);
    CREATE TABLE ledger_placed (
        client TEXT PRIMARY KEY,
        since BIGINT NOT NULL
    );
    INSERT INTO ledger_placed (client, since) SELECT client, size FROM ledger_head
",
    // Holds what is looked for by it: else SQLite would rather go through all of a client's rows by the primary key.
    "
    CREATE INDEX ledger_place_by_entry ON ledger_place (client, entry, about);
    DROP INDEX ledger_place_entry
",
];

/// Rows that one statement enters: so many, then four, then one, so that few statements are ever prepared.
const AT_ONCE: [usize; 3] = [32, 4, 1];

/// The tables `ledger_place` and `ledger_placed`.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    db: Db,
}

impl Places {
    /// After the heads, whose table is read.
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("ledger-places", MIGRATIONS, &[]).await
    }

    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db })
    }
}

/// Enters where these entries stand, the first at `first`, by lists that stand alone.
pub(crate) fn insert<'a>(
    client: &ClientId,
    first: u64,
    entries: impl IntoIterator<Item = &'a NewEntry>,
) -> Vec<Vec<Statement>> {
    let (mut rows, mut results) = (vec![], vec![]);
    for (index, entry) in (first..).zip(entries) {
        rows.extend(entry.event.recording().into_iter().chain(entry.list).map(|about| (about, index)));
        results.extend(entry.event.intent().map(|intent| vec![beside(client, index, intent)]));
    }
    let (mut rest, mut lists) = (rows.as_slice(), vec![]);
    for size in AT_ONCE {
        while let Some((some, more)) = rest.split_at_checked(size) {
            let row = |n| format!("($1, ${}, ${})", 2 * n + 2, 2 * n + 3);
            let text = format!(
                "INSERT INTO ledger_place (client, about, entry) VALUES {} ON CONFLICT DO NOTHING",
                (0..size).map(row).collect::<Vec<_>>().join(", ")
            );
            let insert = Statement::new(text).bind(client.as_str());
            lists.push(vec![
                some.iter().fold(insert, |insert, (about, index)| insert.bind(*about).bind(*index as i64)),
            ]);
            rest = more;
        }
    }
    // Who appends a result knows the index of its intent, which is durable then: its row is there.
    lists.extend(results);
    lists
}

const BESIDE: &str = "INSERT INTO ledger_place (client, about, entry)
                      SELECT client, about, $2 FROM ledger_place WHERE client = $1 AND entry = $3
                      ON CONFLICT DO NOTHING";

/// A result is about what its intent is about.
fn beside(client: &ClientId, index: u64, intent: u64) -> Statement {
    Statement::new(BESIDE).bind(client.as_str()).bind(index as i64).bind(intent as i64)
}

impl Ledger {
    /// Entries about a recording, by its pseudonym, or of a list ([`NewEntry::listed`]), from the index `from` on, in their
    /// order, each with its stored bytes and checked against the root; at most so many, and at most
    /// [`crate::Limits::read_entries`]. What lies before [`Ledger::listed_since`] is not found.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub async fn entries_about(
        &self,
        client: &ClientId,
        about: &str,
        from: u64,
        most: u64,
    ) -> Result<Vec<(u64, Entry, Bytes)>, LedgerError> {
        let select = "SELECT entry FROM ledger_place WHERE client = $1 AND about = $2 AND entry >= $3
                      ORDER BY entry LIMIT $4";
        let found = self.places(client, select, about, from, most).await?;
        self.entries_at(client, &found).await
    }

    /// [`Ledger::entries_about`] backwards: those before the index `before`, the last of them first.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub async fn entries_about_before(
        &self,
        client: &ClientId,
        about: &str,
        before: u64,
        most: u64,
    ) -> Result<Vec<(u64, Entry, Bytes)>, LedgerError> {
        let select = "SELECT entry FROM ledger_place WHERE client = $1 AND about = $2 AND entry < $3
                      ORDER BY entry DESC LIMIT $4";
        let mut found = self.places(client, select, about, before, most).await?;
        found.reverse();
        let mut entries = self.entries_at(client, &found).await?;
        entries.reverse();
        Ok(entries)
    }

    async fn places(
        &self,
        client: &ClientId,
        select: &'static str,
        about: &str,
        index: u64,
        most: u64,
    ) -> Result<Vec<u64>, LedgerError> {
        let number = |n| i64::try_from(n).unwrap_or(i64::MAX);
        let found: Vec<i64> = sqlx::query_scalar(select)
            .bind(client.as_str())
            .bind(about)
            .bind(number(index))
            .bind(number(most.min(self.shared.limits.read_entries)))
            .fetch_all(self.shared.places.db.of(client))
            .await
            .map_err(sql("look for entries"))?;
        Ok(found.into_iter().filter_map(|index| u64::try_from(index).ok()).collect())
    }

    /// Entries before this index were appended when places were not yet noted.
    ///
    /// # Errors
    /// [`LedgerError::State`].
    pub async fn listed_since(&self, client: &ClientId) -> Result<u64, LedgerError> {
        let since: Option<i64> = sqlx::query_scalar("SELECT since FROM ledger_placed WHERE client = $1")
            .bind(client.as_str())
            .fetch_optional(self.shared.places.db.of(client))
            .await
            .map_err(sql("see since when places are noted"))?;
        Ok(since.and_then(|since| u64::try_from(since).ok()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::head::Heads;

    #[tokio::test]
    async fn a_result_does_not_go_through_all_that_a_client_has() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open_file(&dir.path().join("state.db")).await.unwrap();
        Heads::migrate(&db).await.unwrap();
        Places::migrate(&db).await.unwrap();
        let client: ClientId = "acme".parse().unwrap();
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {BESIDE}"));
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
            .bind(client.as_str())
            .bind(2_i64)
            .bind(1_i64)
            .fetch_all(db.of(&client))
            .await
            .unwrap();
        let steps: Vec<_> = steps.into_iter().map(|(.., step)| step).collect();
        assert_eq!(
            steps,
            ["SEARCH ledger_place USING COVERING INDEX ledger_place_by_entry (client=? AND entry=?)"]
        );
    }
}
