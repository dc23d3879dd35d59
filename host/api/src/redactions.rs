//! Redacting recordings, bringing back what was masked, and what takes a second person.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use caveat_access::{Action, SignedIn};
use caveat_model::{Basis, Purpose, RecordingId};
use caveat_recorder::{Done, MaskInForce, NewRedaction, Redacted, RedactionMode, Request, Wanted};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Problem, Rooms,
    answer::{Accepted, Created, NoContent},
    describe::{Described, Given},
    extract::{Body, Path},
    gate::Person,
    packs::bounded,
};

/// What became of a wish to redact.
pub(crate) enum Redaction {
    Made(Redacted),
    Asked(Accepted<Request>),
}

impl IntoResponse for Redaction {
    fn into_response(self) -> Response {
        match self {
            Self::Made(done) => Created(done).into_response(),
            Self::Asked(asked) => asked.into_response(),
        }
    }
}

impl Given for Redaction {
    fn describe(to: &mut Described<'_>) {
        Created::<Redacted>::describe(to);
        Accepted::<Request>::describe(to);
    }
}

/// A mask is made at once; a shredding waits for a second person.
pub(crate) async fn redact(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    Person(who): Person,
    Body(mut wanted): Body<NewRedaction>,
) -> Result<Redaction, Problem> {
    wanted.reason = bounded(&rooms, wanted.reason, "reason")?;
    match wanted.mode {
        RedactionMode::Mask => {
            who.permit(Action::RedactRecording, &who.client)?;
            let done = rooms.recorder.mask(&who, id, &wanted).await?.map_err(Problem::refused)?;
            Ok(Redaction::Made(done))
        }
        RedactionMode::Shred => {
            let NewRedaction { span, purpose, reason, .. } = wanted;
            ask(&rooms, &who, Wanted::Shred { recording: id, span, purpose }, reason)
                .await
                .map(Redaction::Asked)
        }
    }
}

pub(crate) async fn masks(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    Person(who): Person,
) -> Result<Json<Vec<MaskInForce>>, Problem> {
    Ok(Json(rooms.recorder.masks(&who.client, id).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Unmask {
    mask: u32,
    purpose: Purpose,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn unmask(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Body(Unmask { mask, purpose, reason }): Body<Unmask>,
) -> Result<Accepted<Request>, Problem> {
    ask(&rooms, &who, Wanted::Unmask { recording: id, mask, purpose }, reason).await
}

/// On whose account a person has a recording destroyed; the others are of the schedule and the rules.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ByHand {
    /// The person recorded asks for it.
    PersonAsks,
    /// By a right to erasure.
    ErasureRequest,
    /// The contract with the client has ended.
    ContractEnd,
}

impl From<ByHand> for Basis {
    fn from(basis: ByHand) -> Self {
        match basis {
            ByHand::PersonAsks => Self::PersonAsks,
            ByHand::ErasureRequest => Self::ErasureRequest,
            ByHand::ContractEnd => Self::ContractEnd,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Dispose {
    basis: ByHand,
    purpose: Purpose,
    #[serde(default)]
    reason: String,
}

/// To have a recording destroyed before its schedule does.
pub(crate) async fn dispose(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Body(Dispose { basis, purpose, reason }): Body<Dispose>,
) -> Result<Accepted<Request>, Problem> {
    ask(&rooms, &who, Wanted::Dispose { recording: id, basis: basis.into(), purpose }, reason).await
}

/// What waits for a second person.
pub(crate) async fn requests(
    State(rooms): State<Rooms>,
    Person(who): Person,
) -> Result<Json<Vec<Request>>, Problem> {
    Ok(Json(rooms.recorder.requests(&who.client).await?))
}

pub(crate) async fn confirm(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    Person(who): Person,
) -> Result<Json<Done>, Problem> {
    rooms.recorder.confirm(&who, id).await?.map(Json).map_err(Problem::refused)
}

pub(crate) async fn withdraw(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    Person(who): Person,
) -> Result<NoContent, Problem> {
    rooms.recorder.withdraw(&who, id).await?;
    Ok(NoContent)
}

/// Enters a request, which another person confirms with `POST /v1/requests/{id}/confirm`.
pub(crate) async fn ask(
    rooms: &Rooms,
    who: &SignedIn,
    wanted: Wanted,
    reason: String,
) -> Result<Accepted<Request>, Problem> {
    let reason = bounded(rooms, reason, "reason")?;
    let request = rooms.recorder.request(who, wanted, reason).await?.map_err(Problem::refused)?;
    Ok(Accepted(request))
}
