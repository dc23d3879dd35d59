//! How often one person, one machine or one address may ask. Counted in memory, by whatever shows who asks: its secret is
//! hashed and never kept.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{
        HeaderMap, HeaderValue,
        header::{AUTHORIZATION, COOKIE, RETRY_AFTER},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{Limits, Problem};

/// Askers that are remembered; beyond, those who have been quiet are forgotten.
const ASKERS_MAX: usize = 10_000;

/// What each asker has left. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rates {
    left: Arc<Mutex<HashMap<[u8; 32], Left>>>,
    per_second: f64,
    burst: f64,
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

    /// Takes one request off what is left; else the seconds until there is one again.
    fn take(&self, asker: [u8; 32], now: Instant) -> Result<(), u64> {
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

/// Stands before everything.
pub(crate) async fn limit(State(rates): State<Rates>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|from| from.0.ip().to_string());
    match rates.take(asker(request.headers(), address), Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(wait_s) => {
            let mut response = Problem::too_often(wait_s).into_response();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_s));
            response
        }
    }
}

fn asker(headers: &HeaderMap, address: Option<String>) -> [u8; 32] {
    let shown = headers.get(AUTHORIZATION).or(headers.get(COOKIE)).map(HeaderValue::as_bytes);
    let mut hash = Sha256::new();
    match shown {
        Some(shown) => hash.update(shown),
        None => hash.update(address.unwrap_or_default()),
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_asks_too_often_waits_and_keeps_nobody_else_waiting() {
        let limits = Limits { requests_per_minute_max: 60, requests_at_once_max: 3, ..Limits::default() };
        let (rates, now) = (Rates::new(&limits), Instant::now());
        let (one, other) = ([1; 32], [2; 32]);
        assert_eq!([(); 4].map(|()| rates.take(one, now)), [Ok(()), Ok(()), Ok(()), Err(1)]);
        assert_eq!(rates.take(other, now), Ok(()));
        let later = now + Duration::from_millis(2_100);
        assert_eq!([(); 3].map(|()| rates.take(one, later)), [Ok(()), Ok(()), Err(1)]);
    }
}
