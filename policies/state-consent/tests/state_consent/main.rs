//! The pack from outside: every pair of jurisdictions against a reference, then rule by rule, then its own papers.
#![allow(clippy::unwrap_used, reason = "tests")]

mod every_pair;
mod papers;
mod rulings;
mod scene;
