//! TLS of a server: its certificate, and the authorities of clients where they must show one.

use std::{path::Path, sync::Arc};

use anyhow::Context;
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

/// Reads the files and makes what takes connections.
///
/// # Errors
/// Where a file cannot be read or does not fit the others.
pub(crate) fn acceptor(tls: &Tls) -> anyhow::Result<TlsAcceptor> {
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
            for certificate in certificates(file)? {
                roots.add(certificate).with_context(|| format!("trust {}", file.display()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder
                .with_client_cert_verifier(verifier.build().context("check client certificates")?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .with_context(|| format!("read the key {}", tls.key_file.display()))?;
    let mut config = builder
        .with_single_cert(certificates(&tls.cert_file)?, key)
        .with_context(|| format!("use the certificate {}", tls.cert_file.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let found = read().with_context(|| format!("read the certificates {}", file.display()))?;
    anyhow::ensure!(!found.is_empty(), "{} has no certificate", file.display());
    Ok(found)
}
