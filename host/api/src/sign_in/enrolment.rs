//! Answering an invitation, and changing one's own password and second factor.

use axum::{Json, extract::State};
use caveat_model::{ClientId, PersonId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    answer::{NoContent, Secret},
    extract::Body,
    gate::Token,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invited {
    invitation: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Enrolling {
    client: ClientId,
    person: PersonId,
    name: String,
    #[serde(flatten)]
    factor: Factor,
}

/// Shown once.
#[derive(Serialize, JsonSchema)]
struct Factor {
    totp_secret_base32: String,
    otpauth_url: String,
}

/// Shown once.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Codes {
    recovery_codes: Vec<String>,
}

/// Who was invited, and the secret for their authenticator.
pub(crate) async fn look(
    State(rooms): State<Rooms>,
    Body(Invited { invitation }): Body<Invited>,
) -> Result<Secret<Json<Enrolling>>, Problem> {
    let caveat_access::Enrolling { client, person, name, factor } =
        rooms.access.enrolment(&invitation).await?;
    Ok(Secret(Json(Enrolling { client, person, name, factor: factor.into() })))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    invitation: String,
    /// 12 characters or more, with letters and digits.
    #[schemars(length(min = 12))]
    password: String,
    /// Of the authenticator that has the secret now.
    code: String,
}

pub(crate) async fn confirm(
    State(rooms): State<Rooms>,
    Body(Chosen { invitation, password, code }): Body<Chosen>,
) -> Result<Secret<Json<Codes>>, Problem> {
    let (client, person) = rooms.access.invited(&invitation).await?;
    rooms.recorder.account_changes(&client, None, &person, "enrolled".into()).await?;
    Ok(Secret(Json(Codes { recovery_codes: rooms.access.enroll(&invitation, &password, &code).await? })))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passwords {
    current: String,
    /// 12 characters or more, with letters and digits.
    #[schemars(length(min = 12))]
    new: String,
}

pub(crate) async fn change_password(
    State(rooms): State<Rooms>,
    Token(token): Token,
    Body(Passwords { current, new }): Body<Passwords>,
) -> Result<NoContent, Problem> {
    rooms.access.change_password(&token, &current, &new).await?;
    Ok(NoContent)
}

pub(crate) async fn renew_recovery_codes(
    State(rooms): State<Rooms>,
    Token(token): Token,
) -> Result<Secret<Json<Codes>>, Problem> {
    Ok(Secret(Json(Codes { recovery_codes: rooms.access.renew_recovery_codes(&token).await? })))
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Proposed {
    ceremony: String,
    #[serde(flatten)]
    factor: Factor,
}

pub(crate) async fn start_totp(
    State(rooms): State<Rooms>,
    Token(token): Token,
) -> Result<Secret<Json<Proposed>>, Problem> {
    let (ceremony, factor) = rooms.access.propose_totp(&token).await?;
    Ok(Secret(Json(Proposed { ceremony, factor: factor.into() })))
}

#[derive(Deserialize, JsonSchema)]
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
) -> Result<NoContent, Problem> {
    rooms.access.confirm_totp(&token, &ceremony, &code).await?;
    Ok(NoContent)
}

impl From<caveat_access::Enrolment> for Factor {
    fn from(factor: caveat_access::Enrolment) -> Self {
        Self { totp_secret_base32: factor.totp_secret_base32, otpauth_url: factor.otpauth_url }
    }
}
