//! Recordings: the list, what is known of one, its sound. A purpose is asked for each time, and ruled on.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use caveat_model::{Act, Facts, Form, Moment, Offset, Purpose, RecordingId, Span};
use caveat_recorder::{Asked, Decided, Listed};
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    extract::{Path, Query},
    gate::Person,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    purpose: Purpose,
    before: Option<Moment>,
    limit: Option<u32>,
}

pub(crate) async fn search(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Query(asked): Query<Search>,
) -> Result<Json<Vec<Listed>>, Problem> {
    let before = asked.before.unwrap_or(Moment::from_millis(u64::MAX));
    let limit = asked.limit.unwrap_or(50).min(rooms.limits.page_rows_max);
    let found = rooms.recorder.search(&who, asked.purpose, before, limit).await?;
    found.map(Json).map_err(Problem::refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    purpose: Purpose,
}

#[derive(Serialize)]
pub(crate) struct Known {
    #[serde(flatten)]
    listed: Listed,
    facts: Facts,
}

pub(crate) async fn look(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    Person(who): Person,
    Query(why): Query<Why>,
) -> Result<Json<Known>, Problem> {
    let known = rooms.recorder.look(&who, id, why.purpose).await?;
    known.map(|(listed, facts)| Json(Known { listed, facts })).map_err(Problem::refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Play {
    pub(crate) purpose: Purpose,
    pub(crate) form: Option<Form>,
    pub(crate) from_ms: Option<Offset>,
    pub(crate) to_ms: Option<Offset>,
    #[serde(default)]
    pub(crate) break_glass: bool,
    /// In the person's own words; kept sealed beside the verdict.
    #[serde(default)]
    pub(crate) reason: String,
}

pub(crate) fn asked(rooms: &Rooms, act: Act, play: Play) -> Result<Asked, Problem> {
    let span = match (play.from_ms, play.to_ms) {
        (None, None) => None,
        (from, to) => Some(Span { leg: None, start: from.unwrap_or(0), end: to.unwrap_or(Offset::MAX) }),
    };
    Ok(Asked {
        act,
        purpose: play.purpose,
        form: play.form.unwrap_or_default(),
        span,
        break_glass: play.break_glass,
        reason: crate::packs::bounded(rooms, play.reason, "reason")?,
    })
}

/// The verdict on what is served, as JSON.
static DECIDED: HeaderName = HeaderName::from_static("caveat-decided");

/// The sound as this person may hear it: a stereo WAV, the spans that the rules hide silenced.
pub(crate) async fn audio(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    Person(who): Person,
    Query(play): Query<Play>,
) -> Result<Response, Problem> {
    let asked = asked(&rooms, Act::Play, play)?;
    let (playback, decided) = rooms.recorder.play(&who, id, &asked).await?.map_err(Problem::refused)?;
    let kind = (header::CONTENT_TYPE, "audio/wav".to_owned());
    Ok((served(&decided)?, [kind], playback.wav).into_response())
}

/// What goes with whatever is served of the content of a recording.
pub(crate) fn served(decided: &Decided) -> Result<[(HeaderName, String); 2], Problem> {
    let decided = serde_json::to_string(decided).map_err(|_| Problem::failed())?;
    // Statutes are cited with section signs; a header holds ASCII.
    let decided: String = decided.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    Ok([(header::CACHE_CONTROL, "no-store".to_owned()), (DECIDED.clone(), decided)])
}

/// One file that proves the recording to whoever has the public key of the log.
pub(crate) async fn evidence(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    Person(who): Person,
    Query(play): Query<Play>,
) -> Result<Response, Problem> {
    let asked = asked(&rooms, Act::Export, play)?;
    let file = rooms.recorder.export(&who, id, &asked).await?.map_err(Problem::refused)?;
    Ok(as_file(&id.to_string(), file))
}

/// The same of every recording that is under hold for a matter.
pub(crate) async fn evidence_of_case(
    State(rooms): State<Rooms>,
    Path(case): Path<String>,
    Person(who): Person,
    Query(play): Query<Play>,
) -> Result<Response, Problem> {
    let asked = asked(&rooms, Act::Export, play)?;
    let file = rooms.recorder.export_case(&who, &case, &asked).await?;
    Ok(as_file("case", file))
}

fn as_file(name: &str, file: Vec<u8>) -> Response {
    let kind = (header::CONTENT_TYPE, "application/x-tar".to_owned());
    let cache = (header::CACHE_CONTROL, "no-store".to_owned());
    let name = (header::CONTENT_DISPOSITION, format!("attachment; filename=\"evidence-{name}.tar\""));
    ([kind, cache, name], file).into_response()
}
