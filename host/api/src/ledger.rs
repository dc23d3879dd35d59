//! What an auditor needs to check the log from outside, and the host's own check of it.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use caveat_ledger::{Report, verify_bundle};
use caveat_model::Purpose;
use futures::{Stream, stream::try_unfold};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::{
    Problem, Rooms,
    describe::{Described, Given, bytes},
    extract::Query,
    gate::{Client, Person},
    packs::bounded,
};

/// So much of a file is in memory while it is sent.
const PIECE_BYTES: usize = 64 * 1024;

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

/// Why somebody takes the log out of the house.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    purpose: Purpose,
    #[serde(default)]
    reason: String,
}

/// The log with its proofs, as it is sent.
pub(crate) struct Bundle {
    name: String,
    file: std::fs::File,
}

/// What `caveat ledger verify` reads, unpacked.
pub(crate) async fn export(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Query(Why { purpose, reason }): Query<Why>,
) -> Result<Bundle, Problem> {
    let reason = bounded(&rooms, reason, "reason")?;
    let file = rooms.recorder.export_log(&who, purpose, reason).await?.map_err(Problem::refused)?;
    Ok(Bundle { name: format!("log-{}", who.client), file })
}

impl IntoResponse for Bundle {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "application/x-tar".to_owned()),
            (CACHE_CONTROL, "no-store".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{}.tar\"", self.name)),
        ];
        (headers, Body::from_stream(pieces(self.file))).into_response()
    }
}

fn pieces(file: std::fs::File) -> impl Stream<Item = std::io::Result<bytes::Bytes>> {
    try_unfold(tokio::fs::File::from_std(file), |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    })
}

impl Given for Bundle {
    fn describe(to: &mut Described<'_>) {
        to.gives(200, "A file to keep.", vec![("application/x-tar", bytes())]);
    }
}
