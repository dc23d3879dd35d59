//! The ledger: an append-only Merkle tree per client (C2SP tlog-tiles) with signed checkpoints (C2SP signed-note).
//!
//! Appends, proves, exports, verifies. It never changes or removes an entry, never acknowledges one before it is durable,
//! never computes a Merkle proof of its own (`tlog_tiles` does), and holds no personal data: what an entry is about lies
//! sealed beside the log ([`Ledger::append_with_detail`]) and can be erased while every proof still holds. Start at [`Ledger`];
//! an auditor starts at [`verify_bundle`], which needs a folder and a public key. How a write survives a crash: `writer`.

mod checkpoint;
mod details;
mod entry;
mod error;
mod export;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod key;
mod ledger;
mod meaning;
mod objects;
mod places;
mod proof;
mod report;
mod stamps;
mod timestamp;
mod tree;
mod verify;
mod vouch;
mod writer;

pub use entry::{Asked, Entry, EntryKind, KeyAct, PackEntry, Position, VERSION, keys_before};
pub use error::LedgerError;
pub use key::LogSigner;
pub use ledger::{Ledger, Limits, migrate};
pub use objects::ENTRY_BYTES_MAX;
pub use proof::{Consistency, Inclusion, Signed};
pub use report::{BundledStamp, Problem, ProblemKind, Report, Severity};
pub use stamps::Stamp;
pub use timestamp::{Authorities, Stamped, TOKEN_BYTES_MAX, check_timestamp, timestamp_request};
pub use verify::{VerifyLimits, verify_bundle, verify_bundle_within};
pub use vouch::vouched;
pub use writer::NewEntry;
