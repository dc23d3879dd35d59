//! What can go wrong with a vault. No message ever holds a key or plaintext.

use std::{io, path::PathBuf};

use caveat_model::{ClientId, RecordingId};
use caveat_state::StateError;

use crate::Segment;

/// What can go wrong with a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// Nothing of that name was ever begun.
    #[error("client `{client}` has no recording {recording}")]
    Unknown {
        /// Whose.
        client: ClientId,
        /// Which.
        recording: RecordingId,
    },
    /// A recording is begun once.
    #[error("recording {recording} of client `{client}` was begun before: give a new call a new id")]
    Exists {
        /// Whose.
        client: ClientId,
        /// Which.
        recording: RecordingId,
    },
    /// Its keys were destroyed; nothing brings it back.
    #[error("recording {recording} of client `{client}` was {state}: its keys are gone")]
    Gone {
        /// Whose.
        client: ClientId,
        /// Which.
        recording: RecordingId,
        /// `discarded` or `destroyed`.
        state: &'static str,
    },
    /// It is still being recorded, or waits to be recovered.
    #[error("recording {recording} of client `{client}` is not sealed yet")]
    NotSealed {
        /// Whose.
        client: ClientId,
        /// Which.
        recording: RecordingId,
    },
    /// A segment is written once: its key must not be used again.
    #[error("{segment} was written before; a segment's key is used once")]
    Duplicate {
        /// Which.
        segment: Segment,
    },
    /// Not one of the header's legs.
    #[error("the recording has no leg {leg}: the header names every leg")]
    UnknownLeg {
        /// Which.
        leg: u8,
    },
    /// Nothing was recorded there.
    #[error("the recording has no {segment}")]
    NoSuchSegment {
        /// Which.
        segment: Segment,
    },
    /// Another host has taken over what this one was recording.
    #[error(
        "another host has taken over what this one was recording: nothing more is kept here; start it anew"
    )]
    TakenOver,
    /// The shared store did not answer for so long that there was no room to wait for it.
    #[error("it is in the log on this disk and not in the shared store: see to the store")]
    NotInStore,
    /// Its key was destroyed by a redaction.
    #[error("{segment} was redacted: its key is gone")]
    Shredded {
        /// Which.
        segment: Segment,
    },
    /// A redaction leaves of a second that it does not take.
    #[error("{segment} is no part of what is redacted, and nothing of it can be left over")]
    NotCut {
        /// Which.
        segment: Segment,
    },
    /// No mask of that number is in force.
    #[error("recording {recording} has no mask {number}: it was lifted, or destroyed since")]
    NoSuchMask {
        /// Which recording.
        recording: RecordingId,
        /// As given.
        number: u32,
    },
    /// What was redacted opens all the same.
    #[error(
        "second {second} of leg {leg} of recording {recording} still opens after it was redacted: keep everybody away from it and look into the database"
    )]
    StillOpens {
        /// Which recording.
        recording: RecordingId,
        /// Which leg.
        leg: u8,
        /// Which second.
        second: u32,
    },
    /// A limit of [`crate::Limits`], or of the format.
    #[error("`{limit}` allows {allowed}, {given} given: send less, or raise it in the vault's limits")]
    TooLarge {
        /// Its name.
        limit: &'static str,
        /// What came.
        given: u64,
        /// What it allows.
        allowed: u64,
    },
    /// Written by a cipher that this program does not have.
    #[error("`{object}` is sealed with suite {suite}, which this program does not have: upgrade it")]
    Suite {
        /// Where.
        object: String,
        /// Its number in the header.
        suite: u8,
    },
    /// Bytes that do not authenticate or do not parse.
    #[error("`{object}` is damaged or was changed: {flaw}; restore it from a replica")]
    Damaged {
        /// Where.
        object: String,
        /// What is wrong.
        flaw: &'static str,
    },
    /// Something else lies where this recording's object belongs. Nothing was overwritten.
    #[error("another object lies at `{object}`: it was left alone; find out who wrote it")]
    ObjectConflict {
        /// Where.
        object: String,
    },
    /// The store returned other bytes than it was given. The write-ahead log still holds the recording.
    #[error("the store did not return what was put at `{object}`: check the store, then recover")]
    ReadBack {
        /// Where.
        object: String,
    },
    /// The store said no.
    #[error("the object store failed to {what} `{object}`: {source}")]
    Store {
        /// What was attempted.
        what: &'static str,
        /// Where.
        object: String,
        /// Its answer.
        #[source]
        source: object_store::Error,
    },
    /// A segment could not be made durable, in a fresh file either. It counts as not recorded.
    #[error("the write-ahead log failed at `{}` ({why}): check the disk", path.display())]
    Poisoned {
        /// The file that failed last.
        path: PathBuf,
        /// The system's answer.
        why: String,
    },
    /// The vault has been closed.
    #[error("the vault is closed")]
    Closed,
    /// The disk said no.
    #[error("failed to {what} `{}`: {source}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("`{}` is in use by another process: one write-ahead log belongs to one host", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The key source has no key for this client.
    #[error("there is no key for client `{client}` in {keys}: restore the keyring it was sealed with")]
    NoKey {
        /// Whose.
        client: ClientId,
        /// Which key source.
        keys: String,
    },
    /// A key that does not open with the client's key.
    #[error(
        "a key of client `{client}` does not open with {keys}: it is damaged, or the keyring is another one"
    )]
    Unwrap {
        /// Whose.
        client: ClientId,
        /// Which key source.
        keys: String,
    },
    /// A key service said no, or nothing.
    #[error("{keys} did not do as asked: {what}; see that it runs, and what this host may do there")]
    KeyService {
        /// Which key source.
        keys: String,
        /// Its answer; never a key.
        what: String,
    },
    /// A version of a key that is still needed.
    #[error("the versions of the key of client `{client}` before {before} cannot be destroyed: {}", match in_use { 0 => "the newest one has to stay; rotate first".to_owned(), n => format!("they still wrap {n} keys; wait until all are wrapped anew") })]
    KeyInUse {
        /// Whose.
        client: ClientId,
        /// As asked.
        before: u32,
        /// Keys that they wrap.
        in_use: u64,
    },
    /// A keyring that cannot be used.
    #[error("the keyring `{}` cannot be used: {why}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// The database said no.
    #[error(transparent)]
    State(#[from] StateError),
    /// Too many hosts changed the same page of keys at the same moment.
    #[error("the page of keys of recording {recording} kept changing: try again")]
    Contended {
        /// Which.
        recording: RecordingId,
    },
}

/// What is wrong with bytes; becomes a [`VaultError`] where their place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    Damaged(&'static str),
    Suite(u8),
}

impl Flaw {
    pub(crate) fn at(self, object: impl ToString) -> VaultError {
        match self {
            Self::Damaged(flaw) => VaultError::Damaged { object: object.to_string(), flaw },
            Self::Suite(suite) => VaultError::Suite { object: object.to_string(), suite },
        }
    }
}

pub(crate) fn io_error(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> VaultError {
    let path = path.into();
    move |source| VaultError::Io { what, path, source }
}
