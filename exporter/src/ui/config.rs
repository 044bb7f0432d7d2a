//! Config of the exporter `ui`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Config of the exporter `ui`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the pages and the API.
    pub endpoint: String,
    /// Id of the exporter whose lake is shown; the only lake where it is missing.
    pub lake: Option<String>,
    /// Names beside the endpoint's own and loopback that the header `Host` may carry.
    pub allowed_hosts: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { endpoint: "127.0.0.1:8989".into(), lake: None, allowed_hosts: Vec::new() }
    }
}

impl Config {
    /// Host and port of the endpoint; an IPv6 address stands in brackets.
    pub fn host_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.endpoint.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plausible = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains([':', '/', '@', ' ', '[', ']']),
        };
        plausible.then_some((bare.unwrap_or(host), port.parse().ok()?))
    }

    pub(crate) fn check(&self) -> Vec<(String, String)> {
        if self.host_port().is_some() {
            return Vec::new();
        }
        let message = format!("`{}` is not host:port such as 127.0.0.1:8989", self.endpoint);
        vec![("endpoint".into(), message)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for (endpoint, want) in [
            ("127.0.0.1:8989", Some(("127.0.0.1", 8989))),
            ("localhost:0", Some(("localhost", 0))),
            ("[::1]:80", Some(("::1", 80))),
            ("::1:80", None),
            (":8989", None),
            ("8989", None),
            ("host:http", None),
            ("http://host:80", None),
            ("[host]:80", None),
        ] {
            let config = Config { endpoint: endpoint.into(), ..Config::default() };
            assert_eq!(config.host_port(), want, "{endpoint}");
            assert_eq!(config.check().is_empty(), want.is_some(), "{endpoint}");
        }
    }
}
