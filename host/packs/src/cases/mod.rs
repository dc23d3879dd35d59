//! Cases: what a pack should say, written by those who know the law, run in the real engine.
//!
//! `cases/*.toml` in a pack's folder:
//! ```toml
//! [facts]                                   # shared by every case of the file
//! began = 2026-01-05T15:00:00Z
//! parties = [                               # plain form (or the model's own)
//!   { role = "agent", on-file = "TX" },
//!   { role = "customer", number = "+13055550113" },
//! ]
//!
//! [[case]]
//! name = "Florida customer, no notice"
//! rules = ["consent.all-party"]             # which rules it is for
//! event = "offered"
//! expect = { decision = "deny", rules = ["consent.all-party"], remedies = ["play-announcement"] }
//!
//! [[case]]
//! name = "the same, and then the notice"
//! rules = ["consent.all-party"]
//! settings = { options = ["strict"] }       # otherwise the schema's defaults
//! facts = { direction = "inbound" }         # replaces the shared facts key by key
//! [[case.steps]]                            # one after the other; facts and labels found are carried on
//! event = "offered"
//! expect = { outcome = "refuse" }
//! [[case.steps]]
//! at-s = 12                                 # the clock: seconds since the call began
//! event = "notice-played"
//! facts = { notices = [{ kind = "spoken", at = 12000, recorded = true, heard-by = [0, 1] }] }
//! expect = { decision = "allow", obligations = [] }
//! ```
//! `event` is the contract's word, or a table for one that carries something (`event = { party-joined = 2 }`); `stage` is
//! `capture` unless it says `storage` or `access`. Of `expect` only the keys that are there are compared; lists are sets,
//! obligations are codes ([`caveat_model::Duty::code`]). Besides whole lists it may name parts: `asks` and `without` of the
//! obligations, `would-help` of the remedies, `decided-by` (a rule) and `cites` (of its citation) of the strictest ruling.
//!
//! The same files put to all packs of a client with its settings: [`play_client_cases`]. There `expect` may name `conflicts` too.

mod client;
mod compare;
mod report;
mod run;
mod script;

pub use client::{ClientOfCases, play_client_cases};
pub use report::{CaseReport, CaseResult, Difference, RuleCoverage};
pub use run::{CaseOptions, play_cases, run_cases, run_own_cases};
pub(crate) use run::{Configured, play};
pub(crate) use script::{Expect, Script, Step, read_cases, read_scripts, scripts_in, word};
