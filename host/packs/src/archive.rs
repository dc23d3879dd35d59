//! What once ruled is kept: the bytes of packs and their settings, by digest, so that any recorded decision can be ruled
//! again. Objects are written once, checked against their name when they are read, and never deleted here:
//!
//! | name | what |
//! |---|---|
//! | `packs/<sha256>.wasm` | a pack file as it was loaded |
//! | `signatures/<sha256 of a pack>/<sha256>.note` | a signed note that it came with |
//! | `settings/<sha256>.json` | completed settings, in the canonical text that the digest is of |

use std::sync::Arc;

use caveat_model::Digest;
use futures::TryStreamExt as _;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, path::Path};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{FileLimits, PackError, PackFile, settings};

/// Packs and settings by digest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
}

impl Archive {
    /// On a store that refuses `PutMode::Create` for what is there.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Keeps a pack and settings of it, completed as in [`crate::LoadedPack::settings`]. What is there already is left as
    /// it is. When this returns, both are as durable as the store makes them.
    ///
    /// # Errors
    /// [`PackError::Archive`].
    pub async fn put(&self, file: &PackFile, settings: &Value) -> Result<(), PackError> {
        self.create(&pack_path(file.digest()), file.bytes().to_vec()).await?;
        let text = settings::canonical(settings);
        self.create(&settings_path(settings::digest(settings)), text.into_bytes()).await
    }

    /// Keeps the signatures that a pack came with, beside those that are kept already.
    ///
    /// # Errors
    /// [`PackError::Archive`].
    pub async fn put_signatures(&self, file: &PackFile) -> Result<(), PackError> {
        for note in file.signatures() {
            let digest = Digest(Sha256::digest(note).into());
            let path = signatures_path(file.digest()).join(format!("{}.note", hex(digest)));
            self.create(&path, note.clone().into_bytes()).await?;
        }
        Ok(())
    }

    /// A pack that once ruled, with every signature that it ever came with.
    ///
    /// # Errors
    /// [`PackError::NotArchived`]; [`PackError::ArchiveDamaged`] when its bytes have another digest;
    /// [`PackError::NotAPack`] when this host no longer serves its contract.
    pub async fn get_pack(&self, digest: Digest) -> Result<PackFile, PackError> {
        let path = pack_path(digest);
        let bytes = self.read(&path, digest).await?;
        let mut file = PackFile::read(path.as_ref(), bytes, &FileLimits::default())?;
        let folder = signatures_path(digest);
        let failed = |source| PackError::Archive { what: "list", path: folder.to_string(), source };
        let notes: Vec<_> = self.store.list(Some(&folder)).try_collect().await.map_err(failed)?;
        for note in notes {
            let path = note.location;
            let damaged = || PackError::ArchiveDamaged { path: path.to_string() };
            let named = path.filename().and_then(|name| name.strip_suffix(".note"));
            let named = named.and_then(|hex| format!("sha256:{hex}").parse().ok()).ok_or_else(damaged)?;
            let text = String::from_utf8(self.read(&path, named).await?).map_err(|_| damaged())?;
            file = file.signed(text);
        }
        Ok(file)
    }

    /// Settings that a pack once ruled with, defaults filled in.
    ///
    /// # Errors
    /// [`PackError::NotArchived`]; [`PackError::ArchiveDamaged`] when their text has another digest or is no JSON.
    pub async fn get_settings(&self, digest: Digest) -> Result<Value, PackError> {
        let path = settings_path(digest);
        let text = self.read(&path, digest).await?;
        serde_json::from_slice(&text).map_err(|_| PackError::ArchiveDamaged { path: path.to_string() })
    }

    async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<(), PackError> {
        match self.store.put_opts(path, bytes.into(), PutMode::Create.into()).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(PackError::Archive { what: "write", path: path.to_string(), source }),
        }
    }

    async fn read(&self, path: &Path, digest: Digest) -> Result<Vec<u8>, PackError> {
        let failed = |source| match source {
            StoreError::NotFound { .. } => PackError::NotArchived { path: path.to_string() },
            source => PackError::Archive { what: "read", path: path.to_string(), source },
        };
        let bytes = self.store.get(path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        if Digest(Sha256::digest(&bytes).into()) != digest {
            return Err(PackError::ArchiveDamaged { path: path.to_string() });
        }
        Ok(bytes.into())
    }
}

fn pack_path(digest: Digest) -> Path {
    Path::from(format!("packs/{}.wasm", hex(digest)))
}

fn signatures_path(pack: Digest) -> Path {
    Path::from(format!("signatures/{}", hex(pack)))
}

fn settings_path(digest: Digest) -> Path {
    Path::from(format!("settings/{}.json", hex(digest)))
}

fn hex(digest: Digest) -> String {
    let text = digest.to_string();
    text.strip_prefix("sha256:").unwrap_or(&text).to_owned()
}
