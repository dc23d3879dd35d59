//! Running calls: what happens on them comes in, what is decided goes out.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
    response::sse::{Event, KeepAlive, Sse},
};
use caveat_recorder::{Alert, AnnouncedStream, Answer, Happening, NewCall, News, Numbered, RunningCall, Who};
use futures::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    Problem, Rooms,
    answer::{Entered, NoContent},
    describe::{Described, Taken},
    extract::{Body, Path, Query},
    gate::{Caller, Client, Person},
};

/// Beside what happened: why, in the words of whoever asks for it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    #[serde(default)]
    why: String,
}

/// Something happens on a call: words, keys, a pause asked for, somebody joins. Who tells of it is kept with the verdict.
pub(crate) async fn happened(
    State(rooms): State<Rooms>,
    caller: Caller,
    Path(call): Path<String>,
    Query(Why { why }): Query<Why>,
    Body(happening): Body<Happening>,
) -> Result<Json<Answer>, Problem> {
    let why = crate::packs::bounded(&rooms, why, "why")?;
    let call = rooms.recorder.call(caller.client(), &call)?;
    Ok(Json(call.happened_by(happening, Who::new(caller.named(), why)).await?))
}

/// How a running call stands: recording or not, why not, who paused it and until when.
pub(crate) async fn look(
    State(rooms): State<Rooms>,
    Path(call): Path<String>,
    Client(client): Client,
) -> Result<Json<RunningCall>, Problem> {
    Ok(Json(rooms.recorder.call(&client, &call)?.look().await?))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Announcement {
    call: NewCall,
    streams: Vec<AnnouncedStream>,
}

/// A call will come whose audio says nothing but an id: its facts, and the ids.
pub(crate) async fn announce(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Body(Announcement { call, streams }): Body<Announcement>,
) -> Result<Entered, Problem> {
    rooms.recorder.announced().announce(&client, call, &streams).await?;
    Ok(Entered)
}

pub(crate) async fn list(
    State(rooms): State<Rooms>,
    Client(client): Client,
) -> Result<Json<Vec<String>>, Problem> {
    Ok(Json(rooms.recorder.calls(&client)))
}

/// What of the news is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only of this call, by the phone system's id.
    call: Option<String>,
}

/// The last event that whoever comes back has seen.
pub(crate) struct LastEventId(Option<u64>);

impl FromRequestParts<Rooms> for LastEventId {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Rooms) -> Result<Self, Problem> {
        let given = parts.headers.get("last-event-id");
        Ok(Self(given.and_then(|id| id.to_str().ok()?.parse().ok())))
    }
}

impl Taken for LastEventId {
    fn describe(to: &mut Described<'_>) {
        to.headers.push(("Last-Event-ID", "The last event that was seen: those after it come first."));
    }
}

/// Every verdict, duty and alert of the client as it happens, as server-sent events. `Last-Event-ID` takes it up where it
/// broke off, as far as the host remembers; where it does not, `missed` comes first.
pub(crate) async fn live(
    State(rooms): State<Rooms>,
    Client(client): Client,
    LastEventId(after): LastEventId,
    Query(which): Query<Which>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let (newer, news) = rooms.recorder.watch().news(after);
    let missed = newer.is_none().then(|| Event::default().event("missed").data("some"));
    let is_wanted = move |told: &Numbered| told.client == client && is_of(&told.news, which.call.as_deref());
    let newer: Vec<Event> =
        newer.unwrap_or_default().iter().filter(|t| is_wanted(t)).filter_map(|t| line(t)).collect();
    let first = futures::stream::iter(missed.into_iter().chain(newer).map(Ok));
    let lines = futures::stream::unfold((news, is_wanted), |(mut news, is_wanted)| async move {
        loop {
            let event = match news.recv().await {
                Ok(told) if is_wanted(&told) => line(&told),
                Ok(_) => None,
                Err(RecvError::Lagged(missed)) => {
                    Some(Event::default().event("missed").data(missed.to_string()))
                }
                Err(RecvError::Closed) => return None,
            };
            if let Some(event) = event {
                return Some((Ok(event), (news, is_wanted)));
            }
        }
    });
    Ok(Sse::new(first.chain(lines)).keep_alive(KeepAlive::default()))
}

fn line(told: &Numbered) -> Option<Event> {
    Event::default().id(told.number.to_string()).event(told.news.kind()).json_data(&told.news).ok()
}

fn is_of(news: &News, call: Option<&str>) -> bool {
    let Some(call) = call else { return true };
    match news {
        News::Verdict(live) => live.call == call,
        News::Duty(duty) => duty.call == call,
        News::Alert(_) => false,
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<u32>,
}

/// What somebody still has to see to.
pub(crate) async fn alerts(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Alert>>, Problem> {
    let limit = page.limit.unwrap_or(50).min(rooms.limits.page_rows_max);
    Ok(Json(rooms.recorder.alerts(&client, limit).await?))
}

pub(crate) async fn confirm_alert(
    State(rooms): State<Rooms>,
    Path(id): Path<i64>,
    Person(who): Person,
) -> Result<NoContent, Problem> {
    if rooms.recorder.confirm_alert(&who.client, id, who.person.as_str()).await? {
        Ok(NoContent)
    } else {
        Err(Problem::not_found(format!("no open alert has the id {id}")))
    }
}
