//! Who vouches for a pack: a signed note that names the pack, its version and the digest of its file. It lies beside the file
//! (`NAME-VERSION.wasm.sig`), so that signing does not change the digest, and several may sign one note.

use std::path::{Path, PathBuf};

use caveat_notes::{NoteError, SigningKey, VerifierKey};

use crate::{PackError, PackFile};

/// First line of the note: what kind of statement it is, so that no other signed text passes for one.
const STATEMENT: &str = "caveat-pack/v1";

/// Where the signature of a pack file lies.
pub fn signature_path(pack: &Path) -> PathBuf {
    let mut path = pack.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// What is signed.
pub fn statement(file: &PackFile) -> String {
    let about = &file.manifest().pack;
    format!("{STATEMENT}\n{} {}\n{}\n", about.name, about.version, file.digest())
}

/// The note of a pack with this key's signature, and with those that the pack came with.
///
/// # Errors
/// [`PackError::Note`].
pub fn sign(file: &PackFile, key: &SigningKey) -> Result<String, PackError> {
    let statement = statement(file);
    let standing = file.signatures().iter().find(|note| note.starts_with(&format!("{statement}\n")));
    Ok(match standing {
        Some(note) => caveat_notes::add_signature(note.as_bytes(), key)?,
        None => caveat_notes::sign(&statement, key)?,
    })
}

/// Which of `keys` signed the pack, `<name>+<key id>`; at least one.
///
/// # Errors
/// What is wrong with the signatures that it came with, or that there are none.
pub fn verify(file: &PackFile, keys: &[VerifierKey]) -> Result<Vec<String>, SignatureProblem> {
    let statement = statement(file);
    let mut problem = SignatureProblem::Missing;
    for note in file.signatures() {
        match caveat_notes::open(note.as_bytes(), keys) {
            Ok(opened) if opened.text == statement => return Ok(opened.signers),
            Ok(_) => problem = SignatureProblem::OfAnother,
            Err(error) => problem = SignatureProblem::Note(error),
        }
    }
    Err(problem)
}

/// Who claims to have signed the pack, `<name>+<key id>`. Nothing is verified.
pub fn claimed_signers(file: &PackFile) -> Vec<String> {
    let notes = file.signatures().iter();
    notes.flat_map(|note| caveat_notes::signers(note.as_bytes()).unwrap_or_default()).collect()
}

/// Why a pack's signatures do not vouch for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureProblem {
    /// It came without one.
    #[error("it has no signature")]
    Missing,
    /// A trusted key signed something else.
    #[error(
        "its signature is good, but of another pack or other bytes: the file was changed after it was signed"
    )]
    OfAnother,
    /// The note does not hold.
    #[error("its signature does not count: {0}")]
    Note(#[source] NoteError),
}
