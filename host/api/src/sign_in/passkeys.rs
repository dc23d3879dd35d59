//! Passkeys: to sign in, to step up, and one's own.

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use caveat_access::{Challenge, PasskeyRecord};
use caveat_model::{ClientId, PersonId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Opened, Who};
use crate::{
    Origin, Problem, Rooms,
    answer::{Created, NoContent},
    extract::{Body, Path},
    gate::Token,
    roster::PRINTABLE,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    client: ClientId,
    person: PersonId,
}

/// An answer to a challenge.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    ceremony: String,
    /// As `PublicKeyCredential.toJSON()` gives it.
    credential: Value,
}

/// A challenge for whoever says they are this person.
pub(crate) async fn start(
    State(rooms): State<Rooms>,
    Body(Named { client, person }): Body<Named>,
) -> Result<Json<Challenge>, Problem> {
    Ok(Json(rooms.access.start_passkey_sign_in(&client, &person).await?))
}

pub(crate) async fn sign_in(
    State(rooms): State<Rooms>,
    ConnectInfo(origin): Origin,
    headers: HeaderMap,
    Body(Answer { ceremony, credential }): Body<Answer>,
) -> Result<Opened, Problem> {
    let origin = origin.ip().to_string();
    let new = rooms.access.finish_passkey_sign_in(&ceremony, credential, &origin).await?;
    let new = rooms.ruled(new).await?;
    Ok(rooms.session(new, &headers))
}

pub(crate) async fn start_step_up(
    State(rooms): State<Rooms>,
    Token(token): Token,
) -> Result<Json<Challenge>, Problem> {
    Ok(Json(rooms.access.start_passkey_step_up(&token).await?))
}

pub(crate) async fn step_up(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(Answer { ceremony, credential }): Body<Answer>,
) -> Result<Json<Who>, Problem> {
    Ok(Json(rooms.access.finish_passkey_step_up(&token, &ceremony, credential).await?.into()))
}

pub(crate) async fn list(
    State(rooms): State<Rooms>,
    Token(token): Token,
) -> Result<Json<Vec<PasskeyRecord>>, Problem> {
    Ok(Json(rooms.access.passkeys(&token).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// What its owner calls it.
    #[schemars(length(min = 1), regex(pattern = PRINTABLE))]
    name: String,
}

pub(crate) async fn start_adding(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(NewPasskey { name }): Body<NewPasskey>,
) -> Result<Json<Challenge>, Problem> {
    Ok(Json(rooms.access.start_passkey(&token, &name).await?))
}

pub(crate) async fn add(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(Answer { ceremony, credential }): Body<Answer>,
) -> Result<Created<PasskeyRecord>, Problem> {
    let added = rooms.access.finish_passkey(&token, &ceremony, credential).await?;
    Ok(Created(added))
}

pub(crate) async fn remove(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    rooms.access.remove_passkey(&token, &id).await?;
    Ok(NoContent)
}
