//! The host as whoever runs it asks of it: whether it is ready, and to read its configuration again. The binary answers.

use std::pin::Pin;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use caveat_model::Moment;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Problem, Rooms,
    describe::{Described, Given},
};

/// What the binary does of itself.
pub trait Operated: Send + Sync + 'static {
    /// How the checks stood last. It answers at once.
    fn readiness(&self) -> Readiness;
    /// Reads the configuration again, and takes from it what can change while calls run. Goes on to its end when whoever
    /// asked no longer waits.
    fn reload(&self) -> Reloading;
}

/// A configuration that is being read again; else why the one before it is kept.
pub type Reloading = Pin<Box<dyn Future<Output = Result<Reloaded, String>> + Send>>;

/// How one thing stands that the host needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// As it should.
    Good,
    /// Calls are recorded; somebody should see to it.
    Strained,
    /// New calls should go to another host.
    Bad,
}

/// One thing that the host needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// `database`, `store`, `disk`, `ledger`, `packs`, `clock`, `draining`.
    pub name: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// Since when it stands so.
    pub since: Moment,
    /// What is wrong, for whoever sees to it; empty where nothing is. Nothing of a client is in it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: String,
}

/// Whether new calls may be sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Readiness {
    /// No check is bad.
    pub ready: bool,
    /// When they were made last.
    pub checked: Moment,
    /// Each of them.
    pub checks: Vec<Check>,
}

/// What came of reading the configuration again: keys, as the file has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Reloaded {
    /// In force from now on.
    pub in_force: Vec<String>,
    /// Changed in the file, and not in force until the host is started again.
    pub needs_restart: Vec<String>,
}

/// 200 or 503, for whoever sends calls here.
pub(crate) async fn readyz(State(rooms): State<Rooms>) -> Readiness {
    rooms.host.readiness()
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}

impl Given for Readiness {
    fn describe(to: &mut Described<'_>) {
        to.gives_json::<Self>(200, "Calls may be sent here.");
        to.gives_json::<Self>(503, "New calls should go to another host.");
    }
}

pub(crate) async fn reload(State(rooms): State<Rooms>) -> Result<Json<Reloaded>, Problem> {
    rooms
        .host
        .reload()
        .await
        .map(Json)
        .map_err(|why| Problem::bad_request(format!("the configuration that the host has is kept: {why}")))
}
