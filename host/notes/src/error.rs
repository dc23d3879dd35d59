//! What can go wrong with keys and notes.

use std::path::PathBuf;

/// What can go wrong with keys and notes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// A signing key cannot be used.
    #[error("the signing key {} cannot be used: {why}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// There is a file already where a new key was to be.
    #[error("{} exists: a key is never written over; choose another file, or move that one away", path.display())]
    KeyExists {
        /// The file.
        path: PathBuf,
    },
    /// A name that cannot stand in a note.
    #[error(
        "`{given}` cannot be the name of a key: it must have no spaces and plus signs, for example acme.example/packs"
    )]
    Name {
        /// What was given, shortened.
        given: String,
    },
    /// A public key cannot be used.
    #[error("`{given}` is no verifier key: {why}; one reads `<name>+<8 hexadecimal digits>+<base64>`")]
    VerifierKey {
        /// What was given, shortened.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// The text cannot be signed.
    #[error("the note could not be signed: {why}")]
    Sign {
        /// Why.
        why: String,
    },
    /// The bytes are no note.
    #[error("it is no signed note: {why}")]
    NotANote {
        /// What is wrong.
        why: String,
    },
    /// None of the given keys signed it.
    #[error("it is signed by {}, and by none of the keys that are trusted", if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") })]
    NotTrusted {
        /// Who claims to have signed it, `<name>+<key id>`.
        signers: Vec<String>,
    },
    /// A signature under a trusted key's name does not hold: the text or the signature was changed.
    #[error(
        "the signature of {signer} does not hold: the text or the signature was changed after it was made"
    )]
    Forged {
        /// Under whose name it is, `<name>+<key id>`.
        signer: String,
    },
    /// A file could not be read or written.
    #[error("could not {what} {}: {source}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl NoteError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { what, path: path.into(), source }
    }
}
