//! Calls that are announced before their audio comes, for protocols whose audio carries no facts and no secret but an id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use caveat_model::{ClientId, Clock, Moment};
use caveat_state::{Db, Purpose, StateError, Statement, sql};
use caveat_vault::Vault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Limits, NewCall, RecorderError};

/// A stream of audio that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AnnouncedStream {
    /// What it will say it is. Whoever knows it can be that stream, once: make it a random one (RFC 9562, version 4).
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub id: Uuid,
    /// The leg that it carries.
    #[serde(default)]
    pub leg: u8,
    /// Whether whoever is on that leg hears what is sent back: the host then plays them the notice and the tone that the
    /// rules ask for, where the client has the sound. False where the stream only listens in.
    #[serde(default)]
    pub plays: bool,
}

/// A stream that has come.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Whose it is.
    pub client: ClientId,
    /// Its call.
    pub call: NewCall,
    /// The leg that it carries.
    pub leg: u8,
    /// See [`AnnouncedStream::plays`].
    pub plays: bool,
}

const MIGRATIONS: &[&str] = &["
CREATE TABLE announced (
    client TEXT NOT NULL,
    stream TEXT NOT NULL,
    until_ms BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (client, stream)
)"];

/// What an announced stream is sealed for, and what the commitment to its id is made for.
const DETAIL: &str = "announced stream";

/// Announced calls of every client. They are sealed in the database too, so that a restart forgets none. Cheap to clone.
#[derive(Clone)]
pub struct Announced {
    streams: Arc<Mutex<HashMap<Uuid, Waiting>>>,
    db: Db,
    vault: Vault,
    clock: Arc<dyn Clock>,
    max: usize,
    ms: u64,
}

struct Waiting {
    client: ClientId,
    call: Arc<NewCall>,
    leg: u8,
    plays: bool,
    until: Moment,
}

/// A stream as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    stream: Uuid,
    leg: u8,
    #[serde(default)]
    plays: bool,
    call: NewCall,
}

impl Announced {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate(
            "announced",
            MIGRATIONS,
            &[(Purpose::Recovery, "announced"), (Purpose::Expiry, "announced")],
        )
        .await
    }

    /// Those that an earlier run was told of wait on.
    pub(crate) async fn open(
        db: Db,
        vault: Vault,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RecorderError> {
        Self::migrate(&db).await?;
        let (max, ms) = (limits.announced_max, limits.announced_ms);
        let announced = Self { streams: Arc::default(), db, vault, clock, max, ms };
        announced.forget_what_is_over().await?;
        for (client, until, sealed) in announced.rows().await? {
            let Ok(client) = client.parse::<ClientId>() else { continue };
            match announced.opened(&client, &sealed).await {
                Ok(Kept { stream, leg, plays, call }) => {
                    let until = Moment::from_millis(until.max(0) as u64);
                    let call = Arc::new(call);
                    announced.waiting().insert(stream, Waiting { client, call, leg, plays, until });
                }
                Err(error) => tracing::error!(%client, %error, "an announced call is forgotten"),
            }
        }
        Ok(announced)
    }

    /// A call will come, in these streams. A call without an id of its own takes that of its first stream. It is durable
    /// when this returns.
    ///
    /// # Errors
    /// The call is over already, no stream or one that is announced, too many wait; or the host failed.
    pub async fn announce(
        &self,
        client: &ClientId,
        mut call: NewCall,
        streams: &[AnnouncedStream],
    ) -> Result<(), RecorderError> {
        let first = streams.first().ok_or(RecorderError::Streams)?;
        if call.began.is_some() {
            return Err(RecorderError::NotLive);
        }
        if call.external_id.is_empty() {
            call.external_id = first.id.to_string();
        }
        let (call, until) = (Arc::new(call), self.clock.now().plus_millis(self.ms));
        self.enter(client, &call, streams, until)?;
        let kept = self.keep(client, &call, streams, until).await;
        if kept.is_err() {
            let mut waiting = self.waiting();
            streams.iter().for_each(|stream| drop(waiting.remove(&stream.id)));
        }
        kept
    }

    /// The stream with this id has come. It comes once.
    pub async fn take(&self, stream: Uuid) -> Option<Arrived> {
        let Waiting { client, call, leg, plays, until } = self.waiting().remove(&stream)?;
        if let Err(error) = self.strike(&client, stream).await {
            // No call is lost for that.
            tracing::error!(%client, %error, "an announced call could come again after a restart");
        }
        let call = Arc::unwrap_or_clone(call);
        (until > self.clock.now()).then_some(Arrived { client, call, leg, plays })
    }

    fn enter(
        &self,
        client: &ClientId,
        call: &Arc<NewCall>,
        streams: &[AnnouncedStream],
        until: Moment,
    ) -> Result<(), RecorderError> {
        let now = self.clock.now();
        let mut waiting = self.waiting();
        waiting.retain(|_, w| w.until > now);
        let twice = |(i, s): (usize, &AnnouncedStream)| {
            waiting.contains_key(&s.id) || streams.iter().take(i).any(|before| before.id == s.id)
        };
        if streams.iter().enumerate().any(twice) {
            return Err(RecorderError::Streams);
        }
        if waiting.len() + streams.len() > self.max {
            return Err(RecorderError::TooMany { what: "announced calls", limit: self.max });
        }
        for AnnouncedStream { id, leg, plays } in streams {
            let (client, call) = (client.clone(), call.clone());
            waiting.insert(*id, Waiting { client, call, leg: *leg, plays: *plays, until });
        }
        Ok(())
    }

    async fn keep(
        &self,
        client: &ClientId,
        call: &Arc<NewCall>,
        streams: &[AnnouncedStream],
        until: Moment,
    ) -> Result<(), RecorderError> {
        // Those that never came are in the way of nobody, but for their number.
        self.forget_what_is_over().await?;
        let mut writes = Vec::with_capacity(streams.len());
        for AnnouncedStream { id, leg, plays } in streams {
            let kept = Kept { stream: *id, leg: *leg, plays: *plays, call: NewCall::clone(call) };
            let plain = serde_json::to_vec(&kept).map_err(|e| RecorderError::Audio(e.to_string()))?;
            // An id that was announced before, and never came, is announced anew.
            let keep = Statement::new(
                "INSERT INTO announced (client, stream, until_ms, sealed) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (client, stream) DO UPDATE SET until_ms = excluded.until_ms, sealed = excluded.sealed",
            );
            let keep = keep.bind(client.as_str()).bind(self.name(client, *id).await?);
            let sealed = self.vault.seal_detail(client, DETAIL, &plain).await?;
            writes.push(keep.bind(until.as_millis() as i64).bind(sealed));
        }
        self.db.of(client).write("keep an announced call", writes).await?;
        Ok(())
    }

    async fn strike(&self, client: &ClientId, stream: Uuid) -> Result<(), RecorderError> {
        let strike = Statement::new("DELETE FROM announced WHERE client = $1 AND stream = $2");
        let strike = strike.bind(client.as_str()).bind(self.name(client, stream).await?);
        self.db.of(client).run("strike off an announced call", strike).await?;
        Ok(())
    }

    async fn forget_what_is_over(&self) -> Result<(), RecorderError> {
        self.db.across(Purpose::Expiry).run("forget announced calls that never came", self.over()).await?;
        Ok(())
    }

    fn over(&self) -> Statement {
        let now = self.clock.now().as_millis() as i64;
        Statement::new("DELETE FROM announced WHERE until_ms <= $1").bind(now)
    }

    async fn rows(&self) -> Result<Vec<(String, i64, Vec<u8>)>, StateError> {
        sqlx::query_as("SELECT client, until_ms, sealed FROM announced LIMIT $1")
            .bind(i64::try_from(self.max).unwrap_or(i64::MAX))
            .fetch_all(self.db.across(Purpose::Recovery))
            .await
            .map_err(sql("read announced calls"))
    }

    async fn opened(&self, client: &ClientId, sealed: &[u8]) -> Result<Kept, RecorderError> {
        let plain = self.vault.open_detail(client, DETAIL, sealed).await?;
        serde_json::from_slice(&plain).map_err(|e| RecorderError::Audio(e.to_string()))
    }

    /// The id is a secret of the stream.
    async fn name(&self, client: &ClientId, stream: Uuid) -> Result<String, RecorderError> {
        Ok(self.vault.commitment(client, DETAIL, stream.as_bytes()).await?.to_string())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Uuid, Waiting>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
