//! How much of the host's time the packs of one client may take: a slow pack keeps its own client's calls waiting, and
//! nobody else's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use caveat_model::ClientId;
use tokio::{
    sync::{Mutex as Queue, OwnedMutexGuard},
    time::{Instant, sleep},
};

/// What each client that has a quota has left of it.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<ClientId, Arc<Queue<Left>>>>);

/// Seconds of ruling that are left; below zero: more was taken than there was.
#[derive(Debug, Clone, Copy)]
struct Left {
    seconds: f64,
    at: Instant,
}

impl Left {
    /// With what has come since, up to what comes in one second.
    fn now(self, rate: f64) -> Self {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        Self { seconds: (self.seconds + since * rate).min(rate), at: now }
    }
}

/// One ruling of a client; what it took is counted when this is dropped.
pub(crate) struct Turn {
    left: OwnedMutexGuard<Left>,
    began: Instant,
}

impl Turns {
    /// Waits until the client may have a ruling: whoever asked first has it first, and one at a time. `ms_per_second` is what
    /// its packs may take of each second, in milliseconds.
    pub(crate) async fn take(&self, client: &ClientId, ms_per_second: u32) -> Turn {
        let rate = f64::from(ms_per_second.max(1)) / 1_000.0;
        let queue = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let full = Left { seconds: rate, at: Instant::now() };
            all.entry(client.clone()).or_insert_with(|| Arc::new(Queue::new(full))).clone()
        };
        let mut left = queue.lock_owned().await;
        *left = left.now(rate);
        if left.seconds < 0.0 {
            metrics::counter!("caveat_rulings_over_quota_total", "client" => client.to_string()).increment(1);
            sleep(Duration::from_secs_f64(-left.seconds / rate)).await;
            *left = left.now(rate);
        }
        Turn { left, began: Instant::now() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.left.seconds -= self.began.elapsed().as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn who_takes_more_than_their_quota_waits_and_nobody_else_does() {
        let turns = Turns::default();
        let [slow, other]: [ClientId; 2] = ["slow".parse().unwrap(), "other".parse().unwrap()];
        let began = Instant::now();
        for _ in 0..10 {
            let turn = turns.take(&slow, 100).await;
            std::thread::sleep(Duration::from_millis(20));
            drop(turn);
        }
        // 180 ms were taken before the last turn; 100 were there, the rest had to come, 100 a second.
        assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
        assert!(turns.take(&slow, 100).await.left.seconds < 0.1);
        assert!(turns.take(&other, 100).await.left.seconds > 0.099, "another has all of theirs");
    }
}
