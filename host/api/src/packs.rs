//! The packs of a client: which rule, which ruled, and changing them while calls run.

use axum::{
    Json,
    body::to_bytes,
    extract::{FromRequest, Request, State},
};
use caveat_model::{ClientId, Mode};
use caveat_packs::{FileLimits, PackFile};
use caveat_recorder::{Change, Difference, PackInForce, PackOrder, PackSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Problem, Rooms,
    describe::{Described, Taken, bytes},
    extract::{Body, Query},
    gate::{Caller, Client},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    client: Option<ClientId>,
    limit: Option<u32>,
}

/// What rules, and what ruled before.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Listing {
    client: ClientId,
    in_force: Vec<PackInForce>,
    /// The newest first; the first one is in force.
    sets: Vec<PackSet>,
}

pub(crate) async fn list(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Listing>, Problem> {
    same(&client, page.client.as_ref())?;
    let limit = page.limit.unwrap_or(10).min(rooms.limits.page_rows_max);
    let in_force = rooms.packs.in_force(&client)?;
    let sets = rooms.packs.history(&client, limit).await?;
    Ok(Json(Listing { client, in_force, sets }))
}

/// What monitored packs would have done otherwise, the newest first.
pub(crate) async fn monitored(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Difference>>, Problem> {
    same(&client, page.client.as_ref())?;
    let limit = page.limit.unwrap_or(50).min(rooms.limits.page_rows_max);
    Ok(Json(rooms.recorder.monitored(&client, limit)))
}

/// The pack itself is the body.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swap {
    client: Option<ClientId>,
    /// Whose place it takes; its own name's if left out.
    replace: Option<String>,
    /// Take this pack out; there is no body then.
    retire: Option<String>,
    #[serde(default)]
    mode: Mode,
    /// JSON.
    settings: Option<String>,
    /// The signed note of the pack, for clients that ask for one.
    signature: Option<String>,
    #[serde(default)]
    why: String,
}

pub(crate) async fn swap(
    State(rooms): State<Rooms>,
    caller: Caller,
    Query(asked): Query<Swap>,
    PackBytes(bytes): PackBytes,
) -> Result<Json<PackSet>, Problem> {
    let client = caller.client().clone();
    same(&client, asked.client.as_ref())?;
    let order = PackOrder { by: changer(&caller), why: bounded(&rooms, asked.why, "why")? };
    let change = match asked.retire {
        Some(name) => Change::Retire { name },
        None => {
            let settings = asked.settings.as_deref().map(serde_json::from_str::<Value>).transpose();
            let settings = settings.map_err(|e| Problem::bad_request(format!("`settings`: {e}")))?;
            let file = match PackFile::read("the pack that was sent", bytes, &FileLimits::default()) {
                Ok(file) => file,
                Err(error) => return Err(rooms.packs.no_pack(&client, error.into()).await.into()),
            };
            let file = match asked.signature {
                Some(note) => file.signed(note),
                None => file,
            };
            Change::Put { file, replaces: asked.replace, settings, mode: asked.mode }
        }
    };
    Ok(Json(rooms.packs.swap(&client, change, order).await?))
}

/// A pack as it was sent; empty where none was.
pub(crate) struct PackBytes(pub(crate) Vec<u8>);

impl FromRequest<Rooms> for PackBytes {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &Rooms) -> Result<Self, Problem> {
        let most = usize::try_from(FileLimits::default().file_bytes).unwrap_or(usize::MAX);
        let bytes = to_bytes(request.into_body(), most).await;
        let bytes = bytes.map_err(|e| Problem::too_large(format!("the pack in the body: {e}")))?;
        Ok(Self(bytes.to_vec()))
    }
}

impl Taken for PackBytes {
    fn describe(to: &mut Described<'_>) {
        to.takes("application/octet-stream", bytes());
        to.body_is_optional = true;
    }
}

/// Other settings for a pack in force.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configure {
    pack: String,
    #[serde(default)]
    mode: Mode,
    settings: Value,
    #[serde(default)]
    why: String,
}

pub(crate) async fn configure(
    State(rooms): State<Rooms>,
    caller: Caller,
    Body(Configure { pack, mode, settings, why }): Body<Configure>,
) -> Result<Json<PackSet>, Problem> {
    let client = caller.client().clone();
    let order = PackOrder { by: changer(&caller), why: bounded(&rooms, why, "why")? };
    let file = rooms.packs.file_in_force(&client, &pack)?;
    let change = Change::Put { file, replaces: Some(pack), settings: Some(settings), mode };
    Ok(Json(rooms.packs.swap(&client, change, order).await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Back {
    client: Option<ClientId>,
    /// The number of a set; the one before the one in force if left out.
    to: Option<u64>,
    #[serde(default)]
    why: String,
}

pub(crate) async fn roll_back(
    State(rooms): State<Rooms>,
    caller: Caller,
    Query(asked): Query<Back>,
) -> Result<Json<PackSet>, Problem> {
    let client = caller.client().clone();
    same(&client, asked.client.as_ref())?;
    let order = PackOrder { by: changer(&caller), why: bounded(&rooms, asked.why, "why")? };
    Ok(Json(rooms.packs.roll_back(&client, asked.to, order).await?))
}

/// Whoever changes the law of a client is named: a person by their id, a token of its administration as such.
fn changer(caller: &Caller) -> String {
    match caller {
        Caller::Person(person) => person.person.to_string(),
        Caller::Machine(_) => caller.named(),
    }
}

/// A client that is named has to be the one that the token or session belongs to.
fn same(of_token: &ClientId, named: Option<&ClientId>) -> Result<(), Problem> {
    match named {
        Some(named) if named != of_token => {
            Err(Problem::forbidden(format!("this token belongs to another client than `{named}`")))
        }
        _ => Ok(()),
    }
}

/// A reason no longer than the limit; `name` is the parameter's.
pub(crate) fn bounded(rooms: &Rooms, why: String, name: &str) -> Result<String, Problem> {
    let most = rooms.limits.reason_bytes_max;
    if why.len() > most {
        return Err(Problem::bad_request(format!("`{name}` has more than {most} bytes")));
    }
    Ok(why)
}
