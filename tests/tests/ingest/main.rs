//! Phone systems of every kind at a running host, over their own protocols; good ones, broken ones, hostile ones.
#![allow(clippy::unwrap_used, reason = "tests")]

mod assurance;
mod audiohook;
mod audiosocket;
mod house;
mod twilio;
mod watched;
