//! What can go wrong with the ledger.

use std::{path::PathBuf, sync::Arc};

use caveat_model::{ClientId, Digest};
use caveat_notes::NoteError;
use caveat_state::StateError;

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The head of the log could not be read or moved.
    #[error(transparent)]
    State(#[from] StateError),
    /// The object store failed.
    #[error("the object store failed to {what} `{path}`: {source}")]
    Store {
        /// What was attempted.
        what: &'static str,
        /// On which object.
        path: String,
        /// Its answer.
        #[source]
        source: object_store::Error,
    },
    /// What is stored does not fit the head of the log. Nothing is appended to such a log.
    #[error(
        "the log of `{client}` is damaged at `{path}`: {why}; restore the object from a copy, then try again"
    )]
    Damaged {
        /// Whose log.
        client: ClientId,
        /// Which object.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// An entry does not fit the format: 16 bits of length (C2SP tlog-tiles, "Log Entries").
    #[error(
        "an entry of {bytes} bytes is too large for the log, which takes {max}: move its details to a sealed blob"
    )]
    TooLarge {
        /// Of the entry, encoded.
        bytes: usize,
        /// Largest allowed.
        max: usize,
    },
    /// An entry could not be encoded.
    #[error("an entry could not be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// The entry speaks of a sealed detail that is not stored.
    #[error("the detail {digest} is not stored for `{client}`: put it before the entry that speaks of it")]
    NoDetail {
        /// Whose log.
        client: ClientId,
        /// Of the sealed blob.
        digest: Digest,
    },
    /// Another host was always faster.
    #[error("the log of `{client}` moved on under {attempts} attempts to append: try again")]
    Contended {
        /// Whose log.
        client: ClientId,
        /// How often it was tried.
        attempts: u32,
    },
    /// What was to be done in one commit with the entry found nothing to do. Nothing was appended.
    #[error("nothing was appended to the log of `{client}`: what was to be done with it is no longer so")]
    Refused {
        /// Whose log.
        client: ClientId,
    },
    /// Another host has taken over what this one had.
    #[error(
        "nothing was appended to the log of `{client}`: another host has taken over from this one; start it anew"
    )]
    Fenced {
        /// Whose log.
        client: ClientId,
    },
    /// The batch that this entry was in was not acknowledged. It may have become durable: read the log to know.
    #[error("appending failed: {0}")]
    Append(#[source] Arc<LedgerError>),
    /// The task that writes this log is gone; it ends with its runtime.
    #[error("the writer of the log of `{client}` has stopped: the host is shutting down")]
    Stopped {
        /// Whose log.
        client: ClientId,
    },
    /// Beyond the end of the log.
    #[error("`{client}` has {size} entries: {asked}")]
    Range {
        /// Whose log.
        client: ClientId,
        /// Entries in it.
        size: u64,
        /// What was asked for.
        asked: String,
    },
    /// A proof does not prove it.
    #[error("the proof does not hold: {why}")]
    Proof {
        /// What is wrong.
        why: String,
    },
    /// The signing key cannot be made or used.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signing key is another house's.
    #[error(
        "the log key {} belongs to the origin `{of_key}`, but the configuration says `{origin}`; logs keep their name: \
         set the origin back, or start new logs with another key file", path.display()
    )]
    Origin {
        /// The file.
        path: PathBuf,
        /// The origin it was made for.
        of_key: String,
        /// The origin that was asked for.
        origin: String,
    },
    /// A name that cannot stand in a log.
    #[error("`{given}` cannot be the {what}: {why}")]
    Name {
        /// What was given, shortened.
        given: String,
        /// What it was meant for.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file could not be read or written.
    #[error("could not {what} `{path}`: {source}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The answer.
        #[source]
        source: std::io::Error,
    },
}

impl LedgerError {
    pub(crate) fn proof(why: impl Into<String>) -> Self {
        Self::Proof { why: why.into() }
    }

    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { what, path: path.into(), source }
    }
}
