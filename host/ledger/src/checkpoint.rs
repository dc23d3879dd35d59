//! Checkpoints: the size and root of a log, signed (C2SP tlog-checkpoint over C2SP signed-note).

use caveat_model::ClientId;
use signed_note::{Note, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

use crate::{LedgerError, LogSigner};

/// The signed note for a log of this size and root.
pub(crate) fn sign(
    signer: &LogSigner,
    client: &ClientId,
    size: u64,
    root: Hash,
) -> Result<String, LedgerError> {
    let name = signer.log_name(client);
    let unsigned = |why: String| LedgerError::proof(format!("the checkpoint could not be signed: {why}"));
    let text = Checkpoint::new(&name, size, root, "").map_err(|e| unsigned(e.to_string()))?.to_bytes();
    let mut note = Note::new(&text, &[]).map_err(|e| unsigned(e.to_string()))?;
    note.add_sigs(&[&signer.note_signer(client)]).map_err(|e| unsigned(e.to_string()))?;
    String::from_utf8(note.to_bytes()).map_err(|e| unsigned(e.to_string()))
}

/// What a checkpoint says, once its signature by `vkey` is found good; else what is wrong with it.
pub(crate) fn open(bytes: &[u8], vkey: &str) -> Result<Checkpoint, String> {
    let verifier = StandardVerifier::new(vkey).map_err(|e| format!("the public key cannot be used: {e}"))?;
    let name = verifier.name().to_owned();
    let note = Note::from_bytes(bytes).map_err(|e| e.to_string())?;
    if note.to_bytes() != bytes {
        return Err("it is not in the one form that a signed note has".into());
    }
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(|e| e.to_string())?;
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|e| e.to_string())?;
    if checkpoint.origin() != name {
        return Err(format!("it is of the log `{}`, not of `{name}`", checkpoint.origin()));
    }
    Ok(checkpoint)
}
