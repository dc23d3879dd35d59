//! Brings to the store what lies in the spool, reads it back, and frees the local copy. Works on each object alone, on
//! several at once; what fails is tried again, later each time, for ever.

use std::{sync::Arc, time::Duration};

use caveat_model::Moment;
use futures::TryStreamExt;
use object_store::{Error, ObjectStoreExt, PutMode, path::Path};
use sha2::{Digest as _, Sha256};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    StoreError,
    marks::Mark,
    spool::{Copy, Desk, ignore_missing},
};

/// An object as it was when the worker took it up.
struct Job {
    path: Path,
    generation: u64,
    copy: Option<Copy>,
    bytes: u64,
    brought: bool,
    gone: bool,
    lock: Option<Moment>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The store has it no more.
    Deleted,
    /// The store has it, and has locked it where that was asked for.
    Brought,
    /// The store has locked what it had.
    Locked,
    /// Its local copy can go.
    Free,
    /// There is nothing to do, or nothing left to do it with.
    Nothing,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the store failed to {what}: {source}")]
    Store {
        what: &'static str,
        #[source]
        source: Error,
    },
    #[error("it did not {what} in time")]
    Late { what: &'static str },
    #[error("the store gives back other bytes than it was given")]
    ReadBack,
    #[error("another object lies in its place in the store: it was left alone; find out who wrote it")]
    Conflict,
    #[error(transparent)]
    Lock(#[from] StoreError),
}

/// How often the backlog is counted for `/metrics`.
const COUNTED_EVERY: Duration = Duration::from_secs(5);

/// Works until it is aborted.
pub(crate) async fn run(desk: Arc<Desk>) {
    let mut jobs = JoinSet::new();
    let mut next_count = Instant::now();
    loop {
        while jobs.len() < desk.limits.uploads_max
            && let Some(job) = desk.next_job()
        {
            jobs.spawn(work(desk.clone(), job));
        }
        if Instant::now() >= next_count {
            desk.count();
            next_count = Instant::now() + COUNTED_EVERY;
        }
        let next = desk.next_due().filter(|_| jobs.len() < desk.limits.uploads_max);
        tokio::select! {
            () = desk.wake.notified() => {}
            Some(_) = jobs.join_next(), if !jobs.is_empty() => {}
            () = sleep_until(next.map_or(next_count, |next| next.min(next_count))) => {}
        }
    }
}

async fn work(desk: Arc<Desk>, job: Job) {
    let done = desk.step(&job).await;
    match &done {
        Ok(Step::Brought) => metrics::counter!("caveat_spool_brought_total").increment(1),
        Ok(_) => {}
        Err(error) => {
            metrics::counter!("caveat_spool_failures_total").increment(1);
            tracing::warn!(object = %job.path, %error, "not in the store yet; it is kept here and tried again");
        }
    }
    let unchanged = desk.settle(&job, done.as_ref().ok().copied());
    if let (true, Ok(Step::Free), Some(copy)) = (unchanged, &done, job.copy) {
        // The store has had it for the whole grace period. Should it stay, the next start brings it once more.
        if let Err(error) = ignore_missing(desk.local(copy).delete(&job.path).await) {
            tracing::warn!(object = %job.path, %error, "a copy in the spool that is no longer needed stays");
        }
    }
}

impl Desk {
    fn count(&self) {
        let backlog = self.state().backlog();
        metrics::gauge!("caveat_spool_objects").set(backlog.objects as f64);
        metrics::gauge!("caveat_spool_bytes").set(backlog.bytes as f64);
        metrics::gauge!("caveat_spool_failing").set(backlog.failing as f64);
    }

    fn next_due(&self) -> Option<Instant> {
        self.state().due.first().map(|(at, _)| *at)
    }

    /// The next object that is due, taken up.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        let now = Instant::now();
        let (_, path) = state.due.first().filter(|(at, _)| *at <= now).cloned()?;
        let at = state.entries.get_mut(&path).and_then(|entry| entry.due.take())?;
        state.due.remove(&(at, path.clone()));
        let entry = state.entries.get_mut(&path)?;
        (entry.busy, entry.attempted) = (true, true);
        Some(Job {
            generation: entry.generation,
            copy: entry.copy,
            bytes: entry.bytes,
            brought: entry.brought,
            gone: entry.gone,
            lock: entry.lock,
            path,
        })
    }

    async fn step(&self, job: &Job) -> Result<Step, Failure> {
        if job.gone {
            let deleted = self.in_time(self.remote.delete(&job.path)).await;
            ignore_missing(deleted).map_err(|source| Failure::Store { what: "delete it", source })?;
            return Ok(Step::Deleted);
        }
        match job.copy {
            Some(copy) if !job.brought => self.bring(job, copy).await,
            _ if job.lock.is_some() => self.lock(job).await.map(|()| Step::Locked),
            Some(_) if (self.at_hand)(&job.path) => Ok(Step::Brought),
            Some(_) => Ok(Step::Free),
            None => Ok(Step::Nothing),
        }
    }

    async fn bring(&self, job: &Job, copy: Copy) -> Result<Step, Failure> {
        let here = match self.local(copy).get(&job.path).await {
            Ok(found) => found.bytes().await,
            Err(e) => Err(e),
        };
        let here = match here {
            Ok(bytes) => bytes,
            Err(Error::NotFound { .. }) => return Ok(Step::Nothing),
            Err(source) => return Err(Failure::Store { what: "read its copy in the spool", source }),
        };
        let digest = Sha256::digest(&here);
        let time = self.limits.time_for(job.bytes);
        let mode = if copy == Copy::Once { PutMode::Create } else { PutMode::Overwrite };
        let put = timeout(time, self.remote.put_opts(&job.path, here.into(), mode.into()));
        let was_there = match put.await.map_err(|_| Failure::Late { what: "take it" })? {
            Ok(_) => false,
            // An attempt before this one, whose answer was lost; or somebody else's. Looking tells.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => true,
            Err(source) => return Err(Failure::Store { what: "take it", source }),
        };
        self.lock(job).await?;
        let there = timeout(time, self.digest_there(&job.path)).await;
        match there.map_err(|_| Failure::Late { what: "give it back" })?? {
            there if there == digest[..] => Ok(Step::Brought),
            _ if was_there => Err(Failure::Conflict),
            _ => Err(Failure::ReadBack),
        }
    }

    async fn lock(&self, job: &Job) -> Result<(), Failure> {
        match (job.lock, &self.lock) {
            (Some(until), Some(lock)) => Ok(lock.lock(&job.path, until).await?),
            _ => Ok(()),
        }
    }

    async fn digest_there(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let failed = |source| Failure::Store { what: "give it back", source };
        let mut chunks = self.remote.get(path).await.map_err(failed)?.into_stream();
        let mut hash = Sha256::new();
        while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
            hash.update(&chunk);
        }
        Ok(hash.finalize().to_vec())
    }

    /// Notes what came of a job; none: it failed. False when somebody changed the object meanwhile.
    fn settle(&self, job: &Job, done: Option<Step>) -> bool {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(&job.path) else { return false };
        entry.busy = false;
        let now = Instant::now();
        if entry.generation != job.generation {
            state.plan(&job.path, now);
            return false;
        }
        let Some(step) = done else {
            entry.failures = entry.failures.saturating_add(1);
            let later = now + self.limits.back_off(entry.failures);
            state.plan(&job.path, later);
            return true;
        };
        entry.failures = 0;
        match step {
            Step::Deleted => {
                entry.gone = false;
                self.marks.clear(&job.path, Mark::Gone);
            }
            Step::Brought => entry.brought = true,
            Step::Free => entry.copy = None,
            Step::Nothing if entry.copy.take().is_some() => {
                tracing::error!(object = %job.path, "its copy in the spool has gone, and the store may not have it");
            }
            Step::Locked | Step::Nothing => {}
        }
        if let (Step::Brought | Step::Locked, Some(until)) = (step, job.lock) {
            entry.lock = None;
            self.marks.clear(&job.path, Mark::Locked(until));
        }
        match entry.copy {
            Some(Copy::Once) if entry.brought && !(self.at_hand)(&job.path) => {
                state.plan(&job.path, now + Duration::from_millis(self.limits.spool_grace_ms));
            }
            Some(_) if !entry.brought => state.plan(&job.path, now),
            Some(_) => {}
            None => drop(state.entries.remove(&job.path)),
        }
        true
    }
}
