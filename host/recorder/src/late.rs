//! What a verdict removes after it was sealed: written down before the verdict is, destroyed by key once its recording is
//! closed, by this run of the host or by the next.

use caveat_ledger::EntryKind;
use caveat_model::{Basis, ClientId, Element, Offset, RecordingId, Span};
use caveat_state::{Db, StateError, Statement, sql};
use caveat_vault::VaultError;

use crate::{RecorderError, house::House};

const MIGRATIONS: &[&str] = &["
CREATE TABLE late (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    n BIGINT NOT NULL,
    leg BIGINT,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    verdict BIGINT,
    PRIMARY KEY (client, recording, n)
)"];

/// One stretch that still has to be destroyed.
struct Due {
    n: i64,
    span: Span,
    /// Where the verdict stands in the ledger; none: the host ended before it stood there.
    verdict: Option<u64>,
}

/// The list, of every client.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    db: Db,
}

impl Late {
    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        db.migrate("late", MIGRATIONS).await?;
        Ok(Self { db })
    }

    /// Writes spans down; their verdict is about to be logged.
    pub(crate) async fn note(
        &self,
        client: &ClientId,
        recording: RecordingId,
        spans: &[Span],
    ) -> Result<(), StateError> {
        if spans.is_empty() {
            return Ok(());
        }
        let note = |span: &Span| {
            Statement::new(
                "INSERT INTO late (client, recording, n, leg, start_ms, end_ms)
                 SELECT $1, $2, COALESCE((SELECT MAX(n) FROM late WHERE client = $1 AND recording = $2), 0) + 1, $3, $4, $5",
            )
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(span.leg.map(i64::from))
            .bind(i64::from(span.start))
            .bind(i64::from(span.end))
        };
        self.db.write("note what has to be destroyed", spans.iter().map(note).collect()).await?;
        Ok(())
    }

    /// The verdict on what was noted last stands in the ledger at `index`.
    pub(crate) async fn ruled(
        &self,
        client: &ClientId,
        recording: RecordingId,
        index: u64,
    ) -> Result<(), StateError> {
        sqlx::query("UPDATE late SET verdict = $3 WHERE client = $1 AND recording = $2 AND verdict IS NULL")
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(index as i64)
            .execute(self.db.pool())
            .await
            .map_err(sql("note why something has to be destroyed"))?;
        Ok(())
    }

    /// Strikes one off, or all of a recording of which nothing is kept.
    pub(crate) async fn strike(
        &self,
        client: &ClientId,
        recording: RecordingId,
        n: Option<i64>,
    ) -> Result<(), StateError> {
        sqlx::query("DELETE FROM late WHERE client = $1 AND recording = $2 AND ($3 = 0 OR n = $3)")
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(n.unwrap_or(0))
            .execute(self.db.pool())
            .await
            .map_err(sql("strike off what was destroyed"))?;
        Ok(())
    }

    async fn due(&self, client: &ClientId, recording: RecordingId) -> Result<Vec<Due>, StateError> {
        type Row = (i64, Option<i64>, i64, i64, Option<i64>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT n, leg, start_ms, end_ms, verdict FROM late WHERE client = $1 AND recording = $2 ORDER BY n",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_all(self.db.pool())
        .await
        .map_err(sql("list what has to be destroyed"))?;
        let offset = |ms: i64| Offset::try_from(ms).unwrap_or(Offset::MAX);
        let due = |(n, leg, start, end, verdict): Row| Due {
            n,
            span: Span {
                leg: leg.and_then(|l| u8::try_from(l).ok()),
                start: offset(start),
                end: offset(end),
            },
            verdict: verdict.map(|index| index as u64),
        };
        Ok(rows.into_iter().map(due).collect())
    }

    /// Every recording of which something has to be destroyed.
    pub(crate) async fn recordings(&self) -> Result<Vec<(ClientId, RecordingId)>, StateError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT DISTINCT client, recording FROM late ORDER BY client, recording")
                .fetch_all(self.db.pool())
                .await
                .map_err(sql("list recordings of which something has to be destroyed"))?;
        let parsed = |(client, id): (String, String)| Some((client.parse().ok()?, id.parse().ok()?));
        Ok(rows.into_iter().filter_map(parsed).collect())
    }
}

impl House {
    /// Destroys by key what was found too late in a recording that is sealed: intent in the ledger, then the act, then
    /// its result. A crash in between has it done again, which changes nothing any more.
    pub(crate) async fn destroy_late(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<(), RecorderError> {
        for Due { n, span, verdict } in self.late.due(client, recording).await? {
            let name = self.pseudonym(client, recording).await?;
            let verdict = match verdict {
                Some(index) => index,
                None => self.last_verdict(client, &name).await?,
            };
            let (what, basis) = (Element::Segment, Basis::Rules);
            let intent = EntryKind::DisposalIntent { recording: name, what, basis, verdict };
            let intent = self.enter(client, intent).await?;
            let done = self.shred(client, recording, &span).await;
            self.enter(client, EntryKind::DisposalResult { intent, ok: done.is_ok() }).await?;
            done?;
            self.late.strike(client, recording, Some(n)).await?;
        }
        Ok(())
    }

    /// What an earlier run left to be destroyed. What cannot be now stays on the list.
    pub(crate) async fn destroy_what_was_left(&self) -> Result<(), RecorderError> {
        for (client, recording) in self.late.recordings().await? {
            match self.destroy_late(&client, recording).await {
                Ok(()) => {
                    tracing::warn!(%client, %recording, "destroyed what was found late before the host ended")
                }
                Err(RecorderError::Vault(VaultError::Unknown { .. } | VaultError::Gone { .. })) => {
                    self.late.strike(&client, recording, None).await?;
                }
                Err(error) => {
                    tracing::error!(%client, %recording, %error, "not destroyed yet; the next start tries again")
                }
            }
        }
        Ok(())
    }

    async fn shred(
        &self,
        client: &ClientId,
        recording: RecordingId,
        span: &Span,
    ) -> Result<(), RecorderError> {
        let reader = self.vault.reader(client, recording).await?;
        for leg in reader.header().legs.iter().map(|l| l.leg).filter(|l| span.leg.is_none_or(|s| s == *l)) {
            let seconds = span.start / 1_000..span.end.div_ceil(1_000);
            self.vault.shred(client, recording, leg, seconds).await?;
        }
        Ok(())
    }

    /// The newest verdict on a recording. One on `offered` is always there before anything is kept.
    async fn last_verdict(&self, client: &ClientId, name: &str) -> Result<u64, RecorderError> {
        const ENTRIES: u64 = 256;
        let mut until = self.ledger.size(client).await?;
        while until > 0 {
            let from = until.saturating_sub(ENTRIES);
            for (index, entry, _) in self.ledger.entries(client, from..until).await?.into_iter().rev() {
                if matches!(&entry.event, EntryKind::Verdict { recording: Some(r), .. } if r == name) {
                    return Ok(index);
                }
            }
            until = from;
        }
        Err(RecorderError::Interrupted { what: "looking for the verdict on a recording" })
    }
}
