//! A client's own key: how it stands, a new version, and the end of old ones, on which two people have to agree.

use caveat_access::SignedIn;
use caveat_ledger::{EntryKind, KeyAct};
use caveat_model::{ClientId, Moment};
use caveat_state::{Db, StateError, sql};
use caveat_vault::KeyStatus;
use serde::Serialize;

use crate::{Recorder, RecorderError, house::House};

const MIGRATIONS: &[&str] = &["
CREATE TABLE key_request (
    client TEXT NOT NULL,
    id BIGINT NOT NULL,
    before_version BIGINT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_ms BIGINT NOT NULL,
    open BIGINT NOT NULL,
    PRIMARY KEY (client, id)
)"];

/// Somebody asks for versions of a key to be destroyed; somebody else has to agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyRequest {
    /// Its number, by which it is agreed to.
    pub id: i64,
    /// Every version before this one goes.
    pub before: u32,
    /// Who asks.
    pub by: String,
    /// Since when.
    pub asked: Moment,
}

/// Requests that wait for a second person, of every client.
#[derive(Clone)]
pub(crate) struct KeyRequests {
    db: Db,
}

type Row = (i64, i64, String, i64);

impl KeyRequests {
    pub(crate) async fn open(db: Db) -> Result<Self, StateError> {
        db.migrate("keys", MIGRATIONS).await?;
        Ok(Self { db })
    }

    async fn add(&self, client: &ClientId, before: u32, by: &str, now: Moment) -> Result<i64, StateError> {
        sqlx::query_scalar(
            "INSERT INTO key_request (client, id, before_version, asked_by, asked_ms, open)
             SELECT $1, COALESCE(MAX(id), 0) + 1, $2, $3, $4, 1 FROM key_request WHERE client = $1
             RETURNING id",
        )
        .bind(client.as_str())
        .bind(i64::from(before))
        .bind(by)
        .bind(now.as_millis() as i64)
        .fetch_one(self.db.pool())
        .await
        .map_err(sql("note a request to destroy keys"))
        .map_err(Into::into)
    }

    /// Those that are open and were made at or after `since`.
    async fn waiting(&self, client: &ClientId, since: Moment) -> Result<Vec<KeyRequest>, StateError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, before_version, asked_by, asked_ms FROM key_request
             WHERE client = $1 AND open = 1 AND asked_ms >= $2 ORDER BY id",
        )
        .bind(client.as_str())
        .bind(since.as_millis() as i64)
        .fetch_all(self.db.pool())
        .await
        .map_err(sql("read requests to destroy keys"))?;
        let request = |(id, before, by, asked): Row| KeyRequest {
            id,
            before: u32::try_from(before).unwrap_or_default(),
            by,
            asked: Moment::from_millis(asked as u64),
        };
        Ok(rows.into_iter().map(request).collect())
    }

    /// False when it was closed meanwhile.
    async fn close(&self, client: &ClientId, id: i64) -> Result<bool, StateError> {
        let closed =
            sqlx::query("UPDATE key_request SET open = 0 WHERE client = $1 AND id = $2 AND open = 1")
                .bind(client.as_str())
                .bind(id)
                .execute(self.db.pool())
                .await
                .map_err(sql("close a request to destroy keys"))?;
        Ok(closed.rows_affected() == 1)
    }
}

impl Recorder {
    /// How the client's key stands, and which requests to destroy versions of it wait for a second person.
    ///
    /// # Errors
    /// The key source or the database fails.
    pub async fn key_status(&self, who: &SignedIn) -> Result<(KeyStatus, Vec<KeyRequest>), RecorderError> {
        let status = self.house.vault.opener().key_status(&who.client).await?;
        Ok((status, self.house.key_requests.waiting(&who.client, self.house.asked_since()).await?))
    }

    /// Makes a new version of the client's key; its number. Everything is wrapped anew under it in the background.
    ///
    /// # Errors
    /// As [`Recorder::key_status`].
    pub async fn rotate_key(&self, who: &SignedIn) -> Result<u32, RecorderError> {
        let (house, client) = (&self.house, &who.client);
        let newest = house.vault.opener().key_status(client).await?.newest().unwrap_or_default();
        house.enter_keys(client, KeyAct::Rotate, newest.saturating_add(1), Some(who)).await?;
        let version = house.vault.opener().rotate_key(client).await?;
        self.rewrap_in_the_background(client.clone());
        Ok(version)
    }

    /// Asks for every version before `before` (none: before the newest) to be destroyed. Another person has to agree.
    ///
    /// # Errors
    /// [`caveat_vault::VaultError::KeyInUse`] while one of them wraps something; else as [`Recorder::key_status`].
    pub async fn ask_to_destroy_keys(
        &self,
        who: &SignedIn,
        before: Option<u32>,
    ) -> Result<KeyRequest, RecorderError> {
        let (house, client) = (&self.house, &who.client);
        let status = house.vault.opener().key_status(client).await?;
        let before = before.or(status.newest()).unwrap_or_default();
        status.may_destroy(client, before)?;
        let (by, asked) = (who.person.to_string(), house.clock.now());
        house.enter_keys(client, KeyAct::DestroyAsked, before, Some(who)).await?;
        let id = house.key_requests.add(client, before, &by, asked).await?;
        Ok(KeyRequest { id, before, by, asked })
    }

    /// Agrees, and they are destroyed.
    ///
    /// # Errors
    /// [`RecorderError::SamePerson`], [`RecorderError::NoSuchKeyRequest`]; else as [`Recorder::ask_to_destroy_keys`].
    pub async fn agree_to_destroy_keys(&self, who: &SignedIn, id: i64) -> Result<KeyRequest, RecorderError> {
        let (house, client) = (&self.house, &who.client);
        let waiting = house.key_requests.waiting(client, house.asked_since()).await?;
        let missing = || RecorderError::NoSuchKeyRequest { id };
        let request = waiting.into_iter().find(|request| request.id == id).ok_or_else(missing)?;
        if request.by == who.person.as_str() {
            return Err(RecorderError::SamePerson);
        }
        let opener = house.vault.opener();
        opener.key_status(client).await?.may_destroy(client, request.before)?;
        if !house.key_requests.close(client, id).await? {
            return Err(missing());
        }
        house.enter_keys(client, KeyAct::Destroy, request.before, Some(who)).await?;
        opener.destroy_key_versions(client, request.before).await?;
        house.enter_keys(client, KeyAct::Destroyed, request.before, None).await?;
        Ok(request)
    }

    /// Until everything is under the newest version. A start does what an earlier run left.
    pub(crate) fn rewrap_in_the_background(&self, client: ClientId) {
        let house = self.house.clone();
        tokio::spawn(async move {
            if let Err(error) = house.rewrap(&client).await {
                tracing::error!(%client, %error, "keys were not all wrapped anew: the next start goes on");
            }
        });
    }
}

impl House {
    async fn rewrap(&self, client: &ClientId) -> Result<(), RecorderError> {
        let (opener, mut done) = (self.vault.opener(), 0);
        loop {
            match opener.rewrap(client, self.limits.key_rewrap_batch.max(1)).await? {
                0 => break,
                keys => done += keys,
            }
        }
        if done > 0 {
            let newest = opener.key_status(client).await?.newest().unwrap_or_default();
            self.enter_keys(client, KeyAct::Rewrapped, newest, None).await?;
            tracing::info!(%client, keys = done, version = newest, "wrapped anew");
        }
        Ok(())
    }

    async fn enter_keys(
        &self,
        client: &ClientId,
        act: KeyAct,
        version: u32,
        who: Option<&SignedIn>,
    ) -> Result<(), RecorderError> {
        let person = match who {
            Some(who) => {
                let name = who.person.as_str().as_bytes();
                Some(self.vault.commitment(client, "person", name).await?.to_string())
            }
            None => None,
        };
        self.enter(client, EntryKind::Keys { act, version, person }).await?;
        Ok(())
    }

    /// Older requests wait no longer.
    fn asked_since(&self) -> Moment {
        let now = self.clock.now().as_millis();
        Moment::from_millis(now.saturating_sub(self.limits.key_confirm_within_ms))
    }
}
