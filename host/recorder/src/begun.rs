//! Acts that were begun and have no result yet: destroying, redacting, bringing back, what is done to keys. Log before act
//! leaves an intent in the ledger when a host ends in between; the row here, of the same commit, says how to find out
//! what became of it, and goes in the commit of its result. A start settles what its log left, and so does every look at
//! the schedule, for an act whose caller went away or whose database failed.
//!
//! What turns out to have been done gets its result and receipt; what was not done is told as such, and to somebody where
//! people had agreed on it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use caveat_ledger::{EntryKind, KeyAct, NewEntry};
use caveat_model::{ClientId, RecordingId, Span};
use caveat_retention::{Destroyed, RetentionError, Told, WithResult};
use caveat_state::{Db, Purpose, StateError, Statement, sql};
use caveat_vault::VaultError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RecorderError, house::House, redaction::RedactionMode};

const MIGRATIONS: &[&str] = &["
CREATE TABLE begun (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    intent BIGINT NOT NULL,
    log TEXT NOT NULL,
    act TEXT NOT NULL
);
CREATE INDEX begun_log ON begun (log)"];

/// What was begun. Names nobody: ids, places and rules.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deed {
    pub(crate) what: What,
    /// The ledger index of the intent to give somebody access for it, which gets its result with it.
    pub(crate) access: Option<u64>,
    /// The request that two people agreed on.
    pub(crate) request: Option<u64>,
}

impl Deed {
    /// By the host itself.
    pub(crate) fn by_host(what: What) -> Self {
        Self { what, access: None, request: None }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum What {
    Dispose { recording: RecordingId, on: Destroyed },
    Redact(Redact),
    Unmask { recording: RecordingId, number: u32 },
    RotateKey { version: u32 },
    DestroyKeys { before: u32 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Redact {
    pub(crate) recording: RecordingId,
    pub(crate) spans: Vec<Span>,
    pub(crate) mode: RedactionMode,
    /// Masks that there were before.
    pub(crate) masks: Vec<u32>,
    /// A receipt is owed for it.
    pub(crate) owes: Option<Destroyed>,
}

/// The table, and what this process is at.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    db: Db,
    log: String,
    at_it: Arc<Mutex<HashSet<String>>>,
}

/// An act that somebody in this process is at; nobody settles it meanwhile.
#[derive(Debug)]
pub(crate) struct UnderWay {
    id: String,
    at_it: Arc<Mutex<HashSet<String>>>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.at_it.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// An act of which the table has a row.
struct Left {
    id: String,
    client: ClientId,
    intent: u64,
    act: Deed,
}

impl Begun {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("begun", MIGRATIONS, &[(Purpose::Recovery, "begun")]).await
    }

    /// `log` names what this host has begun among what others have.
    pub(crate) async fn open(db: Db, log: &str) -> Result<Self, StateError> {
        Self::migrate(&db).await?;
        Ok(Self { db, log: log.to_owned(), at_it: Arc::default() })
    }

    /// Somebody is at the act of this id.
    pub(crate) fn at(&self, id: String) -> UnderWay {
        self.at_it.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        UnderWay { id, at_it: self.at_it.clone() }
    }

    /// An act is about to begin: what notes it, by the index of its intent.
    pub(crate) fn begin(
        &self,
        client: &ClientId,
        act: &Deed,
    ) -> Result<(UnderWay, impl Fn(u64) -> Statement + Send + Sync + use<>), RecorderError> {
        let text = serde_json::to_string(act).map_err(|e| RecorderError::Task(e.to_string()))?;
        let under_way = self.at(Uuid::now_v7().to_string());
        let (id, client, log) = (under_way.id.clone(), client.clone(), self.log.clone());
        let note = move |intent: u64| {
            let insert = "INSERT INTO begun (id, client, intent, log, act) VALUES ($1, $2, $3, $4, $5)";
            let insert = Statement::new(insert).bind(id.as_str()).bind(client.as_str());
            insert.bind(intent as i64).bind(log.as_str()).bind(text.as_str())
        };
        Ok((under_way, note))
    }

    fn is_at(&self, id: &str) -> bool {
        self.at_it.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Acts that a log's host has begun and nobody is at, the first first.
    async fn left(&self, log: &str) -> Result<Vec<Left>, StateError> {
        let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
            "SELECT id, client, intent, act FROM begun WHERE log = $1 ORDER BY client, intent",
        )
        .bind(log)
        .fetch_all(self.db.across(Purpose::Recovery))
        .await
        .map_err(sql("list what was begun"))?;
        let left = |(id, client, intent, act): (String, String, i64, String)| {
            let act = serde_json::from_str(&act).ok()?;
            Some(Left { id, client: client.parse().ok()?, intent: u64::try_from(intent).ok()?, act })
        };
        Ok(rows.into_iter().filter_map(left).filter(|left| !self.is_at(&left.id)).collect())
    }
}

/// It has its result; of two who give it one, the second finds nothing.
fn over(id: &str) -> Statement {
    Statement::new("DELETE FROM begun WHERE id = $1").bind(id).or_nothing()
}

impl House {
    /// Enters the intent to an act, and in the same commit the row that finds it again.
    pub(crate) async fn intend(
        &self,
        client: &ClientId,
        intent: EntryKind,
        act: &Deed,
    ) -> Result<(u64, UnderWay), RecorderError> {
        let (under_way, note) = self.begun.begin(client, act)?;
        let entry = vec![NewEntry::new(intent)];
        let entered = self.ledger.append_knowing(client, entry, move |index| vec![note(index)]).await?;
        let entered = entered.and_then(|positions| positions.into_iter().next());
        let stopped = || caveat_ledger::LedgerError::Stopped { client: client.clone() };
        Ok((entered.ok_or_else(stopped)?.index, under_way))
    }

    /// Enters the result of an act, with a receipt where one is owed, and what follows from it; where it came to stand.
    /// Without `done` it was not done.
    pub(crate) async fn conclude(
        &self,
        client: &ClientId,
        under_way: &UnderWay,
        (act, intent): (&Deed, u64),
        done: Option<Did>,
    ) -> Result<u64, RecorderError> {
        let ok = done.is_some();
        let mut statements = self.with_result(client, under_way, act, ok);
        let receipt = match &act.what {
            What::Redact(Redact { recording, owes: Some(on), .. }) if ok => {
                let told = Told { disposal: on.disposal, rule: on.rule.clone(), verdict: on.verdict, intent };
                Some(self.retention.receipt(client, *recording, &told))
            }
            _ => None,
        };
        let result = match &act.what {
            What::Dispose { .. } => EntryKind::DisposalResult { intent, ok },
            What::Redact(Redact { mode: RedactionMode::Shred, .. }) => {
                EntryKind::DisposalResult { intent, ok }
            }
            What::Redact(Redact { mode: RedactionMode::Mask, .. }) => {
                EntryKind::MaskResult { intent, ok, number: done.and_then(|done| done.number) }
            }
            What::Unmask { number, .. } => EntryKind::MaskResult { intent, ok, number: Some(*number) },
            What::DestroyKeys { before } if ok => key_entry(KeyAct::Destroyed, *before),
            // The log has no word for what was not done to a key.
            What::RotateKey { .. } | What::DestroyKeys { .. } => {
                self.db
                    .of(client)
                    .write("note that nothing was done to a key", std::mem::take(&mut statements))
                    .await?;
                return Ok(intent);
            }
        };
        let entries = [result]
            .into_iter()
            .chain(act.access.map(|intent| access_result(intent, ok)))
            .map(NewEntry::new)
            .collect();
        let beside = move |index| {
            let receipt = receipt.as_ref().map(|receipt| receipt(index));
            statements.iter().cloned().chain(receipt).collect()
        };
        let entered = self.ledger.append_knowing(client, entries, beside).await?;
        let entered = entered.and_then(|positions| positions.into_iter().next());
        Ok(entered.ok_or(RecorderError::Interrupted { what: "giving an act its result" })?.index)
    }

    /// What goes with the result of an act: it is over, and its request is used up.
    fn with_result(&self, client: &ClientId, under_way: &UnderWay, act: &Deed, ok: bool) -> Vec<Statement> {
        let used = act.request.filter(|_| ok).map(|request| self.requests.using_up(client, request));
        [over(&under_way.id)].into_iter().chain(used).collect()
    }

    /// What goes with the result of destroying a recording: nothing is known of it any more, and nothing of it is left to
    /// be removed.
    pub(crate) fn with_disposal(
        &self,
        client: &ClientId,
        under_way: &UnderWay,
        act: &Deed,
        recording: RecordingId,
    ) -> WithResult {
        let mut statements = self.with_result(client, under_way, act, true);
        statements.push(self.late.striking_all(client, recording));
        statements.push(self.catalog.going(client, recording, "destroyed"));
        WithResult {
            entries: act.access.map(|intent| access_result(intent, true)).into_iter().collect(),
            statements,
        }
    }

    /// Gives every act its result that a log's host has begun and nobody is at. What cannot be settled now is tried again.
    pub(crate) async fn settle(&self, log: &str) -> Result<(), RecorderError> {
        for left in self.begun.left(log).await? {
            let (client, intent) = (left.client.clone(), left.intent);
            match self.settle_one(left).await {
                Ok(done) => tracing::warn!(%client, intent, done, "what was cut short has its result"),
                // Another host was faster.
                Err(RecorderError::Interrupted { .. }) => {}
                Err(error) => {
                    tracing::error!(%client, intent, %error, "what was cut short has no result yet; it is tried again");
                }
            }
        }
        self.requests_cut_short(log).await
    }

    async fn settle_one(&self, left: Left) -> Result<bool, RecorderError> {
        let Left { id, client, intent, act } = left;
        let under_way = self.begun.at(id);
        let done = match &act.what {
            What::Dispose { recording, on } => {
                if self.has_keys(&client, *recording).await? {
                    None
                } else {
                    let with = self.with_disposal(&client, &under_way, &act, *recording);
                    match self.retention.finish(&client, *recording, (on, intent), with).await {
                        Ok(_) => return Ok(true),
                        // It was destroyed on another intent.
                        Err(RetentionError::NotOurs { .. }) => None,
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            What::Redact(redact) => self.redacted(&client, redact).await?,
            What::Unmask { recording, number } => {
                let masks = self.vault.masks(&client, *recording).await?;
                let lifted = self.has_keys(&client, *recording).await?
                    && !masks.iter().any(|mask| mask.number == *number);
                lifted.then_some(Did { number: Some(*number) })
            }
            What::RotateKey { version } => {
                let newest = self.vault.opener().key_status(&client).await?.newest().unwrap_or_default();
                if newest >= *version {
                    // It has its result when everything is wrapped anew.
                    return Ok(true);
                }
                None
            }
            What::DestroyKeys { before } => {
                let status = self.vault.opener().key_status(&client).await?;
                status.versions.iter().all(|version| version >= before).then_some(Did::default())
            }
        };
        let is_done = done.is_some();
        self.conclude(&client, &under_way, (&act, intent), done).await?;
        if !is_done && (act.request.is_some() || matches!(act.what, What::RotateKey { .. })) {
            let message =
                format!("What ledger entry {intent} was about to do was not done: the host ended before.");
            let why = ("host.cut-short", "", message.as_str());
            self.alerts.raise(&client, self.clock.now(), act.recording(), "not-done", why).await?;
        }
        Ok(is_done)
    }

    /// Whether a redaction was done, and under which number.
    async fn redacted(&self, client: &ClientId, redact: &Redact) -> Result<Option<Did>, RecorderError> {
        let Redact { recording, spans, mode, masks, .. } = redact;
        match self.has_any_of(client, *recording, spans).await {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            // Destroyed since, whole.
            Err(RecorderError::Vault(VaultError::Gone { .. } | VaultError::Unknown { .. })) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let new = self.vault.masks(client, *recording).await?;
        let number = new.iter().map(|mask| mask.number).filter(|number| !masks.contains(number)).max();
        Ok(Some(Did { number: number.filter(|_| *mode == RedactionMode::Mask) }))
    }

    async fn has_keys(&self, client: &ClientId, recording: RecordingId) -> Result<bool, RecorderError> {
        match self.vault.reader(client, recording).await {
            Err(VaultError::Gone { .. }) => Ok(false),
            // There, and not to be read for now.
            Ok(_) | Err(VaultError::Store { .. } | VaultError::Damaged { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the rotations of a client their result, whichever host began them, now that everything is under the version
    /// `newest`: what has them go from the table.
    pub(crate) async fn rotated(
        &self,
        client: &ClientId,
        newest: u32,
    ) -> Result<Vec<Statement>, RecorderError> {
        let begun: Vec<(String, String)> = sqlx::query_as("SELECT id, act FROM begun WHERE client = $1")
            .bind(client.as_str())
            .fetch_all(self.db.of(client))
            .await
            .map_err(sql("list a client's rotations"))?;
        let made = |act: &str| {
            let deed: Option<Deed> = serde_json::from_str(act).ok();
            deed.is_some_and(|d| matches!(d.what, What::RotateKey { version } if version <= newest))
        };
        Ok(begun.iter().filter(|(_, act)| made(act)).map(|(id, _)| over(id)).collect())
    }

    /// Goes on with what nobody is wrapping anew after a rotation.
    pub(crate) async fn finish_rotations(&self) -> Result<(), RecorderError> {
        for left in self.begun.left(self.vault.log()).await? {
            if matches!(left.act.what, What::RotateKey { .. }) {
                self.rewrap(&left.client).await?;
            }
        }
        Ok(())
    }

    /// Requests that were confirmed, and whose act has not come to its end: they can be confirmed again.
    async fn requests_cut_short(&self, log: &str) -> Result<(), RecorderError> {
        for (client, id) in self.requests.left(log).await? {
            if self.begun.is_at(&at_request(&client, id)) {
                continue;
            }
            self.requests.reopen(&client, id).await?;
            let message = format!(
                "Request {id} was confirmed, and the host ended before all of it was done. Confirm it again; if its time has passed, ask again."
            );
            let why = ("host.cut-short", "", message.as_str());
            self.alerts.raise(&client, self.clock.now(), None, "request", why).await?;
        }
        Ok(())
    }
}

/// What came of an act that was done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Did {
    /// Of the mask.
    pub(crate) number: Option<u32>,
}

impl Deed {
    fn recording(&self) -> Option<RecordingId> {
        match &self.what {
            What::Dispose { recording, .. } | What::Unmask { recording, .. } => Some(*recording),
            What::Redact(redact) => Some(redact.recording),
            What::RotateKey { .. } | What::DestroyKeys { .. } => None,
        }
    }
}

/// Names the carrying out of a request among what this process is at.
pub(crate) fn at_request(client: &ClientId, id: u64) -> String {
    format!("request {id} of {client}")
}

pub(crate) fn key_entry(act: KeyAct, version: u32) -> EntryKind {
    EntryKind::Keys { act, version, person: None, agreed: None }
}

/// What came of giving somebody access for an act.
pub(crate) fn access_result(intent: u64, ok: bool) -> EntryKind {
    EntryKind::AccessResult { intent, ok, bytes: 0, digest: None }
}
