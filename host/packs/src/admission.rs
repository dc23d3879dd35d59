//! Which packs a client takes: signed by a key it trusts, and of the bytes that the lock pins. Asked at the host's start, for
//! every swap and for every rollback.

use std::{collections::HashMap, path::PathBuf};

use caveat_model::ClientId;
use caveat_notes::VerifierKey;

use crate::{Lock, NotAdmitted, PackError, PackFile, signature};

/// What every client of a host trusts, and the lock that binds them all.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    keys: HashMap<ClientId, Vec<VerifierKey>>,
    lock: Option<PathBuf>,
}

impl Trust {
    /// Nobody's signature is asked for yet; `lock` binds when it is there. It is read anew each time, so that a lock that
    /// was rewritten counts without a restart.
    pub fn new(lock: Option<PathBuf>) -> Self {
        Self { keys: HashMap::new(), lock }
    }

    /// From now on this client takes only what one of these keys signed.
    #[must_use]
    pub fn with_keys(mut self, client: &ClientId, keys: Vec<VerifierKey>) -> Self {
        self.keys.insert(client.clone(), keys);
        self
    }

    /// As [`admit`], with the client's keys and the lock as it is now.
    ///
    /// # Errors
    /// As [`admit`]; [`PackError::Lock`] for a lock that cannot be read.
    pub fn admit(&self, client: &ClientId, file: &PackFile) -> Result<(), PackError> {
        let lock = self.lock.as_deref().map(Lock::open).transpose()?.flatten();
        admit(client, file, self.keys.get(client).map(Vec::as_slice), lock.as_ref())
    }
}

/// Whether a client takes this pack: signed by one of `keys` where there are any, pinned where there is a lock.
///
/// # Errors
/// [`PackError::NotAdmitted`] with the client, the pack, its digest, and what to do.
pub fn admit(
    client: &ClientId,
    file: &PackFile,
    keys: Option<&[VerifierKey]>,
    lock: Option<&Lock>,
) -> Result<(), PackError> {
    let about = &file.manifest().pack;
    let refuse = |why: String| {
        let (pack, version) = (about.name.clone(), about.version.to_string());
        let refused = NotAdmitted { client: client.clone(), pack, version, digest: file.digest(), why };
        PackError::NotAdmitted(Box::new(refused))
    };
    if let Some(keys) = keys
        && let Err(problem) = signature::verify(file, keys)
    {
        return Err(refuse(format!(
            "{problem}; have it signed (`caveat pack sign`) by a key that `trusted-pack-keys` names, or name its signer's key there"
        )));
    }
    let Some(lock) = lock else { return Ok(()) };
    let mut pinned = lock.of(client, &about.name).peekable();
    if pinned.peek().is_none() {
        return Err(refuse(
            "the lock does not pin it; if it is meant, run `caveat pack lock --add FILE --client ID`".into(),
        ));
    }
    if pinned.any(|pin| pin.digest == file.digest()) {
        return Ok(());
    }
    let others: Vec<String> =
        lock.of(client, &about.name).map(|p| format!("{} {}", p.version, p.digest)).collect();
    Err(refuse(format!(
        "the lock pins {}; if the change is meant, run `caveat pack lock`, or before a swap `caveat pack lock --add FILE --client ID`",
        others.join(", ")
    )))
}
