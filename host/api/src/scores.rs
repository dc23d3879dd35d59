//! Scorecards, where a pack gives scores.

use axum::{Json, extract::State};
use caveat_model::{Moment, Purpose};
use caveat_recorder::{Scorecard, Window};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Problem, Rooms, extract::Query, gate::Person};

/// How far back, unless somebody says.
const DAYS: u64 = 30;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    purpose: Purpose,
    /// Thirty days back if left out.
    since: Option<Moment>,
    until: Option<Moment>,
}

/// By agent, the best first.
pub(crate) async fn scorecards(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Query(Asked { purpose, since, until }): Query<Asked>,
) -> Result<Json<Vec<Scorecard>>, Problem> {
    let now = rooms.recorder.now().as_millis();
    let since = since.unwrap_or(Moment::from_millis(now.saturating_sub(DAYS * 86_400_000)));
    let window = Window { since: Some(since), until };
    let most = rooms.limits.scored_decisions_max;
    rooms.recorder.scorecards(&who, purpose, window, most).await?.map(Json).map_err(Problem::refused)
}
