//! How often one person, one machine or one address may ask. Counted in memory.
//!
//! Whoever was let in counts as who they are, wherever they ask from: many people share an address. What nobody was let in
//! for (a sign-in, a token that is none) counts for the address that it came from, whatever the request says of itself.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use caveat_model::ClientId;

use crate::{Limits, Problem, gate::Caller};

/// Askers that are remembered; beyond, those who have been quiet are forgotten.
const ASKERS_MAX: usize = 10_000;

/// What each asker has left. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rates {
    left: Arc<Mutex<HashMap<Asker, Left>>>,
    per_second: f64,
    burst: f64,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asker {
    /// Of this client: a person, or a machine.
    Known(ClientId, String),
    /// Nobody knows who; none: not even from where.
    From(Option<IpAddr>),
}

#[derive(Clone, Copy)]
struct Left {
    requests: f64,
    at: Instant,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_second = f64::from(limits.requests_per_minute_max) / 60.0;
        Self { left: Arc::default(), per_second, burst: f64::from(limits.requests_at_once_max) }
    }

    /// Counts a request of somebody who was let in.
    ///
    /// # Errors
    /// They ask too often.
    pub(crate) fn of(&self, caller: &Caller) -> Result<(), Problem> {
        let asker = Asker::Known(caller.client().clone(), caller.named());
        self.take(asker, Instant::now()).map_err(Problem::too_often)
    }

    /// Counts a request that nobody was let in for.
    ///
    /// # Errors
    /// Too many come from there.
    pub(crate) fn from(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        self.take(Asker::From(address.map(neighborhood)), Instant::now()).map_err(Problem::too_often)
    }

    /// Takes one request off what is left; else the seconds until there is one again.
    fn take(&self, asker: Asker, now: Instant) -> Result<(), u64> {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ASKERS_MAX {
            let is_quiet = |left: &Left| (now - left.at).as_secs_f64() * self.per_second >= self.burst;
            all.retain(|_, left| !is_quiet(left));
        }
        let left = all.entry(asker).or_insert(Left { requests: self.burst, at: now });
        let since = now.saturating_duration_since(left.at).as_secs_f64();
        *left = Left { requests: (left.requests + since * self.per_second).min(self.burst), at: now };
        if left.requests >= 1.0 {
            left.requests -= 1.0;
            return Ok(());
        }
        Err(((1.0 - left.requests) / self.per_second.max(1e-6)).ceil() as u64)
    }
}

/// A whole network of IPv6 counts as one: who has one address there has them all (RFC 6177: a site gets a /64 or more).
fn neighborhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_asks_too_often_waits_and_keeps_nobody_else_waiting() {
        let limits = Limits { requests_per_minute_max: 60, requests_at_once_max: 3, ..Limits::default() };
        let (rates, now) = (Rates::new(&limits), Instant::now());
        let from = |text: &str| Asker::From(text.parse().ok().map(neighborhood));
        let (one, other) = ("2001:db8::1", "2001:db8:0:1::1");
        assert_eq!([(); 4].map(|()| rates.take(from(one), now)), [Ok(()), Ok(()), Ok(()), Err(1)]);
        assert_eq!(rates.take(from(other), now), Ok(()));
        assert_eq!(rates.take(from("2001:db8::2"), now), Err(1), "of the same network");
        let later = now + Duration::from_millis(2_100);
        assert_eq!([(); 3].map(|()| rates.take(from(one), later)), [Ok(()), Ok(()), Err(1)]);
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
    }
}
