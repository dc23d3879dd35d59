//! The socket: takes connections, by TLS where that is configured. A slow handshake keeps nobody else waiting.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use anyhow::Context;
use axum::{extract::connect_info::Connected, serve};
use caveat_access::ShownCertificate;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Limits, Tls,
    tls::{Certificates, Renewal, shown},
};

/// After an error of the socket itself, mostly for want of file descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(200);
/// Connections that are open and not taken up yet.
const WAITING: usize = 64;

/// Hands out connections that are ready for requests.
pub(crate) struct Listener {
    ready: mpsc::Receiver<(Connection, Peer)>,
    address: SocketAddr,
    renewal: Renewal,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Found good at the handshake; none: none was shown.
    pub(crate) certificate: Option<ShownCertificate>,
}

/// A connection, encrypted or not.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Listener {
    pub(super) async fn open(listen: SocketAddr, tls: Option<Tls>, limits: &Limits) -> anyhow::Result<Self> {
        let certificates = match tls {
            Some(tls) => {
                let certificates = Arc::new(Certificates::open(tls)?);
                certificates.clone().keep_current(Duration::from_secs(limits.certificate_check_s));
                Some(certificates)
            }
            None => None,
        };
        let socket = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = socket.local_addr()?;
        let renewal = Renewal(certificates.clone());
        let (taken, ready) = mpsc::channel(WAITING);
        tokio::spawn(take(socket, certificates, limits.clone(), taken));
        Ok(Self { ready, address, renewal })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has its certificates read again.
    pub(crate) fn renewal(&self) -> Renewal {
        self.renewal.clone()
    }
}

/// Takes connections until nobody wants them.
async fn take(
    socket: TcpListener,
    certificates: Option<Arc<Certificates>>,
    limits: Limits,
    taken: mpsc::Sender<(Connection, Peer)>,
) {
    let places = Arc::new(Semaphore::new(limits.handshakes_max));
    while !taken.is_closed() {
        let (stream, address) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let Some(certificates) = &certificates else {
            let peer = Peer { address, certificate: None };
            if taken.send((Connection::Plain(stream), peer)).await.is_err() {
                return;
            }
            continue;
        };
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (acceptor, taken) = (TlsAcceptor::from(certificates.current()), taken.clone());
        let within = Duration::from_millis(limits.handshake_ms_max);
        tokio::spawn(async move {
            match timeout(within, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    drop(place);
                    let certificate = shown(stream.get_ref().1);
                    let peer = Peer { address, certificate };
                    // Nobody takes it up when the host ends.
                    let _ = taken.send((Connection::Tls(Box::new(stream)), peer)).await;
                }
                Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%address, "a TLS handshake took longer than `handshake_ms_max`"),
            }
        });
    }
}

impl serve::Listener for Listener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The task that takes connections ended, which only the end of the host does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.address, certificate: None })
    }
}

impl Connected<serve::IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: serve::IncomingStream<'_, Listener>) -> Self {
        stream.remote_addr().clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
