//! Opens what is sealed without the write-ahead log, which belongs to one process: for looking back while a host runs.

use std::sync::Arc;

use caveat_model::{ClientId, Clock, Digest, RecordingId};
use caveat_state::Db;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use zeroize::Zeroizing;

use crate::{KeySource, Limits, Reader, Suite, VaultError, pages::Pages, seal::store_error};

/// The reading half of a vault; any number of processes may have one. Cheap to clone.
#[derive(Clone)]
pub struct Opener(Arc<Shelves>);

/// Where keys and objects are.
struct Shelves {
    pages: Pages,
    store: Arc<dyn ObjectStore>,
    object_bytes: u64,
    detail_bytes: u64,
}

impl Opener {
    /// Opens keys and objects, and brings the tables up to date.
    pub async fn open(
        limits: Limits,
        db: Db,
        store: Arc<dyn ObjectStore>,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        let pages = Pages::open(db, keys, clock, limits.page_recording_count).await?;
        let (object_bytes, detail_bytes) = (limits.object_bytes, limits.detail_bytes as u64);
        Ok(Self(Arc::new(Shelves { pages, store, object_bytes, detail_bytes })))
    }

    /// What a client's keys and details are sealed with from now on; ChaCha20-Poly1305 where nobody says.
    pub fn prefer(&self, client: &ClientId, suite: Suite) {
        self.0.pages.prefer(client, suite);
    }

    /// Opens a sealed recording.
    pub async fn reader(&self, client: &ClientId, recording: RecordingId) -> Result<Reader, VaultError> {
        Reader::open(self.clone(), &(client.clone(), recording)).await
    }

    /// Seals a detail, as [`crate::Vault::seal_detail`]: it goes into no log.
    pub async fn seal_detail(
        &self,
        client: &ClientId,
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (given, allowed) = (plain.len() as u64, self.0.detail_bytes);
        if given > allowed {
            return Err(VaultError::TooLarge { limit: "detail_bytes", given, allowed });
        }
        let suite = self.0.pages.suite_of(client);
        Ok(self.0.pages.secret(client).await?.seal(suite, client, context, plain))
    }

    /// Opens what [`crate::Vault::seal_detail`] sealed.
    pub async fn open_detail(
        &self,
        client: &ClientId,
        context: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let opened = self.0.pages.secret(client).await?.open(client, context, sealed);
        opened.ok_or_else(|| VaultError::Damaged {
            object: format!("detail of client {client}"),
            flaw: "it does not authenticate, or belongs elsewhere",
        })
    }

    /// The key of one detail, for somebody outside: with [`crate::open_disclosed_detail`] it opens this detail and no
    /// other.
    pub async fn disclose_detail(
        &self,
        client: &ClientId,
        context: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let key = self.0.pages.secret(client).await?.disclose(client, context, sealed);
        key.ok_or_else(|| VaultError::Damaged {
            object: format!("detail of client {client}"),
            flaw: "it does not authenticate, or belongs elsewhere",
        })
    }

    /// A keyed digest (HMAC-SHA256) of personal data: the same for the same client, context and data, and nothing to
    /// whoever lacks the client's key.
    pub async fn commitment(
        &self,
        client: &ClientId,
        context: &str,
        data: &[u8],
    ) -> Result<Digest, VaultError> {
        Ok(Digest(self.0.pages.secret(client).await?.commit(client, context, data)))
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.0.pages
    }

    pub(crate) fn store(&self) -> &dyn ObjectStore {
        &*self.0.store
    }

    /// The whole object, if it is not larger than allowed.
    pub(crate) async fn get(&self, path: &Path) -> Result<bytes::Bytes, VaultError> {
        let found = self.store().get(path).await.map_err(store_error("get", path))?;
        let (given, allowed) = (found.meta.size, self.0.object_bytes);
        if given > allowed {
            return Err(VaultError::TooLarge { limit: "object_bytes", given, allowed });
        }
        found.bytes().await.map_err(store_error("get", path))
    }
}
