//! The ledger by its public API, on real SQLite files and object stores.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundle;
mod faults;
mod house;
mod log;
mod meaning;
mod million;
mod places;
