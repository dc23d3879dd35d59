//! Calls that are announced before their audio comes, for protocols whose audio carries no facts and no secret but an id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use caveat_model::{ClientId, Clock, Moment};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Limits, NewCall, RecorderError};

/// A stream of audio that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AnnouncedStream {
    /// What it will say it is. Whoever knows it can be that stream, once: make it a random one (RFC 9562, version 4).
    pub id: Uuid,
    /// The leg that it carries.
    #[serde(default)]
    pub leg: u8,
}

/// Announced calls of every client, in memory: after a restart they have to be announced again. Cheap to clone.
#[derive(Clone)]
pub struct Announced {
    streams: Arc<Mutex<HashMap<Uuid, Waiting>>>,
    clock: Arc<dyn Clock>,
    max: usize,
    ms: u64,
}

struct Waiting {
    client: ClientId,
    call: Arc<NewCall>,
    leg: u8,
    until: Moment,
}

impl Announced {
    pub(crate) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        Self { streams: Arc::default(), clock, max: limits.announced_max, ms: limits.announced_ms }
    }

    /// A call will come, in these streams. A call without an id of its own takes that of its first stream.
    ///
    /// # Errors
    /// The call is over already, no stream or one that is announced, too many wait.
    pub fn announce(
        &self,
        client: &ClientId,
        mut call: NewCall,
        streams: &[AnnouncedStream],
    ) -> Result<(), RecorderError> {
        let first = streams.first().ok_or(RecorderError::Streams)?;
        if call.began.is_some() {
            return Err(RecorderError::NotLive);
        }
        if call.external_id.is_empty() {
            call.external_id = first.id.to_string();
        }
        let now = self.clock.now();
        let mut waiting = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, w| w.until > now);
        let twice = |(i, s): (usize, &AnnouncedStream)| {
            waiting.contains_key(&s.id) || streams.iter().take(i).any(|before| before.id == s.id)
        };
        if streams.iter().enumerate().any(twice) {
            return Err(RecorderError::Streams);
        }
        if waiting.len() + streams.len() > self.max {
            return Err(RecorderError::TooMany { what: "announced calls", limit: self.max });
        }
        let (call, until) = (Arc::new(call), now.plus_millis(self.ms));
        for AnnouncedStream { id, leg } in streams {
            let (client, call) = (client.clone(), call.clone());
            waiting.insert(*id, Waiting { client, call, leg: *leg, until });
        }
        Ok(())
    }

    /// The stream with this id has come: whose it is, its call, its leg. It comes once.
    pub fn take(&self, stream: Uuid) -> Option<(ClientId, NewCall, u8)> {
        let mut waiting = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { client, call, leg, until } = waiting.remove(&stream)?;
        (until > self.clock.now()).then(|| (client, Arc::unwrap_or_clone(call), leg))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use caveat_model::ManualClock;

    #[test]
    fn a_stream_comes_once_and_not_too_late() {
        let clock = Arc::new(ManualClock::default());
        let limits = Limits { announced_max: 3, announced_ms: 1_000, ..Limits::default() };
        let announced = Announced::new(&limits, clock.clone());
        let acme: ClientId = "acme".parse().unwrap();
        let stream = |n: u128, leg| AnnouncedStream { id: Uuid::from_u128(n), leg };
        let announce = |streams: &[AnnouncedStream]| {
            announced.announce(&acme, NewCall::default(), streams).map_err(|e| e.to_string())
        };
        announce(&[stream(1, 0), stream(2, 1)]).unwrap();
        assert!(announce(&[]).is_err());
        assert!(announce(&[stream(2, 0)]).is_err());
        assert!(announce(&[stream(3, 0), stream(3, 1)]).is_err());
        assert!(announce(&[stream(3, 0), stream(4, 1)]).unwrap_err().contains("the limit is 3"));
        let (client, call, leg) = announced.take(Uuid::from_u128(2)).unwrap();
        assert_eq!((client, call.external_id, leg), (acme.clone(), Uuid::from_u128(1).to_string(), 1));
        assert!(announced.take(Uuid::from_u128(2)).is_none());
        clock.set(Moment::from_millis(1_000));
        assert!(announced.take(Uuid::from_u128(1)).is_none());
        announce(&[stream(5, 0)]).unwrap();
    }
}
