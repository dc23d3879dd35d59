//! What was taken from watched folders, by the digest of its content: nothing is taken in twice, not after a crash either.

use caveat_model::{ClientId, Moment, RecordingId};
use caveat_state::{Db, Purpose, StateError, sql};

const MIGRATIONS: &[&str] = &["
CREATE TABLE taken_file (
    client TEXT NOT NULL,
    digest TEXT NOT NULL,
    run TEXT NOT NULL,
    recording TEXT,
    done BIGINT NOT NULL,
    PRIMARY KEY (client, digest)
)", "
-- Of when a row is from before there was this column, nobody knows: it is as if it were from the first look at it.
ALTER TABLE taken_file ADD COLUMN at_ms BIGINT NOT NULL DEFAULT 0"];

/// The list of what was taken.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    db: Db,
    /// Tells what this process began from what an earlier one did.
    run: String,
}

/// What is known of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is now begun.
    New,
    /// Another folder's task takes it in right now.
    Running,
    /// An earlier process began with it, and had got this far.
    Begun(RecordingId),
    /// It was taken in as this recording, or refused.
    Done(Option<RecordingId>),
}

impl Taken {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("watched-folders", MIGRATIONS, &[(Purpose::Expiry, "taken_file")]).await
    }

    pub(super) async fn open(db: Db) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db, run: uuid::Uuid::now_v7().to_string() })
    }

    /// Begins with a content, unless it is known. What an earlier process began without any audio having been fed is begun
    /// anew.
    pub(super) async fn begin(
        &self,
        client: &ClientId,
        digest: &str,
        now: Moment,
    ) -> Result<Known, StateError> {
        let mut tx = self.db.of(client).begin().await?;
        let row: Option<(String, Option<String>, i64)> =
            sqlx::query_as("SELECT run, recording, done FROM taken_file WHERE client = $1 AND digest = $2")
                .bind(client.as_str())
                .bind(digest)
                .fetch_optional(&mut *tx)
                .await
                .map_err(sql("look for a file that was taken"))?;
        let known = match row {
            None => Known::New,
            Some((run, recording, done)) => {
                let recording = recording.and_then(|id| id.parse().ok());
                match (done, recording) {
                    (0, _) if run == self.run => Known::Running,
                    (0, None) => Known::New,
                    (0, Some(recording)) => Known::Begun(recording),
                    (_, recording) => Known::Done(recording),
                }
            }
        };
        if known == Known::New {
            sqlx::query(
                "INSERT INTO taken_file (client, digest, run, recording, done, at_ms) VALUES ($1, $2, $3, NULL, 0, $4)
                 ON CONFLICT (client, digest) DO UPDATE SET run = excluded.run, at_ms = excluded.at_ms",
            )
            .bind(client.as_str())
            .bind(digest)
            .bind(self.run.as_str())
            .bind(millis(now))
            .execute(&mut *tx)
            .await
            .map_err(sql("note a file that is taken"))?;
        }
        tx.commit().await.map_err(sql("note a file that is taken"))?;
        Ok(known)
    }

    /// Its call is open; from here on it is not begun anew.
    pub(super) async fn opened(
        &self,
        client: &ClientId,
        digest: &str,
        recording: RecordingId,
    ) -> Result<(), StateError> {
        self.set(client, digest, Some(recording), 0).await
    }

    /// It is through, taken in or refused.
    pub(super) async fn done(
        &self,
        client: &ClientId,
        digest: &str,
        recording: Option<RecordingId>,
    ) -> Result<(), StateError> {
        self.set(client, digest, recording, 1).await
    }

    async fn set(
        &self,
        client: &ClientId,
        digest: &str,
        recording: Option<RecordingId>,
        done: i64,
    ) -> Result<(), StateError> {
        sqlx::query("UPDATE taken_file SET recording = $3, done = $4 WHERE client = $1 AND digest = $2")
            .bind(client.as_str())
            .bind(digest)
            .bind(recording.map(|id| id.to_string()))
            .bind(done)
            .execute(self.db.of(client))
            .await
            .map_err(sql("note how far a file was taken"))?;
        Ok(())
    }

    /// Forgets what was done more than so many days ago.
    pub(super) async fn forget_old(&self, now: Moment, days: u32) -> Result<(), StateError> {
        const DAY_MS: i64 = 86_400_000;
        let forgetting = || sql("forget files that were taken long ago");
        sqlx::query("UPDATE taken_file SET at_ms = $1 WHERE at_ms = 0")
            .bind(millis(now))
            .execute(self.db.across(Purpose::Expiry))
            .await
            .map_err(forgetting())?;
        sqlx::query("DELETE FROM taken_file WHERE done = 1 AND at_ms < $1")
            .bind(millis(now) - i64::from(days) * DAY_MS)
            .execute(self.db.across(Purpose::Expiry))
            .await
            .map_err(forgetting())?;
        Ok(())
    }

    /// Nothing came of it: it may be begun again.
    pub(super) async fn forget(&self, client: &ClientId, digest: &str) -> Result<(), StateError> {
        sqlx::query("DELETE FROM taken_file WHERE client = $1 AND digest = $2")
            .bind(client.as_str())
            .bind(digest)
            .execute(self.db.of(client))
            .await
            .map_err(sql("forget a file that was not taken"))?;
        Ok(())
    }
}

fn millis(at: Moment) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn what_was_taken_long_ago_is_forgotten_and_what_is_begun_is_not() {
        const DAY_MS: u64 = 86_400_000;
        let dir = tempfile::tempdir().unwrap();
        let taken = Taken::open(Db::open_file(&dir.path().join("state.db")).await.unwrap()).await.unwrap();
        let client: ClientId = "acme".parse().unwrap();
        let day = |n: u64| Moment::from_millis((20_000 + n) * DAY_MS);
        for (digest, at) in [("old", 0), ("begun", 0), ("new", 5)] {
            assert_eq!(taken.begin(&client, digest, day(at)).await.unwrap(), Known::New);
        }
        for digest in ["old", "new"] {
            taken.done(&client, digest, None).await.unwrap();
        }
        taken.forget_old(day(9), 9).await.unwrap();
        assert_eq!(taken.begin(&client, "old", day(9)).await.unwrap(), Known::Done(None));
        taken.forget_old(day(9), 8).await.unwrap();
        assert_eq!(taken.begin(&client, "old", day(9)).await.unwrap(), Known::New);
        assert_eq!(taken.begin(&client, "begun", day(9)).await.unwrap(), Known::Running);
        assert_eq!(taken.begin(&client, "new", day(9)).await.unwrap(), Known::Done(None));
    }
}
