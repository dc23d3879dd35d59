//! What a verdict removes, or hides for good, after it was sealed: written down before the verdict is, done by key once its
//! recording is closed, by this run of the host or by the next.

use caveat_ledger::EntryKind;
use caveat_model::{Basis, ClientId, Element, Offset, RecordingId, Span};
use caveat_state::{Db, Purpose, StateError, Statement, sql};
use caveat_vault::VaultError;

use crate::{
    RecorderError, RedactionMode,
    begun::{Deed, Did, Redact, What},
    house::House,
};

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE late (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    n BIGINT NOT NULL,
    leg BIGINT,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    verdict BIGINT,
    PRIMARY KEY (client, recording, n)
)",
    "ALTER TABLE late ADD COLUMN masked BIGINT NOT NULL DEFAULT 0",
];

/// The rule that gaps name which are left by this.
const RULE: &str = "host.after-call";

/// One stretch that still has to be removed.
struct Due {
    n: i64,
    span: Span,
    /// Where the verdict stands in the ledger; none: the host ended before it stood there.
    verdict: Option<u64>,
    mode: RedactionMode,
}

/// The list, of every client.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    db: Db,
}

impl Late {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("late", MIGRATIONS, &[(Purpose::Recovery, "late")]).await
    }

    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db })
    }

    /// Writes spans down; their verdict is about to be logged. One that is on the list is not added again.
    pub(crate) async fn note(
        &self,
        client: &ClientId,
        recording: RecordingId,
        spans: &[Span],
        mode: RedactionMode,
    ) -> Result<(), StateError> {
        if spans.is_empty() {
            return Ok(());
        }
        let note = |span: &Span| {
            Statement::new(
                "INSERT INTO late (client, recording, n, leg, start_ms, end_ms, masked)
                 SELECT $1, $2, COALESCE((SELECT MAX(n) FROM late WHERE client = $1 AND recording = $2), 0) + 1,
                   $3, $4, $5, $6
                 WHERE NOT EXISTS (SELECT 1 FROM late WHERE client = $1 AND recording = $2 AND start_ms = $4
                   AND end_ms = $5 AND masked = $6 AND COALESCE(leg, -1) = COALESCE($3, -1))",
            )
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(span.leg.map(i64::from))
            .bind(i64::from(span.start))
            .bind(i64::from(span.end))
            .bind(i64::from(mode == RedactionMode::Mask))
        };
        self.db.of(client).write("note what has to be removed", spans.iter().map(note).collect()).await?;
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
            .execute(self.db.of(client))
            .await
            .map_err(sql("note why something has to be removed"))?;
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
            .execute(self.db.of(client))
            .await
            .map_err(sql("strike off what was removed"))?;
        Ok(())
    }

    /// Strikes off all of a recording, of which nothing will be kept.
    pub(crate) fn striking_all(&self, client: &ClientId, recording: RecordingId) -> Statement {
        let strike = Statement::new("DELETE FROM late WHERE client = $1 AND recording = $2");
        strike.bind(client.as_str()).bind(recording.to_string())
    }

    async fn due(&self, client: &ClientId, recording: RecordingId) -> Result<Vec<Due>, StateError> {
        type Row = (i64, Option<i64>, i64, i64, Option<i64>, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT n, leg, start_ms, end_ms, verdict, masked FROM late
             WHERE client = $1 AND recording = $2 ORDER BY n",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list what has to be removed"))?;
        let offset = |ms: i64| Offset::try_from(ms).unwrap_or(Offset::MAX);
        let due = |(n, leg, start, end, verdict, masked): Row| Due {
            n,
            span: Span {
                leg: leg.and_then(|l| u8::try_from(l).ok()),
                start: offset(start),
                end: offset(end),
            },
            verdict: verdict.map(|index| index as u64),
            mode: if masked == 0 { RedactionMode::Shred } else { RedactionMode::Mask },
        };
        Ok(rows.into_iter().map(due).collect())
    }

    /// Every recording of which something has to be removed.
    pub(crate) async fn recordings(&self) -> Result<Vec<(ClientId, RecordingId)>, StateError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT DISTINCT client, recording FROM late ORDER BY client, recording")
                .fetch_all(self.db.across(Purpose::Recovery))
                .await
                .map_err(sql("list recordings of which something has to be removed"))?;
        let parsed = |(client, id): (String, String)| Some((client.parse().ok()?, id.parse().ok()?));
        Ok(rows.into_iter().filter_map(parsed).collect())
    }
}

impl House {
    /// Removes by key what is on the list of a recording that is sealed: intent in the ledger, then the act, then its
    /// result. A crash in between has it done again, which changes nothing any more.
    pub(crate) async fn remove_late(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<(), RecorderError> {
        let due = self.late.due(client, recording).await?;
        for mode in [RedactionMode::Shred, RedactionMode::Mask] {
            let of_mode: Vec<&Due> = due.iter().filter(|d| d.mode == mode).collect();
            let spans: Vec<Span> = of_mode.iter().map(|d| d.span).collect();
            // What memory has dropped already had its margin.
            if self.has_any_of(client, recording, &spans).await? {
                let spans = self.limits.with_margin(&spans);
                let verdict = of_mode.iter().filter_map(|d| d.verdict).max();
                self.remove(client, recording, &spans, (mode, verdict)).await?;
            }
            for Due { n, .. } in of_mode {
                self.late.strike(client, recording, Some(*n)).await?;
            }
        }
        Ok(())
    }

    async fn remove(
        &self,
        client: &ClientId,
        id: RecordingId,
        spans: &[Span],
        (mode, verdict): (RedactionMode, Option<u64>),
    ) -> Result<(), RecorderError> {
        let recording = self.pseudonym(client, id).await?;
        let verdict = match verdict {
            Some(index) => index,
            None => self.last_verdict(client, &recording).await?,
        };
        let (basis, agreed) = (Basis::Rules, None);
        let intent = match mode {
            RedactionMode::Shred => {
                let what = Element::Segment;
                EntryKind::DisposalIntent { recording, what, basis, verdict, agreed }
            }
            RedactionMode::Mask => {
                let (lift, number) = (false, None);
                EntryKind::MaskIntent { recording, lift, number, basis, verdict, agreed }
            }
        };
        let masks = self.masks_of(client, id).await?;
        let redact = Redact { recording: id, spans: spans.to_vec(), mode, masks, owes: None };
        let act = Deed::by_host(What::Redact(redact));
        let (intent, under_way) = self.intend(client, intent, &act).await?;
        let number = self.redact(client, id, spans, RULE, mode.taken()).await?;
        self.conclude(client, &under_way, (&act, intent), Some(Did { number })).await?;
        Ok(())
    }

    /// What an earlier run left to be removed. What cannot be now stays on the list.
    pub(crate) async fn remove_what_was_left(&self) -> Result<(), RecorderError> {
        for (client, recording) in self.late.recordings().await? {
            match self.remove_late(&client, recording).await {
                Ok(()) => {
                    tracing::warn!(%client, %recording, "removed what was found late before the host ended")
                }
                Err(RecorderError::Vault(VaultError::Unknown { .. } | VaultError::Gone { .. })) => {
                    self.late.strike(&client, recording, None).await?;
                }
                Err(error) => {
                    tracing::error!(%client, %recording, %error, "not removed yet; the next start tries again")
                }
            }
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
