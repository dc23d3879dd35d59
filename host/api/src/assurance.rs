//! Recording assurance: expected calls in, what is wrong with captured ones out.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
};
use caveat_model::Moment;
use caveat_recorder::{AssuranceReport, ExpectedCall};
use serde::{Deserialize, Serialize};

use crate::{Problem, Rooms, extract::Query, gate::Client};

#[derive(Serialize)]
pub(crate) struct Entered {
    entered: usize,
}

/// Calls that should be captured: `text/csv`, or JSON.
pub(crate) async fn expect(
    State(rooms): State<Rooms>,
    Client(client): Client,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Entered>, Problem> {
    let assurance = rooms.recorder.assurance();
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let read = if kind.starts_with("text/csv") { ExpectedCall::from_csv } else { ExpectedCall::from_json };
    let calls = read(&body, assurance.expected_max()).map_err(|e| Problem::bad_request(e.to_string()))?;
    assurance.expect(&client, &calls).await?;
    Ok(Json(Entered { entered: calls.len() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    since: Option<Moment>,
    until: Option<Moment>,
}

/// What is wrong with the calls of a time; of the last day, if none is told.
pub(crate) async fn report(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(time): Query<Time>,
) -> Result<Json<AssuranceReport>, Problem> {
    const DAY_MS: u64 = 86_400_000;
    let assurance = rooms.recorder.assurance();
    let now = assurance.now();
    let since = time.since.unwrap_or(Moment::from_millis(now.as_millis().saturating_sub(DAY_MS)));
    let report = assurance.report(&client, since, time.until.unwrap_or(now)).await?;
    Ok(Json(report))
}
