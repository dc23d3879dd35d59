//! Several hosts on one database and one store: where each call runs, and what becomes of the calls of a host that died.
//!
//! Whoever takes over holds the lease of the dead host's log, and every step of it is done in one transaction with that
//! lease. The dead one may only have been stopped: it finds its lease taken, and appends nothing to a ledger any more.

use std::sync::Arc;

use caveat_model::ClientId;
use caveat_state::{Db, Lease, Purpose, StateError, Statement, Written, sql};
use caveat_vault::{Vault, VaultError};

use crate::{Recorder, RecorderError, house::House};

/// A lease of this name is held by whoever is a host of the name behind it.
pub const HOST: &str = "host/";

/// What a host is among others.
#[derive(Debug, Clone)]
pub struct Among {
    /// Its name, which no other has.
    pub name: String,
    /// Where other hosts reach its API (`http://10.0.0.5:8480`); none: they do not.
    pub url: Option<String>,
    /// How long what it has a lease of stays its own without a word from it, in milliseconds.
    pub lease_ms: u64,
}

/// A call that runs on another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name.
    pub host: String,
    /// Where it is reached; none: it did not say.
    pub url: Option<String>,
}

/// Where calls run. The ids of calls are not in the table, but keyed digests of them.
#[derive(Clone)]
pub(crate) struct Places {
    db: Db,
    vault: Vault,
}

const MIGRATIONS: &[&str] = &["
CREATE TABLE call_place (
    client TEXT NOT NULL,
    call TEXT NOT NULL,
    host TEXT NOT NULL,
    url TEXT NOT NULL,
    PRIMARY KEY (client, call)
);
CREATE INDEX call_place_host ON call_place (host)"];

impl Places {
    pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
        db.migrate("places", MIGRATIONS, &[(Purpose::Recovery, "call_place")]).await
    }

    pub(crate) async fn open(db: Db, vault: Vault) -> Result<Self, RecorderError> {
        Self::migrate(&db).await?;
        Ok(Self { db, vault })
    }

    async fn name(&self, client: &ClientId, call: &str) -> Result<String, RecorderError> {
        Ok(self.vault.commitment(client, "running call", call.as_bytes()).await?.to_string())
    }

    async fn find(&self, client: &ClientId, name: &str) -> Result<Option<Elsewhere>, RecorderError> {
        let row: Option<(String, String)> =
            sqlx::query_as("SELECT host, url FROM call_place WHERE client = $1 AND call = $2")
                .bind(client.as_str())
                .bind(name)
                .fetch_optional(self.db.of(client))
                .await
                .map_err(sql("look for a running call"))?;
        Ok(row.map(|(host, url)| Elsewhere { host, url: Some(url).filter(|url| !url.is_empty()) }))
    }

    /// False: it runs on another host.
    async fn put(&self, client: &ClientId, name: &str, here: &Among) -> Result<bool, RecorderError> {
        let before = self.find(client, name).await?.map(|there| there.host).unwrap_or_default();
        if before != here.name && !before.is_empty() && self.lives(&before).await? {
            return Ok(false);
        }
        let put = Statement::new(
            "INSERT INTO call_place (client, call, host, url) VALUES ($1, $2, $3, $4)
             ON CONFLICT (client, call) DO UPDATE SET host = excluded.host, url = excluded.url
             WHERE call_place.host = $5 OR call_place.host = excluded.host",
        )
        .bind(client.as_str())
        .bind(name)
        .bind(here.name.as_str())
        .bind(here.url.as_deref().unwrap_or_default())
        .bind(before)
        .or_nothing();
        let put = self.db.of(client).run("note where a call runs", put).await?;
        Ok(matches!(put, Written::Done { .. }))
    }

    async fn lives(&self, host: &str) -> Result<bool, RecorderError> {
        let name = format!("{HOST}{host}");
        Ok(self.db.leases(&name).await?.iter().any(|held| held.name == name && held.holds))
    }

    async fn remove(&self, client: &ClientId, name: &str, host: &str) -> Result<(), RecorderError> {
        let text = "DELETE FROM call_place WHERE client = $1 AND call = $2 AND host = $3";
        let remove = Statement::new(text).bind(client.as_str()).bind(name).bind(host);
        self.db.of(client).run("note that a call is over", remove).await?;
        Ok(())
    }

    async fn remove_all(&self, host: &str) -> Result<(), RecorderError> {
        let remove = Statement::new("DELETE FROM call_place WHERE host = $1").bind(host);
        self.db.across(Purpose::Recovery).run("note that calls are over", remove).await?;
        Ok(())
    }
}

/// Where a call runs, for as long as it does.
pub(crate) struct Place {
    house: Arc<House>,
    client: ClientId,
    name: String,
    host: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self { house, client, name, host } = self;
        let (house, client, name, host) = (house.clone(), client.clone(), name.clone(), host.clone());
        tokio::spawn(async move {
            if let Err(error) = house.places.remove(&client, &name, &host).await {
                tracing::warn!(%client, %error, "a call that is over is still said to run here");
            }
        });
    }
}

impl Recorder {
    /// On which host a call runs that does not run here; none: on none that anybody knows of.
    ///
    /// # Errors
    /// The database fails.
    pub async fn elsewhere(&self, client: &ClientId, call: &str) -> Result<Option<Elsewhere>, RecorderError> {
        let Some(here) = &self.house.among else { return Ok(None) };
        let name = self.house.places.name(client, call).await?;
        let found = self.house.places.find(client, &name).await?;
        Ok(found.filter(|there| there.host != here.name))
    }

    /// Takes the news that hosts which ended in order have left untold.
    ///
    /// # Errors
    /// The database fails.
    pub async fn take_news(&self) -> Result<(), RecorderError> {
        self.outbox.take_what_was_left().await
    }

    /// Takes over what the host `dead` left in its log, of which this host has the lease.
    ///
    /// # Errors
    /// The rooms behind fail, or somebody else has the lease now: whoever tries again goes on from there.
    pub async fn take_over(&self, log: &str, dead: &str, lease: &Lease) -> Result<(), RecorderError> {
        let house = &self.house;
        let adopted = house.vault.adopt(log, lease.guard()).await?;
        let Some(listed) = house.catalog.take_over(log, lease.guard()).await? else {
            return Err(VaultError::TakenOver.into());
        };
        house.assurance.nothing_runs(log).await?;
        house.places.remove_all(dead).await?;
        self.outbox.take_from(log, lease.guard()).await?;
        tracing::warn!(dead, recordings = listed.len(), "taking over what another host was recording");
        house.settle(log).await?;
        // What was open is finished with what else of this host waits to be sealed.
        let rest = listed.into_iter().filter(|(client, id, _)| !adopted.contains(&(client.clone(), *id)));
        house.finish_those(rest.collect()).await?;
        house.seal_what_was_kept().await
    }
}

impl House {
    /// Notes that a call runs here. None: no other host would ask.
    pub(crate) async fn take_place(
        self: &Arc<Self>,
        client: &ClientId,
        call: &str,
    ) -> Result<Option<Place>, RecorderError> {
        let Some(here) = &self.among else { return Ok(None) };
        let name = self.places.name(client, call).await?;
        if !self.places.put(client, &name, here).await? {
            return Err(RecorderError::CallExists { id: call.to_owned() });
        }
        Ok(Some(Place { house: self.clone(), client: client.clone(), name, host: here.name.clone() }))
    }

    /// After a start no call runs here yet.
    pub(crate) async fn nobody_is_here(&self) -> Result<(), RecorderError> {
        match &self.among {
            Some(here) => self.places.remove_all(&here.name).await,
            None => Ok(()),
        }
    }
}
