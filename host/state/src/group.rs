//! Group commit on SQLite: writes that come at the same time share one transaction, and so one sync of the disk.
//!
//! One thread writes. It takes what waits, does it all, commits, and answers everybody: while the disk is busy with one
//! group the next one gathers. When a statement of a group fails, or finds nothing to do where it has to, all of it is
//! undone and each write is done in a transaction of its own, so that no write meets the faults of another.

use std::{io, sync::Arc, thread};

use sqlx::{Any, AnyPool, Transaction};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use crate::{
    StateError, sql,
    write::{Statement, Written, run, run_all},
};

/// Writes that wait; whoever brings more waits outside.
const WAITING_WRITES_MAX: usize = 4_096;
/// Writes of one group.
const GROUP_WRITES_MAX: usize = 512;

/// A write that waits, and who waits for it.
pub(crate) struct Job {
    pub(crate) what: &'static str,
    pub(crate) statements: Vec<Statement>,
    /// Lists that are done with it.
    pub(crate) beside: Vec<Vec<Statement>>,
    pub(crate) reply: oneshot::Sender<Result<Written, StateError>>,
}

/// Why a group was undone.
enum Undone {
    /// A statement failed or found nothing to do.
    ByOne,
    /// The database failed all of it.
    AsAWhole(sqlx::Error),
}

/// Starts the thread. It ends when nobody can send any more. On a thread of its own the writer and the database's thread
/// hand each other statements without waiting for a turn among the tasks that serve calls.
pub(crate) fn start(pool: AnyPool) -> io::Result<mpsc::Sender<Job>> {
    let (queue, jobs) = mpsc::channel(WAITING_WRITES_MAX);
    let runtime = Handle::current();
    thread::Builder::new().name("state-writer".into()).spawn(move || runtime.block_on(serve(pool, jobs)))?;
    Ok(queue)
}

async fn serve(pool: AnyPool, mut jobs: mpsc::Receiver<Job>) {
    let mut group = Vec::new();
    while jobs.recv_many(&mut group, GROUP_WRITES_MAX).await > 0 {
        commit(&pool, std::mem::take(&mut group)).await;
    }
}

async fn commit(pool: &AnyPool, jobs: Vec<Job>) {
    let is_one = jobs.iter().map(|job| 1 + job.beside.len()).sum::<usize>() == 1;
    let done = if is_one { Err(Undone::ByOne) } else { together(pool, &jobs).await };
    // Whoever asked may have gone away; what was written stands all the same.
    match done {
        Ok(written) => {
            for (job, written) in jobs.into_iter().zip(written) {
                let _ = job.reply.send(Ok(written));
            }
        }
        Err(Undone::ByOne) => {
            for job in jobs {
                let written = alone(pool, &job).await.map_err(sql(job.what));
                let _ = job.reply.send(written);
            }
        }
        Err(Undone::AsAWhole(error)) => {
            let source = Arc::new(error);
            for job in jobs {
                let _ = job.reply.send(Err(StateError::Group { what: job.what, source: source.clone() }));
            }
        }
    }
}

async fn together(pool: &AnyPool, jobs: &[Job]) -> Result<Vec<Written>, Undone> {
    let mut tx = begin(pool).await.map_err(Undone::AsAWhole)?;
    let own = jobs.iter().map(|job| job.statements.as_slice());
    let beside = jobs.iter().flat_map(|job| &job.beside).map(Vec::as_slice);
    let all = match run_all(&mut tx, &own.chain(beside).collect::<Vec<_>>()).await {
        Ok(all) if all.iter().all(|written| matches!(written, Written::Done { .. })) => all,
        Ok(_) | Err(_) => {
            tx.rollback().await.map_err(Undone::AsAWhole)?;
            return Err(Undone::ByOne);
        }
    };
    tx.commit().await.map_err(Undone::AsAWhole)?;
    Ok(all)
}

async fn alone(pool: &AnyPool, job: &Job) -> Result<Written, sqlx::Error> {
    finish(begin(pool).await?, &job.statements, &job.beside).await
}

/// Runs statements in their own transaction, and further lists with them.
pub(crate) async fn finish(
    mut tx: Transaction<'static, Any>,
    statements: &[Statement],
    beside: &[Vec<Statement>],
) -> Result<Written, sqlx::Error> {
    let mut written = run(&mut tx, statements).await?;
    for list in beside {
        if matches!(written, Written::Done { .. })
            && let nothing @ Written::Nothing { .. } = run(&mut tx, list).await?
        {
            written = nothing;
        }
    }
    match written {
        Written::Done { .. } => tx.commit().await?,
        Written::Nothing { .. } => tx.rollback().await?,
    }
    Ok(written)
}

/// Takes the write lock at once, so that it cannot fail later.
pub(crate) async fn begin(pool: &AnyPool) -> Result<Transaction<'static, Any>, sqlx::Error> {
    pool.begin_with("BEGIN IMMEDIATE").await
}
