//! Keys in the database: a page key per few thousand recordings, wrapped by the key source; under it, each recording's.
//!
//! Destroying or puncturing a recording's keys puts all its page under a new page key and drops the old one in the same
//! transaction, so that a copy of the row that was replaced opens with nothing that is still there.

mod rows;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use caveat_model::{ClientId, Clock};
use caveat_state::{Db, Purpose, StateError, Statement, Written, sql};
use rows::{
    drop_escrow, drop_page, insert_page, keeps, keeps_less, new_page, on_page, put_covers, put_escrow,
    still_of, take_place,
};
use sqlx::{Any, Transaction};
use zeroize::Zeroizing;

use crate::{
    KeySource, SealRecord, Suite, VaultError,
    escrow::{self, Escrowed},
    locked,
    once::{Key, random_key},
    secrets::{ClientSecret, RecordingKeys},
    wal::Name,
};

const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE vault_client (
        client TEXT PRIMARY KEY,
        secret BYTEA NOT NULL
    );
    CREATE TABLE vault_page (
        page TEXT PRIMARY KEY,
        client TEXT NOT NULL,
        wrapped BYTEA NOT NULL,
        recordings BIGINT NOT NULL
    );
    CREATE INDEX vault_page_room ON vault_page (client, recordings);
    CREATE TABLE vault_recording (
        client TEXT NOT NULL,
        recording TEXT NOT NULL,
        state TEXT NOT NULL,
        changed_ms BIGINT NOT NULL,
        log TEXT NOT NULL,
        header BYTEA NOT NULL,
        page TEXT NOT NULL,
        cover BYTEA NOT NULL,
        seal TEXT NOT NULL,
        PRIMARY KEY (client, recording)
    );
    CREATE INDEX vault_recording_page ON vault_recording (page);
    CREATE INDEX vault_recording_state ON vault_recording (log, state);
",
    "
    CREATE TABLE vault_escrow (
        client TEXT NOT NULL,
        recording TEXT NOT NULL,
        page TEXT NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (client, recording)
    );
",
    "
    CREATE TABLE vault_kept (
        client TEXT PRIMARY KEY,
        bytes BIGINT NOT NULL
    );
",
    // Counted anew, with what was sealed before there was such a count. `bytes` is what a seal's JSON ends with; the two
    // databases share no function that reads JSON.
    "
    INSERT INTO vault_kept (client, bytes)
    SELECT client, CAST(SUM(CAST(
        REPLACE(RTRIM(seal, '}'), RTRIM(RTRIM(seal, '}'), '0123456789'), '') AS BIGINT)) AS BIGINT)
    FROM vault_recording WHERE state = 'sealed' GROUP BY client
    ON CONFLICT (client) DO UPDATE SET bytes = excluded.bytes;
",
];

/// Places taken on the page of an escrow: no recording ever joins it.
const NO_PLACE: i64 = i64::MAX;

/// How often a page that keeps changing under us is tried.
const TRIES: usize = 16;

/// What has become of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Sealed,
    Discarded,
    Destroyed,
}

impl State {
    const ALL: [Self; 4] = [Self::Open, Self::Sealed, Self::Discarded, Self::Destroyed];

    fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Discarded => "discarded",
            Self::Destroyed => "destroyed",
        }
    }
}

/// A recording as the database has it.
pub(crate) struct Row {
    pub(crate) state: State,
    pub(crate) header: Vec<u8>,
    pub(crate) seal: Option<SealRecord>,
    /// Which log holds it while it is open.
    pub(crate) log: String,
    page: String,
    cover: Vec<u8>,
    wrapped_page: Vec<u8>,
}

/// All keys of one recording.
pub(crate) struct Held {
    pub(crate) keys: RecordingKeys,
    /// What masks have taken out, the oldest first.
    pub(crate) escrow: Vec<Escrowed>,
}

/// What the keys of a recording become.
pub(crate) enum Change {
    To(Held),
    /// They are destroyed, and this is what is said of the recording from then on.
    Gone(State),
    /// They are destroyed if this log still has the recording open.
    Discarded {
        log: String,
    },
}

/// The keys of all recordings.
pub(crate) struct Pages {
    db: Db,
    keys: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    /// How many recordings share a page.
    capacity: i64,
    /// The page that a client's next recording goes to. Held while a page is looked for or made.
    filling: tokio::sync::Mutex<HashMap<ClientId, (String, Key)>>,
    secrets: Mutex<HashMap<ClientId, Arc<ClientSecret>>>,
    suites: Mutex<HashMap<ClientId, Suite>>,
}

impl Pages {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("vault", &MIGRATIONS, &[(Purpose::Recovery, "vault_recording")]).await
    }

    pub(crate) async fn open(
        db: Db,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        capacity: u32,
    ) -> Result<Self, VaultError> {
        Self::migrate(&db).await?;
        let (filling, secrets, suites) = Default::default();
        Ok(Self { db, keys, clock, capacity: i64::from(capacity.max(1)), filling, secrets, suites })
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn source(&self) -> Arc<dyn KeySource> {
        self.keys.clone()
    }

    pub(crate) fn prefer(&self, client: &ClientId, suite: Suite) {
        locked(&self.suites).insert(client.clone(), suite);
    }

    pub(crate) fn suite_of(&self, client: &ClientId) -> Suite {
        locked(&self.suites).get(client).copied().unwrap_or_default()
    }

    /// Enters a recording that begins; its keys are durable when this returns.
    pub(crate) async fn insert(
        &self,
        name: &Name,
        log: &str,
        header: &[u8],
        keys: &RecordingKeys,
    ) -> Result<(), VaultError> {
        let (client, recording) = name;
        for _ in 0..TRIES {
            let mut filling = self.filling.lock().await;
            let (page, key, wrapped) = self.page_with_room(client, &filling).await?;
            let place = match &wrapped {
                Some(wrapped) => new_page(&page, client, wrapped, 1),
                None => take_place(&page, self.capacity),
            };
            // A page that is yet to be made is made once: whoever comes meanwhile waits for it.
            let making = match wrapped {
                Some(_) => Some(filling),
                None => {
                    filling.insert(client.clone(), (page.clone(), key.clone()));
                    drop(filling);
                    None
                }
            };
            let row = Statement::new(
                "INSERT INTO vault_recording
                     (client, recording, state, changed_ms, log, header, page, cover, seal)
                 VALUES ($1, $2, 'open', $3, $4, $5, $6, $7, '') ON CONFLICT DO NOTHING",
            )
            .bind(client.as_str())
            .bind(recording.to_string())
            .bind(self.now_ms())
            .bind(log)
            .bind(header)
            .bind(page.as_str())
            .bind(keys.wrap(&key, client, *recording))
            .or_nothing();
            match self.db.of(client).write("enter a recording", vec![place, row]).await? {
                Written::Done { .. } => {
                    if let Some(mut filling) = making {
                        filling.insert(client.clone(), (page, key));
                    }
                    return Ok(());
                }
                Written::Nothing { at: 0 } => self.leave_page(client, &page).await,
                Written::Nothing { .. } => {
                    return Err(VaultError::Exists { client: client.clone(), recording: *recording });
                }
            }
        }
        Err(VaultError::Contended { recording: *recording })
    }

    /// Reads a recording's row, in one statement with its page.
    pub(crate) async fn row(&self, name: &Name) -> Result<Row, VaultError> {
        let (client, recording) = name;
        type Columns = (String, Vec<u8>, String, String, String, Vec<u8>, Option<Vec<u8>>);
        let found: Option<Columns> = sqlx::query_as(
            "SELECT r.state, r.header, r.seal, r.log, r.page, r.cover, p.wrapped
             FROM vault_recording r LEFT JOIN vault_page p ON p.page = r.page
             WHERE r.client = $1 AND r.recording = $2",
        )
        .bind(client.as_str())
        .bind(recording.to_string())
        .fetch_optional(self.db.of(&name.0))
        .await
        .map_err(sql("read a recording"))?;
        let (state, header, seal, log, page, cover, wrapped_page) =
            found.ok_or_else(|| VaultError::Unknown { client: client.clone(), recording: *recording })?;
        let damaged = |flaw| VaultError::Damaged { object: format!("vault_recording {recording}"), flaw };
        let state =
            State::ALL.into_iter().find(|s| s.text() == state).ok_or(damaged("its state is unknown"))?;
        let seal = match seal.as_str() {
            "" => None,
            text => Some(serde_json::from_str(text).map_err(|_| damaged("its seal is malformed"))?),
        };
        Ok(Row { state, header, seal, log, page, cover, wrapped_page: wrapped_page.unwrap_or_default() })
    }

    /// The keys in a row; an error when they are gone.
    pub(crate) async fn keys_of(&self, name: &Name, row: &Row) -> Result<RecordingKeys, VaultError> {
        still_there(name, row)?;
        let page = self.unwrap(&name.0, row.wrapped_page.clone()).await?;
        RecordingKeys::unwrap(&row.cover, &page, &name.0, name.1).map_err(|f| f.at(describe(name)))
    }

    /// Notes that a recording is sealed. False when it is no longer open.
    pub(crate) async fn note_sealed(&self, name: &Name, seal: &SealRecord) -> Result<bool, VaultError> {
        let text = serde_json::to_string(seal).unwrap_or_default();
        let sealed = Statement::new(
            "UPDATE vault_recording SET state = 'sealed', seal = $3, changed_ms = $4
             WHERE client = $1 AND recording = $2 AND state = 'open'",
        )
        .bind(name.0.as_str())
        .bind(name.1.to_string())
        .bind(text)
        .bind(self.now_ms())
        .or_nothing();
        let statements = vec![sealed, keeps(&name.0, i64::try_from(seal.bytes).unwrap_or(i64::MAX))];
        Ok(matches!(self.db.of(&name.0).write("note a seal", statements).await?, Written::Done { .. }))
    }

    /// Bytes of all objects of a client whose recordings have keys.
    pub(crate) async fn kept_bytes(&self, client: &ClientId) -> Result<u64, VaultError> {
        let bytes: Option<i64> = sqlx::query_scalar("SELECT bytes FROM vault_kept WHERE client = $1")
            .bind(client.as_str())
            .fetch_optional(self.db.of(client))
            .await
            .map_err(sql("read how much a client keeps"))?;
        Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Those that a log's host began and has not sealed.
    pub(crate) async fn open_in(&self, log: &str) -> Result<Vec<Name>, VaultError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT client, recording FROM vault_recording WHERE log = $1 AND state = 'open'")
                .bind(log)
                .fetch_all(self.db.across(Purpose::Recovery))
                .await
                .map_err(sql("list open recordings"))?;
        let parse =
            |(client, recording): &(String, String)| Some((client.parse().ok()?, recording.parse().ok()?));
        Ok(rows.iter().filter_map(parse).collect())
    }

    /// Destroys a recording's keys, in escrow too: nothing of it opens any more.
    pub(crate) async fn destroy(&self, name: &Name, state: State) -> Result<(), VaultError> {
        self.change(name, |_| Ok(Change::Gone(state))).await
    }

    /// Likewise, of what this log has open.
    ///
    /// # Errors
    /// [`VaultError::TakenOver`]: another has it; nothing was changed.
    pub(crate) async fn discard(&self, name: &Name, log: &str) -> Result<(), VaultError> {
        self.change(name, |_| Ok(Change::Discarded { log: log.to_owned() })).await
    }

    /// What masks have taken out of a recording, the oldest first.
    pub(crate) async fn escrow(&self, name: &Name) -> Result<Vec<Escrowed>, VaultError> {
        Ok(self.escrow_row(name).await?.map(|(_, escrow)| escrow).unwrap_or_default())
    }

    /// Replaces a recording's keys, on a page of a new key; what is in escrow likewise.
    pub(crate) async fn change(
        &self,
        name: &Name,
        change: impl Fn(Held) -> Result<Change, VaultError>,
    ) -> Result<(), VaultError> {
        let (client, recording) = name;
        for _ in 0..TRIES {
            let row = self.row(name).await?;
            still_there(name, &row)?;
            let (old_escrow, escrow) = self.escrow_row(name).await?.unwrap_or_default();
            let old = self.unwrap(client, row.wrapped_page.clone()).await?;
            let keys = RecordingKeys::unwrap(&row.cover, &old, client, *recording)
                .map_err(|f| f.at(describe(name)))?;
            let changed = change(Held { keys, escrow })?;
            let page = self.fresh_page(client).await?;
            let escrow_page = self.fresh_page(client).await?;

            let mut tx = self.db.of(client).begin().await?;
            // Also the lock: whoever else changes this page or adds to it waits here, then finds it gone. Escrow is
            // changed together with the page only.
            if !drop_page(&mut tx, &row.page).await? {
                continue;
            }
            let mut covers = vec![];
            for (id, cover) in on_page(&mut tx, &row.page).await? {
                let neighbor = (client.clone(), id.parse().map_err(|_| damaged_id(&id))?);
                let cover = match &changed {
                    Change::Gone(_) | Change::Discarded { .. } if neighbor.1 == *recording => continue,
                    Change::To(held) if neighbor.1 == *recording => {
                        held.keys.wrap(&page.key, client, neighbor.1)
                    }
                    _ => {
                        let keys = RecordingKeys::unwrap(&cover, &old, client, neighbor.1);
                        let keys = keys.map_err(|f| f.at(describe(&neighbor)))?;
                        keys.wrap(&page.key, client, neighbor.1)
                    }
                };
                covers.push((id, cover));
            }
            put_covers(&mut tx, client, &page.name, &covers).await?;
            if !covers.is_empty() {
                let kept = i64::try_from(covers.len()).unwrap_or(i64::MAX);
                insert_page(&mut tx, &page.name, client, &page.wrapped, kept).await?;
            }
            if !matches!(changed, Change::To(_)) {
                let gone = [(recording.to_string(), vec![])];
                put_covers(&mut tx, client, "", &gone).await?;
            }
            drop_escrow(&mut tx, name, &old_escrow).await?;
            match &changed {
                Change::To(Held { keys, escrow }) if !escrow.is_empty() => {
                    insert_page(&mut tx, &escrow_page.name, client, &escrow_page.wrapped, NO_PLACE).await?;
                    let sealed = escrow::wrap(keys.suite, escrow, &escrow_page.key, name);
                    put_escrow(&mut tx, name, &escrow_page.name, sealed).await?;
                }
                Change::To(_) => {}
                Change::Gone(state) => {
                    self.set_state(&mut tx, name, *state).await?;
                    keeps_less(&mut tx, client, row.seal.as_ref().map_or(0, |seal| seal.bytes)).await?;
                }
                Change::Discarded { log } => {
                    still_of(&mut tx, name, log).await?;
                    self.set_state(&mut tx, name, State::Discarded).await?;
                }
            }
            tx.commit().await.map_err(sql("change keys"))?;
            self.filling.lock().await.remove(client);
            self.db.forget_deleted().await;
            return Ok(());
        }
        Err(VaultError::Contended { recording: *recording })
    }

    /// The page of a recording's escrow, and what is in it.
    async fn escrow_row(&self, name: &Name) -> Result<Option<(String, Vec<Escrowed>)>, VaultError> {
        let found: Option<(String, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT e.page, e.sealed, p.wrapped FROM vault_escrow e JOIN vault_page p ON p.page = e.page
             WHERE e.client = $1 AND e.recording = $2",
        )
        .bind(name.0.as_str())
        .bind(name.1.to_string())
        .fetch_optional(self.db.of(&name.0))
        .await
        .map_err(sql("read what is in escrow"))?;
        let Some((page, sealed, wrapped)) = found else { return Ok(None) };
        let key = self.unwrap(&name.0, wrapped).await?;
        let escrow = escrow::unwrap(&sealed, &key, name).map_err(|f| f.at(describe(name)))?;
        Ok(Some((page, escrow)))
    }

    async fn fresh_page(&self, client: &ClientId) -> Result<FreshPage, VaultError> {
        let key = random_key();
        let wrapped = self.wrap(client, &key).await?;
        Ok(FreshPage { name: random_name(), key, wrapped })
    }

    /// A client's secret for details and commitments, made on first use.
    pub(crate) async fn secret(&self, client: &ClientId) -> Result<Arc<ClientSecret>, VaultError> {
        if let Some(secret) = locked(&self.secrets).get(client) {
            return Ok(secret.clone());
        }
        let stored = match self.stored_secret(client).await? {
            Some(stored) => stored,
            None => {
                let wrapped = self.wrap(client, &random_key()).await?;
                sqlx::query(
                    "INSERT INTO vault_client (client, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                )
                .bind(client.as_str())
                .bind(wrapped.clone())
                .execute(self.db.of(client))
                .await
                .map_err(sql("keep a client's secret"))?;
                // Another host may have been first: what is stored counts.
                self.stored_secret(client).await?.unwrap_or(wrapped)
            }
        };
        let secret = Arc::new(ClientSecret::derive(&self.unwrap(client, stored).await?));
        Ok(locked(&self.secrets).entry(client.clone()).or_insert(secret).clone())
    }

    async fn stored_secret(&self, client: &ClientId) -> Result<Option<Vec<u8>>, VaultError> {
        let found = sqlx::query_scalar("SELECT secret FROM vault_client WHERE client = $1")
            .bind(client.as_str())
            .fetch_optional(self.db.of(client))
            .await;
        Ok(found.map_err(sql("read a client's secret"))?)
    }

    /// A page's name and key; with its wrapped key when it is yet to be entered.
    async fn page_with_room(
        &self,
        client: &ClientId,
        filling: &HashMap<ClientId, (String, Key)>,
    ) -> Result<(String, Key, Option<Vec<u8>>), VaultError> {
        if let Some((page, key)) = filling.get(client) {
            return Ok((page.clone(), key.clone(), None));
        }
        let found: Option<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT page, wrapped FROM vault_page WHERE client = $1 AND recordings < $2
             ORDER BY recordings DESC LIMIT 1",
        )
        .bind(client.as_str())
        .bind(self.capacity)
        .fetch_optional(self.db.of(client))
        .await
        .map_err(sql("look for a page"))?;
        match found {
            Some((page, wrapped)) => Ok((page, self.unwrap(client, wrapped).await?, None)),
            None => {
                let FreshPage { name, key, wrapped } = self.fresh_page(client).await?;
                Ok((name, key, Some(wrapped)))
            }
        }
    }

    /// The page is full or gone.
    async fn leave_page(&self, client: &ClientId, page: &str) {
        let mut filling = self.filling.lock().await;
        if filling.get(client).is_some_and(|(current, _)| current == page) {
            filling.remove(client);
        }
    }

    async fn set_state(
        &self,
        tx: &mut Transaction<'static, Any>,
        name: &Name,
        state: State,
    ) -> Result<(), VaultError> {
        sqlx::query(
            "UPDATE vault_recording SET state = $3, changed_ms = $4 WHERE client = $1 AND recording = $2",
        )
        .bind(name.0.as_str())
        .bind(name.1.to_string())
        .bind(state.text())
        .bind(self.now_ms())
        .execute(&mut **tx)
        .await
        .map_err(sql("note what became of a recording"))?;
        Ok(())
    }

    async fn wrap(&self, client: &ClientId, key: &Key) -> Result<Vec<u8>, VaultError> {
        let (keys, client, key) = (self.keys.clone(), client.clone(), key.clone());
        let suite = self.suite_of(&client);
        blocking(move || keys.wrap(&client, suite, &key[..])).await
    }

    async fn unwrap(&self, client: &ClientId, wrapped: Vec<u8>) -> Result<Key, VaultError> {
        let (keys, client) = (self.keys.clone(), client.clone());
        blocking(move || {
            let plain = keys.unwrap_key(&client, &wrapped)?;
            let key: &[u8; 32] = plain.as_slice().try_into().map_err(|_| VaultError::Unwrap {
                client: client.clone(),
                keys: keys.describe().to_owned(),
            })?;
            Ok(Zeroizing::new(*key))
        })
        .await
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_millis() as i64
    }
}

/// Runs what may block away from the threads that serve calls.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| VaultError::Closed)?
}

/// A page that is yet to be entered.
struct FreshPage {
    name: String,
    key: Key,
    wrapped: Vec<u8>,
}

fn still_there((client, recording): &Name, row: &Row) -> Result<(), VaultError> {
    match row.state {
        State::Open | State::Sealed => Ok(()),
        State::Discarded | State::Destroyed => {
            Err(VaultError::Gone { client: client.clone(), recording: *recording, state: row.state.text() })
        }
    }
}

fn describe(name: &Name) -> String {
    format!("vault_recording {} of {}", name.1, name.0)
}

fn damaged_id(id: &str) -> VaultError {
    VaultError::Damaged { object: format!("vault_recording {id}"), flaw: "its id is no UUID" }
}

fn random_name() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}
