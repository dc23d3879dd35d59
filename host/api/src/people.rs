//! Signing in and out.

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use caveat_access::SignedIn;
use caveat_model::{ClientId, PersonId, Role};
use serde::{Deserialize, Serialize};

use crate::{Origin, Problem, Rooms, extract::Body, gate::Person, who::session};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    client: ClientId,
    person: PersonId,
    password: String,
    code: String,
}

#[derive(Serialize)]
pub(crate) struct Session {
    token: String,
    #[serde(flatten)]
    who: Who,
}

#[derive(Serialize)]
pub(crate) struct Who {
    client: ClientId,
    person: PersonId,
    name: String,
    role: Role,
    stepped_up: bool,
}

impl From<SignedIn> for Who {
    fn from(s: SignedIn) -> Self {
        Self { client: s.client, person: s.person, name: s.name, role: s.role, stepped_up: s.stepped_up }
    }
}

/// Password and code; then the packs rule on the sign-in before the token leaves.
pub(crate) async fn sign_in(
    State(rooms): State<Rooms>,
    ConnectInfo(origin): Origin,
    Body(asked): Body<SignIn>,
) -> Result<(StatusCode, Json<Session>), Problem> {
    let SignIn { client, person, password, code } = asked;
    let origin = origin.ip().to_string();
    let new = rooms.access.sign_in(&client, &person, &password, &code, &origin).await?;
    let token = new.token.as_str().to_owned();
    match rooms.recorder.sign_in(&new.signed_in).await {
        Ok(Ok(())) => Ok((StatusCode::CREATED, Json(Session { token, who: new.signed_in.into() }))),
        Ok(Err(decided)) => {
            rooms.access.sign_out(&token).await?;
            Err(Problem::refused(decided))
        }
        Err(error) => {
            rooms.access.sign_out(&token).await?;
            Err(error.into())
        }
    }
}

pub(crate) async fn whoami(Person(who): Person) -> Json<Who> {
    Json(who.into())
}

pub(crate) async fn sign_out(State(rooms): State<Rooms>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    rooms.access.sign_out(session(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    code: String,
}

pub(crate) async fn step_up(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    Body(StepUp { code }): Body<StepUp>,
) -> Result<Json<Who>, Problem> {
    Ok(Json(rooms.access.step_up(session(&headers)?, &code).await?.into()))
}
