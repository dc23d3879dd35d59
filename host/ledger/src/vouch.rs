//! A digest vouched for under a log's own key: what a house hands out beside its log, such as evidence.
//!
//! The text's first line says what is vouched for. A checkpoint's first line is its log's name, so that neither passes for
//! the other.

use caveat_model::{ClientId, Digest};
use caveat_notes::{NoteError, VerifierKey};

use crate::{Ledger, LedgerError};

impl Ledger {
    /// The signed note that says of `digest`, under the name of the client's log: this is a `what`.
    ///
    /// # Errors
    /// [`LedgerError::Note`].
    pub fn vouch(&self, client: &ClientId, what: &str, digest: Digest) -> Result<String, LedgerError> {
        let key = self.shared.signer.key_of(client);
        Ok(caveat_notes::sign(&format!("{what}\n{}\n{digest}\n", key.name()), &key)?)
    }
}

/// The name of the log that `vkey` signs for, and the digest that it vouches for as a `what`.
///
/// # Errors
/// [`LedgerError::Proof`] with what does not hold.
pub fn vouched(note: &[u8], vkey: &str, what: &str) -> Result<(String, Digest), LedgerError> {
    let key: VerifierKey = vkey.parse().map_err(|e: NoteError| LedgerError::proof(e.to_string()))?;
    let note = caveat_notes::open(note, std::slice::from_ref(&key))
        .map_err(|e| LedgerError::proof(e.to_string()))?;
    let lines: Vec<&str> = note.text.lines().collect();
    let [title, log, digest] = lines[..] else {
        return Err(LedgerError::proof("its signature is for something else"));
    };
    if (title, log) != (what, key.name()) {
        return Err(LedgerError::proof(format!("its signature is for `{title}` of `{log}`")));
    }
    let digest = digest.parse().map_err(|_| LedgerError::proof("its signature names no digest"))?;
    Ok((log.to_owned(), digest))
}
