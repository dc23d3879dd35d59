//! Checkpoints: the size and root of a log, signed (C2SP tlog-checkpoint over C2SP signed-note).

use caveat_model::ClientId;
use caveat_notes::{NoteError, VerifierKey};
use tlog_tiles::{Checkpoint, Hash};

use crate::{LedgerError, LogSigner};

/// The signed note for a log of this size and root.
pub(crate) fn sign(
    signer: &LogSigner,
    client: &ClientId,
    size: u64,
    root: Hash,
) -> Result<String, LedgerError> {
    let unsigned = |why: String| LedgerError::proof(format!("the checkpoint could not be signed: {why}"));
    let key = signer.key_of(client);
    let text = Checkpoint::new(key.name(), size, root, "").map_err(|e| unsigned(e.to_string()))?.to_bytes();
    let text = String::from_utf8(text).map_err(|e| unsigned(e.to_string()))?;
    Ok(caveat_notes::sign(&text, &key)?)
}

/// What a checkpoint says, once its signature by `vkey` is found good; else what is wrong with it.
pub(crate) fn open(bytes: &[u8], vkey: &str) -> Result<Checkpoint, String> {
    let key: VerifierKey = vkey.parse().map_err(|e: NoteError| e.to_string())?;
    let note = caveat_notes::open(bytes, std::slice::from_ref(&key)).map_err(|e| e.to_string())?;
    let checkpoint = Checkpoint::from_bytes(note.text.as_bytes()).map_err(|e| e.to_string())?;
    if checkpoint.origin() != key.name() {
        return Err(format!("it is of the log `{}`, not of `{}`", checkpoint.origin(), key.name()));
    }
    Ok(checkpoint)
}
