//! HTTP routes under `/v1` for people and machines.
//!
//! Translates between the wire and the rooms behind; decides nothing. Whoever asks is first known (a session or a machine
//! token), then permitted by the role table, then ruled on by the client's packs through the recorder. What a client sees
//! of an error is not what the log sees. Start at the table in [`routes`].

mod answer;
mod assurance;
mod audio;
mod calls;
mod console;
mod describe;
mod disclosures;
mod elsewhere;
mod extract;
mod gate;
mod health;
mod impact;
mod keys;
mod ledger;
mod links;
mod may;
mod once;
mod openapi;
mod operated;
mod packs;
mod plays;
mod problem;
mod rates;
mod record;
mod recordings;
mod redactions;
mod retention;
mod roster;
mod routes;
mod scores;
mod sign_in;
mod watched;
mod waveform;
mod webhooks;
mod who;

use std::{net::SocketAddr, sync::Arc};

use caveat_access::Access;
use caveat_ledger::Ledger;
use caveat_recorder::{PackKeeper, Recorder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use console::Console;
pub use gate::Needs;
pub use operated::{Check, Operated, Readiness, Reloaded, Reloading, Standing};
pub use problem::Problem;
pub use routes::{Route, as_markdown, listed, routes};
pub use webhooks::{HookEvents, Webhook, WebhookError, WebhookLimits, Webhooks};
pub use who::Web;

/// Bounds on requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A request body.
    pub body_bytes_max: usize,
    /// Rows of one page.
    pub page_rows_max: u32,
    /// Somebody's reason for what they do.
    pub reason_bytes_max: usize,
    /// Recordings that are looked at for one page of a search; beyond, the page ends and the next goes on.
    pub search_rows_max: u32,
    /// Ledger entries that are told of one recording.
    pub timeline_entries_max: usize,
    /// Decisions in which points were given that are read for scorecards; of a longer time they are not made.
    pub scored_decisions_max: usize,
    /// Comparisons of packs (`/v1/packs/impact`) that run at the same time.
    pub impact_jobs_max: usize,
    /// Answers under an `Idempotency-Key` are kept for so long, in milliseconds.
    pub answers_kept_ms: u64,
    /// Requests of one person, machine or address, in the long run.
    pub requests_per_minute_max: u32,
    /// The same, all at once.
    pub requests_at_once_max: u32,
    /// Steps in which one leg of a recording is drawn.
    pub waveform_steps_max: u32,
    /// Ranges of the same sound that a session asks for within this time belong to one play, in milliseconds.
    pub play_reused_ms: u64,
    /// Another host has to have answered by then a request about a call of its own that was handed on to it.
    pub handed_on_ms: u64,
    /// Plays of which that is remembered; the ranges of others are plays of their own.
    pub plays_max: usize,
    /// Whether whoever watches a stream of events may still do so is looked at as often.
    pub watchers_checked_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 262_144,
            page_rows_max: 200,
            reason_bytes_max: 1_024,
            search_rows_max: 5_000,
            timeline_entries_max: 2_000,
            scored_decisions_max: 50_000,
            impact_jobs_max: 1,
            answers_kept_ms: 24 * 3_600_000,
            requests_per_minute_max: 1_200,
            requests_at_once_max: 300,
            waveform_steps_max: 20_000,
            play_reused_ms: 60_000,
            handed_on_ms: 10_000,
            plays_max: 1_000,
            watchers_checked_s: 10,
        }
    }
}

/// What the routes lead to.
#[derive(Clone)]
pub struct Rooms {
    /// The path.
    pub recorder: Recorder,
    /// Which packs rule.
    pub packs: PackKeeper,
    /// The door.
    pub access: Access,
    /// The log.
    pub ledger: Ledger,
    /// The host itself.
    pub host: Arc<dyn Operated>,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// How the console is served.
    pub console: Arc<Console>,
    /// How browsers reach the host.
    pub web: Arc<Web>,
    /// Path items of what other rooms answer, for the OpenAPI document; they may name the schema `Problem`.
    pub documented: Arc<Map<String, Value>>,
    /// Asks other hosts about their calls.
    pub others: reqwest::Client,
}

/// Where a request came from.
pub(crate) type Origin = axum::extract::ConnectInfo<SocketAddr>;
