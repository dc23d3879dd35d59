//! Recording sessions: of real session recording clients, of one that keeps to every rule, and of one that means harm.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../host/audio/tests/masking/decoder.rs"]
mod decoder;

mod aligned;
mod dialects;
mod dialogs;
mod harm;
mod holds;
mod hostile_media;
mod keys;
mod life;
mod recorder;
mod refusals;
mod reports;
mod rtpengine;
mod sessions;
mod sources;
