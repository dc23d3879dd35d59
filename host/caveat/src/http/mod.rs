//! `[http]`: where the host listens for phone systems and people, by TLS or not; and who proves itself by a certificate.

mod listener;
mod tls;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware,
};
use caveat_access::{Sidecar, WaysIn};
use serde::{Deserialize, Serialize};

pub(crate) use listener::{Listener, Peer};
pub(crate) use tls::Renewal;

/// How the host is reached.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Http {
    /// Where browsers reach it: passkeys are bound to its name, identity providers send people back there.
    public_url: Option<String>,
    tls: Option<Tls>,
    /// Who proves itself by a certificate instead of a token.
    machine: Vec<Sidecar>,
}

/// TLS on the listening socket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Tls {
    /// Chain in PEM, the host's own first; relative to the configuration.
    certificate: PathBuf,
    /// Private key in PEM.
    key: PathBuf,
    /// Authorities in PEM whose certificates machines may show.
    client_authority: Option<PathBuf>,
}

/// Bounds on connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// A TLS handshake that takes longer is given up.
    handshake_ms_max: u64,
    /// Handshakes under way at the same time; further connections wait.
    handshakes_max: usize,
    /// Whether a certificate was replaced is looked at this often.
    certificate_check_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { handshake_ms_max: 10_000, handshakes_max: 256, certificate_check_s: 30 }
    }
}

impl Limits {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for (name, value) in [
            ("handshake_ms_max", self.handshake_ms_max),
            ("handshakes_max", self.handshakes_max as u64),
            ("certificate_check_s", self.certificate_check_s),
        ] {
            if value == 0 {
                bail!("`{name}` of [limits.http] is 0: give it 1 or more");
            }
        }
        Ok(())
    }
}

impl Http {
    pub(crate) fn located(self, base: &Path) -> Self {
        let located = |tls: Tls| Tls {
            certificate: base.join(tls.certificate),
            key: base.join(tls.key),
            client_authority: tls.client_authority.map(|file| base.join(file)),
        };
        Self { tls: self.tls.map(located), ..self }
    }

    /// Whether clients, machines and addresses go together.
    pub(crate) fn check(&self, clients: &[&str]) -> anyhow::Result<()> {
        for machine in &self.machine {
            let Sidecar { name, client, .. } = machine;
            if !clients.contains(&client.as_str()) {
                bail!("[[http.machine]] `{name}`: there is no client `{client}`");
            }
            if machine.scopes.is_empty() || machine.certificate.is_empty() {
                bail!("[[http.machine]] `{name}`: `certificate` and at least one of `scopes` are wanted");
            }
            if self.machine.iter().filter(|other| other.certificate == machine.certificate).count() > 1 {
                bail!("[[http.machine]]: two have the certificate `{}`", machine.certificate);
            }
        }
        let authority = self.tls.as_ref().and_then(|tls| tls.client_authority.as_ref());
        if !self.machine.is_empty() && authority.is_none() {
            bail!("[[http.machine]] needs `client-authority` under [http.tls]: whose certificates are taken");
        }
        Ok(())
    }

    /// Where browsers reach the host. On loopback they do so without being told.
    pub(crate) fn public_url(&self, listen: SocketAddr) -> Option<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let local = || listen.ip().is_loopback().then(|| format!("{scheme}://localhost:{}", listen.port()));
        self.public_url.clone().or_else(local)
    }

    /// Ways in beside password and code.
    pub(crate) fn ways(
        &self,
        listen: SocketAddr,
        providers: impl Iterator<Item = anyhow::Result<caveat_access::Provider>>,
    ) -> anyhow::Result<WaysIn> {
        let ways = match self.public_url(listen) {
            Some(url) => WaysIn::at(&url).context("`public-url` of [http]")?,
            None => WaysIn::default(),
        };
        let mut ways = ways.sidecars(self.machine.clone());
        for provider in providers {
            ways = ways.provider(provider?)?;
        }
        Ok(ways)
    }

    /// The files of TLS on the listening socket: certificates, key; none: it has none.
    pub(crate) fn tls_files(&self) -> Option<(&Path, &Path)> {
        self.tls.as_ref().map(|tls| (tls.certificate.as_path(), tls.key.as_path()))
    }

    /// Whether the files of TLS can be used, and go together.
    pub(crate) fn check_tls(&self) -> anyhow::Result<()> {
        self.tls.as_ref().map_or(Ok(()), Tls::check_files)
    }

    /// Opens the socket.
    pub(crate) async fn listen(&self, listen: SocketAddr, limits: &Limits) -> anyhow::Result<Listener> {
        let reaches_far = !listen.ip().is_loopback() && self.tls.is_none();
        if reaches_far && !self.public_url.as_ref().is_some_and(|url| url.starts_with("https://")) {
            tracing::warn!(%listen, "without TLS whoever is on the way reads passwords and recordings: name [http.tls], or a proxy by an https `public-url`");
        }
        Listener::open(listen, self.tls.clone(), limits).await
    }
}

/// Hands each request the address it came from and the certificate that was shown, as its connection has them.
pub(crate) fn with_peer(routes: Router) -> Router {
    let hand_on = |ConnectInfo(peer): ConnectInfo<Peer>, mut request: Request| async move {
        request.extensions_mut().insert(ConnectInfo(peer.address));
        if let Some(certificate) = peer.certificate {
            request.extensions_mut().insert(certificate);
        }
        request
    };
    routes.layer(middleware::map_request(hand_on))
}
