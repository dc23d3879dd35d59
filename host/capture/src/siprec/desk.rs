//! Where requests come in: to the recording session they belong to, or to be answered at once.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use caveat_recorder::Recorder;
use rsipstack::{
    sip::{HeadersExt, Method},
    transaction::{Endpoint, Transaction, TransactionReceiver},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    Siprec, SiprecLimits,
    dialog::Order,
    listen::Certificates,
    opening, peer,
    replies::{Refusal, abilities, answer, not_allowed},
    settings::{Origin, Trunk},
};
use crate::rtp::Ports;

/// How long a refused INVITE is kept to be refused once more: 64 * T1 (RFC 3261 section 17.2.1).
const REFUSED_FOR: Duration = Duration::from_secs(32);

/// What all recording sessions share.
pub(super) struct Desk {
    pub(super) recorder: Recorder,
    pub(super) siprec: Arc<ArcSwap<Siprec>>,
    pub(super) limits: SiprecLimits,
    pub(super) ports: Ports,
    /// What clients are told to send media to.
    pub(super) media_address: IpAddr,
    pub(super) endpoint: Arc<Endpoint>,
    certificates: Certificates,
    dialogs: Mutex<HashMap<Key, Entry>>,
    requests: Arc<Semaphore>,
    /// One seat for every recording session.
    pub(super) seats: Arc<Semaphore>,
    stopping: AtomicBool,
}

/// `Call-ID` and the client's tag.
type Key = (String, String);

struct Entry {
    local_tag: String,
    inbox: mpsc::Sender<Order>,
}

/// A place among the recording sessions, given up when dropped.
pub(super) struct Entered {
    desk: Arc<Desk>,
    key: Key,
}

impl Desk {
    pub(super) fn new(
        recorder: Recorder,
        siprec: Arc<ArcSwap<Siprec>>,
        limits: SiprecLimits,
        (ports, media_address): (Ports, IpAddr),
        (endpoint, certificates): (Arc<Endpoint>, Certificates),
    ) -> Self {
        let seats = |max: usize| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self {
            recorder,
            siprec,
            ports,
            media_address,
            endpoint,
            certificates,
            dialogs: Mutex::default(),
            requests: seats(limits.requests_max),
            seats: seats(limits.sessions_max),
            stopping: AtomicBool::new(false),
            limits,
        }
    }

    /// Takes requests until the endpoint is gone.
    pub(super) async fn serve(self: Arc<Self>, mut incoming: TransactionReceiver) {
        while let Some(mut tx) = incoming.recv().await {
            match self.requests.clone().try_acquire_owned() {
                Ok(seat) => {
                    let desk = self.clone();
                    tokio::spawn(async move { desk.take(tx, seat).await });
                }
                Err(_) => {
                    let full = Refusal::later("too many requests at the same time", &self.limits);
                    full.send(&mut tx).await;
                }
            }
        }
    }

    /// New recording sessions are refused from now on.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    async fn take(self: Arc<Self>, mut tx: Transaction, seat: OwnedSemaphorePermit) {
        let tag = tx.original.to_header().and_then(|to| to.tag()).ok().flatten();
        if let Some(tag) = tag {
            return self.pass_on(tx, tag.value(), seat).await;
        }
        match tx.original.method {
            Method::Invite => {
                if let Err(refusal) = opening::open(&self, &mut tx, seat).await {
                    let is_known = refusal.status != 403;
                    refusal.send(&mut tx).await;
                    // Strangers are told no once; what came by UDP and is lost was worth no more.
                    if is_known {
                        peer::see_off(tx, REFUSED_FOR).await;
                    }
                }
            }
            Method::Options if self.trunk_of(&tx).is_some() => {
                answer(&mut tx, if self.is_stopping() { 503 } else { 200 }, abilities(), None).await;
            }
            Method::Options => self.stranger(&tx).send(&mut tx).await,
            Method::Bye | Method::Update | Method::PRack => {
                Refusal::new(481, "there is no such recording session").send(&mut tx).await;
            }
            method => not_allowed(method).send(&mut tx).await,
        }
    }

    /// To the recording session that a request says it belongs to.
    async fn pass_on(&self, mut tx: Transaction, local_tag: &str, seat: OwnedSemaphorePermit) {
        let request = &tx.original;
        let tag = request.from_header().and_then(|from| from.tag()).ok().flatten();
        let id = request.call_id_header().map(|id| id.value().to_owned()).ok();
        let key = id.zip(tag.map(|tag| tag.value().to_owned()));
        let inbox = key.and_then(|key| {
            let dialogs = self.dialogs.lock().unwrap_or_else(PoisonError::into_inner);
            dialogs.get(&key).filter(|entry| entry.local_tag == local_tag).map(|entry| entry.inbox.clone())
        });
        let refused = match inbox {
            None => Some((tx, Refusal::new(481, "there is no such recording session"))),
            Some(inbox) => match inbox.try_send(Order::Request(Box::new(tx), seat)) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full(Order::Request(back, _))) => {
                    Some((*back, Refusal::new(500, "too many requests of this session wait")))
                }
                Err(mpsc::error::TrySendError::Closed(Order::Request(back, _))) => {
                    Some((*back, Refusal::new(481, "the recording session is over")))
                }
                Err(_) => None,
            },
        };
        if let Some((back, refusal)) = refused {
            tx = back;
            refusal.send(&mut tx).await;
        }
    }

    /// The trunk that a request comes by.
    pub(super) fn trunk_of(&self, tx: &Transaction) -> Option<Trunk> {
        let source = source(tx)?;
        let uri = &tx.original.uri;
        let origin = Origin {
            source: source.ip(),
            certificates: &self.certificates.of(source),
            user: uri.user().unwrap_or_default(),
            host: &uri.host_with_port.host.to_string(),
        };
        self.siprec.load().trunk_of(&origin).cloned()
    }

    /// What a request is answered that comes by no trunk.
    pub(super) fn stranger(&self, tx: &Transaction) -> Refusal {
        let source = source(tx).map(|source| source.to_string()).unwrap_or_default();
        tracing::warn!(source, uri = %tx.original.uri, "a SIP request came by no trunk: no [[siprec.trunk]] fits it");
        metrics::counter!("caveat_siprec_strangers_total").increment(1);
        Refusal::new(403, "nobody here takes calls from there")
    }

    /// Enters a recording session, so that later requests find it.
    ///
    /// # Errors
    /// It is there already: the request came by two ways (RFC 3261 section 8.2.2.2).
    pub(super) fn enter(
        self: &Arc<Self>,
        key: Key,
        local_tag: &str,
        inbox: mpsc::Sender<Order>,
    ) -> Result<Entered, Refusal> {
        let mut dialogs = self.dialogs.lock().unwrap_or_else(PoisonError::into_inner);
        if dialogs.contains_key(&key) {
            return Err(Refusal::new(482, "the request has come by another way already"));
        }
        dialogs.insert(key.clone(), Entry { local_tag: local_tag.to_owned(), inbox });
        Ok(Entered { desk: self.clone(), key })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.desk.dialogs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

fn source(tx: &Transaction) -> Option<SocketAddr> {
    tx.connection.as_ref()?.get_remote_addr()?.get_socketaddr().ok()
}
