//! The config of the receiver `pyroscope`.

use std::time::Duration;

use pipeline::{extension::Auth, limits::Limits, quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    pprof::Problem,
    server::{Tls, port::check_port},
};

/// `receivers: {pyroscope: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Host and port.
    pub endpoint: String,
    /// TLS; plain text without it.
    pub tls: Option<Tls>,
    /// Who may send: everybody without it.
    pub auth: Option<Auth>,
    /// Time for the head of a request.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub read_header_timeout: Duration,
    /// Time after which a connection without requests ends; zero keeps it.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub idle_timeout: Duration,
    /// What one request may cost. All of its profiles together may take `decoded_bytes_max`.
    pub limits: Limits,
    /// Connections at the same time.
    pub connections_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4040".into(),
            tls: None,
            auth: None,
            read_header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            limits: Limits::default(),
            connections_max: 1024,
        }
    }
}

impl Config {
    /// Everything that is wrong, each with the path of its key.
    pub fn check(&self) -> Vec<Problem> {
        let mut wrong = check_port(&self.endpoint, None, self.tls.as_ref());
        if self.connections_max == 0 {
            wrong.push(("connections_max".into(), "must be above 0".into()));
        }
        wrong
    }
}
