//! A client's own key: how it stands, a new version, the end of old ones.

use axum::{Json, extract::State};
use caveat_recorder::KeyRequest;
use caveat_vault::KeyStatus;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    extract::{Path, Query},
    gate::Person,
};

#[derive(Serialize)]
pub(crate) struct Status {
    #[serde(flatten)]
    status: KeyStatus,
    /// Requests that wait for a second person.
    requests: Vec<KeyRequest>,
}

pub(crate) async fn status(State(rooms): State<Rooms>, Person(who): Person) -> Result<Json<Status>, Problem> {
    let (status, requests) = rooms.recorder.key_status(&who).await?;
    Ok(Json(Status { status, requests }))
}

#[derive(Serialize)]
pub(crate) struct Rotated {
    version: u32,
}

/// Answers when there is a new version; what the old ones wrapped is wrapped anew afterwards.
pub(crate) async fn rotate(
    State(rooms): State<Rooms>,
    Person(who): Person,
) -> Result<Json<Rotated>, Problem> {
    Ok(Json(Rotated { version: rooms.recorder.rotate_key(&who).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Versions before this one; left out: all but the newest.
    before: Option<u32>,
}

pub(crate) async fn ask_to_destroy(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Query(which): Query<Which>,
) -> Result<Json<KeyRequest>, Problem> {
    Ok(Json(rooms.recorder.ask_to_destroy_keys(&who, which.before).await?))
}

pub(crate) async fn agree_to_destroy(
    State(rooms): State<Rooms>,
    Path(id): Path<i64>,
    Person(who): Person,
) -> Result<Json<KeyRequest>, Problem> {
    Ok(Json(rooms.recorder.agree_to_destroy_keys(&who, id).await?))
}
