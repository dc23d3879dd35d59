//! Recordings made elsewhere, put into a folder: `[[client.watched-folder]]`.
//!
//! `NAME.wav` is taken with its sidecar `NAME.json`, `{"call": {..}, "events": [..]}`: the facts and events that an upload
//! has (see [`crate::upload`]; `began` should say when the call began). Both are taken when they have not changed for
//! `folder_settle_ms`; better write them under names that begin with a dot, and rename them when they are whole. A file
//! without its sidecar waits for it.
//!
//! What is sealed goes to the folder `done/`; what cannot be taken, or what the rules refuse, to `failed/` with
//! `NAME.reason.txt`. The plain audio stays where it was moved to, unless `remove-audio` is set: then it is deleted once
//! its recording is sealed.
//!
//! A content is taken in at most once, by its digest, which is known for `folder_remember_days`. A host that is told to stop
//! finishes what it has begun. What a crash cut short is in `failed/` after the next start, and its
//! recording is sealed as interrupted; to take it in anew, change the sidecar.

mod files;
mod taken;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use caveat_model::{ClientId, RecordingId};
use caveat_recorder::RecorderError;
use caveat_state::{Db, StateError};
use serde::Deserialize;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    Rooms,
    error::CaptureError,
    upload::{self, Event, Upload, Wav},
};
use files::{Pair, Shape};
use taken::{Known, Taken};

/// A folder as configured.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Whose recordings are put there.
    pub client: ClientId,
    /// Where it is.
    pub path: PathBuf,
    /// Whether plain audio is deleted once it is sealed.
    pub remove_audio: bool,
}

/// What is beside the audio.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    call: caveat_recorder::NewCall,
    #[serde(default)]
    events: Vec<Event>,
}

pub(crate) async fn migrate(db: &Db) -> Result<(), StateError> {
    Taken::migrate(db).await
}

/// Begins to watch every folder, until the host is stopping.
pub(crate) async fn spawn(
    rooms: &Rooms,
    stopping: &watch::Receiver<bool>,
) -> Result<JoinSet<()>, StateError> {
    let mut tasks = JoinSet::new();
    if rooms.sources.folders.is_empty() {
        return Ok(tasks);
    }
    let taken = Taken::open(rooms.db.clone()).await?;
    taken.forget_old(rooms.clock.now(), rooms.limits.folder_remember_days).await?;
    for folder in &rooms.sources.folders {
        let watcher = Watcher {
            folder: folder.clone(),
            rooms: rooms.clone(),
            taken: taken.clone(),
            seen: HashMap::new(),
            stopping: stopping.clone(),
        };
        tasks.spawn(watcher.watch());
    }
    Ok(tasks)
}

struct Watcher {
    folder: Folder,
    rooms: Rooms,
    taken: Taken,
    /// What each pair looked like when it last changed, and when that was.
    seen: HashMap<String, (Shape, Instant)>,
    /// True once the host stops: what is begun is finished, and nothing more is begun.
    stopping: watch::Receiver<bool>,
}

/// After what went wrong for a while, files are tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What comes of a pair of files.
enum Outcome {
    /// It is sealed.
    Done,
    /// It is not, for this reason.
    Failed(String),
    /// Not now.
    Later,
}

impl Watcher {
    async fn watch(mut self) {
        let Folder { client, path, .. } = &self.folder;
        tracing::info!(%client, folder = %path.display(), "watching");
        let mut due = interval(Duration::from_millis(self.rooms.limits.folder_scan_ms.max(1)));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = due.tick() => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
            }
            for pair in self.whole().await {
                if *self.stopping.borrow() {
                    return;
                }
                if !self.take(&pair).await {
                    self.seen.insert(pair.name, (pair.shape, Instant::now() + AGAIN));
                }
            }
        }
    }

    /// Pairs that have not changed for long enough.
    async fn whole(&mut self) -> Vec<Pair> {
        let found = match files::pairs(&self.folder.path, self.rooms.limits.folder_files_max).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(folder = %self.folder.path.display(), %error, "a watched folder cannot be read");
                return vec![];
            }
        };
        self.seen.retain(|name, _| found.iter().any(|pair| pair.name == *name));
        let now = Instant::now();
        let settle = Duration::from_millis(self.rooms.limits.folder_settle_ms);
        let settled = |pair: &Pair| match self.seen.get_mut(&pair.name) {
            Some((shape, since)) if *shape == pair.shape => now.duration_since(*since) >= settle,
            _ => {
                self.seen.insert(pair.name.clone(), (pair.shape, now));
                settle.is_zero()
            }
        };
        found.into_iter().filter(settled).collect()
    }

    /// False: it is to be tried again, and not at once.
    async fn take(&self, pair: &Pair) -> bool {
        let (client, folder, name) = (&self.folder.client, &self.folder.path, pair.name.as_str());
        let outcome = match self.take_in(pair).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_the_hosts() || is_passing(&error) => {
                tracing::warn!(%client, name, %error, "a file could not be taken in, and will be tried again");
                return false;
            }
            Err(error) => Outcome::Failed(error.to_string()),
        };
        let moved = match &outcome {
            Outcome::Later => return true,
            Outcome::Done if self.folder.remove_audio => files::remove_audio(folder, name).await,
            Outcome::Done => files::move_to(folder, "done", name, None).await,
            Outcome::Failed(reason) => files::move_to(folder, "failed", name, Some(reason)).await,
        };
        match (&outcome, &moved) {
            (_, Err(error)) => {
                tracing::error!(%client, folder = %folder.display(), name, %error, "a file cannot be moved");
            }
            (Outcome::Failed(reason), Ok(())) => {
                tracing::warn!(%client, name, reason, "a file was not taken in")
            }
            (_, Ok(())) => tracing::info!(%client, name, "a file was taken in"),
        }
        moved.is_ok()
    }

    async fn take_in(&self, pair: &Pair) -> Result<Outcome, CaptureError> {
        let limits = &self.rooms.limits;
        let (client, taken) = (&self.folder.client, &self.taken);
        let Some((audio, sidecar)) = files::read(&self.folder.path, pair, limits).await? else {
            return Ok(Outcome::Later);
        };
        let digest = files::digest(&audio, &sidecar);
        let Sidecar { call, events } = upload::json("sidecar", &sidecar)?;
        let upload = Upload::new(call, Wav::read(audio)?, events, limits, self.rooms.clock.now())?;
        match taken.begin(client, &digest, self.rooms.clock.now()).await? {
            Known::New => {}
            Known::Running => return Ok(Outcome::Later),
            Known::Begun(recording) => return self.cut_short(&digest, recording).await,
            Known::Done(recording) => return self.again(recording).await,
        }
        let Upload { call, audio, events } = upload;
        let (call, answer) = match self.rooms.recorder.open(client, call).await {
            Ok(opened) => opened,
            Err(error) => {
                taken.forget(client, &digest).await?;
                return Err(error.into());
            }
        };
        taken.opened(client, &digest, answer.recording).await?;
        let fed = match upload::feed(call, answer, audio, events).await {
            Ok(fed) => fed,
            Err(error) => {
                taken.done(client, &digest, None).await?;
                return Ok(Outcome::Failed(format!("it was not taken in whole: {error}")));
            }
        };
        let outcome = if !fed.kept {
            Outcome::Failed(format!("the rules do not let it be recorded: {}", fed.reasons.join("; ")))
        } else {
            self.sealed(fed.recording).await?
        };
        let kept = matches!(outcome, Outcome::Done).then_some(fed.recording);
        taken.done(client, &digest, kept).await?;
        Ok(outcome)
    }

    async fn sealed(&self, recording: RecordingId) -> Result<Outcome, CaptureError> {
        match self.rooms.recorder.state_of(&self.folder.client, recording).await {
            Ok(state) if state == "sealed" => Ok(Outcome::Done),
            Ok(state) => Ok(Outcome::Failed(format!("recording {recording} is {state}"))),
            Err(RecorderError::NoSuchRecording { .. }) => {
                Ok(Outcome::Failed(format!("recording {recording} was not kept")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An earlier process was at it.
    async fn cut_short(&self, digest: &str, recording: RecordingId) -> Result<Outcome, CaptureError> {
        let outcome = match self.sealed(recording).await? {
            Outcome::Failed(why) => Outcome::Failed(format!(
                "the host stopped while this was taken in: {why}; to take it in anew, change the sidecar"
            )),
            outcome => outcome,
        };
        let kept = matches!(outcome, Outcome::Done).then_some(recording);
        self.taken.done(&self.folder.client, digest, kept).await?;
        Ok(outcome)
    }

    /// The same was there before, or could not be moved away.
    async fn again(&self, recording: Option<RecordingId>) -> Result<Outcome, CaptureError> {
        match recording {
            Some(recording) => self.sealed(recording).await,
            None => Ok(Outcome::Failed(
                "the same audio and sidecar failed before; change the sidecar to try again".to_owned(),
            )),
        }
    }
}

/// Whether it may go better later without anybody doing anything about it.
fn is_passing(error: &CaptureError) -> bool {
    match error {
        CaptureError::Recorder(error) => error.is_full() || matches!(error, RecorderError::CallExists { .. }),
        _ => false,
    }
}
