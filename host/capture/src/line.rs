//! Calls whose stream broke off, held for a while: the next stream of the same call goes on with the same recording, and
//! what was missed in between is a loss of its true length.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use caveat_model::{ClientId, Offset};
use caveat_recorder::{Call, NewCall, Recorder, RecorderError};
use caveat_vault::SealReason;
use tokio::{sync::Notify, time::Instant};

use crate::{Limits, running};

/// The lines of a host; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Table>>);

type Key = (ClientId, String);
type Table = HashMap<Key, Arc<Held>>;

/// A call that has, or had, a stream.
struct Held {
    call: Call,
    began: Instant,
    /// Counts the streams. Whoever is not the last is replaced.
    streams: AtomicU64,
    /// When the last message came, in milliseconds since the call began; [`GONE`] if its stream is gone.
    heard: AtomicU64,
    replaced: Notify,
}

const GONE: u64 = u64::MAX;

/// One stream's hold of a call.
pub(crate) struct Line {
    lines: Lines,
    held: Arc<Held>,
    stream: u64,
    /// Where the stream begins in the call.
    pub(crate) from: Offset,
    hold_ms: u64,
    ended: bool,
}

impl Lines {
    /// Opens a call, or goes on with one whose stream broke off. A stream that has sent something in the last `stale_ms` is
    /// not replaced.
    pub(crate) async fn open(
        &self,
        recorder: &Recorder,
        client: &ClientId,
        call: NewCall,
        limits: &Limits,
        stale_ms: u64,
    ) -> Result<Line, RecorderError> {
        let key = (client.clone(), call.external_id.clone());
        let began = Instant::now();
        match recorder.open(client, call).await {
            Ok((call, _)) => {
                let held = Arc::new(Held {
                    call,
                    began,
                    streams: AtomicU64::new(0),
                    heard: AtomicU64::new(0),
                    replaced: Notify::new(),
                });
                self.table().insert(key, held.clone());
                Ok(self.line(held, 0, 0, limits))
            }
            Err(RecorderError::CallExists { id }) => {
                self.go_on(&key, limits, stale_ms).ok_or(RecorderError::CallExists { id })
            }
            Err(error) => Err(error),
        }
    }

    fn go_on(&self, key: &Key, limits: &Limits, stale_ms: u64) -> Option<Line> {
        let table = self.table();
        let held = table.get(key)?.clone();
        let now = held.now();
        let heard = held.heard.load(Ordering::Relaxed);
        if heard != GONE && now < heard.saturating_add(stale_ms) {
            return None;
        }
        held.heard.store(now, Ordering::Relaxed);
        let stream = held.streams.fetch_add(1, Ordering::Relaxed) + 1;
        held.replaced.notify_waiters();
        let from = Offset::try_from(now).unwrap_or(Offset::MAX);
        tracing::info!(client = %key.0, call = key.1, from_ms = from, "a call goes on in another stream");
        Some(self.line(held, stream, from, limits))
    }

    fn line(&self, held: Arc<Held>, stream: u64, from: Offset, limits: &Limits) -> Line {
        Line { lines: self.clone(), held, stream, from, hold_ms: limits.reconnect_ms, ended: false }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, held: &Arc<Held>) {
        let key = (held.call.client().clone(), held.call.id().to_owned());
        if let Entry::Occupied(entry) = self.table().entry(key)
            && Arc::ptr_eq(entry.get(), held)
        {
            entry.remove();
        }
    }
}

impl Held {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(GONE - 1)
    }
}

impl Line {
    pub(crate) fn call(&self) -> &Call {
        &self.held.call
    }

    /// A message came on the stream.
    pub(crate) fn heard(&self) {
        if self.is_last() {
            self.held.heard.store(self.held.now(), Ordering::Relaxed);
        }
    }

    /// Waits until another stream goes on with the call.
    pub(crate) async fn replaced(&self) {
        loop {
            let notified = self.held.replaced.notified();
            if !self.is_last() {
                return;
            }
            notified.await;
        }
    }

    /// Ends the call.
    pub(crate) async fn end(mut self, reason: SealReason) -> Result<(), RecorderError> {
        self.ended = true;
        if !self.is_last() {
            return Ok(());
        }
        self.lines.forget(&self.held);
        running::end(&self.held.call, reason).await
    }

    fn is_last(&self) -> bool {
        self.held.streams.load(Ordering::Relaxed) == self.stream
    }
}

/// A stream that goes without ending its call leaves it held.
impl Drop for Line {
    fn drop(&mut self) {
        {
            let _table = self.lines.table();
            if self.ended || !self.is_last() {
                return;
            }
            self.held.heard.store(GONE, Ordering::Relaxed);
        }
        let (lines, held) = (self.lines.clone(), self.held.clone());
        let (stream, hold) = (self.stream, Duration::from_millis(self.hold_ms));
        // Without a runtime the host is going down, and its calls are sealed all the same.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(hold) => {}
                () = held.call.sealed() => {}
            }
            let last = {
                let _table = lines.table();
                held.streams.load(Ordering::Relaxed) == stream
            };
            if last {
                lines.forget(&held);
                // It may have ended by another way.
                let _ = held.call.end(SealReason::Interrupted).await;
            }
        });
    }
}
