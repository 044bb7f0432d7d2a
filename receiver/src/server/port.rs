//! Where a server listens, as configs say it: an endpoint, and TLS with the Collector's names.

use std::{net::ToSocketAddrs, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pprof::Problem;

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM certificates of the server.
    pub cert_file: PathBuf,
    /// PEM key of the certificate.
    pub key_file: PathBuf,
    /// PEM certificates of the authorities of clients, which then must show a certificate.
    pub client_ca_file: Option<PathBuf>,
    /// `1.2` or `1.3`.
    pub min_version: Option<String>,
    /// `1.2` or `1.3`.
    pub max_version: Option<String>,
}

/// What is wrong with where a server listens, each with its key.
pub(crate) fn check_port(endpoint: &str, tls: Option<&Tls>) -> Vec<Problem> {
    let mut wrong = Vec::new();
    let mut problem = |path: &str, message: &str| wrong.push((path.into(), message.into()));
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none() {
        problem("endpoint", "must be a host and a port, such as 127.0.0.1:4317");
    }
    let Some(tls) = tls else { return wrong };
    for (key, file) in [("tls.cert_file", &tls.cert_file), ("tls.key_file", &tls.key_file)] {
        if file.as_os_str().is_empty() {
            problem(key, "must be a file");
        }
    }
    let (min, max) = (tls.min_version.as_deref(), tls.max_version.as_deref());
    for (key, version) in [("tls.min_version", min), ("tls.max_version", max)] {
        if !matches!(version, None | Some("1.2" | "1.3")) {
            problem(key, "must be 1.2 or 1.3");
        }
    }
    if (min, max) == (Some("1.3"), Some("1.2")) {
        problem("tls.max_version", "must not be below min_version");
    }
    wrong
}

/// The first address of an endpoint.
pub(crate) fn address(endpoint: &str) -> std::io::Result<std::net::SocketAddr> {
    let mut all = endpoint.to_socket_addrs()?;
    all.next().ok_or_else(|| std::io::Error::other("the host has no address"))
}
