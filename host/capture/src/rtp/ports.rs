//! The pool of ports, and the threads that receive on them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::UdpSocket,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Instant,
};

use caveat_model::ClientId;
use caveat_recorder::Call;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
use tokio::runtime::Handle;

use super::{
    Media, Plan, Stream,
    align::{Alignment, WeakAlignment},
    receiver::Receiver,
    sweep,
};
use crate::error::CaptureError;

/// Pairs of UDP ports on one address: RTP on the even one, RTCP on the odd one above. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    settings: Arc<Media>,
    pairs: Mutex<Pairs>,
    threads: Vec<mpsc::Sender<Receiver>>,
    /// Spreads calls over the threads.
    spread: RandomState,
    alignments: Mutex<HashMap<(ClientId, String), WeakAlignment>>,
}

/// Which pairs are taken. They are handed out in turn: what is still sent to a call that is over should not reach the
/// next one.
#[derive(Debug)]
struct Pairs {
    taken: Vec<bool>,
    next: usize,
    open: usize,
}

/// A pair of ports that is ours, and on which nothing is received yet. Dropped, it goes back to the pool.
#[derive(Debug)]
pub(crate) struct Reserved {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    lease: Lease,
    handle: Handle,
}

/// A pair's place in the pool; given up when dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Arc<Pool>,
    pair: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut pairs = self.pool.pairs();
        if let Some(taken) = pairs.taken.get_mut(self.pair) {
            *taken = false;
        }
        pairs.open -= 1;
    }
}

impl Ports {
    /// Checks the settings and starts the threads that receive; they end with the last stream.
    ///
    /// # Errors
    /// Settings that cannot be, or no thread.
    pub(crate) fn new(settings: Media) -> Result<Self, CaptureError> {
        settings.check()?;
        let settings = Arc::new(settings);
        let threads = (0..settings.threads)
            .map(|n| sweep::start(n, settings.clone()))
            .collect::<Result<_, _>>()
            .map_err(|error| CaptureError::Media { what: format!("no thread can be started: {error}") })?;
        let taken = vec![false; settings.pairs()];
        let pairs = Mutex::new(Pairs { taken, next: 0, open: 0 });
        let pool =
            Pool { settings, pairs, threads, spread: RandomState::new(), alignments: Mutex::default() };
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Opens consecutive pairs (P, P+2, ...), one for each m-line of an offer.
    ///
    /// # Errors
    /// Too many, or no such row of pairs is free.
    pub(crate) async fn open(&self, streams: usize) -> Result<Vec<Reserved>, CaptureError> {
        let settings = &self.pool.settings;
        let limit = settings.streams_per_call_max;
        if streams > limit {
            return Err(CaptureError::TooMany { what: "media streams", limit });
        }
        // Ports that somebody else on this machine has are passed over, up to once around.
        let all = self.pool.pairs().taken.len();
        for _ in 0..all {
            let row = self.pool.take(streams)?;
            match row.into_iter().map(|lease| self.bind(lease)).collect() {
                Ok(reserved) => return Ok(reserved),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    let (address, why) = (settings.address, error.to_string());
                    return Err(CaptureError::MediaPort { address, why });
                }
            }
        }
        Err(CaptureError::Busy { what: "media ports", limit: settings.pairs() })
    }

    fn bind(&self, lease: Lease) -> std::io::Result<Reserved> {
        let settings = &self.pool.settings;
        let port = settings.port(lease.pair);
        let socket = |port| -> std::io::Result<UdpSocket> {
            let socket = UdpSocket::bind((settings.address, port))?;
            socket.set_nonblocking(true)?;
            setsockopt(&socket, ReceiveTimestampns, &true)?;
            Ok(socket)
        };
        let handle = Handle::try_current().map_err(std::io::Error::other)?;
        Ok(Reserved { rtp: socket(port)?, rtcp: socket(port + 1)?, lease, handle })
    }
}

impl Pool {
    fn pairs(&self) -> std::sync::MutexGuard<'_, Pairs> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next row of so many free pairs.
    fn take(self: &Arc<Self>, streams: usize) -> Result<Vec<Lease>, CaptureError> {
        let mut pairs = self.pairs();
        let all = pairs.taken.len();
        let busy = CaptureError::Busy { what: "media streams", limit: self.settings.streams_max };
        if pairs.open + streams > self.settings.streams_max {
            return Err(busy);
        }
        let free =
            |first: &usize| pairs.taken.get(*first..*first + streams).is_some_and(|row| !row.contains(&true));
        let Some(first) = (0..all).map(|n| (pairs.next + n) % all).find(free) else { return Err(busy) };
        let row = first..first + streams;
        if let Some(taken) = pairs.taken.get_mut(row.clone()) {
            taken.fill(true);
        }
        pairs.next = row.end % all;
        pairs.open += streams;
        Ok(row.map(|pair| Lease { pool: self.clone(), pair }).collect())
    }

    /// What the m-lines of one call share.
    fn alignment(&self, call: &Call) -> Alignment {
        let mut all = self.alignments.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (call.client().clone(), call.id().to_owned());
        if let Some(alignment) = all.get(&key).and_then(WeakAlignment::upgrade) {
            return alignment;
        }
        all.retain(|_, alignment| alignment.is_alive());
        let alignment = Alignment::default();
        all.insert(key, alignment.downgrade());
        alignment
    }
}

impl Reserved {
    /// The RTP port; RTCP is one above.
    pub(crate) fn port(&self) -> u16 {
        self.lease.pool.settings.port(self.lease.pair)
    }

    /// Begins to receive. `began` is when the call began: its samples are counted from there. What has come since the
    /// ports were opened is not lost.
    pub(crate) fn receive(self, plan: Plan, call: Call, began: Instant) -> Stream {
        let Self { rtp, rtcp, lease, handle } = self;
        let pool = lease.pool.clone();
        let hash = pool.spread.hash_one((call.client(), call.id())) as usize;
        let alignment = pool.alignment(&call);
        let (stream, desk) = Stream::new();
        let receiver =
            Receiver::new(rtp, rtcp, lease, plan, call, began, desk, alignment, handle, hash, &pool.settings);
        let thread = pool.threads.get(hash % pool.threads.len().max(1));
        if thread.is_none_or(|thread| thread.send(receiver).is_err()) {
            tracing::error!("a media stream cannot be received: its thread is gone");
        }
        stream
    }
}
