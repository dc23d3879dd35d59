//! The people and the machine tokens of a client, for its administrators. Each change is in the log before it is made.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use caveat_access::{Change, Invitation, Invited, PersonRecord, Scope, TokenRecord, roles::ROLES};
use caveat_model::{Moment, PersonId, Role, Standing};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    answer::{Created, NoContent, Secret},
    extract::{Body, Path},
    gate::Person,
    openapi::word,
};

/// How long a token is good for, if nobody says.
const TOKEN_DAYS: u32 = 90;
/// What names of people, jobs and machines are made of.
pub(crate) const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

/// A role that somebody with an account can have.
fn role_here(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ROLES.iter().map(word).collect::<Vec<_>>() })
}

pub(crate) async fn people(
    State(rooms): State<Rooms>,
    Person(who): Person,
) -> Result<Json<Vec<PersonRecord>>, Problem> {
    Ok(Json(rooms.access.list_people(&who.client).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPerson {
    id: PersonId,
    /// As colleagues know them; the id, if nobody says.
    #[serde(default)]
    #[schemars(regex(pattern = PRINTABLE))]
    name: String,
    #[schemars(schema_with = "role_here")]
    role: Role,
    /// Job or relation, in the client's words ("disputes", "billing").
    #[serde(default)]
    #[schemars(regex(pattern = PRINTABLE))]
    function: String,
}

/// Handed to who is invited, by a way that is safe. It is shown once.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Invite {
    person: PersonId,
    invitation: String,
    /// Where a page of ours takes it. What stands behind `#` is sent to nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    expires: Moment,
}

pub(crate) async fn invite(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Body(new): Body<NewPerson>,
) -> Result<Secret<Created<Invite>>, Problem> {
    let NewPerson { id, name, role, function } = new;
    let name = if name.is_empty() { id.to_string() } else { name };
    let what = format!("invited as {}", word(&role));
    rooms.recorder.account_changes(&who.client, Some(&who.person), &id, what).await?;
    let new = Invited { client: who.client, id, name, role, function };
    let invitation = rooms.access.invite(&new).await?;
    Ok(rooms.invite(new.id, invitation))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonChange {
    #[schemars(length(min = 1), regex(pattern = PRINTABLE))]
    name: Option<String>,
    #[schemars(schema_with = "role_here")]
    role: Option<Role>,
    #[schemars(regex(pattern = PRINTABLE))]
    function: Option<String>,
    standing: Option<Standing>,
}

/// A new name, role, function or standing. Nobody changes their own role or standing.
pub(crate) async fn change(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<PersonId>,
    Body(change): Body<PersonChange>,
) -> Result<Json<PersonRecord>, Problem> {
    let PersonChange { name, role, function, standing } = change;
    if role.is_some() || standing.is_some() {
        who.may_manage(&id)?;
    }
    rooms.access.person(&who.client, &id).await?;
    let mut what = Vec::new();
    what.extend(role.map(|role| format!("role {}", word(&role))));
    what.extend(standing.map(|standing| format!("standing {}", word(&standing))));
    what.extend(name.as_ref().map(|_| "name".to_owned()));
    what.extend(function.as_ref().map(|_| "function".to_owned()));
    rooms.recorder.account_changes(&who.client, Some(&who.person), &id, what.join(", ")).await?;
    let change = Change { name, role, function, standing };
    Ok(Json(rooms.access.change_person(&who.client, &id, &change).await?))
}

/// Takes from somebody all that they sign in with, and invites them anew. Whoever asks has checked who they are.
pub(crate) async fn invite_again(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<PersonId>,
) -> Result<Secret<Created<Invite>>, Problem> {
    who.may_manage(&id)?;
    rooms.access.person(&who.client, &id).await?;
    rooms
        .recorder
        .account_changes(&who.client, Some(&who.person), &id, "factors taken, invited again".into())
        .await?;
    let invitation = rooms.access.invite_again(&who.client, &id).await?;
    Ok(rooms.invite(id, invitation))
}

impl Rooms {
    fn invite(&self, person: PersonId, invitation: Invitation) -> Secret<Created<Invite>> {
        let token = invitation.as_str().to_owned();
        let link = self.web.origin.as_ref().map(|origin| format!("{origin}/#invitation={token}"));
        Secret(Created(Invite { person, invitation: token, link, expires: invitation.expires }))
    }
}

pub(crate) async fn tokens(
    State(rooms): State<Rooms>,
    Person(who): Person,
) -> Result<Json<Vec<TokenRecord>>, Problem> {
    Ok(Json(rooms.access.list_tokens(&who.client).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for.
    #[schemars(length(min = 1), regex(pattern = PRINTABLE))]
    name: String,
    #[schemars(length(min = 1))]
    scopes: BTreeSet<Scope>,
    #[schemars(range(min = 1, max = 365))]
    valid_days: Option<u32>,
}

/// Shown once.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MadeToken {
    id: String,
    token: String,
}

pub(crate) async fn make_token(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Body(new): Body<NewToken>,
) -> Result<Secret<Created<MadeToken>>, Problem> {
    let words: Vec<String> = new.scopes.iter().map(word).collect();
    let what = format!("token made, good for {}", words.join(", "));
    rooms.recorder.account_changes(&who.client, Some(&who.person), &who.person, what).await?;
    let days = new.valid_days.unwrap_or(TOKEN_DAYS);
    let made = rooms.access.create_token(&who.client, &new.name, new.scopes, days).await?;
    Ok(Secret(Created(MadeToken { id: made.id.clone(), token: made.as_str().to_owned() })))
}

pub(crate) async fn revoke_token(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    rooms
        .recorder
        .account_changes(&who.client, Some(&who.person), &who.person, "token revoked".into())
        .await?;
    match rooms.access.revoke_token(&who.client, &id).await {
        Err(caveat_access::AccessError::NoToken) => {
            Err(Problem::not_found(format!("no token has the id `{id}`")))
        }
        done => Ok(done.map(|()| NoContent)?),
    }
}
