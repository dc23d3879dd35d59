//! Sockets: UDP, TCP and TLS in, a SIP endpoint out. Messages, retransmissions and timers are the endpoint's (RFC 3261
//! section 17); who may connect, and how many, is decided here.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rsipstack::{
    EndpointBuilder,
    platform::CancellationToken,
    sip::Transport,
    transaction::{Endpoint, TransactionReceiver},
    transport::{
        SipAddr, SipConnection, TransportLayer,
        udp::{UdpConnection, UdpInner},
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

use super::{Siprec, SiprecLimits, carried::Carried, unknown::Answering};
use crate::error::CaptureError;

/// What the kernel is asked to hold of a burst of calls; it gives what `net.core.rmem_max` allows.
const UDP_BUFFER_BYTES: usize = 4 << 20;
/// How many connections wait to be accepted.
const BACKLOG: i32 = 128;
const USER_AGENT: &str = concat!("caveat/", env!("CARGO_PKG_VERSION"));

/// The open sockets.
pub(super) struct Listening {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) incoming: TransactionReceiver,
    pub(super) certificates: Certificates,
    /// Closes everything.
    pub(super) stop: CancellationToken,
}

/// Names in the certificates that clients of open TLS connections have shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates(Arc<Mutex<HashMap<SocketAddr, Vec<String>>>>);

impl Certificates {
    pub(super) fn of(&self, client: SocketAddr) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&client).cloned().unwrap_or_default()
    }

    fn put(&self, client: SocketAddr, names: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(client, names);
    }

    fn forget(&self, client: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
    }
}

/// Binds every listener and starts the endpoint.
///
/// # Errors
/// An address that cannot be listened on, or a certificate or key that cannot be used.
pub(super) async fn open(
    trunks: &Arc<ArcSwap<Siprec>>,
    limits: &SiprecLimits,
) -> Result<Listening, CaptureError> {
    let stop = CancellationToken::new();
    let doorman = Doorman::new(trunks.clone(), limits.strangers_per_s);
    let siprec = trunks.load_full();
    let transport = TransportLayer::new(stop.clone());
    transport.set_stream_idle_timeout(Duration::from_millis(limits.connection_idle_ms.into()));
    let guard = doorman.clone();
    transport.set_whitelist(move |source| std::future::ready(guard.lets_in(source)));
    if let Some(address) = siprec.listen_udp {
        let udp = udp(address, &doorman, &stop).await.map_err(|source| listening("UDP", address, source))?;
        transport.add_transport(udp.into());
    }
    let endpoint = EndpointBuilder::new().with_transport_layer(transport).with_user_agent(USER_AGENT).build();
    let incoming = endpoint.incoming_transactions()?;
    let endpoint = Arc::new(endpoint);
    let door = Door {
        endpoint: endpoint.clone(),
        doorman,
        seats: Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS))),
        certificates: Certificates::default(),
        handshake: Duration::from_millis(limits.handshake_ms),
        stop: stop.clone(),
    };
    let certificates = door.certificates.clone();
    if let Some(address) = siprec.listen_tcp {
        let listener = tcp(address).map_err(|source| listening("TCP", address, source))?;
        tokio::spawn(door.clone().keep(listener, None));
    }
    if let Some(address) = siprec.listen_tls {
        let acceptor = TlsAcceptor::from(tls(&siprec)?);
        let listener = tcp(address).map_err(|source| listening("TLS", address, source))?;
        tokio::spawn(door.keep(listener, Some(acceptor)));
    }
    let serving = endpoint.clone();
    tokio::spawn(async move { serving.serve().await });
    Ok(Listening { endpoint, incoming, certificates, stop })
}

fn listening(transport: &'static str, address: SocketAddr, source: std::io::Error) -> CaptureError {
    CaptureError::Listen { transport, address, source }
}

async fn udp(
    address: SocketAddr,
    doorman: &Doorman,
    stop: &CancellationToken,
) -> std::io::Result<UdpConnection> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(UDP_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let local = SipConnection::resolve_bind_address(socket.local_addr()?);
    let addr = SipAddr { r#type: Some(Transport::Udp), addr: local.into() };
    let socket = Answering { socket, doorman: doorman.clone() };
    let inner = UdpInner { conn: Arc::new(socket), addr };
    Ok(UdpConnection::attach(inner, None, Some(stop.child_token())).await)
}

fn tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted host does not wait for the connections of the one before it.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A server's side of TLS; with authorities, whoever comes has to show a certificate from one of them (RFC 5922).
fn tls(siprec: &Siprec) -> Result<Arc<ServerConfig>, CaptureError> {
    let bad = |path: &Path, why: String| CaptureError::Certificate { path: path.to_owned(), why };
    let (Some(chain_file), Some(key_file)) = (&siprec.tls_certificate, &siprec.tls_key) else {
        return Err(bad(Path::new("siprec"), "`tls-certificate` and `tls-key` are wanted".into()));
    };
    let chain = certificates(chain_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| bad(key_file, e.to_string()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(chain_file, e.to_string()))?;
    let builder = match &siprec.tls_client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|e| bad(file, e.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|e| bad(file, e.to_string()))?)
        }
    };
    builder.with_single_cert(chain, key).map(Arc::new).map_err(|e| bad(chain_file, e.to_string()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CaptureError> {
    let bad = |why: String| CaptureError::Certificate { path: file.to_owned(), why };
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(|found| found.collect())
        .map_err(|error| bad(error.to_string()))?;
    if found.is_empty() { Err(bad("it holds no certificate".into())) } else { Ok(found) }
}

/// Takes connections in.
#[derive(Clone)]
struct Door {
    endpoint: Arc<Endpoint>,
    doorman: Doorman,
    seats: Arc<Semaphore>,
    certificates: Certificates,
    handshake: Duration,
    stop: CancellationToken,
}

impl Door {
    async fn keep(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (stream, client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Too many open files, mostly: the next attempt may fare better, but not at once.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if self.doorman.lets_in(client.ip()) {
                tokio::spawn(self.clone().take_in(stream, client, tls.clone()));
            }
        }
    }

    async fn take_in(self, stream: TcpStream, client: SocketAddr, tls: Option<TlsAcceptor>) {
        let Ok(seat) = self.seats.clone().try_acquire_owned() else {
            tracing::warn!(%client, "a connection was closed: `connections_max` of [limits.siprec] are open");
            return;
        };
        let done = match tls {
            None => self.plain(stream, client).await,
            Some(acceptor) => self.secured(stream, client, &acceptor).await,
        };
        if let Err(error) = done {
            tracing::info!(%client, %error, "a connection was closed before it said anything");
        }
        self.certificates.forget(client);
        drop(seat);
    }

    async fn plain(&self, stream: TcpStream, client: SocketAddr) -> Result<(), CaptureError> {
        let local = stream.local_addr().map_err(rsipstack::Error::from)?;
        self.carry(stream, local, client, Transport::Tcp).await
    }

    async fn secured(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        acceptor: &TlsAcceptor,
    ) -> Result<(), CaptureError> {
        let ms = u64::try_from(self.handshake.as_millis()).unwrap_or(u64::MAX);
        let stream = timeout(self.handshake, acceptor.accept(stream))
            .await
            .map_err(|_| CaptureError::TooLate { what: "TLS handshake", ms })?
            .map_err(rsipstack::Error::from)?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        self.certificates.put(client, shown.map(names).unwrap_or_default());
        let local = stream.get_ref().0.local_addr().map_err(rsipstack::Error::from)?;
        self.carry(stream, local, client, Transport::Tls).await
    }

    /// Gives a connection to the endpoint, and carries what is said on it until it is over.
    async fn carry(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        local: SocketAddr,
        client: SocketAddr,
        by: Transport,
    ) -> Result<(), CaptureError> {
        let address = |at| SipAddr { r#type: Some(by), addr: SocketAddr::into(at) };
        let carried = Carried::new(address(local), address(client), client, self.stop.child_token())
            .map_err(rsipstack::Error::from)?;
        self.endpoint.inner.transport_layer.add_connection(carried.connection.clone().into());
        carried.carry(stream).await;
        Ok(())
    }
}

/// Names of hosts and URIs that a certificate is for (RFC 5922 section 7.1).
fn names(certificate: &CertificateDer) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return vec![] };
    let uris = certificate.valid_uri_names().map(|uri| uri.trim_start_matches("sip:"));
    certificate.valid_dns_names().chain(uris).map(str::to_owned).collect()
}

/// Lets trunks in, and of strangers so many a second that they can be told no, and nobody can be kept busy.
#[derive(Clone)]
pub(super) struct Doorman {
    siprec: Arc<ArcSwap<Siprec>>,
    strangers_per_s: u32,
    strangers: Arc<Mutex<(Instant, u32)>>,
}

impl Doorman {
    fn new(siprec: Arc<ArcSwap<Siprec>>, strangers_per_s: u32) -> Self {
        Self { siprec, strangers_per_s, strangers: Arc::new(Mutex::new((Instant::now(), 0))) }
    }

    pub(super) fn lets_in(&self, source: IpAddr) -> bool {
        if self.siprec.load().knows(source) {
            return true;
        }
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.0.elapsed() >= Duration::from_secs(1) {
            *strangers = (Instant::now(), 0);
        }
        strangers.1 = strangers.1.saturating_add(1);
        let is_let_in = strangers.1 <= self.strangers_per_s;
        if !is_let_in {
            metrics::counter!("caveat_siprec_strangers_dropped_total").increment(1);
        }
        is_let_in
    }
}
