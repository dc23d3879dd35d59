//! Running calls: what happens on them comes in, what is decided goes out.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use caveat_access::{Action, Scope};
use caveat_recorder::{Alert, Answer, Happening};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::{Problem, Rooms};

/// Something happens on a call: words, keys, a pause asked for, somebody joins.
pub(crate) async fn happened(
    State(rooms): State<Rooms>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Happening>, JsonRejection>,
) -> Result<Json<Answer>, Problem> {
    let client = rooms.either(&headers, Action::PauseCall, Scope::CallEvents).await?;
    let Json(happening) = body.map_err(|e| Problem::bad_request(e.body_text()))?;
    Ok(Json(rooms.recorder.call(&client, &call)?.happened(happening).await?))
}

pub(crate) async fn list(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
) -> Result<Json<Vec<String>>, Problem> {
    let client = rooms.either(&headers, Action::WatchLiveCalls, Scope::ReadApi).await?;
    Ok(Json(rooms.recorder.calls(&client)))
}

/// Every verdict of the client as it is logged, as server-sent events.
pub(crate) async fn live(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let client = rooms.either(&headers, Action::WatchLiveCalls, Scope::ReadApi).await?;
    let watch = rooms.recorder.watch().watch();
    let lines = futures::stream::unfold((watch, client), |(mut watch, client)| async move {
        loop {
            let event = match watch.recv().await {
                Ok(live) if live.client == client => Event::default().event("verdict").json_data(&live).ok(),
                Ok(_) => None,
                Err(RecvError::Lagged(missed)) => {
                    Some(Event::default().event("missed").data(missed.to_string()))
                }
                Err(RecvError::Closed) => return None,
            };
            if let Some(event) = event {
                return Some((Ok(event), (watch, client)));
            }
        }
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::default()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<u32>,
}

/// What somebody still has to see to.
pub(crate) async fn alerts(
    State(rooms): State<Rooms>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Alert>>, Problem> {
    let client = rooms.either(&headers, Action::WatchLiveCalls, Scope::ReadApi).await?;
    let limit = page.limit.unwrap_or(50).min(rooms.limits.page_rows_max);
    Ok(Json(rooms.recorder.alerts(&client, limit).await?))
}

pub(crate) async fn confirm_alert(
    State(rooms): State<Rooms>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let who = rooms.person(&headers, Action::WatchLiveCalls).await?;
    if rooms.recorder.confirm_alert(&who.client, id, who.person.as_str()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(format!("no open alert has the id {id}")))
    }
}
