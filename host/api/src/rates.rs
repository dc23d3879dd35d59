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
    each: Rate,
}

/// How fast requests may come, and how many at once.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// So many a minute, of which a tenth may come at once.
    fn of_client(per_minute: u32) -> Self {
        Self { per_second: f64::from(per_minute) / 60.0, burst: (f64::from(per_minute) / 10.0).max(1.0) }
    }
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asker {
    /// Of this client: a person, or a machine.
    Known(ClientId, String),
    /// Everybody of this client, where it has a quota.
    All(ClientId),
    /// Nobody knows who; none: not even from where.
    From(Option<IpAddr>),
}

/// What an asker had left when they last asked, and how fast there is more.
#[derive(Clone, Copy)]
struct Left {
    requests: f64,
    at: Instant,
    rate: Rate,
}

impl Left {
    /// What is left now.
    fn now(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.requests + since * self.rate.per_second).min(self.rate.burst)
    }

    /// Has all that there can be, as whoever never asked.
    fn is_quiet(&self, now: Instant) -> bool {
        self.now(now) >= self.rate.burst
    }
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let per_second = f64::from(limits.requests_per_minute_max) / 60.0;
        let each = Rate { per_second, burst: f64::from(limits.requests_at_once_max) };
        Self { left: Arc::default(), each }
    }

    /// Counts a request of somebody who was let in, whose client has a quota of so many a minute, or none.
    ///
    /// # Errors
    /// They ask too often, or all of their client's do.
    pub(crate) fn of(&self, caller: &Caller, quota: Option<u32>) -> Result<(), Problem> {
        let (client, now) = (caller.client().clone(), Instant::now());
        let asker = Asker::Known(client.clone(), caller.named());
        self.take(asker, self.each, now).map_err(Problem::too_often)?;
        let Some(per_minute) = quota else { return Ok(()) };
        self.take(Asker::All(client), Rate::of_client(per_minute), now).map_err(Problem::too_often)
    }

    /// Counts a request that nobody was let in for.
    ///
    /// # Errors
    /// Too many come from there.
    pub(crate) fn from(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let asker = Asker::From(address.map(neighborhood));
        self.take(asker, self.each, Instant::now()).map_err(Problem::too_often)
    }

    /// Takes one request off what is left; else the seconds until there is one again.
    fn take(&self, asker: Asker, rate: Rate, now: Instant) -> Result<(), u64> {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ASKERS_MAX {
            all.retain(|_, left| !left.is_quiet(now));
        }
        let left = all.entry(asker).or_insert(Left { requests: rate.burst, at: now, rate });
        // Of what a client's quota was changed to, no more is left than there can be.
        left.rate = rate;
        *left = Left { requests: left.now(now), at: now, rate };
        if left.requests >= 1.0 {
            left.requests -= 1.0;
            return Ok(());
        }
        Err(((1.0 - left.requests) / rate.per_second.max(1e-6)).ceil() as u64)
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
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_asks_too_often_waits_and_keeps_nobody_else_waiting() {
        let limits = Limits { requests_per_minute_max: 60, requests_at_once_max: 3, ..Limits::default() };
        let (rates, now) = (Rates::new(&limits), Instant::now());
        let from = |text: &str| Asker::From(text.parse().ok().map(neighborhood));
        let (one, other) = ("2001:db8::1", "2001:db8:0:1::1");
        assert_eq!(
            [(); 4].map(|()| rates.take(from(one), rates.each, now)),
            [Ok(()), Ok(()), Ok(()), Err(1)]
        );
        assert_eq!(rates.take(from(other), rates.each, now), Ok(()));
        assert_eq!(rates.take(from("2001:db8::2"), rates.each, now), Err(1), "of the same network");
        let later = now + Duration::from_millis(2_100);
        assert_eq!([(); 3].map(|()| rates.take(from(one), rates.each, later)), [Ok(()), Ok(()), Err(1)]);
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
    }

    #[test]
    fn whoever_used_up_a_slow_quota_is_not_forgotten_by_the_fast_rate_of_others() {
        let limits = Limits { requests_per_minute_max: 600, requests_at_once_max: 1, ..Limits::default() };
        let (rates, now) = (Rates::new(&limits), Instant::now());
        let slow = Rate { per_second: 0.1, burst: 2.0 };
        let client = || Asker::All("acme".parse().unwrap());
        let from = |n: u32| Asker::From(Some(IpAddr::V4(n.into())));
        for _ in 0..2 {
            assert_eq!(rates.take(client(), slow, now), Ok(()));
        }
        // A second later the others have all they can have, and the client has a tenth of one.
        let later = now + Duration::from_secs(1);
        for n in 0..ASKERS_MAX as u32 {
            assert_eq!(rates.take(from(n), rates.each, now), Ok(()));
        }
        assert_eq!(rates.take(from(u32::MAX), rates.each, later), Ok(()));
        assert_eq!(rates.left.lock().unwrap().len(), 2, "the client, and who asked last");
        assert_eq!(rates.take(client(), slow, later), Err(9));
    }
}
