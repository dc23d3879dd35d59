//! What a page draws of a recording.

use axum::extract::State;
use caveat_model::{Act, Form, Offset, Purpose, RecordingId};
use caveat_recorder::Waveform;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Problem, Rooms,
    answer::Ruled,
    extract::{Path, Query},
    gate::Person,
    recordings::{Play, asked},
};

/// Steps of a leg, where nobody says how many.
const STEPS: u32 = 2_000;

/// As for the sound, and how finely.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Draw {
    purpose: Purpose,
    form: Option<Form>,
    from_ms: Option<Offset>,
    to_ms: Option<Offset>,
    #[serde(default)]
    break_glass: bool,
    #[serde(default)]
    reason: String,
    steps: Option<u32>,
}

/// Peaks of each leg as this person may hear it: flat where the rules hide something.
pub(crate) async fn waveform(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Query(draw): Query<Draw>,
) -> Result<Ruled<Waveform>, Problem> {
    let Draw { purpose, form, from_ms, to_ms, break_glass, reason, steps } = draw;
    let asked = asked(&rooms, Act::Play, Play { purpose, form, from_ms, to_ms, break_glass, reason })?;
    let steps = steps.unwrap_or(STEPS).min(rooms.limits.waveform_steps_max);
    let drawn = rooms.recorder.waveform(&who, id, &asked, steps).await?;
    let (waveform, decided) = drawn.map_err(Problem::refused)?;
    Ok(Ruled(decided, waveform))
}
