//! Who was given what of a recorded person, and why.

use std::collections::HashMap;

use axum::{Json, extract::State};
use caveat_model::Moment;
use caveat_recorder::{Disclosure, Disclosures};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Problem, Rooms, extract::Query, gate::Person};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Of calls that this person was on: a telephone number, or an id given with the call. None: of everybody.
    person: Option<String>,
    /// Not before; none: six years back.
    since: Option<Moment>,
    /// Before this.
    until: Option<Moment>,
    /// Only what the person recorded has a right to be told of.
    #[serde(default)]
    owed: bool,
}

/// One of them, with the name of who was given it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "NamedDisclosure")]
pub(crate) struct Named {
    #[serde(flatten)]
    disclosure: Disclosure,
    /// As colleagues know them; empty of who has no account any more.
    to_name: String,
}

pub(crate) async fn list(
    State(rooms): State<Rooms>,
    Person(who): Person,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Named>>, Problem> {
    let Wanted { person: of_person, since, until, owed: owed_only } = wanted;
    let wanted = Disclosures { of_person, since, until, owed_only };
    let found = rooms.recorder.disclosures(&who.client, &wanted).await?;
    let people = rooms.access.list_people(&who.client).await?;
    let names: HashMap<String, String> = people.into_iter().map(|p| (p.id.to_string(), p.name)).collect();
    let named = |disclosure: Disclosure| Named {
        to_name: names.get(&disclosure.to).cloned().unwrap_or_default(),
        disclosure,
    };
    Ok(Json(found.into_iter().map(named).collect()))
}
