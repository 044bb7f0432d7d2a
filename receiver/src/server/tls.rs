//! TLS of a server: its certificate, and the authorities of clients where they must show one.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use pipeline::secret::Secret;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
        version,
    },
};

use super::Tls;

/// How often files are read again where the authorities of clients may change.
const CLIENT_CA_INTERVAL: Duration = Duration::from_secs(10);

/// What takes connections, made anew where files are to be read again.
pub(crate) struct Acceptor {
    tls: Tls,
    every: Option<Duration>,
    made: Mutex<(Instant, TlsAcceptor)>,
}

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// Where one cannot be read or does not fit the others.
    pub(crate) fn new(tls: &Tls) -> anyhow::Result<Self> {
        let every = Some(tls.reload_interval).filter(|every| !every.is_zero());
        let of_clients = tls.client_ca_file_reload.then_some(CLIENT_CA_INTERVAL);
        let every = every.into_iter().chain(of_clients).min();
        let made = Mutex::new((Instant::now(), acceptor(tls)?));
        Ok(Self { tls: tls.clone(), every, made })
    }

    /// What takes the next connection. Files that do not fit leave it as it was.
    pub(crate) async fn get(&self) -> TlsAcceptor {
        if self.is_due() {
            let tls = self.tls.clone();
            match tokio::task::spawn_blocking(move || acceptor(&tls)).await {
                Ok(Ok(new)) => self.lock().1 = new,
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "files of TLS were not taken over");
                }
                Err(_) => {}
            }
        }
        self.lock().1.clone()
    }

    /// Whether the caller is to read the files: one of those that ask is.
    fn is_due(&self) -> bool {
        let mut made = self.lock();
        let is_due = self.every.is_some_and(|every| made.0.elapsed() >= every);
        if is_due {
            made.0 = Instant::now();
        }
        is_due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Instant, TlsAcceptor)> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn acceptor(tls: &Tls) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] =
        match (tls.min_version.as_deref(), tls.max_version.as_deref()) {
            (Some("1.3"), _) => &[&version::TLS13],
            (_, Some("1.2")) => &[&version::TLS12],
            _ => &[&version::TLS13, &version::TLS12],
        };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .context("choose versions of TLS")?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file, None)? {
                roots.add(certificate).with_context(|| format!("trust {}", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder
                .with_client_cert_verifier(verifier.build().context("check client certificates")?)
        }
    };
    let key = pem(&tls.key_file, tls.key_pem.as_ref().map(Secret::expose))?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .with_context(|| format!("read the key {}", tls.key_file.display()))?;
    let mut config = builder
        .with_single_cert(certificates(&tls.cert_file, tls.cert_pem.as_deref())?, key)
        .with_context(|| format!("use the certificate {}", tls.cert_file.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What a file holds, or the text in its place.
fn pem(file: &Path, text: Option<&str>) -> anyhow::Result<Vec<u8>> {
    match text {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => std::fs::read(file).with_context(|| format!("read {}", file.display())),
    }
}

fn certificates(file: &Path, text: Option<&str>) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let pem = pem(file, text)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.with_context(|| format!("read the certificates {}", file.display()))?;
    anyhow::ensure!(!found.is_empty(), "{} has no certificate", file.display());
    Ok(found)
}
