//! What an auditor needs to check the log from outside, and the host's own check of it.

use axum::{Json, extract::State};
use caveat_ledger::{Report, verify_bundle};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Problem, Rooms, gate::Client};

/// The latest signed checkpoint (C2SP tlog-checkpoint).
pub(crate) async fn checkpoint(
    State(rooms): State<Rooms>,
    Client(client): Client,
) -> Result<String, Problem> {
    Ok(rooms.ledger.checkpoint(&client).await?)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogKey")]
pub(crate) struct Key {
    vkey: String,
}

/// The public key that checkpoints are signed with, as a note verifier key.
pub(crate) async fn key(State(rooms): State<Rooms>, Client(client): Client) -> Result<Json<Key>, Problem> {
    Ok(Json(Key { vkey: rooms.ledger.vkey(&client) }))
}

/// Whether the log is what it says that it is: the host writes it out as for an auditor and checks that, with its own key.
/// Whoever does not trust the host exports it and checks it elsewhere.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LogCheck")]
pub(crate) struct Checked {
    is_good: bool,
    /// Milliseconds that it took.
    took_ms: u64,
    report: Report,
}

pub(crate) async fn verify(
    State(rooms): State<Rooms>,
    Client(client): Client,
) -> Result<Json<Checked>, Problem> {
    let began = std::time::Instant::now();
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the log could not be checked");
        Problem::failed()
    };
    // No entry names or describes a person: it may lie there for as long as it is checked.
    let dir = tempfile::tempdir().map_err(|e| failed(&e))?;
    let bundle = dir.path().join("log");
    rooms.ledger.export(&client, &bundle).await?;
    let vkey = rooms.ledger.vkey(&client);
    let checking = tokio::task::spawn_blocking(move || verify_bundle(&bundle, &vkey));
    let report = checking.await.map_err(|e| failed(&e))??;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Json(Checked { is_good: report.is_good(), took_ms, report }))
}
