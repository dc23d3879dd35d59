//! A client's own key: how it stands, a new version, the end of old ones.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::HeaderMap,
};
use caveat_access::Action;
use caveat_recorder::KeyRequest;
use caveat_vault::KeyStatus;
use serde::{Deserialize, Serialize};

use crate::{Problem, Rooms};

#[derive(Serialize)]
pub(crate) struct Status {
    #[serde(flatten)]
    status: KeyStatus,
    /// Requests that wait for a second person.
    requests: Vec<KeyRequest>,
}

pub(crate) async fn status(State(rooms): State<Rooms>, headers: HeaderMap) -> Result<Json<Status>, Problem> {
    let who = rooms.person(&headers, Action::ReadKeys).await?;
    let (status, requests) = rooms.recorder.key_status(&who).await?;
    Ok(Json(Status { status, requests }))
}

#[derive(Serialize)]
pub(crate) struct Rotated {
    version: u32,
}

/// Answers when there is a new version; what the old ones wrapped is wrapped anew afterwards.
pub(crate) async fn rotate(State(rooms): State<Rooms>, headers: HeaderMap) -> Result<Json<Rotated>, Problem> {
    let who = rooms.person(&headers, Action::RotateKeys).await?;
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
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Json<KeyRequest>, Problem> {
    let who = rooms.one_of_two(&headers, Action::DestroyKeys).await?;
    Ok(Json(rooms.recorder.ask_to_destroy_keys(&who, which.before).await?))
}

pub(crate) async fn agree_to_destroy(
    State(rooms): State<Rooms>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Json<KeyRequest>, Problem> {
    let who = rooms.one_of_two(&headers, Action::DestroyKeys).await?;
    Ok(Json(rooms.recorder.agree_to_destroy_keys(&who, id).await?))
}
