//! Recordings: the list, what is known of one, its sound. A purpose is asked for each time, and ruled on.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, Uri},
};
use caveat_model::{Act, Facts, Form, LabelKind, Moment, Offset, Purpose, RecordingId, Span};
use caveat_recorder::{After, Asked, Decided, Found, FoundPage, Listed, SearchFor, Timeline, Transcript};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    answer::{Paged, Ruled, TarFile},
    extract::{Path, Query},
    gate::Person,
};

/// What is looked for, why, and which page of it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    purpose: Purpose,
    /// Began then or later.
    from: Option<Moment>,
    /// Began before.
    to: Option<Moment>,
    /// The same as `to`.
    before: Option<Moment>,
    /// `sealed`, `recording`, `interrupted`, `discarded`, `destroyed`.
    state: Option<String>,
    /// A telephone number, or an id given with the call.
    who: Option<String>,
    /// The phone system's id of the call.
    call: Option<String>,
    /// The case that it belongs to.
    case: Option<String>,
    /// This was found in it.
    label: Option<LabelKind>,
    limit: Option<u32>,
    /// From the `next` link of the page before.
    #[schemars(regex(pattern = "^[0-9]{1,15}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))]
    cursor: Option<String>,
}

/// Newest first. The header `Link` names the next page (RFC 8288), where there is one.
pub(crate) async fn search(
    State(rooms): State<Rooms>,
    Person(who): Person,
    uri: Uri,
    Query(asked): Query<Search>,
) -> Result<Paged<Found>, Problem> {
    let Search { purpose, from, to, before, state, who: of, call, case, label, limit, cursor } = asked;
    let until = match (to, before) {
        (Some(to), Some(before)) => Some(to.min(before)),
        (to, before) => to.or(before),
    };
    let wanted = SearchFor { from, until, state, who: of, call, case, label };
    let after = cursor.as_deref().map(after).transpose()?;
    let limits = &rooms.limits;
    let limit = limit.unwrap_or(50).min(limits.page_rows_max);
    let found = rooms.recorder.search(&who, purpose, &wanted, after, (limit, limits.search_rows_max)).await?;
    let FoundPage { found, next } = found.map_err(Problem::refused)?;
    Ok(Paged(found, next.and_then(|next| link_to(&uri, next))))
}

fn after(cursor: &str) -> Result<After, Problem> {
    let read = cursor.split_once('_').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    let (at, id): (u64, RecordingId) = read.ok_or_else(|| {
        Problem::bad_request(
            "`cursor` is none of this host's: take it from the `next` link of the page before",
        )
    })?;
    Ok((Moment::from_millis(at), id))
}

/// The same request from after a recording on.
fn link_to(uri: &Uri, (at, id): After) -> Option<HeaderValue> {
    let given = uri.query().unwrap_or_default();
    let others = given.split('&').filter(|pair| !pair.starts_with("cursor=") && !pair.is_empty());
    let cursor = format!("cursor={}_{id}", at.as_millis());
    let query: Vec<&str> = others.chain([cursor.as_str()]).collect();
    HeaderValue::from_str(&format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))).ok()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    purpose: Purpose,
}

#[derive(Serialize, JsonSchema)]
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

#[derive(Deserialize, JsonSchema)]
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
        recipient: String::new(),
    })
}

/// Every event and verdict on it, with rules and citations.
pub(crate) async fn timeline(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Query(why): Query<Why>,
) -> Result<Json<Timeline>, Problem> {
    let limit = rooms.limits.timeline_entries_max;
    rooms.recorder.timeline(&who, id, why.purpose, limit).await?.map(Json).map_err(Problem::refused)
}

/// Words, and the verdict on showing them.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Read {
    #[serde(flatten)]
    transcript: Transcript,
    decided: Decided,
}

/// What was said, as this person may read it.
pub(crate) async fn transcript(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<RecordingId>,
    Query(play): Query<Play>,
) -> Result<Ruled<Read>, Problem> {
    let asked = asked(&rooms, Act::Play, play)?;
    let read = rooms.recorder.transcript(&who, id, &asked).await?;
    let (transcript, decided) = read.map_err(Problem::refused)?;
    Ok(Ruled(decided.clone(), Read { transcript, decided }))
}

/// One file that proves the recording to whoever has the public key of the log.
pub(crate) async fn evidence(
    State(rooms): State<Rooms>,
    Path(id): Path<RecordingId>,
    Person(who): Person,
    Query(play): Query<Play>,
) -> Result<TarFile, Problem> {
    let asked = asked(&rooms, Act::Export, play)?;
    let bytes = rooms.recorder.export(&who, id, &asked).await?.map_err(Problem::refused)?;
    Ok(TarFile { name: format!("evidence-{id}"), bytes })
}

/// The same of every recording that is under hold for a matter.
pub(crate) async fn evidence_of_case(
    State(rooms): State<Rooms>,
    Path(case): Path<String>,
    Person(who): Person,
    Query(play): Query<Play>,
) -> Result<TarFile, Problem> {
    let asked = asked(&rooms, Act::Export, play)?;
    let bytes = rooms.recorder.export_case(&who, &case, &asked).await?;
    Ok(TarFile { name: "evidence-case".into(), bytes })
}
