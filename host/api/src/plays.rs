//! What was granted to be heard a moment ago. A player asks for one sound in many ranges: they are one play, which was ruled
//! on and logged once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use caveat_model::RecordingId;
use caveat_recorder::Play;
use sha2::{Digest, Sha256};

use crate::Limits;

/// In whose session, of which recording, asked for how: all that was ruled on stands in the query.
pub(crate) type Key<'k> = (&'k str, RecordingId, &'k str);

/// By the digest of a key: when it was last asked for, and the play.
type Kept = HashMap<[u8; 32], (Instant, Arc<Play>)>;

/// Plays of every client, in memory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Plays {
    kept: Arc<Mutex<Kept>>,
    reused: Duration,
    most: usize,
}

impl Plays {
    pub(crate) fn new(limits: &Limits) -> Self {
        let reused = Duration::from_millis(limits.play_reused_ms);
        Self { kept: Arc::default(), reused, most: limits.plays_max }
    }

    /// One that is not over.
    pub(crate) fn find(&self, key: Key<'_>) -> Option<Arc<Play>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, play) = kept.get(&name(key))?;
        (began.elapsed() < self.reused).then(|| play.clone())
    }

    /// Keeps one, if there is room: without, its ranges are plays of their own.
    pub(crate) fn keep(&self, key: Key<'_>, play: Play) -> Arc<Play> {
        let play = Arc::new(play);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.most {
            kept.retain(|_, (began, _)| began.elapsed() < self.reused);
        }
        if kept.len() < self.most {
            kept.insert(name(key), (Instant::now(), play.clone()));
        }
        play
    }

    /// What failed is asked for anew.
    pub(crate) fn forget(&self, key: Key<'_>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&name(key));
    }
}

/// The secret of a session is not kept.
fn name((session, recording, query): Key<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [session.as_bytes(), recording.0.as_bytes(), query.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
