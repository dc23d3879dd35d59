//! A client's own key: how it stands, a new version, the end of old ones.

use axum::{Json, extract::State};
use caveat_recorder::{Request, Wanted};
use caveat_vault::KeyStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Problem, Rooms, answer::Accepted, extract::Query, gate::Person, redactions::ask};

pub(crate) async fn status(
    State(rooms): State<Rooms>,
    Person(who): Person,
) -> Result<Json<KeyStatus>, Problem> {
    Ok(Json(rooms.recorder.key_status(&who.client).await?))
}

#[derive(Serialize, JsonSchema)]
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Versions before this one; left out: all but the newest.
    before: Option<u32>,
    #[serde(default)]
    reason: String,
}

/// To have old versions destroyed.
pub(crate) async fn destroy(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Query(Which { before, reason }): Query<Which>,
) -> Result<Accepted<Request>, Problem> {
    let before = match before {
        Some(version) => version,
        None => rooms.recorder.key_status(&who.client).await?.newest().unwrap_or_default(),
    };
    ask(&rooms, &who, Wanted::DestroyKeys { before }, reason).await
}
