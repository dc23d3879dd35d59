//! Sealed details: what a decision was about, encrypted by the vault, kept beside the log under
//! `details/<client>/<sha256>`. An entry holds the digest only, so a detail can be erased while every proof still holds.

use bytes::Bytes;
use caveat_model::{ClientId, Digest};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};

use crate::{Ledger, LedgerError};

impl Ledger {
    /// Keeps a sealed blob and gives its digest, for the entry that speaks of it. When this returns, it is durable. The
    /// ledger never sees what is in it: seal it first.
    ///
    /// # Errors
    /// [`LedgerError::Store`]; [`LedgerError::Damaged`] when other bytes are stored under this digest.
    pub async fn put_detail(&self, client: &ClientId, sealed: Bytes) -> Result<Digest, LedgerError> {
        let digest = Digest(Sha256::digest(&sealed).into());
        self.shared.objects.put_once(client, &path(client, digest), sealed).await?;
        Ok(digest)
    }

    /// A sealed blob; none when it was erased or never there.
    ///
    /// # Errors
    /// [`LedgerError::Store`]; [`LedgerError::Damaged`] when what is stored has another digest.
    pub async fn get_detail(&self, client: &ClientId, digest: Digest) -> Result<Option<Bytes>, LedgerError> {
        let path = path(client, digest);
        let Some(sealed) = self.shared.objects.get(&path).await? else { return Ok(None) };
        if Digest(Sha256::digest(&sealed).into()) != digest {
            let why = "it has another digest than its name".into();
            return Err(LedgerError::Damaged { client: client.clone(), path: path.to_string(), why });
        }
        Ok(Some(sealed))
    }

    /// Erases a sealed blob for good; it may be gone already. Entries and proofs stay as they are.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub async fn erase_detail(&self, client: &ClientId, digest: Digest) -> Result<(), LedgerError> {
        self.shared.objects.delete(&path(client, digest)).await.map(drop)
    }

    pub(crate) async fn has_detail(&self, client: &ClientId, digest: Digest) -> Result<bool, LedgerError> {
        self.shared.objects.exists(&path(client, digest)).await
    }
}

fn path(client: &ClientId, digest: Digest) -> Path {
    let text = digest.to_string();
    Path::from(format!("details/{client}/{}", text.strip_prefix("sha256:").unwrap_or(&text)))
}
