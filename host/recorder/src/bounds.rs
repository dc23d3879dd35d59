//! What a recording may be used for, and by whom: bounds that verdicts set while it was made, obeyed whenever somebody asks
//! for it.

use caveat_model::{AccessRequest, Act, ClientId, Duty, Purpose, Reason, RecordingId, Role, Verdict};
use caveat_state::{Db, StateError, Statement, sql};

const MIGRATIONS: &[&str] = &["
CREATE TABLE bound (
    client TEXT NOT NULL,
    recording TEXT NOT NULL,
    duty TEXT NOT NULL,
    rule TEXT NOT NULL,
    citation TEXT NOT NULL,
    purposes TEXT NOT NULL,
    PRIMARY KEY (client, recording, duty, rule, purposes)
)"];

/// One bound, with the rule that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    rule: String,
    citation: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// These purposes only.
    Purposes(Vec<Purpose>),
    /// Nobody outside the client.
    NoThirdParty,
}

impl Bound {
    /// Every bound that a verdict sets.
    pub(crate) fn of(verdict: &Verdict) -> Vec<Self> {
        let bound = |obligation: &caveat_model::Obligation| {
            let what = match &obligation.duty {
                Duty::RestrictUse(purposes) => What::Purposes(purposes.clone()),
                Duty::NoThirdParty => What::NoThirdParty,
                _ => return None,
            };
            let reason = verdict.reasons().map(|(_, r)| r).find(|r| r.rule == obligation.rule);
            let citation = reason.map_or_else(String::new, |r| r.citation.clone());
            Some(Self { rule: obligation.rule.clone(), citation, what })
        };
        verdict.obligations().filter_map(|(_, obligation)| bound(obligation)).collect()
    }

    /// Why a request is refused; none if it keeps within the bound.
    pub(crate) fn refuses(&self, asked: &AccessRequest) -> Option<Reason> {
        let message = match &self.what {
            What::Purposes(allowed) if !allowed.contains(&asked.purpose) => {
                let allowed: Vec<String> = allowed.iter().map(word).collect();
                let to = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                format!("This recording may be used for {to} only, not for {}.", word(&asked.purpose))
            }
            What::NoThirdParty if leaves(asked) => "Nobody outside may have this recording.".to_owned(),
            _ => return None,
        };
        Some(Reason { rule: self.rule.clone(), citation: self.citation.clone(), message })
    }
}

/// Whether somebody outside the client would have it.
fn leaves(asked: &AccessRequest) -> bool {
    matches!(asked.act, Act::Share | Act::Disclose) || asked.person.role == Role::Outsider
}

/// As the contract calls it.
fn word(purpose: &Purpose) -> String {
    serde_json::to_value(purpose).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The bounds of every client's recordings.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    db: Db,
}

impl Bounds {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("bounds", MIGRATIONS, &[]).await
    }

    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db })
    }

    /// Bounds hold from here on; none is ever lifted.
    pub(crate) async fn set(
        &self,
        client: &ClientId,
        recording: RecordingId,
        bounds: &[Bound],
    ) -> Result<(), StateError> {
        if bounds.is_empty() {
            return Ok(());
        }
        self.db
            .of(client)
            .write("note what a recording may be used for", statements(client, recording, bounds))
            .await?;
        Ok(())
    }

    pub(crate) async fn of(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Vec<Bound>, StateError> {
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT duty, rule, citation, purposes FROM bound WHERE client = $1 AND recording = $2 ORDER BY rule",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read what a recording may be used for"))?;
        let bound = |(duty, rule, citation, purposes): (String, String, String, String)| {
            let purpose = |p: &str| serde_json::from_value(serde_json::Value::String(p.to_owned())).ok();
            let what = match duty.as_str() {
                "no-third-party" => What::NoThirdParty,
                // A purpose that this program does not know allows nothing.
                _ => What::Purposes(purposes.split(',').filter_map(purpose).collect()),
            };
            Bound { rule, citation, what }
        };
        Ok(rows.into_iter().map(bound).collect())
    }
}

/// What [`Bounds::set`] writes.
pub(crate) fn statements(client: &ClientId, recording: RecordingId, bounds: &[Bound]) -> Vec<Statement> {
    bounds.iter().map(|bound| statement(client, recording, bound)).collect()
}

fn statement(client: &ClientId, recording: RecordingId, bound: &Bound) -> Statement {
    let (duty, purposes) = match &bound.what {
        What::Purposes(purposes) => ("restrict-use", purposes.iter().map(word).collect::<Vec<_>>().join(",")),
        What::NoThirdParty => ("no-third-party", String::new()),
    };
    Statement::new(
        "INSERT INTO bound (client, recording, duty, rule, citation, purposes)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (client, recording, duty, rule, purposes) DO NOTHING",
    )
    .bind(client.as_str())
    .bind(recording.to_string())
    .bind(duty)
    .bind(bound.rule.as_str())
    .bind(bound.citation.as_str())
    .bind(purposes)
}
