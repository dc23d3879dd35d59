//! HTTP routes under `/v1` for people and machines.
//!
//! Translates between the wire and the rooms behind; decides nothing. Whoever asks is first known (a session or a machine
//! token), then permitted by the role table, then ruled on by the client's packs through the recorder. What a client sees
//! of an error is not what the log sees. Start at the table in [`routes`].

mod assurance;
mod calls;
mod describe;
mod extract;
mod gate;
mod keys;
mod ledger;
mod openapi;
mod packs;
mod people;
mod problem;
mod recordings;
mod redactions;
mod retention;
mod routes;
mod waveform;
mod webhooks;
mod who;

use std::{net::SocketAddr, sync::Arc};

use caveat_access::Access;
use caveat_ledger::Ledger;
use caveat_recorder::{PackKeeper, Recorder};
use serde::{Deserialize, Serialize};

pub use gate::Needs;
pub use problem::Problem;
pub use routes::{Route, as_markdown, listed, routes};
pub use webhooks::{HookEvents, Webhook, WebhookLimits, start_webhooks};

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
    /// Steps in which one leg of a recording is drawn.
    pub waveform_steps_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 262_144,
            page_rows_max: 200,
            reason_bytes_max: 1_024,
            waveform_steps_max: 20_000,
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
    /// Bounds.
    pub limits: Arc<Limits>,
}

/// Where a request came from.
pub(crate) type Origin = axum::extract::ConnectInfo<SocketAddr>;
