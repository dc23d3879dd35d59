//! Certificates: the host's own, read again when its files change, and those that machines show.

use std::{path::Path, sync::Arc, time::Duration, time::SystemTime};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use caveat_access::ShownCertificate;
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::Tls;

/// What handshakes are made with now.
pub(super) struct Certificates {
    tls: Tls,
    current: ArcSwap<ServerConfig>,
}

impl Certificates {
    pub(super) fn open(tls: Tls) -> anyhow::Result<Self> {
        let current = ArcSwap::from_pointee(tls.config()?);
        Ok(Self { tls, current })
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Takes up replaced files, `every` so often. Files that cannot be used change nothing, and the log says so.
    pub(super) fn keep_current(self: Arc<Self>, every: Duration) {
        let weak = Arc::downgrade(&self);
        let mut seen = self.tls.changed();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(certificates) = weak.upgrade() else { return };
                let changed = certificates.tls.changed();
                if changed == seen {
                    continue;
                }
                match certificates.tls.config() {
                    Ok(config) => {
                        certificates.current.store(Arc::new(config));
                        seen = changed;
                        tracing::info!("the certificate was replaced");
                    }
                    Err(error) => {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "the certificate on disk cannot be used, the one before is kept"
                        );
                    }
                }
            }
        });
    }
}

/// The certificates of a socket, if it has any, for whoever has them read again at once.
#[derive(Clone)]
pub(crate) struct Renewal(pub(super) Option<Arc<Certificates>>);

impl Renewal {
    /// Whether the files can be used as they are now.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.0.as_ref().map_or(Ok(()), |certificates| certificates.tls.check_files())
    }

    /// Handshakes from now on are made with the files as they are now.
    pub(crate) fn renew(&self) -> anyhow::Result<()> {
        let Some(certificates) = &self.0 else { return Ok(()) };
        certificates.current.store(Arc::new(certificates.tls.config()?));
        Ok(())
    }
}

impl Tls {
    /// Whether the files can be used, and go together.
    pub(super) fn check_files(&self) -> anyhow::Result<()> {
        self.config().map(drop)
    }

    fn config(&self) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match &self.client_authority {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for authority in chain(file)? {
                    roots.add(authority).with_context(|| file.display().to_string())?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                // People show none; what needs a machine asks for a token or this.
                builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("no private key in {}", self.key.display()))?;
        let mut config = builder
            .with_single_cert(chain(&self.certificate)?, key)
            .with_context(|| format!("{} and {}", self.certificate.display(), self.key.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// When each file was written last.
    fn changed(&self) -> [Option<SystemTime>; 3] {
        let written = |file: &Path| std::fs::metadata(file).and_then(|found| found.modified()).ok();
        [written(&self.certificate), written(&self.key), self.client_authority.as_deref().and_then(written)]
    }
}

fn chain(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let about = || format!("no certificates in PEM in {}", file.display());
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .with_context(about)?
        .collect::<Result<_, _>>()
        .with_context(about)?;
    if found.is_empty() {
        bail!("{}", about());
    }
    Ok(found)
}

/// The names in the certificate that was shown; it was verified at the handshake.
pub(super) fn shown(connection: &ServerConnection) -> Option<ShownCertificate> {
    let certificate = connection.peer_certificates()?.first()?;
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    Some(ShownCertificate { names: names.map(str::to_owned).collect() })
}
