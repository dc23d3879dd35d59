//! How the host is doing, for whoever runs it.

use axum::{Json, extract::State};
use caveat_recorder::Health;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Problem, Rooms, gate::Person};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Doing {
    #[serde(flatten)]
    health: Health,
    /// Calls of this client that are recorded now.
    own_calls: usize,
    /// Alerts of this client that nobody has confirmed.
    open_alerts: usize,
}

pub(crate) async fn health(State(rooms): State<Rooms>, Person(who): Person) -> Result<Json<Doing>, Problem> {
    let own_calls = rooms.recorder.calls(&who.client).len();
    let open_alerts = rooms.recorder.alerts(&who.client, rooms.limits.page_rows_max).await?.len();
    Ok(Json(Doing { health: rooms.recorder.health(), own_calls, open_alerts }))
}
