//! Signed notes (C2SP signed-note): a text and the Ed25519 signatures of those who vouch for it.
//!
//! The one place where something is signed: the ledger signs checkpoints here, whoever ships packs signs them here. It knows
//! nothing of what a text says, and it never takes a signature for good that no given key made. Start at [`SigningKey`] and
//! [`open`].

mod error;
mod key;
mod note;

pub use error::NoteError;
pub use key::SigningKey;
pub use note::{NOTE_BYTES_MAX, Opened, VerifierKey, add_signature, open, sign, signers};
