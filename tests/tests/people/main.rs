//! People and machines at the door of a running host: each way in, what is refused, what is told to nobody.
#![allow(clippy::unwrap_used, reason = "tests")]

mod disclosures;
mod enrolment;
mod federated;
mod house;
mod lookups;
mod matrix;
mod passkeys;
mod requests;
mod sessions;
mod tls;
