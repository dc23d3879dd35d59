//! Recording assurance: expected calls in, what is wrong with captured ones out.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::header::CONTENT_TYPE,
};
use caveat_model::Moment;
use caveat_recorder::{AssuranceReport, ExpectedCall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    describe::{Described, Taken},
    extract::Query,
    gate::Client,
};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExpectedEntered")]
pub(crate) struct Entered {
    entered: usize,
}

/// Calls in a body: `text/csv`, or JSON.
pub(crate) struct Expected(Vec<ExpectedCall>);

impl FromRequest<Rooms> for Expected {
    type Rejection = Problem;
    async fn from_request(request: Request, rooms: &Rooms) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_csv = kind.is_some_and(|kind| kind.starts_with("text/csv"));
        let body = Bytes::from_request(request, rooms).await;
        let body = body.map_err(|e| Problem::too_large(e.body_text()))?;
        let read = if is_csv { ExpectedCall::from_csv } else { ExpectedCall::from_json };
        let calls = read(&body, rooms.recorder.assurance().expected_max());
        Ok(Self(calls.map_err(|e| Problem::bad_request(e.to_string()))?))
    }
}

impl Taken for Expected {
    fn describe(to: &mut Described<'_>) {
        to.takes_json::<Vec<ExpectedCall>>();
        to.takes("text/csv", serde_json::json!({ "type": "string" }));
    }
}

/// Calls that should be captured.
pub(crate) async fn expect(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Expected(calls): Expected,
) -> Result<Json<Entered>, Problem> {
    rooms.recorder.assurance().expect(&client, &calls).await?;
    Ok(Json(Entered { entered: calls.len() }))
}

#[derive(Deserialize, JsonSchema)]
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
