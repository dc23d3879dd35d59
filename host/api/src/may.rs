//! What the one who is signed in may do here, as the table of roles has it; packs rule on top.

use axum::Json;
use caveat_access::{Action, needs_step_up, needs_two_people, permitted, roles::ACTIONS};
use schemars::JsonSchema;
use serde::Serialize;

use crate::gate::Person;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct May {
    action: Action,
    /// The second factor has to have been shown just before.
    step_up: bool,
    /// A second person has to confirm it.
    two_people: bool,
}

pub(crate) async fn may(Person(who): Person) -> Json<Vec<May>> {
    let allowed = ACTIONS.into_iter().filter(|action| permitted(who.role, *action));
    let one = |action| May { action, step_up: needs_step_up(action), two_people: needs_two_people(action) };
    Json(allowed.map(one).collect())
}
