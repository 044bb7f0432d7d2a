//! Where a server listens, as configs say it: an endpoint, and TLS with the Collector's names.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use pipeline::{quantity, secret::Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
use crate::pprof::Problem;

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM certificates of the server.
    pub cert_file: PathBuf,
    /// The same as text.
    pub cert_pem: Option<String>,
    /// PEM key of the certificate.
    pub key_file: PathBuf,
    /// The same as text.
    pub key_pem: Option<Secret>,
    /// PEM certificates of the authorities of clients, which then must show a certificate.
    pub client_ca_file: Option<PathBuf>,
    /// Whether that file is read again: all of them are then, as if `reload_interval` were 10 s.
    pub client_ca_file_reload: bool,
    /// Time after which files are read again; zero reads them once.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub reload_interval: Duration,
    /// `1.2` or `1.3`; what is lower is not spoken, and means 1.2.
    pub min_version: Option<String>,
    /// `1.2` or `1.3`.
    pub max_version: Option<String>,
}

/// What is wrong with where a server listens, each with its key.
pub(crate) fn check_port(
    endpoint: &str,
    transport: Option<&str>,
    tls: Option<&Tls>,
) -> Vec<Problem> {
    let mut wrong = Vec::new();
    let mut problem = |path: &str, message: &str| wrong.push((path.into(), message.into()));
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match transport {
        Some(UNIX) if endpoint.is_empty() => problem("endpoint", "must be the path of a socket"),
        Some(UNIX) => {}
        None | Some("tcp" | "tcp4" | "tcp6") if port.is_none() => {
            problem("endpoint", "must be a host and a port, such as 127.0.0.1:4317");
        }
        None | Some("tcp" | "tcp4" | "tcp6") => {}
        Some(_) => problem("transport", "must be tcp, tcp4, tcp6 or unix"),
    }
    let Some(tls) = tls else { return wrong };
    for (key, file, has_text) in [
        ("tls.cert_file", &tls.cert_file, tls.cert_pem.is_some()),
        ("tls.key_file", &tls.key_file, tls.key_pem.is_some()),
    ] {
        match (file.as_os_str().is_empty(), has_text) {
            (true, false) => problem(key, "must be a file"),
            (false, true) => problem(key, "must not come together with the text"),
            _ => {}
        }
    }
    let (min, max) = (tls.min_version.as_deref(), tls.max_version.as_deref());
    if !matches!(min, None | Some("1.0" | "1.1" | "1.2" | "1.3")) {
        problem("tls.min_version", "must be 1.2 or 1.3");
    }
    if !matches!(max, None | Some("1.2" | "1.3")) {
        problem("tls.max_version", "must be 1.2 or 1.3");
    }
    if (min, max) == (Some("1.3"), Some("1.2")) {
        problem("tls.max_version", "must not be below min_version");
    }
    wrong
}

/// The `transport` of a socket in the file system.
const UNIX: &str = "unix";

/// What an endpoint means with this `transport`.
pub(crate) fn place(endpoint: &str, transport: Option<&str>) -> anyhow::Result<Place> {
    if transport == Some(UNIX) {
        return Ok(Place::Unix(endpoint.into()));
    }
    address(endpoint).map(Place::Tcp).with_context(|| format!("find {endpoint}"))
}

/// The first address of an endpoint; all addresses of the machine where it has no host, as `:4317`
/// means to the Collector.
fn address(endpoint: &str) -> io::Result<SocketAddr> {
    if let Some(port) = endpoint.strip_prefix(':').and_then(|port| port.parse().ok()) {
        // One of IPv6 takes IPv4 as well, where the machine has it.
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let has_ipv6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
        return Ok(if has_ipv6 { any } else { (Ipv4Addr::UNSPECIFIED, port).into() });
    }
    let mut all = endpoint.to_socket_addrs()?;
    all.next().ok_or_else(|| io::Error::other("the host has no address"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn an_endpoint_without_a_host_is_every_address() {
        let listener = TcpListener::bind(address(":0").unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(address("127.0.0.1:7").unwrap(), ([127, 0, 0, 1], 7).into());
    }
}
