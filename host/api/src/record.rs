//! What is entered about a recording: that it was given to somebody outside, what somebody has to say about it, that it may
//! have reached somebody it should not have.

use axum::extract::State;
use caveat_model::{Act, Form, Purpose, RecordingId};
use caveat_recorder::{Asked, BreachReport, BreachRuling, Decided};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Problem, Rooms,
    answer::Created,
    extract::{Body, Path},
    gate::Person,
    packs::bounded,
};

/// Who is given it, in which form, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Disclosed {
    /// Outside the client, as the accounting is to name them.
    #[schemars(length(min = 1))]
    to: String,
    purpose: Purpose,
    #[serde(default)]
    form: Form,
    #[serde(default)]
    reason: String,
}

/// Rules and the log have it before the file goes out, not after.
pub(crate) async fn disclose(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Body(Disclosed { to, purpose, form, reason }): Body<Disclosed>,
) -> Result<Created<Decided>, Problem> {
    let recipient = bounded(&rooms, some(to, "to")?, "to")?;
    let reason = bounded(&rooms, reason, "reason")?;
    let asked = Asked { act: Act::Disclose, form, reason, recipient, ..Asked::to_play(purpose) };
    rooms.recorder.disclose(&who, id, asked).await?.map(Created).map_err(Problem::refused)
}

/// What somebody has to say about a recording.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Note {
    #[schemars(length(min = 1))]
    note: String,
    purpose: Purpose,
}

/// The recording stays as it is; the note stands in its timeline.
pub(crate) async fn amend(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Body(Note { note, purpose }): Body<Note>,
) -> Result<Created<Decided>, Problem> {
    let note = bounded(&rooms, some(note, "note")?, "note")?;
    rooms.recorder.amend(&who, id, purpose, note).await?.map(Created).map_err(Problem::refused)
}

/// Packs say whom to tell, and by when.
pub(crate) async fn breach(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Body(mut report): Body<BreachReport>,
) -> Result<Created<BreachRuling>, Problem> {
    report.reason = bounded(&rooms, report.reason, "reason")?;
    Ok(Created(rooms.recorder.report_breach(&who.client, id, &report, &who.person).await?))
}

fn some(text: String, name: &str) -> Result<String, Problem> {
    if text.trim().is_empty() { Err(Problem::bad_request(format!("`{name}` is empty"))) } else { Ok(text) }
}
