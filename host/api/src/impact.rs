//! What a pack would have changed, before it is put in force. It takes a while: a job, with its progress as events.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Extension, Json,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use caveat_model::{ClientId, Moment};
use caveat_packs::{FileLimits, PackFile};
use caveat_recorder::{Candidate, ImpactReport, Window};
use futures::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    Problem, Rooms,
    answer::Accepted,
    extract::{Path, Query},
    gate::Client,
    packs::PackBytes,
};

/// How a job stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
#[schemars(rename = "Comparison")]
pub(crate) enum Stands {
    /// History is being ruled again: ledger entries looked at, and all there are.
    Running { done: u64, all: u64 },
    /// What would have changed.
    Done { report: Arc<ImpactReport> },
    /// Why it came to nothing.
    Failed { detail: String },
}

/// Jobs of every client, the newest only. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Jobs(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    last: u64,
    jobs: BTreeMap<u64, (ClientId, watch::Receiver<Stands>)>,
}

impl Jobs {
    /// Enters a job, unless as many run as may.
    fn enter(&self, client: &ClientId, most: usize) -> Result<(u64, watch::Sender<Stands>), Problem> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now =
            running.jobs.values().filter(|(_, s)| matches!(*s.borrow(), Stands::Running { .. })).count();
        if now >= most {
            return Err(Problem::busy("as many comparisons run as may: wait for one to end"));
        }
        // What is over makes room, the oldest first.
        while running.jobs.len() >= most.saturating_mul(4) {
            let over = running.jobs.iter().find(|(_, (_, s))| !matches!(*s.borrow(), Stands::Running { .. }));
            let Some(id) = over.map(|(id, _)| *id) else { break };
            running.jobs.remove(&id);
        }
        let (sender, receiver) = watch::channel(Stands::Running { done: 0, all: 0 });
        running.last += 1;
        let id = running.last;
        running.jobs.insert(id, (client.clone(), receiver));
        Ok((id, sender))
    }

    fn find(&self, client: &ClientId, id: u64) -> Result<watch::Receiver<Stands>, Problem> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = running.jobs.get(&id).filter(|(of, _)| of == client);
        let missing = || Problem::not_found(format!("no comparison has the id {id}: ask for it again"));
        Ok(found.ok_or_else(missing)?.1.clone())
    }
}

/// The pack itself is the body; without one, that of the name `replace` as it is in force.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compare {
    /// Whose place it would take; its own name's if left out.
    replace: Option<String>,
    /// JSON; those of the pack whose place it takes if left out.
    settings: Option<String>,
    /// Logged at or after.
    since: Option<Moment>,
    /// Logged before.
    until: Option<Moment>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ComparisonBegun")]
pub(crate) struct Begun {
    id: u64,
}

pub(crate) async fn begin(
    State(rooms): State<Rooms>,
    Client(client): Client,
    Extension(jobs): Extension<Jobs>,
    Query(asked): Query<Compare>,
    PackBytes(bytes): PackBytes,
) -> Result<Accepted<Begun>, Problem> {
    let Compare { replace, settings, since, until } = asked;
    let settings = settings.as_deref().map(serde_json::from_str::<Value>).transpose();
    let settings = settings.map_err(|e| Problem::bad_request(format!("`settings`: {e}")))?;
    let file = match (bytes.is_empty(), replace.as_deref()) {
        (true, None) => {
            return Err(Problem::bad_request("send a pack in the body, or name one in force with `replace`"));
        }
        (true, Some(name)) => rooms.packs.file_in_force(&client, name)?,
        (false, _) => PackFile::read("the pack that was sent", bytes, &FileLimits::default())
            .map_err(|e| Problem::bad_request(e.to_string()))?,
    };
    let (id, stands) = jobs.enter(&client, rooms.limits.impact_jobs_max)?;
    let candidate = Candidate { file, replaces: replace, settings };
    tokio::spawn(async move {
        let progress = |done, all| stands.send_modify(|s| *s = Stands::Running { done, all });
        let ended = rooms.recorder.impact(&client, candidate, Window { since, until }, progress).await;
        stands.send_modify(|s| {
            *s = match ended {
                Ok(report) => Stands::Done { report: Arc::new(report) },
                Err(error) => Stands::Failed { detail: Problem::from(error).detail },
            }
        });
    });
    Ok(Accepted(Begun { id }))
}

pub(crate) async fn look(
    Client(client): Client,
    Extension(jobs): Extension<Jobs>,
    Path(id): Path<u64>,
) -> Result<Json<Stands>, Problem> {
    let stands = jobs.find(&client, id)?.borrow().clone();
    Ok(Json(stands))
}

/// `progress` with how far it is, then `end` with the report or why there is none.
pub(crate) async fn progress(
    Client(client): Client,
    Extension(jobs): Extension<Jobs>,
    Path(id): Path<u64>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let mut stands = jobs.find(&client, id)?;
    stands.mark_changed();
    let lines = futures::stream::unfold(Some(stands), |stands| async move {
        let mut stands = stands?;
        stands.changed().await.ok()?;
        let now = stands.borrow_and_update().clone();
        let is_over = !matches!(now, Stands::Running { .. });
        let event = Event::default().event(if is_over { "end" } else { "progress" }).json_data(now).ok()?;
        Some((Ok(event), (!is_over).then_some(stands)))
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::default()))
}
