//! What an auditor needs to check the log from outside.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{Problem, Rooms, gate::Client};

/// The latest signed checkpoint (C2SP tlog-checkpoint).
pub(crate) async fn checkpoint(
    State(rooms): State<Rooms>,
    Client(client): Client,
) -> Result<String, Problem> {
    Ok(rooms.ledger.checkpoint(&client).await?)
}

#[derive(Serialize)]
pub(crate) struct Key {
    vkey: String,
}

/// The public key that checkpoints are signed with, as a note verifier key.
pub(crate) async fn key(State(rooms): State<Rooms>, Client(client): Client) -> Result<Json<Key>, Problem> {
    Ok(Json(Key { vkey: rooms.ledger.vkey(&client) }))
}
