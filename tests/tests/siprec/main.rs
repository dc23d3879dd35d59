//! Recording sessions: of real session recording clients, of one that keeps to every rule, and of one that means harm.
#![allow(clippy::unwrap_used, reason = "tests")]

mod dialogs;
mod harm;
mod hostile_media;
mod recorder;
mod refusals;
mod rtpengine;
mod sessions;
mod sources;
