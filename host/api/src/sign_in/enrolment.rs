//! Answering an invitation, and changing one's own password and second factor.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use caveat_model::{ClientId, PersonId};
use serde::{Deserialize, Serialize};

use crate::{Problem, Rooms, extract::Body, gate::Token};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invited {
    invitation: String,
}

#[derive(Serialize)]
struct Enrolling {
    client: ClientId,
    person: PersonId,
    name: String,
    #[serde(flatten)]
    factor: Factor,
}

/// Shown once.
#[derive(Serialize)]
struct Factor {
    totp_secret_base32: String,
    otpauth_url: String,
}

/// Shown once.
#[derive(Serialize)]
struct Codes {
    recovery_codes: Vec<String>,
}

/// Who was invited, and the secret for their authenticator.
pub(crate) async fn look(
    State(rooms): State<Rooms>,
    Body(Invited { invitation }): Body<Invited>,
) -> Result<Response, Problem> {
    let caveat_access::Enrolling { client, person, name, factor } =
        rooms.access.enrolment(&invitation).await?;
    Ok(once(Enrolling { client, person, name, factor: factor.into() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    invitation: String,
    /// 12 characters or more, with letters and digits.
    password: String,
    /// Of the authenticator that has the secret now.
    code: String,
}

pub(crate) async fn confirm(
    State(rooms): State<Rooms>,
    Body(Chosen { invitation, password, code }): Body<Chosen>,
) -> Result<Response, Problem> {
    let (client, person) = rooms.access.invited(&invitation).await?;
    rooms.recorder.account_changes(&client, None, &person, "enrolled".into()).await?;
    Ok(once(Codes { recovery_codes: rooms.access.enroll(&invitation, &password, &code).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passwords {
    current: String,
    /// 12 characters or more, with letters and digits.
    new: String,
}

pub(crate) async fn change_password(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(Passwords { current, new }): Body<Passwords>,
) -> Result<StatusCode, Problem> {
    rooms.access.change_password(&token, &current, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn renew_recovery_codes(
    State(rooms): State<Rooms>,
    Token(token): Token,
) -> Result<Response, Problem> {
    Ok(once(Codes { recovery_codes: rooms.access.renew_recovery_codes(&token).await? }))
}

#[derive(Serialize)]
struct Proposed {
    ceremony: String,
    #[serde(flatten)]
    factor: Factor,
}

pub(crate) async fn start_totp(State(rooms): State<Rooms>, Token(token): Token) -> Result<Response, Problem> {
    let (ceremony, factor) = rooms.access.propose_totp(&token).await?;
    Ok(once(Proposed { ceremony, factor: factor.into() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmed {
    ceremony: String,
    /// Of the new authenticator.
    code: String,
}

pub(crate) async fn confirm_totp(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(Confirmed { ceremony, code }): Body<Confirmed>,
) -> Result<StatusCode, Problem> {
    rooms.access.confirm_totp(&token, &ceremony, &code).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<caveat_access::Enrolment> for Factor {
    fn from(factor: caveat_access::Enrolment) -> Self {
        Self { totp_secret_base32: factor.totp_secret_base32, otpauth_url: factor.otpauth_url }
    }
}

/// A secret that no cache keeps.
fn once(body: impl Serialize) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
