//! Holds, what goes when and why, what waits for a decision, what was destroyed.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use caveat_access::{Action, Scope};
use caveat_model::Moment;
use caveat_recorder::Wanted;
use caveat_retention::{Decision, HoldOrder, NewHold, Planned, Receipt, Review};
use serde::{Deserialize, Serialize};

use crate::{Problem, Rooms, packs::bounded, redactions::ask};

type Body<T> = Result<Json<T>, JsonRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Page {
    limit: Option<u32>,
    /// Those that are over too.
    #[serde(default)]
    all: bool,
    /// Of a plan.
    until: Option<Moment>,
}

impl Page {
    fn limit(&self, rooms: &Rooms) -> u32 {
        self.limit.unwrap_or(50).min(rooms.limits.page_rows_max)
    }
}

pub(crate) async fn set_hold(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    body: Body<NewHold>,
) -> Result<(StatusCode, Json<HoldOrder>), Problem> {
    let who = rooms.person(&headers, Action::SetHold).await?;
    let Json(mut hold) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    hold.reason = bounded(&rooms, hold.reason, "reason")?;
    let order = rooms.recorder.set_hold(&who.client, &hold, &who.person).await?;
    Ok((StatusCode::CREATED, Json(order)))
}

pub(crate) async fn holds(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Json<Vec<HoldOrder>>, Problem> {
    let client = rooms.either(&headers, Action::ReadLedger, Scope::ReadApi).await?;
    Ok(Json(rooms.recorder.holds(&client, page.all, page.limit(&rooms)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lift {
    #[serde(default)]
    reason: String,
}

/// A second person confirms.
pub(crate) async fn lift_hold(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Body<Lift>,
) -> Result<Response, Problem> {
    let Json(Lift { reason }) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    ask(&rooms, &headers, Wanted::LiftHold { hold: id }, reason).await
}

/// Until a year from now if no date is given.
pub(crate) async fn plan(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Planned>>, Problem> {
    let client = rooms.either(&headers, Action::ReadLedger, Scope::ReadApi).await?;
    let until = page.until.unwrap_or_else(|| rooms.recorder.now().plus_days(365));
    let limit = page.limit.unwrap_or(u32::MAX);
    Ok(Json(rooms.recorder.retention_plan(&client, until, limit).await?))
}

pub(crate) async fn reviews(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Review>>, Problem> {
    let client = rooms.either(&headers, Action::ReadLedger, Scope::ReadApi).await?;
    Ok(Json(rooms.recorder.reviews(&client, page.all, page.limit(&rooms)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    decision: Decision,
}

pub(crate) async fn decide(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Body<Decide>,
) -> Result<Json<Review>, Problem> {
    let who = rooms.person(&headers, Action::ResolveConflict).await?;
    let Json(Decide { decision }) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    Ok(Json(rooms.recorder.decide_review(&who.client, id, decision, &who.person).await?))
}

pub(crate) async fn receipts(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Receipt>>, Problem> {
    let client = rooms.either(&headers, Action::ReadLedger, Scope::ReadApi).await?;
    Ok(Json(rooms.recorder.receipts(&client, page.limit(&rooms)).await?))
}

#[derive(Serialize)]
pub(crate) struct Confirmed {
    now: Moment,
}

/// The clock is right, although it jumped.
pub(crate) async fn confirm_clock(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
) -> Result<Json<Confirmed>, Problem> {
    let who = rooms.person(&headers, Action::ResolveConflict).await?;
    Ok(Json(Confirmed { now: rooms.recorder.confirm_clock(&who.client).await? }))
}
