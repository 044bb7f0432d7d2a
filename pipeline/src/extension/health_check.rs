//! The config of the extension `health_check`: an address for probes. The server itself is in the
//! root, as this crate opens no socket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `extensions: {health_check: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Host and port.
    pub endpoint: String,
    /// Where it answers: 200 while all is well, 503 while not.
    pub path: String,
    /// What it answers in place of a JSON object with `status`, `upSince` and `uptime`.
    pub response_body: Option<ResponseBody>,
}

/// `response_body`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseBody {
    /// While all is well.
    pub healthy: String,
    /// While not.
    pub unhealthy: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { endpoint: "localhost:13133".into(), path: "/".into(), response_body: None }
    }
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        if self.host_port().is_none() {
            let message = "must be a host and a port, such as localhost:13133";
            wrong.push(("endpoint".into(), message.into()));
        }
        if !self.path.starts_with('/') || self.path.contains(['?', '#', '{', '}']) {
            wrong.push(("path".into(), "must be the path of an address, such as /health".into()));
        }
        wrong
    }

    /// Host and port of the endpoint, if it has both.
    pub fn host_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.endpoint.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then_some(())?;
        Some((host, port.parse().ok()?))
    }
}
