//! The config of the exporters `otlp_grpc` and `otlp_http`, with the Collector's names and
//! meanings.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pipeline::{
    quantity,
    secret::Secret,
    settings::{Queue, Retry, Settings},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `exporters: {otlp_grpc: …}` and `exporters: {otlp_http: …}`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// gRPC: `host:port`, or an URL whose scheme says whether TLS is spoken. HTTP: the URL below
    /// which `/v1development/profiles` is.
    pub endpoint: String,
    /// HTTP: the whole URL, in place of the one below `endpoint`.
    pub profiles_endpoint: String,
    /// HTTP: the form of a request.
    pub encoding: Encoding,
    /// How TLS is spoken.
    pub tls: Tls,
    /// Header fields, or metadata of gRPC, of each request.
    pub headers: BTreeMap<String, Secret>,
    /// How a request is compressed.
    pub compression: Compression,
    /// Time that one request may take.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
    /// Size of a request before compression; it shrinks by itself where the other end refuses it.
    /// Without it 4 MiB for gRPC and 16 MiB for HTTP, which receivers take by default.
    #[serde(with = "quantity::size")]
    #[schemars(with = "quantity::BytesText")]
    pub request_bytes_max: usize,
    /// The proxy; without it what the environment says.
    pub proxy_url: String,
    /// Time after which connections are made anew, so that they spread over all addresses of the
    /// endpoint.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub reconnect_interval: Duration,
    /// gRPC; accepted: connections are spread by `reconnect_interval`.
    pub balancer_name: String,
    /// What happens after a request that may succeed later.
    pub retry_on_failure: Retry,
    /// What may wait for this exporter.
    pub sending_queue: SendingQueue,
}

/// `tls`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// gRPC: speaks plain text, where the endpoint has no scheme.
    pub insecure: bool,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
    /// PEM certificates of the authorities that are trusted, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM certificate that is shown.
    pub cert_file: Option<PathBuf>,
    /// PEM key of that certificate.
    pub key_file: Option<PathBuf>,
}

/// How a request is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
    /// As it is.
    None,
}

/// The form of a request over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Protobuf.
    #[default]
    Proto,
    /// JSON.
    Json,
}

/// `sending_queue`. The queue is the spool, so that much of the Collector's has no effect here.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SendingQueue {
    /// Bytes of spool that may wait; beyond them the oldest profiles are dropped and counted. A
    /// number of requests, as the Collector has it by default, has no effect.
    #[serde(with = "quantity::bytes")]
    #[schemars(with = "quantity::BytesText")]
    pub queue_size: u64,
    /// What `queue_size` counts: `requests`, `items` or `bytes`.
    pub sizer: Option<String>,
    /// Age at which a profile that still waits is dropped and counted.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_age: Duration,
    /// Accepted; the spool is always there.
    pub enabled: bool,
    /// Accepted; requests go one after the other.
    pub num_consumers: Option<usize>,
    /// Accepted without effect.
    pub block_on_overflow: bool,
    /// Accepted without effect.
    pub wait_for_result: bool,
    /// Accepted; the spool is the storage.
    pub storage: Option<String>,
}

impl Default for SendingQueue {
    fn default() -> Self {
        let Queue { bytes_max, max_age } = Queue::default();
        Self {
            queue_size: bytes_max,
            sizer: None,
            max_age,
            enabled: true,
            num_consumers: None,
            block_on_overflow: false,
            wait_for_result: false,
            storage: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            profiles_endpoint: String::new(),
            encoding: Encoding::default(),
            tls: Tls::default(),
            headers: BTreeMap::new(),
            compression: Compression::default(),
            timeout: Duration::from_secs(30),
            request_bytes_max: 0,
            proxy_url: String::new(),
            reconnect_interval: Duration::from_secs(600),
            balancer_name: String::new(),
            retry_on_failure: Retry::default(),
            sending_queue: SendingQueue::default(),
        }
    }
}

/// Below this, `queue_size` is a number of requests where nothing says otherwise.
const QUEUE_BYTES_MIN: u64 = 1 << 20;

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self, is_grpc: bool) -> Vec<(String, String)> {
        let mut wrong = self.settings().check();
        let mut problem = |field: &str, message: &str| wrong.push((field.into(), message.into()));
        let url = if is_grpc { &self.endpoint } else { self.http_url() };
        if url.is_empty() {
            problem("endpoint", "must say where to send");
        } else if !(is_grpc || url.starts_with("http://") || url.starts_with("https://")) {
            problem("endpoint", "must start with http:// or https://");
        }
        if is_grpc && !self.profiles_endpoint.is_empty() {
            problem("profiles_endpoint", "is of otlp_http only");
        }
        if is_grpc && self.encoding != Encoding::Proto {
            problem("encoding", "is of otlp_http only");
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            problem("tls.key_file", "must come together with cert_file");
        }
        if self.reconnect_interval < Duration::from_secs(1) {
            problem("reconnect_interval", "must be 1s or more");
        }
        let sizers = [None, Some("requests"), Some("items"), Some("bytes")];
        if !sizers.contains(&self.sending_queue.sizer.as_deref()) {
            problem("sending_queue.sizer", "must be requests, items or bytes");
        }
        wrong
    }

    fn http_url(&self) -> &str {
        if self.profiles_endpoint.is_empty() { &self.endpoint } else { &self.profiles_endpoint }
    }

    /// Where requests go.
    pub(super) fn url(&self, is_grpc: bool) -> String {
        if !is_grpc {
            return match self.profiles_endpoint.as_str() {
                "" => format!("{}/v1development/profiles", self.endpoint.trim_end_matches('/')),
                url => url.to_owned(),
            };
        }
        let endpoint = self.endpoint.trim_start_matches("dns:///").trim_end_matches('/');
        let has_scheme = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        let scheme = match (has_scheme, self.tls.insecure) {
            (true, _) => "",
            (false, true) => "http://",
            (false, false) => "https://",
        };
        format!("{scheme}{endpoint}{}", super::grpc::PATH)
    }

    /// How the engine treats this exporter. A push may be several requests, so it has more time.
    pub fn settings(&self) -> Settings {
        let SendingQueue { queue_size, sizer, max_age, .. } = &self.sending_queue;
        let counts_bytes = match sizer.as_deref() {
            Some("bytes") => true,
            Some(_) => false,
            None => *queue_size >= QUEUE_BYTES_MIN || *queue_size == 0,
        };
        let bytes_max = if counts_bytes { *queue_size } else { Queue::default().bytes_max };
        Settings {
            timeout: self.timeout.saturating_mul(64),
            retry: self.retry_on_failure.clone(),
            queue: Queue { bytes_max, max_age: *max_age },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn urls_follow_from_endpoints() {
        let config = |endpoint: &str, insecure| Config {
            endpoint: endpoint.into(),
            tls: Tls { insecure, ..Tls::default() },
            ..Config::default()
        };
        for (endpoint, insecure, start) in [
            ("collector:4317", true, "http://collector:4317/opentelemetry"),
            ("collector:4317", false, "https://collector:4317/opentelemetry"),
            ("http://collector:4317", false, "http://collector:4317/opentelemetry"),
            ("dns:///collector:4317", true, "http://collector:4317/opentelemetry"),
        ] {
            assert!(config(endpoint, insecure).url(true).starts_with(start), "{endpoint}");
        }
        let http = config("http://c:4318/", false);
        assert_eq!(http.url(false), "http://c:4318/v1development/profiles");
        let own = Config { profiles_endpoint: "http://o/api/v1/profiles".into(), ..http };
        assert_eq!(own.url(false), "http://o/api/v1/profiles");
    }

    #[test]
    fn a_config_of_the_collector_loads() {
        let config: Config = serde_json::from_value(json!({
            "endpoint": "collector:4317",
            "tls": {"insecure": true},
            "headers": {"x-scope-orgid": "a"},
            "compression": "zstd",
            "balancer_name": "round_robin",
            "sending_queue": {"enabled": true, "num_consumers": 10, "queue_size": 1000,
                              "storage": "file_storage/x"},
            "retry_on_failure": {"max_elapsed_time": "300s"},
        }))
        .unwrap();
        assert_eq!(config.check(true), []);
        assert_eq!(config.settings().queue, Queue::default());
        let fields: Vec<_> = Config { encoding: Encoding::Json, ..Config::default() }
            .check(true)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["endpoint", "encoding"]);
    }
}
