//! What the one who is signed in may do here, and what each role may, as the table of roles has it; packs rule on top.

use axum::Json;
use caveat_access::{
    Action, needs_step_up, needs_two_people, permitted,
    roles::{ACTIONS, ROLES},
};
use caveat_model::Role;
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

/// A row of the table.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Allowed {
    #[serde(flatten)]
    action: May,
    /// Who may; nobody else.
    roles: Vec<Role>,
}

fn one(action: Action) -> May {
    May { action, step_up: needs_step_up(action), two_people: needs_two_people(action) }
}

pub(crate) async fn may(Person(who): Person) -> Json<Vec<May>> {
    let allowed = ACTIONS.into_iter().filter(|action| permitted(who.role, *action));
    Json(allowed.map(one).collect())
}

/// The whole table: every action, and the roles that may do it.
pub(crate) async fn roles() -> Json<Vec<Allowed>> {
    let of = |action| ROLES.into_iter().filter(|role| permitted(*role, action)).collect();
    let row = |action| Allowed { action: one(action), roles: of(action) };
    Json(ACTIONS.into_iter().map(row).collect())
}
