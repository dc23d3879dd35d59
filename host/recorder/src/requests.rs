//! What one person may not do alone: somebody asks, another confirms, and only then is it done.

use caveat_access::{Action, SignedIn};
use caveat_ledger::{EntryKind, keys_before};
use caveat_model::{Basis, ClientId, Moment, PersonId, Purpose, RecordingId, Span};
use caveat_retention::Receipt;
use caveat_state::{Db, StateError, Statement, sql};
use caveat_vault::Vault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Decided, NewRedaction, Recorder, RecorderError, Redacted, RedactionMode,
    begun::at_request,
    disposal::to_delete,
    redaction::{Agreement, not_empty, to_redact},
};

/// What somebody asks for and another has to confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Wanted {
    /// A stretch destroyed for ever.
    Shred {
        /// Of which recording.
        recording: RecordingId,
        /// Which.
        span: Span,
        /// Why.
        purpose: Purpose,
    },
    /// A mask lifted.
    Unmask {
        /// Of which recording.
        recording: RecordingId,
        /// Its number.
        mask: u32,
        /// Why.
        purpose: Purpose,
    },
    /// A recording destroyed before its schedule does.
    Dispose {
        /// Which.
        recording: RecordingId,
        /// On whose account.
        basis: Basis,
        /// Why.
        purpose: Purpose,
    },
    /// A hold lifted.
    LiftHold {
        /// Its number.
        hold: u64,
    },
    /// Old versions of the client's key destroyed.
    DestroyKeys {
        /// Every version before this one.
        before: u32,
    },
}

impl Wanted {
    /// What the table of roles calls it.
    pub fn action(&self) -> Action {
        match self {
            Self::Shred { .. } => Action::ShredRecording,
            Self::Unmask { .. } => Action::UnmaskRecording,
            Self::Dispose { .. } => Action::DisposeRecording,
            Self::LiftHold { .. } => Action::LiftHold,
            Self::DestroyKeys { .. } => Action::DestroyKeys,
        }
    }
}

/// A request, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// For confirming it.
    pub id: u64,
    /// What is asked for.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// In the words of who asks.
    pub reason: String,
    /// Who asks.
    pub asked_by: PersonId,
    /// Since when.
    pub asked: Moment,
    /// It can be confirmed until then.
    pub until: Moment,
}

/// What came of a confirmed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// A stretch was destroyed, or a mask lifted.
    Redacted(Redacted),
    /// A recording was destroyed.
    Destroyed(Receipt),
    /// A hold was lifted from so many recordings.
    Lifted(u64),
    /// Every version of the client's key before this one is destroyed.
    KeysDestroyed(u32),
}

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE request (
    client TEXT NOT NULL,
    id BIGINT NOT NULL,
    detail BYTEA NOT NULL,
    asked_by TEXT NOT NULL,
    asked_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    closed TEXT NOT NULL,
    closed_by TEXT NOT NULL,
    PRIMARY KEY (client, id)
)",
    // Keys had requests of their own, which waited for a day.
    "DROP TABLE IF EXISTS key_request",
    "
ALTER TABLE request ADD COLUMN log TEXT NOT NULL DEFAULT '';
UPDATE request SET closed = 'done' WHERE closed = 'confirmed';
CREATE INDEX request_log ON request (log, closed)",
];

/// What a request is sealed for.
const DETAIL: &str = "request";

/// As sealed: reasons may name people.
#[derive(Serialize, Deserialize)]
struct Detail {
    wanted: Wanted,
    reason: String,
}

/// The requests of every client.
#[derive(Clone)]
pub(crate) struct Requests {
    db: Db,
    vault: Vault,
}

type Row = (i64, Vec<u8>, String, i64, i64);

impl Requests {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("requests", MIGRATIONS, &[(caveat_state::Purpose::Recovery, "request")]).await
    }

    pub(crate) async fn open(db: Db, vault: Vault) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db, vault })
    }

    async fn ask(
        &self,
        who: &SignedIn,
        wanted: Wanted,
        reason: String,
        (now, until): (Moment, Moment),
    ) -> Result<Request, RecorderError> {
        let detail = Detail { wanted, reason };
        let plain = serde_json::to_vec(&detail).map_err(|e| RecorderError::Task(e.to_string()))?;
        let sealed = self.vault.seal_detail(&who.client, DETAIL, &plain).await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO request (client, id, detail, asked_by, asked_ms, until_ms, closed, closed_by)
             SELECT $1, COALESCE((SELECT MAX(id) FROM request WHERE client = $1), 0) + 1, $2, $3, $4, $5, '', ''
             RETURNING id",
        )
        .bind(who.client.as_str())
        .bind(sealed)
        .bind(who.person.as_str())
        .bind(now.as_millis() as i64)
        .bind(until.as_millis() as i64)
        .fetch_one(self.db.of(&who.client))
        .await
        .map_err(sql("enter a request"))?;
        let Detail { wanted, reason } = detail;
        Ok(Request { id: id as u64, wanted, reason, asked_by: who.person.clone(), asked: now, until })
    }

    async fn open_ones(&self, client: &ClientId, now: Moment) -> Result<Vec<Request>, RecorderError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, detail, asked_by, asked_ms, until_ms FROM request
             WHERE client = $1 AND closed = '' AND until_ms > $2 ORDER BY id",
        )
        .bind(client.as_str())
        .bind(now.as_millis() as i64)
        .fetch_all(self.db.of(client))
        .await
        .map_err(sql("list requests"))?;
        let mut requests = Vec::with_capacity(rows.len());
        for (id, sealed, asked_by, asked, until) in rows {
            let plain = self.vault.open_detail(client, DETAIL, &sealed).await?;
            let detail: Detail =
                serde_json::from_slice(&plain).map_err(|e| RecorderError::Task(e.to_string()))?;
            let Ok(asked_by) = asked_by.parse() else { continue };
            let at = |ms: i64| Moment::from_millis(ms.max(0) as u64);
            let (asked, until, Detail { wanted, reason }) = (at(asked), at(until), detail);
            requests.push(Request { id: id as u64, wanted, reason, asked_by, asked, until });
        }
        Ok(requests)
    }

    /// True for whoever comes first. What is `confirmed` is being done, and `done` once it has come to its end.
    async fn close(
        &self,
        client: &ClientId,
        id: u64,
        (how, by): (&str, &PersonId),
    ) -> Result<bool, RecorderError> {
        let done = sqlx::query(
            "UPDATE request SET closed = $3, closed_by = $4, log = $5
             WHERE client = $1 AND id = $2 AND closed = ''",
        )
        .bind(client.as_str())
        .bind(id as i64)
        .bind(how)
        .bind(by.as_str())
        .bind(self.vault.log())
        .execute(self.db.of(client))
        .await
        .map_err(sql("close a request"))?;
        Ok(done.rows_affected() == 1)
    }

    /// What came of it is in the ledger, or it came to nothing: it is used up.
    pub(crate) fn using_up(&self, client: &ClientId, id: u64) -> Statement {
        let text =
            "UPDATE request SET closed = 'done' WHERE client = $1 AND id = $2 AND closed <> 'withdrawn'";
        Statement::new(text).bind(client.as_str()).bind(id as i64)
    }

    /// Those that a log's host has confirmed and not brought to their end.
    pub(crate) async fn left(&self, log: &str) -> Result<Vec<(ClientId, u64)>, StateError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT client, id FROM request WHERE closed = 'confirmed' AND log = $1 ORDER BY client, id",
        )
        .bind(log)
        .fetch_all(self.db.across(caveat_state::Purpose::Recovery))
        .await
        .map_err(sql("list requests that were cut short"))?;
        let left = |(client, id): (String, i64)| Some((client.parse().ok()?, u64::try_from(id).ok()?));
        Ok(rows.into_iter().filter_map(left).collect())
    }

    /// The host failed at it: it can be confirmed again.
    pub(crate) async fn reopen(&self, client: &ClientId, id: u64) -> Result<(), RecorderError> {
        sqlx::query(
            "UPDATE request SET closed = '', closed_by = '' WHERE client = $1 AND id = $2 AND closed = 'confirmed'",
        )
            .bind(client.as_str())
            .bind(id as i64)
            .execute(self.db.of(client))
            .await
            .map_err(sql("open a request again"))?;
        Ok(())
    }
}

impl Recorder {
    /// Asks for what a second person has to confirm; `Ok(Err(..))`: the packs refuse it already.
    ///
    /// # Errors
    /// The table of roles; no such recording, mask or hold; [`caveat_vault::VaultError::KeyInUse`].
    pub async fn request(
        &self,
        who: &SignedIn,
        wanted: Wanted,
        reason: String,
    ) -> Result<Result<Request, Decided>, RecorderError> {
        who.may_ask(wanted.action(), &who.client)?;
        if let Err(decided) = self.may_be_asked(who, &wanted, &reason).await? {
            return Ok(Err(decided));
        }
        let now = self.house.clock.now();
        let until = now.plus_millis(self.house.limits.request_valid_ms);
        let request = self.house.requests.ask(who, wanted, reason, (now, until)).await?;
        let message = format!("Request {} waits for a second person.", request.id);
        let why = ("host.two-people", "", message.as_str());
        self.house.alerts.raise(&who.client, now, None, "request", why).await?;
        Ok(Ok(request))
    }

    /// What waits for a second person.
    pub async fn requests(&self, client: &ClientId) -> Result<Vec<Request>, RecorderError> {
        self.house.requests.open_ones(client, self.house.clock.now()).await
    }

    /// Takes back, or turns down, what was asked for.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRequest`].
    pub async fn withdraw(&self, who: &SignedIn, id: u64) -> Result<(), RecorderError> {
        let request = self.open_request(&who.client, id).await?;
        who.may_ask(request.wanted.action(), &who.client)?;
        match self.house.requests.close(&who.client, id, ("withdrawn", &who.person)).await? {
            true => Ok(()),
            false => Err(RecorderError::NoSuchRequest { id }),
        }
    }

    /// A second person agrees, and it is done.
    ///
    /// # Errors
    /// [`RecorderError::NoSuchRequest`]; the table of roles, which wants another person than who asked.
    pub async fn confirm(&self, who: &SignedIn, id: u64) -> Result<Result<Done, Decided>, RecorderError> {
        let client = &who.client;
        let request = self.open_request(client, id).await?;
        who.may_confirm(&request.asked_by, request.wanted.action(), client)?;
        let _under_way = self.house.begun.at(at_request(client, id));
        if !self.house.requests.close(client, id, ("confirmed", &who.person)).await? {
            return Err(RecorderError::NoSuchRequest { id });
        }
        let done = self.carry_out(who, &request).await;
        if done.as_ref().is_err_and(|e| !e.is_the_senders()) {
            self.house.requests.reopen(client, id).await?;
        } else {
            let used = self.house.requests.using_up(client, id);
            self.house.db.of(client).run("note that a request is used up", used).await?;
        }
        done
    }

    async fn carry_out(
        &self,
        who: &SignedIn,
        request: &Request,
    ) -> Result<Result<Done, Decided>, RecorderError> {
        let agreed = self.agree(who, request).await?;
        let reason = request.reason.as_str();
        Ok(match request.wanted {
            Wanted::Shred { recording, span, purpose } => {
                let mode = RedactionMode::Shred;
                let wanted = NewRedaction { span, mode, purpose, reason: reason.to_owned() };
                self.shred(who, recording, &wanted, agreed).await?.map(Done::Redacted)
            }
            Wanted::Unmask { recording, mask, purpose } => {
                self.unmask(who, recording, (mask, purpose, reason), agreed).await?.map(Done::Redacted)
            }
            Wanted::Dispose { recording, basis, purpose } => {
                self.dispose(who, recording, (basis, purpose, reason), agreed).await?.map(Done::Destroyed)
            }
            Wanted::LiftHold { hold } => Ok(Done::Lifted(self.lift_hold(&who.client, hold, agreed).await?)),
            Wanted::DestroyKeys { before } => {
                self.destroy_keys(who, before, agreed).await?;
                Ok(Done::KeysDestroyed(before))
            }
        })
    }

    /// Enters in the ledger that two people want it.
    async fn agree(&self, second: &SignedIn, request: &Request) -> Result<Agreement, RecorderError> {
        let client = &second.client;
        let subject = match request.wanted {
            Wanted::Shred { recording, .. }
            | Wanted::Unmask { recording, .. }
            | Wanted::Dispose { recording, .. } => self.house.pseudonym(client, recording).await?,
            Wanted::LiftHold { hold } => self.house.retention.hold_name(client, hold).await?,
            Wanted::DestroyKeys { before } => keys_before(before),
        };
        let person =
            async |id: &PersonId| self.house.vault.commitment(client, "person", id.as_str().as_bytes()).await;
        let action = serde_json::to_value(request.wanted.action()).ok();
        let entry = EntryKind::Agreed {
            act: action.as_ref().and_then(|a| a.as_str()).unwrap_or_default().to_owned(),
            subject: Some(subject),
            asked: person(&request.asked_by).await?.to_string(),
            confirmed: person(&second.person).await?.to_string(),
        };
        Ok(Agreement { index: self.house.enter(client, entry).await?, request: request.id })
    }

    /// Whether the packs would let this person, and whether there is anything to do.
    async fn may_be_asked(
        &self,
        who: &SignedIn,
        wanted: &Wanted,
        reason: &str,
    ) -> Result<Result<(), Decided>, RecorderError> {
        let client = &who.client;
        let (recording, asked) = match *wanted {
            Wanted::Shred { recording, span, purpose } => {
                not_empty(&span)?;
                (recording, to_redact(Some(span), purpose, reason))
            }
            Wanted::Unmask { recording, mask, purpose } => {
                if !self.masks(client, recording).await?.iter().any(|m| m.mask == mask) {
                    return Err(RecorderError::NoSuchMask { id: recording, mask });
                }
                (recording, to_redact(None, purpose, reason))
            }
            Wanted::Dispose { recording, basis, purpose } => {
                if matches!(basis, Basis::Schedule | Basis::Rules) {
                    return Err(RecorderError::NotAPersonsBasis);
                }
                (recording, to_delete(purpose, reason))
            }
            Wanted::LiftHold { hold } => {
                self.house.retention.order(client, hold).await?;
                return Ok(Ok(()));
            }
            Wanted::DestroyKeys { before } => {
                self.may_destroy_keys(client, before).await?;
                return Ok(Ok(()));
            }
        };
        let (_, facts) = self.kept(client, recording).await?;
        match self.decide(who, Some(recording), facts, &asked).await? {
            Err(decided) => Ok(Err(decided)),
            Ok(granted) => {
                self.result(client, granted.intent, false, 0).await?;
                Ok(Ok(()))
            }
        }
    }

    async fn open_request(&self, client: &ClientId, id: u64) -> Result<Request, RecorderError> {
        let open = self.requests(client).await?;
        open.into_iter().find(|r| r.id == id).ok_or(RecorderError::NoSuchRequest { id })
    }
}
