//! Holds: what has to be preserved for a matter, by recording, call, person, case or date. A hold is an order that stands:
//! it takes in what is recorded later, too.
//!
//! Calls, people and cases are found by marks: keyed commitments that recordings are entered under when they begin. Nobody
//! can read a name or a number out of them.

use caveat_ledger::EntryKind;
use caveat_model::{ClientId, Hold, Moment, RecordingId};
use caveat_state::{Statement, sql};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{NEVER, Retention, RetentionError, date, moment};

/// What recordings can be found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// `call`, `person`, `case`.
    pub kind: &'static str,
    /// The phone system's id of the call, a number or an id of somebody on it, the case it belongs to.
    pub value: String,
}

/// What a hold takes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[schemars(rename = "HoldScope")]
pub enum Scope {
    /// One recording.
    Recording(RecordingId),
    /// The recordings of a call, by the phone system's id.
    Call(String),
    /// Calls that somebody is on: a telephone number, or an id given with the call (`agent.id`, `customer.id`, `person.id`).
    Person(String),
    /// Calls that belong to a case, by the id given with them (`case.id`).
    Case(String),
    /// Calls that began from then on, and before then.
    Dates {
        /// From.
        from: Moment,
        /// Until; left out: for as long as it stands.
        #[serde(default)]
        until: Option<Moment>,
    },
    /// All that the client has and will have.
    Everything,
}

impl Scope {
    fn kind(&self) -> &'static str {
        match self {
            Self::Recording(_) => "recording",
            Self::Call(_) => "call",
            Self::Person(_) => "person",
            Self::Case(_) => "case",
            Self::Dates { .. } | Self::Everything => "dates",
        }
    }

    fn range(&self) -> (i64, i64) {
        match self {
            Self::Dates { from, until } => {
                (from.as_millis() as i64, until.map_or(NEVER, |m| m.as_millis() as i64))
            }
            _ => (0, NEVER),
        }
    }
}

/// A hold that somebody sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewHold {
    /// What it is for, in the client's words.
    #[schemars(length(min = 1))]
    pub matter: String,
    /// What it takes in.
    pub scope: Scope,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A hold that is in force, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HoldOrder {
    /// For lifting it.
    pub id: u64,
    /// What it is.
    #[serde(flatten)]
    pub hold: NewHold,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub since: Moment,
    /// When it was lifted, if it was.
    pub lifted: Option<Moment>,
    /// Recordings under it now.
    pub recordings: u64,
}

/// What a hold is sealed for beside its row.
const DETAIL: &str = "hold";
/// What marks are made for.
const MARK: &str = "hold-mark";

/// Numbers are compared by their digits, ids without regard to case.
fn normalized(value: &str) -> String {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let is_number = digits.len() >= 7 && value.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    if is_number { digits } else { value.trim().to_lowercase() }
}

impl Retention {
    /// Sets a hold, and puts every recording that it takes in under it; gives back those.
    ///
    /// # Errors
    /// [`RetentionError::EmptyRange`].
    pub async fn set_hold(
        &self,
        client: &ClientId,
        hold: &NewHold,
        by: &str,
    ) -> Result<(HoldOrder, Vec<RecordingId>), RetentionError> {
        if let Scope::Dates { from, until: Some(until) } = hold.scope
            && until <= from
        {
            return Err(RetentionError::EmptyRange { from, until });
        }
        let (from, until) = hold.scope.range();
        let plain = serde_json::to_vec(hold).unwrap_or_default();
        let detail = self.vault.seal_detail(client, DETAIL, &plain).await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO retention_order
               (client, id, matter, scope, mark, from_ms, until_ms, detail, set_by, since_ms, lifted_ms)
             SELECT $1, COALESCE((SELECT MAX(id) FROM retention_order WHERE client = $1), 0) + 1,
               $2, $3, $4, $5, $6, $7, $8, $9, 0 RETURNING id",
        )
        .bind(client.as_str())
        .bind(hold.matter.as_str())
        .bind(hold.scope.kind())
        .bind(self.mark_of(client, &hold.scope).await?)
        .bind(from)
        .bind(until)
        .bind(detail)
        .bind(by)
        .bind(self.now_ms())
        .fetch_one(self.db.of(client))
        .await
        .map_err(sql("set a hold"))?;
        // From here on whatever begins is taken in; what is there already is next.
        let mut held = Vec::new();
        for recording in self.taken_in(client, id).await? {
            self.hold(client, recording, id).await?;
            held.push(recording);
        }
        let order = self.order(client, id as u64).await?;
        Ok((order, held))
    }

    /// Lifts a hold from all that is under it. That two people agree is the caller's to have checked; `agreed` is where it
    /// stands in the ledger.
    ///
    /// # Errors
    /// [`RetentionError::NoSuchHold`].
    pub async fn lift_hold(
        &self,
        client: &ClientId,
        id: u64,
        agreed: u64,
    ) -> Result<Vec<RecordingId>, RetentionError> {
        let lifted = sqlx::query(
            "UPDATE retention_order SET lifted_ms = $3 WHERE client = $1 AND id = $2 AND lifted_ms = 0",
        )
        .bind(client.as_str())
        .bind(id as i64)
        .bind(self.now_ms().max(1))
        .execute(self.db.of(client))
        .await
        .map_err(sql("lift a hold"))?;
        let held = self.under(client, id as i64).await?;
        // One that broke off is gone on with.
        if lifted.rows_affected() == 0 && held.is_empty() {
            return Err(RetentionError::NoSuchHold { id });
        }
        for recording in &held {
            let entry = EntryKind::HoldLifted {
                recording: self.pseudonym(client, *recording).await?,
                hold: self.hold_name(client, id).await?,
                agreed: Some(agreed),
            };
            let text = "DELETE FROM retention_held WHERE client = $1 AND recording = $2 AND id = $3";
            let lifted = Statement::new(text).bind(client.as_str()).bind(recording.to_string());
            // Of two who lift it, the second finds nothing left to lift.
            self.ledger.append_beside(client, entry, vec![lifted.bind(id as i64).or_nothing()]).await?;
        }
        Ok(held)
    }

    /// The recordings that are entered under what a scope names, held or not.
    pub async fn marked(&self, client: &ClientId, scope: &Scope) -> Result<Vec<RecordingId>, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT recording FROM retention_mark WHERE client = $1 AND kind = $2 AND mark = $3",
        )
        .bind(client.as_str())
        .bind(scope.kind())
        .bind(self.mark_of(client, scope).await?)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("look for recordings by a mark"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// A hold's name in the ledger.
    pub async fn hold_name(&self, client: &ClientId, id: u64) -> Result<String, RetentionError> {
        Ok(self.vault.commitment(client, "hold", &id.to_be_bytes()).await?.to_string())
    }

    /// The holds of a client, the newest first; those that were lifted too where `lifted`.
    pub async fn hold_orders(
        &self,
        client: &ClientId,
        lifted: bool,
        limit: u32,
    ) -> Result<Vec<HoldOrder>, RetentionError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM retention_order WHERE client = $1 AND (lifted_ms = 0 OR $2 = 1) ORDER BY id DESC LIMIT $3",
        )
        .bind(client.as_str())
        .bind(i64::from(lifted))
        .bind(self.rows(limit))
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list holds"))?;
        let mut orders = Vec::with_capacity(ids.len());
        for id in ids {
            orders.push(self.order(client, id as u64).await?);
        }
        Ok(orders)
    }

    /// One hold.
    ///
    /// # Errors
    /// [`RetentionError::NoSuchHold`].
    pub async fn order(&self, client: &ClientId, id: u64) -> Result<HoldOrder, RetentionError> {
        let row: Option<(Vec<u8>, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT detail, set_by, since_ms, lifted_ms,
               (SELECT COUNT(*) FROM retention_held h WHERE h.client = o.client AND h.id = o.id)
             FROM retention_order o WHERE client = $1 AND id = $2",
        )
        .bind(client.as_str())
        .bind(id as i64)
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read a hold"))?;
        let (detail, set_by, since, lifted, count) = row.ok_or(RetentionError::NoSuchHold { id })?;
        let plain = self.vault.open_detail(client, DETAIL, &detail).await?;
        let hold = serde_json::from_slice(&plain).map_err(|_| RetentionError::NoSuchHold { id })?;
        let (since, lifted, recordings) = (moment(since), date(lifted), count as u64);
        Ok(HoldOrder { id, hold, set_by, since, lifted, recordings })
    }

    /// The holds on a recording.
    pub async fn holds(
        &self,
        client: &ClientId,
        recording: RecordingId,
    ) -> Result<Vec<Hold>, RetentionError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT o.matter, h.since_ms FROM retention_held h
             JOIN retention_order o ON o.client = h.client AND o.id = h.id
             WHERE h.client = $1 AND h.recording = $2 ORDER BY h.id",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read holds"))?;
        Ok(rows.into_iter().map(|(matter, ms)| Hold { matter, since: moment(ms) }).collect())
    }

    /// The recordings that are under hold for a matter, the oldest first.
    pub async fn held_for(
        &self,
        client: &ClientId,
        matter: &str,
    ) -> Result<Vec<RecordingId>, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            // Orders are few, and looked at first: SQLite keeps to the order of a cross join.
            "SELECT DISTINCT h.recording FROM retention_order o CROSS JOIN retention_held h
             WHERE o.client = $1 AND o.matter = $2 AND h.client = o.client AND h.id = o.id ORDER BY h.recording",
        )
        .bind(client.as_str())
        .bind(matter)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("read what is held for a matter"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Puts a recording under every standing hold that takes it in.
    pub async fn apply_holds(&self, client: &ClientId, recording: RecordingId) -> Result<(), RetentionError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT o.id FROM retention_order o JOIN retention_kept k ON k.client = o.client
             WHERE o.client = $1 AND o.lifted_ms = 0 AND k.recording = $2
               AND k.began_ms >= o.from_ms AND k.began_ms < o.until_ms
               AND (o.scope = 'dates' OR (o.scope = 'recording' AND o.mark = k.recording)
                 OR EXISTS (SELECT 1 FROM retention_mark m WHERE m.client = k.client AND m.recording = k.recording
                   AND m.kind = o.scope AND m.mark = o.mark))",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("look for holds"))?;
        for id in ids {
            self.hold(client, recording, id).await?;
        }
        Ok(())
    }

    /// Recordings of calls that somebody was on, destroyed ones too: `person` is a number or an id, as in [`Scope::Person`].
    pub async fn of_person(
        &self,
        client: &ClientId,
        person: &str,
    ) -> Result<Vec<RecordingId>, RetentionError> {
        let mark = self.mark_of(client, &Scope::Person(person.to_owned())).await?;
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT recording FROM retention_mark WHERE client = $1 AND kind = 'person' AND mark = $2",
        )
        .bind(client.as_str())
        .bind(mark)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("find the recordings of a person"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// The mark that a recording is entered under.
    pub(crate) async fn mark(&self, client: &ClientId, mark: &Mark) -> Result<String, RetentionError> {
        let data = format!("{} {}", mark.kind, normalized(&mark.value));
        Ok(self.vault.commitment(client, MARK, data.as_bytes()).await?.to_string())
    }

    async fn mark_of(&self, client: &ClientId, scope: &Scope) -> Result<String, RetentionError> {
        let of = |value: &String| Mark { kind: scope.kind(), value: value.clone() };
        Ok(match scope {
            Scope::Recording(id) => id.to_string(),
            Scope::Call(value) | Scope::Person(value) | Scope::Case(value) => {
                self.mark(client, &of(value)).await?
            }
            Scope::Dates { .. } | Scope::Everything => String::new(),
        })
    }

    /// In one commit with its entry.
    async fn hold(&self, client: &ClientId, recording: RecordingId, id: i64) -> Result<(), RetentionError> {
        let there: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM retention_held WHERE client = $1 AND recording = $2 AND id = $3",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .bind(id)
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("read a hold"))?;
        if there.is_some() {
            return Ok(());
        }
        let entry = EntryKind::HoldSet {
            recording: self.pseudonym(client, recording).await?,
            hold: self.hold_name(client, id as u64).await?,
        };
        let held = Statement::new(
            "INSERT INTO retention_held (client, recording, id, since_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (client, recording, id) DO NOTHING",
        );
        let held = held.bind(client.as_str()).bind(recording.to_string()).bind(id).bind(self.now_ms());
        self.ledger.append_beside(client, entry, vec![held.or_nothing()]).await?;
        Ok(())
    }

    /// Recordings that a hold takes in.
    async fn taken_in(&self, client: &ClientId, id: i64) -> Result<Vec<RecordingId>, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT k.recording FROM retention_kept k JOIN retention_order o ON o.client = k.client
             WHERE o.client = $1 AND o.id = $2 AND k.state <> 'gone'
               AND k.began_ms >= o.from_ms AND k.began_ms < o.until_ms
               AND (o.scope = 'dates' OR (o.scope = 'recording' AND o.mark = k.recording)
                 OR EXISTS (SELECT 1 FROM retention_mark m WHERE m.client = k.client AND m.recording = k.recording
                   AND m.kind = o.scope AND m.mark = o.mark))
             ORDER BY k.recording",
        )
        .bind(client.as_str())
        .bind(id)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("look for recordings to hold"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn under(&self, client: &ClientId, id: i64) -> Result<Vec<RecordingId>, RetentionError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT recording FROM retention_held WHERE client = $1 AND id = $2 ORDER BY recording",
        )
        .bind(client.as_str())
        .bind(id)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list recordings under a hold"))?;
        Ok(rows.iter().filter_map(|id| id.parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_their_digits_and_ids_by_their_letters() {
        let same = |a: &str, b: &str| normalized(a) == normalized(b);
        assert!(same("+1 (212) 555-0100", "12125550100") && same("Agent-7 ", "agent-7"));
        assert!(!same("agent-7", "agent7") && !same("12-34", "1234"));
    }
}
