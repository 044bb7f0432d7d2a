//! The config of the receiver `otlp`, with the Collector's names and meanings.

use std::{collections::BTreeMap, time::Duration};

use hyper::header::{HeaderName, HeaderValue};
use pipeline::{extension::Auth, headers::headers, limits::Limits, quantity};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::limits::{Pushed, pushed};
use crate::{
    pprof::Problem,
    server::{Keepalive, Tls, port::check_port},
};

/// `receivers: {otlp: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is listened to: `grpc`, `http` or both.
    pub protocols: Protocols,
    /// What one request may cost; the sizes of `protocols` come before `inflated_bytes_max`.
    #[serde(deserialize_with = "Pushed::deserialize")]
    #[schemars(with = "Limits")]
    pub limits: Limits,
    /// Connections at the same time, of each protocol.
    pub connections_max: usize,
}

/// `protocols`. One that is named without settings has the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    /// OTLP over gRPC.
    #[serde(deserialize_with = "named")]
    pub grpc: Option<Grpc>,
    /// OTLP over HTTP, at `/v1development/profiles`.
    #[serde(deserialize_with = "named")]
    pub http: Option<Http>,
}

/// `protocols.grpc`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// Host and port.
    pub endpoint: String,
    /// TLS; plain text without it.
    pub tls: Option<Tls>,
    /// Size of a request after inflation, in MiB.
    pub max_recv_msg_size_mib: Option<usize>,
    /// Requests of one connection at the same time.
    pub max_concurrent_streams: u32,
    /// Who may send: everybody without it.
    pub auth: Option<Auth>,
    /// When connections are asked whether they are still there, and when they end.
    pub keepalive: Keepalive,
    /// `tcp`, or `unix`: `endpoint` is then the path of a socket in the file system.
    pub transport: Option<String>,
    /// Accepted and without effect.
    pub read_buffer_size: Option<usize>,
    /// Accepted and without effect.
    pub write_buffer_size: Option<usize>,
    /// Accepted and without effect.
    pub include_metadata: bool,
}

/// `protocols.http`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Host and port.
    pub endpoint: String,
    /// TLS; plain text without it.
    pub tls: Option<Tls>,
    /// Size of a request after inflation.
    #[serde(with = "some_size")]
    #[schemars(with = "Option<quantity::BytesText>")]
    pub max_request_body_size: Option<usize>,
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
    /// Whether a connection carries more than one request.
    pub keep_alives_enabled: bool,
    /// Header fields of every answer: a map, or a list of `name` and `value`.
    #[serde(deserialize_with = "headers")]
    pub response_headers: BTreeMap<String, String>,
    /// Accepted and without effect: a body may take two minutes, and be silent for 15 seconds.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub read_timeout: Duration,
    /// Accepted and without effect.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub write_timeout: Duration,
    /// Accepted; gzip and zstd are taken.
    pub compression_algorithms: Vec<String>,
    /// `tcp`, or `unix`: `endpoint` is then the path of a socket in the file system.
    pub transport: Option<String>,
    /// Accepted and without effect: there are only profiles here.
    pub traces_url_path: Option<String>,
    /// Accepted and without effect.
    pub metrics_url_path: Option<String>,
    /// Accepted and without effect.
    pub logs_url_path: Option<String>,
    /// Accepted and without effect.
    pub include_metadata: bool,
}

impl Default for Config {
    fn default() -> Self {
        let protocols = Protocols { grpc: Some(Grpc::default()), http: Some(Http::default()) };
        Self { protocols, limits: pushed(), connections_max: 1024 }
    }
}

impl Default for Grpc {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4317".into(),
            tls: None,
            max_recv_msg_size_mib: None,
            max_concurrent_streams: 100,
            auth: None,
            keepalive: Keepalive::default(),
            transport: None,
            read_buffer_size: None,
            write_buffer_size: None,
            include_metadata: false,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:4318".into(),
            tls: None,
            max_request_body_size: None,
            auth: None,
            read_header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            keep_alives_enabled: true,
            response_headers: BTreeMap::new(),
            read_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            compression_algorithms: Vec::new(),
            transport: None,
            traces_url_path: None,
            metrics_url_path: None,
            logs_url_path: None,
            include_metadata: false,
        }
    }
}

/// A key that is there without a value means the defaults.
fn named<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    de: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(de).map(|found: Option<T>| Some(found.unwrap_or_default()))
}

mod some_size {
    use pipeline::quantity::size;
    use serde::{Deserializer, Serialize, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Option<usize>, D::Error> {
        size::deserialize(de).map(Some)
    }

    pub fn serialize<S: Serializer>(
        value: &Option<usize>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }
}

impl Config {
    /// Everything that is wrong, each with the path of its key.
    pub fn check(&self) -> Vec<Problem> {
        let mut wrong = Vec::new();
        let mut problem = |path: &str, message: &str| wrong.push((path.into(), message.into()));
        let Protocols { grpc, http } = &self.protocols;
        if grpc.is_none() && http.is_none() {
            problem("protocols", "must name grpc, http, or both");
        }
        let endpoints = [
            ("grpc", grpc.as_ref().map(|p| (&p.endpoint, &p.transport, &p.tls))),
            ("http", http.as_ref().map(|p| (&p.endpoint, &p.transport, &p.tls))),
        ];
        for (protocol, (endpoint, transport, tls)) in
            endpoints.into_iter().filter_map(|(name, found)| Some((name, found?)))
        {
            for (key, message) in check_port(endpoint, transport.as_deref(), tls.as_ref()) {
                problem(&format!("protocols.{protocol}.{key}"), &message);
            }
        }
        if let Some(http) = http {
            for (name, value) in &http.response_headers {
                let fits =
                    HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
                if !fits {
                    let path = format!("protocols.http.response_headers.{name}");
                    problem(&path, "is no header field with a value of one line");
                }
            }
        }
        if let Some(grpc) = grpc {
            for (field, message) in grpc.keepalive.check() {
                problem(&format!("protocols.grpc.keepalive.{field}"), message);
            }
        }
        if self.connections_max == 0 {
            problem("connections_max", "must be above 0");
        }
        wrong
    }
}

impl Config {
    /// Where it listens, each with the path of its key.
    pub fn endpoints(&self) -> Vec<(&'static str, &str)> {
        let Protocols { grpc, http } = &self.protocols;
        let grpc = grpc.iter().map(|grpc| ("protocols.grpc.endpoint", grpc.endpoint.as_str()));
        let http = http.iter().map(|http| ("protocols.http.endpoint", http.endpoint.as_str()));
        grpc.chain(http).collect()
    }

    /// What names an authenticator, each with the path of its key.
    pub fn auths(&mut self) -> Vec<(String, &mut Auth)> {
        let Protocols { grpc, http } = &mut self.protocols;
        let grpc = grpc.as_mut().and_then(|grpc| grpc.auth.as_mut());
        let http = http.as_mut().and_then(|http| http.auth.as_mut());
        let named = [("grpc", grpc), ("http", http)].into_iter();
        named
            .filter_map(|(name, auth)| {
                Some((format!("protocols.{name}.auth.authenticator"), auth?))
            })
            .collect()
    }
}
