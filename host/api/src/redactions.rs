//! Redacting recordings, bringing back what was masked, and what takes a second person.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use caveat_access::{Action, SignedIn};
use caveat_model::{Basis, Purpose, RecordingId};
use caveat_recorder::{Done, MaskInForce, NewRedaction, RedactionMode, Request, Wanted};
use serde::Deserialize;

use crate::{Problem, Rooms, packs::bounded, who::bearer};

type Body<T> = Result<Json<T>, JsonRejection>;

/// A mask is made at once; a shredding waits for a second person.
pub(crate) async fn redact(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    headers: HeaderMap,
    body: Body<NewRedaction>,
) -> Result<Response, Problem> {
    let Json(mut wanted) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    wanted.reason = bounded(&rooms, wanted.reason, "reason")?;
    match wanted.mode {
        RedactionMode::Mask => {
            let who = rooms.person(&headers, Action::RedactRecording).await?;
            let done = rooms.recorder.mask(&who, id, &wanted).await?.map_err(Problem::refused)?;
            Ok((StatusCode::CREATED, Json(done)).into_response())
        }
        RedactionMode::Shred => {
            let NewRedaction { span, purpose, reason, .. } = wanted;
            ask(&rooms, &headers, Wanted::Shred { recording: id, span, purpose }, reason).await
        }
    }
}

pub(crate) async fn masks(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    headers: HeaderMap,
) -> Result<Json<Vec<MaskInForce>>, Problem> {
    let who = rooms.person(&headers, Action::SearchRecordings).await?;
    Ok(Json(rooms.recorder.masks(&who.client, id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Unmask {
    mask: u32,
    purpose: Purpose,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn unmask(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    headers: HeaderMap,
    body: Body<Unmask>,
) -> Result<Response, Problem> {
    let Json(Unmask { mask, purpose, reason }) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    ask(&rooms, &headers, Wanted::Unmask { recording: id, mask, purpose }, reason).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Dispose {
    basis: Basis,
    purpose: Purpose,
    #[serde(default)]
    reason: String,
}

/// To have a recording destroyed before its schedule does.
pub(crate) async fn dispose(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    headers: HeaderMap,
    body: Body<Dispose>,
) -> Result<Response, Problem> {
    let Json(Dispose { basis, purpose, reason }) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    ask(&rooms, &headers, Wanted::Dispose { recording: id, basis, purpose }, reason).await
}

/// What waits for a second person.
pub(crate) async fn requests(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
) -> Result<Json<Vec<Request>>, Problem> {
    let who = rooms.person(&headers, Action::ReadLedger).await?;
    Ok(Json(rooms.recorder.requests(&who.client).await?))
}

pub(crate) async fn confirm(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Result<Json<Done>, Problem> {
    let who = signed_in(&rooms, &headers).await?;
    rooms.recorder.confirm(&who, id).await?.map(Json).map_err(Problem::refused)
}

pub(crate) async fn withdraw(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let who = signed_in(&rooms, &headers).await?;
    rooms.recorder.withdraw(&who, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enters a request, which another person confirms with `POST /v1/requests/{id}/confirm`.
pub(crate) async fn ask(
    rooms: &Rooms,
    headers: &HeaderMap,
    wanted: Wanted,
    reason: String,
) -> Result<Response, Problem> {
    let who = signed_in(rooms, headers).await?;
    let reason = bounded(rooms, reason, "reason")?;
    let request = rooms.recorder.request(&who, wanted, reason).await?.map_err(Problem::refused)?;
    Ok((StatusCode::ACCEPTED, Json(request)).into_response())
}

/// The person who asks; the recorder holds what they want against the table of roles.
async fn signed_in(rooms: &Rooms, headers: &HeaderMap) -> Result<SignedIn, Problem> {
    Ok(rooms.access.session(bearer(headers)?).await?)
}
