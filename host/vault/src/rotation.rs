//! Versions of a client's key: a new one, everything wrapped anew under it, the old ones destroyed.
//!
//! What is wrapped is small (a key for some thousand recordings), so that nothing sealed is read or written again. Once an
//! old version is destroyed, a copy of the database from before opens with nothing that is left.

use std::collections::BTreeMap;

use caveat_model::ClientId;
use caveat_state::sql;
use schemars::JsonSchema;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    Opener, VaultError,
    pages::{Pages, blocking},
};

/// How a client's key stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyStatus {
    /// Where the keys are, for people.
    pub source: String,
    /// Versions that are left, oldest first; the last one wraps.
    pub versions: Vec<u32>,
    /// How many keys each version wraps.
    pub wrapped: BTreeMap<u32, u64>,
}

impl KeyStatus {
    /// The version that wraps.
    pub fn newest(&self) -> Option<u32> {
        self.versions.last().copied()
    }

    /// Whether the versions before `before` can go: nothing is under them, and the newest stays.
    ///
    /// # Errors
    /// [`VaultError::KeyInUse`].
    pub fn may_destroy(&self, client: &ClientId, before: u32) -> Result<(), VaultError> {
        let in_use = self.wrapped.range(..before).map(|(_, count)| count).sum();
        match in_use == 0 && self.newest().is_some_and(|newest| before <= newest) {
            true => Ok(()),
            false => Err(VaultError::KeyInUse { client: client.clone(), before, in_use }),
        }
    }
}

/// A wrapped key in the database.
struct Held {
    table: Table,
    /// The page, or the client.
    id: String,
    wrapped: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Table {
    Page,
    Client,
}

impl Opener {
    /// How a client's key stands.
    pub async fn key_status(&self, client: &ClientId) -> Result<KeyStatus, VaultError> {
        let pages = self.pages();
        let held = pages.held(client).await?;
        let (keys, client) = (pages.source(), client.clone());
        blocking(move || {
            let mut wrapped = BTreeMap::new();
            for held in held {
                *wrapped.entry(keys.version_of(&client, &held.wrapped)?).or_default() += 1;
            }
            Ok(KeyStatus { source: keys.describe().to_owned(), versions: keys.versions(&client)?, wrapped })
        })
        .await
    }

    /// Makes another version of a client's key, which wraps from now on; its number. [`Opener::rewrap`] does the rest.
    pub async fn rotate_key(&self, client: &ClientId) -> Result<u32, VaultError> {
        let (keys, client) = (self.pages().source(), client.clone());
        blocking(move || keys.rotate(&client)).await
    }

    /// Wraps up to `most` keys anew that an older version wraps; how many were done. Zero: all are under the newest.
    pub async fn rewrap(&self, client: &ClientId, most: usize) -> Result<u64, VaultError> {
        let pages = self.pages();
        let held = pages.held(client).await?;
        let (keys, suite, whose) = (pages.source(), pages.suite_of(client), client.clone());
        let again = blocking(move || {
            let newest = keys.versions(&whose)?.last().copied().unwrap_or_default();
            let mut again = vec![];
            for held in held {
                if again.len() < most && keys.version_of(&whose, &held.wrapped)? < newest {
                    let plain: Zeroizing<Vec<u8>> = keys.unwrap_key(&whose, &held.wrapped)?;
                    again.push((keys.wrap(&whose, suite, &plain)?, held));
                }
            }
            Ok(again)
        })
        .await?;
        let mut done = 0;
        for (wrapped, held) in again {
            done += pages.put_wrapped(client, &held, wrapped).await?;
        }
        Ok(done)
    }

    /// Destroys the versions of a client's key before `version`: copies of the database from before they were replaced open
    /// nothing any more.
    ///
    /// # Errors
    /// [`VaultError::KeyInUse`] while one of them wraps something, and for the version that wraps.
    pub async fn destroy_key_versions(&self, client: &ClientId, before: u32) -> Result<(), VaultError> {
        self.key_status(client).await?.may_destroy(client, before)?;
        let (keys, client) = (self.pages().source(), client.clone());
        blocking(move || keys.destroy_before(&client, before)).await
    }
}

impl Pages {
    /// Every wrapped key of a client.
    async fn held(&self, client: &ClientId) -> Result<Vec<Held>, VaultError> {
        let pages: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT page, wrapped FROM vault_page WHERE client = $1 ORDER BY page")
                .bind(client.as_str())
                .fetch_all(self.db().of(client))
                .await
                .map_err(sql("list page keys"))?;
        let secret: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT client, secret FROM vault_client WHERE client = $1")
                .bind(client.as_str())
                .fetch_all(self.db().of(client))
                .await
                .map_err(sql("read a client's secret"))?;
        let held = |table| move |(id, wrapped)| Held { table, id, wrapped };
        Ok(pages
            .into_iter()
            .map(held(Table::Page))
            .chain(secret.into_iter().map(held(Table::Client)))
            .collect())
    }

    /// Unless it has changed meanwhile: then whoever changed it used the newest version. How many rows.
    async fn put_wrapped(&self, client: &ClientId, held: &Held, wrapped: Vec<u8>) -> Result<u64, VaultError> {
        let statement = match held.table {
            Table::Page => "UPDATE vault_page SET wrapped = $3 WHERE page = $1 AND wrapped = $2",
            Table::Client => "UPDATE vault_client SET secret = $3 WHERE client = $1 AND secret = $2",
        };
        let done = sqlx::query(statement)
            .bind(held.id.as_str())
            .bind(held.wrapped.clone())
            .bind(wrapped)
            .execute(self.db().of(client))
            .await
            .map_err(sql("wrap a key anew"))?;
        Ok(done.rows_affected())
    }
}
