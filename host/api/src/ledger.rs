//! What an auditor needs to check the log from outside.

use axum::{Json, extract::State, http::HeaderMap};
use caveat_access::{Action, Scope};
use serde::Serialize;

use crate::{Problem, Rooms};

/// The latest signed checkpoint (C2SP tlog-checkpoint).
pub(crate) async fn checkpoint(State(rooms): State<Rooms>, headers: HeaderMap) -> Result<String, Problem> {
    let client = rooms.either(&headers, Action::ReadLedger, Scope::ReadApi).await?;
    Ok(rooms.ledger.checkpoint(&client).await?)
}

#[derive(Serialize)]
pub(crate) struct Key {
    vkey: String,
}

/// The public key that checkpoints are signed with, as a note verifier key.
pub(crate) async fn key(State(rooms): State<Rooms>, headers: HeaderMap) -> Result<Json<Key>, Problem> {
    let client = rooms.either(&headers, Action::ReadLedger, Scope::ReadApi).await?;
    Ok(Json(Key { vkey: rooms.ledger.vkey(&client) }))
}
