//! The key that signs checkpoints: one Ed25519 key per house, one note name per client.

use std::path::Path;

use caveat_model::ClientId;
use caveat_notes::{NoteError, SigningKey};

use crate::LedgerError;

/// Signs the checkpoints of every client's log. Each log has a name of its own, `<origin>/<client>`, so that a checkpoint
/// of one client never passes for another's, though the key is the same. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogSigner {
    key: SigningKey,
}

impl LogSigner {
    /// Loads the key from `path`, or creates it there, readable by its owner only. `origin` is the part of the logs' names
    /// before the client, a schema-less URL by custom ("caveat.example"). The file has the form of a note signer key:
    /// `PRIVATE+KEY+<origin>+<key id>+<key>`.
    ///
    /// # Errors
    /// [`LedgerError::Note`] for an origin that cannot stand in a note and for a file that is not such a key or can be
    /// read by others; [`LedgerError::Origin`] for a key of another origin.
    pub fn open(path: &Path, origin: &str) -> Result<Self, LedgerError> {
        // Of two hosts that start at once, the second takes the key that the first made.
        let key = match path.exists() {
            true => SigningKey::open(path)?,
            false => match SigningKey::create(path, origin) {
                Err(NoteError::KeyExists { .. }) => SigningKey::open(path)?,
                created => created?,
            },
        };
        if key.name() != origin {
            let (of_key, origin) = (key.name().to_owned(), origin.to_owned());
            return Err(LedgerError::Origin { path: path.to_owned(), of_key, origin });
        }
        Ok(Self { key })
    }

    /// The part of the logs' names before the client.
    pub fn origin(&self) -> &str {
        self.key.name()
    }

    /// The name of a client's log: the first line of its checkpoints.
    pub fn log_name(&self, client: &ClientId) -> String {
        self.key_of(client).name().to_owned()
    }

    /// The public key of a client's log as text (C2SP signed-note, "Verifier keys"). This is what an auditor is given.
    pub fn vkey(&self, client: &ClientId) -> String {
        self.key_of(client).verifier_key().to_string()
    }

    pub(crate) fn key_of(&self, client: &ClientId) -> SigningKey {
        self.key.for_client(client)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_house_keeps_its_key_and_its_origin() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/log.key");
        let client: ClientId = "acme".parse().unwrap();
        let first = LogSigner::open(&path, "caveat.example").unwrap();
        let again = LogSigner::open(&path, "caveat.example").unwrap();
        assert_eq!(first.vkey(&client), again.vkey(&client));
        assert!(first.vkey(&client).starts_with("caveat.example/acme+"));
        let other = LogSigner::open(&path, "b.example").unwrap_err().to_string();
        assert!(other.contains("belongs to the origin `caveat.example`"), "{other}");
        assert!(matches!(LogSigner::open(&path, "two words"), Err(LedgerError::Origin { .. })));
    }
}
