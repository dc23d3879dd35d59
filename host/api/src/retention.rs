//! Holds, what goes when and why, what waits for a decision, what was destroyed.

use axum::{Json, extract::State};
use caveat_model::Moment;
use caveat_recorder::{Request, Wanted};
use caveat_retention::{Decision, HoldOrder, NewHold, Planned, Receipt, Review};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Problem, Rooms,
    answer::{Accepted, Created},
    extract::{Body, Path, Query},
    gate::{Client, Person},
    packs::bounded,
    redactions::ask,
};

#[derive(Deserialize, JsonSchema)]
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
    Person(who): Person,
    Body(mut hold): Body<NewHold>,
) -> Result<Created<HoldOrder>, Problem> {
    hold.reason = bounded(&rooms, hold.reason, "reason")?;
    let order = rooms.recorder.set_hold(&who.client, &hold, &who.person).await?;
    Ok(Created(order))
}

pub(crate) async fn holds(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Vec<HoldOrder>>, Problem> {
    Ok(Json(rooms.recorder.holds(&client, page.all, page.limit(&rooms)).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lift {
    #[serde(default)]
    reason: String,
}

/// A second person confirms.
pub(crate) async fn lift_hold(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Path(id): Path<u64>,
    Body(Lift { reason }): Body<Lift>,
) -> Result<Accepted<Request>, Problem> {
    ask(&rooms, &who, Wanted::LiftHold { hold: id }, reason).await
}

/// Until a year from now if no date is given.
pub(crate) async fn plan(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Planned>>, Problem> {
    let until = page.until.unwrap_or_else(|| rooms.recorder.now().plus_days(365));
    let limit = page.limit.unwrap_or(u32::MAX);
    Ok(Json(rooms.recorder.retention_plan(&client, until, limit).await?))
}

pub(crate) async fn reviews(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Review>>, Problem> {
    Ok(Json(rooms.recorder.reviews(&client, page.all, page.limit(&rooms)).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    decision: Decision,
}

pub(crate) async fn decide(
    State(rooms): State<Rooms>,
    Path(id): Path<u64>,
    Person(who): Person,
    Body(Decide { decision }): Body<Decide>,
) -> Result<Json<Review>, Problem> {
    Ok(Json(rooms.recorder.decide_review(&who.client, id, decision, &who.person).await?))
}

pub(crate) async fn receipts(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Receipt>>, Problem> {
    Ok(Json(rooms.recorder.receipts(&client, page.limit(&rooms)).await?))
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Confirmed {
    now: Moment,
}

/// The clock is right, although it jumped.
pub(crate) async fn confirm_clock(
    State(rooms): State<Rooms>,
    Person(who): Person,
) -> Result<Json<Confirmed>, Problem> {
    Ok(Json(Confirmed { now: rooms.recorder.confirm_clock(&who.client).await? }))
}
