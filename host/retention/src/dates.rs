//! The dates of a recording: from verdicts, and what the client wishes beyond them.

use caveat_model::{ClientId, Duty, Moment, RecordingId, Verdict};
use caveat_state::{Statement, sql};

use crate::{NEVER, Retention, RetentionError, date};

/// The dates of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// It has to be kept until then.
    pub retain_until: Option<Moment>,
    /// The rule that says so, with its citation.
    pub retain_rule: String,
    /// It should be gone by then; the duty to keep goes before.
    pub destroy_by: Option<Moment>,
    /// The rule that says so, with its citation.
    pub destroy_rule: String,
    /// The client wants it gone then; weaker than either.
    pub wish: Option<Moment>,
}

/// What is named where the client's own wish decides.
const WISH: &str = "the client's dispose-after-days";

impl Schedule {
    /// When it may be, and should be, destroyed; none: nobody said.
    pub fn due(&self) -> Option<Moment> {
        let gone = [self.destroy_by, self.wish].into_iter().flatten().min()?;
        Some(self.retain_until.map_or(gone, |until| until.max(gone)))
    }

    /// What decides on when it is due.
    pub fn why(&self) -> &str {
        let Some(due) = self.due() else { return "" };
        if self.retain_until == Some(due) {
            &self.retain_rule
        } else if self.destroy_by == Some(due) {
            &self.destroy_rule
        } else {
            WISH
        }
    }

    /// Whether it should be gone before it may be.
    pub fn is_at_odds(&self) -> bool {
        self.destroy_by.zip(self.retain_until).is_some_and(|(gone, kept)| gone < kept)
    }
}

impl Retention {
    /// Takes in what a verdict says of keeping. Dates only ever become stricter, whatever the clock or a later verdict
    /// says.
    pub async fn note(
        &self,
        client: &ClientId,
        recording: RecordingId,
        verdict: &Verdict,
    ) -> Result<(), RetentionError> {
        self.tighten_by(client, Self::dates_of(client, recording, verdict)).await
    }

    /// What [`Retention::note`] writes; nothing where a verdict names no date.
    pub fn dates_of(client: &ClientId, recording: RecordingId, verdict: &Verdict) -> Option<Statement> {
        let terms = &verdict.terms;
        let retain = terms.retain_until.map(|m| (m, rule_of(verdict, &Duty::RetainUntil(m))));
        let destroy = terms.destroy_by.map(|m| (m, rule_of(verdict, &Duty::DestroyBy(m))));
        tightened(client, recording, retain, destroy)
    }

    /// It has to be kept until then, or should be gone by then.
    pub async fn tighten(
        &self,
        client: &ClientId,
        recording: RecordingId,
        retain_until: Option<(Moment, String)>,
        destroy_by: Option<(Moment, String)>,
    ) -> Result<(), RetentionError> {
        self.tighten_by(client, tightened(client, recording, retain_until, destroy_by)).await
    }

    async fn tighten_by(&self, client: &ClientId, tighten: Option<Statement>) -> Result<(), RetentionError> {
        if let Some(tighten) = tighten {
            self.db.of(client).run("note how long a recording is kept", tighten).await?;
        }
        Ok(())
    }

    /// The client wants it gone then, if no rule wants it kept longer. The first wish stands.
    pub async fn wish(
        &self,
        client: &ClientId,
        recording: RecordingId,
        gone: Moment,
    ) -> Result<(), RetentionError> {
        sqlx::query(
            "INSERT INTO retention_schedule (client, recording, retain_until_ms, destroy_by_ms, wish_ms)
             VALUES ($1, $2, 0, $3, $4)
             ON CONFLICT (client, recording) DO UPDATE SET wish_ms = CASE
               WHEN retention_schedule.wish_ms = $3 THEN excluded.wish_ms ELSE retention_schedule.wish_ms END",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .bind(NEVER)
        .bind(gone.as_millis() as i64)
        .execute(self.db.of(client))
        .await
        .map_err(sql("note how long a client wants a recording kept"))?;
        Ok(())
    }

    /// The dates of a recording.
    pub async fn schedule(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Schedule, RetentionError> {
        let row: Option<DateColumns> = sqlx::query_as(
            "SELECT retain_until_ms, destroy_by_ms, wish_ms, retain_rule, destroy_rule
             FROM retention_schedule WHERE client = $1 AND recording = $2",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read how long a recording is kept"))?;
        Ok(row.map(Schedule::from).unwrap_or_default())
    }
}

/// Retain-until, destroy-by, wish, and the rules of the first two.
pub(crate) type DateColumns = (i64, i64, i64, String, String);

impl From<DateColumns> for Schedule {
    fn from((retain, destroy, wish, retain_rule, destroy_rule): DateColumns) -> Self {
        let (retain_until, destroy_by, wish) = (date(retain), date(destroy), date(wish));
        Self { retain_until, retain_rule, destroy_by, destroy_rule, wish }
    }
}

fn tightened(
    client: &ClientId,
    recording: RecordingId,
    retain_until: Option<(Moment, String)>,
    destroy_by: Option<(Moment, String)>,
) -> Option<Statement> {
    if retain_until.is_none() && destroy_by.is_none() {
        return None;
    }
    let (retain_ms, retain_rule) =
        retain_until.map_or((0, String::new()), |(m, rule)| (m.as_millis() as i64, rule));
    let (destroy_ms, destroy_rule) =
        destroy_by.map_or((NEVER, String::new()), |(m, rule)| (m.as_millis() as i64, rule));
    // MAX and MIN of two values have other names on PostgreSQL; CASE has not.
    let tighten = Statement::new(
        "INSERT INTO retention_schedule (client, recording, retain_until_ms, destroy_by_ms, retain_rule, destroy_rule)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (client, recording) DO UPDATE SET
           retain_until_ms = CASE WHEN excluded.retain_until_ms > retention_schedule.retain_until_ms
             THEN excluded.retain_until_ms ELSE retention_schedule.retain_until_ms END,
           retain_rule = CASE WHEN excluded.retain_until_ms > retention_schedule.retain_until_ms
             THEN excluded.retain_rule ELSE retention_schedule.retain_rule END,
           destroy_by_ms = CASE WHEN excluded.destroy_by_ms < retention_schedule.destroy_by_ms
             THEN excluded.destroy_by_ms ELSE retention_schedule.destroy_by_ms END,
           destroy_rule = CASE WHEN excluded.destroy_by_ms < retention_schedule.destroy_by_ms
             THEN excluded.destroy_rule ELSE retention_schedule.destroy_rule END",
    )
    .bind(client.as_str())
    .bind(recording.to_string())
    .bind(retain_ms)
    .bind(destroy_ms)
    .bind(retain_rule)
    .bind(destroy_rule);
    Some(tighten)
}

/// `rule (citation)` of the first obligation that asks for just this.
fn rule_of(verdict: &Verdict, duty: &Duty) -> String {
    let Some((_, asks)) = verdict.obligations().find(|(_, o)| o.duty == *duty) else { return String::new() };
    match verdict.reasons().map(|(_, r)| r).find(|r| r.rule == asks.rule).map(|r| r.citation.as_str()) {
        None | Some("") => asks.rule.clone(),
        Some(citation) => format!("{} ({citation})", asks.rule),
    }
}
