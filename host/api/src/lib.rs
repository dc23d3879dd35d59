//! HTTP routes under `/v1` for people and machines.
//!
//! Translates between the wire and the rooms behind; decides nothing. Whoever asks is first known (a session or a machine
//! token), then permitted by the role table, then ruled on by the client's packs through the recorder. What a client sees
//! of an error is not what the log sees. Start at [`routes`].

mod assurance;
mod calls;
mod keys;
mod ledger;
mod packs;
mod people;
mod problem;
mod recordings;
mod redactions;
mod retention;
mod waveform;
mod webhooks;
mod who;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post},
};
use caveat_access::Access;
use caveat_ledger::Ledger;
use caveat_recorder::{PackKeeper, Recorder};
use serde::{Deserialize, Serialize};

pub use problem::Problem;
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

/// Every route of the API. Each names the action it needs of a person, or the scope it needs of a machine.
pub fn routes(rooms: Rooms) -> Router {
    let body_bytes_max = rooms.limits.body_bytes_max;
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/v1/session", post(people::sign_in))
        .route("/v1/session", get(people::whoami))
        .route("/v1/session", delete(people::sign_out))
        .route("/v1/session/step-up", post(people::step_up))
        .route("/v1/calls", get(calls::list))
        .route("/v1/calls/{call}", get(calls::look))
        .route("/v1/calls/announced", post(calls::announce))
        .route("/v1/calls/{call}/events", post(calls::happened))
        .route("/v1/expected-calls", post(assurance::expect))
        .route("/v1/assurance", get(assurance::report))
        .route("/v1/live", get(calls::live))
        .route("/v1/alerts", get(calls::alerts))
        .route("/v1/alerts/{id}/confirm", post(calls::confirm_alert))
        .route("/v1/recordings", get(recordings::search))
        .route("/v1/recordings/{id}", get(recordings::look))
        .route("/v1/recordings/{id}/audio", get(recordings::audio))
        .route("/v1/recordings/{id}/waveform", get(waveform::waveform))
        .route("/v1/recordings/{id}/evidence", get(recordings::evidence))
        .route("/v1/cases/{case}/evidence", get(recordings::evidence_of_case))
        .route("/v1/recordings/{id}/redactions", post(redactions::redact))
        .route("/v1/recordings/{id}/masks", get(redactions::masks))
        .route("/v1/recordings/{id}/unmask", post(redactions::unmask))
        .route("/v1/recordings/{id}/disposal", post(redactions::dispose))
        .route("/v1/requests", get(redactions::requests))
        .route("/v1/requests/{id}", delete(redactions::withdraw))
        .route("/v1/requests/{id}/confirm", post(redactions::confirm))
        .route("/v1/holds", get(retention::holds))
        .route("/v1/holds", post(retention::set_hold))
        .route("/v1/holds/{id}/lift", post(retention::lift_hold))
        .route("/v1/retention/plan", get(retention::plan))
        .route("/v1/retention/reviews", get(retention::reviews))
        .route("/v1/retention/reviews/{id}", post(retention::decide))
        .route("/v1/retention/receipts", get(retention::receipts))
        .route("/v1/retention/confirm-clock", post(retention::confirm_clock))
        .route("/v1/packs", get(packs::list))
        .route("/v1/packs/monitor", get(packs::monitored))
        .route("/v1/packs/swap", post(packs::swap))
        .route("/v1/packs/rollback", post(packs::roll_back))
        .route("/v1/keys", get(keys::status))
        .route("/v1/keys/rotate", post(keys::rotate))
        .route("/v1/keys/destroy", post(keys::ask_to_destroy))
        .route("/v1/keys/destroy/{id}/confirm", post(keys::agree_to_destroy))
        .route("/v1/ledger/checkpoint", get(ledger::checkpoint))
        .route("/v1/ledger/key", get(ledger::key))
        .fallback(|| async { Problem::not_found("no such route; the README lists them") })
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(rooms)
}
