//! The config of the exporters `otlp_grpc` and `otlp_http`, with the Collector's names and
//! meanings.

use std::{collections::BTreeMap, time::Duration};

use pipeline::{
    extension::Auth,
    headers::headers,
    quantity,
    secret::Secret,
    settings::{Retry, Settings},
};
use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Compression,
    connection::{Keepalive, Tls, is_host},
};
use crate::queue::SendingQueue;

/// `exporters: {otlp_grpc: …}` and `exporters: {otlp_http: …}`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// gRPC: `host:port`, a URL whose scheme says whether TLS is spoken, or a socket in the file
    /// system as `unix:///run/otel.sock`. HTTP: the URL below which `/v1development/profiles` is.
    pub endpoint: String,
    /// HTTP: the whole URL, in place of the one below `endpoint`.
    pub profiles_endpoint: String,
    /// HTTP: the form of a request.
    pub encoding: Encoding,
    /// How TLS is spoken.
    pub tls: Tls,
    /// gRPC: the name of a host that requests and TLS name in place of that of `endpoint`. No proxy
    /// of the environment is asked then.
    pub authority: String,
    /// Header fields, or metadata of gRPC, of each request: a map, or a list of `name` and `value`.
    #[serde(deserialize_with = "headers")]
    pub headers: BTreeMap<String, Secret>,
    /// As which program we go; without it as `profpipe` with its version.
    pub user_agent: String,
    /// As whom we go.
    pub auth: Option<Auth>,
    /// How a request is compressed; `''` is `none`. gRPC knows `gzip`, `zstd` and `snappy`.
    pub compression: Compression,
    /// Time that one request may take; zero sets no limit. Without it 5s for gRPC and 30s for HTTP.
    #[serde(with = "quantity::some_duration")]
    #[schemars(with = "Option<quantity::DurationText>")]
    pub timeout: Option<Duration>,
    /// Size of a request before compression; it shrinks by itself where the other end refuses it.
    /// Without it 4 MiB for gRPC and 16 MiB for HTTP, which receivers take by default.
    #[serde(with = "quantity::size")]
    #[schemars(with = "quantity::BytesText")]
    pub request_bytes_max: usize,
    /// The proxy; without it what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    /// Plain gRPC goes through none.
    pub proxy_url: String,
    /// gRPC: when a connection is asked whether it is still there.
    pub keepalive: Keepalive,
    /// HTTP: time after which a connection that is not used is closed.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub idle_conn_timeout: Duration,
    /// HTTP: a connection for each request.
    pub disable_keep_alives: bool,
    /// HTTP/2: silence after which a connection is asked whether it is still there; zero never
    /// asks.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub http2_read_idle_timeout: Duration,
    /// HTTP/2: time that it has to answer.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub http2_ping_timeout: Duration,
    /// Time after which connections are made anew, so that they spread over all addresses of the
    /// endpoint.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub reconnect_interval: Duration,
    /// gRPC: `pick_first` or `round_robin`, with the same effect: connections are spread by
    /// `reconnect_interval`.
    pub balancer_name: String,
    /// Accepted; there is one connection.
    pub max_idle_conns: Option<usize>,
    /// Accepted; there is one connection.
    pub max_idle_conns_per_host: Option<usize>,
    /// Accepted; there is one connection.
    pub max_conns_per_host: Option<usize>,
    /// Accepted; HTTP/2 is spoken where the other end offers it.
    pub force_attempt_http2: bool,
    /// Accepted without effect.
    pub read_buffer_size: Option<usize>,
    /// Accepted without effect.
    pub write_buffer_size: Option<usize>,
    /// Accepted: what is sent waits for a connection in any case.
    pub wait_for_ready: bool,
    /// Accepted without effect: there are only profiles here.
    pub traces_endpoint: String,
    /// Accepted without effect.
    pub metrics_endpoint: String,
    /// Accepted without effect.
    pub logs_endpoint: String,
    /// What happens after a request that may succeed later.
    pub retry_on_failure: Retry,
    /// What may wait for this exporter.
    pub sending_queue: SendingQueue,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            profiles_endpoint: String::new(),
            encoding: Encoding::default(),
            tls: Tls::default(),
            authority: String::new(),
            headers: BTreeMap::new(),
            user_agent: String::new(),
            auth: None,
            compression: Compression::default(),
            timeout: None,
            request_bytes_max: 0,
            proxy_url: String::new(),
            reconnect_interval: Duration::from_secs(600),
            keepalive: Keepalive::default(),
            idle_conn_timeout: Duration::from_secs(90),
            disable_keep_alives: false,
            http2_read_idle_timeout: Duration::ZERO,
            http2_ping_timeout: Duration::from_secs(15),
            balancer_name: String::new(),
            max_idle_conns: None,
            max_idle_conns_per_host: None,
            max_conns_per_host: None,
            force_attempt_http2: true,
            read_buffer_size: None,
            write_buffer_size: None,
            wait_for_ready: false,
            traces_endpoint: String::new(),
            metrics_endpoint: String::new(),
            logs_endpoint: String::new(),
            retry_on_failure: Retry::default(),
            sending_queue: SendingQueue::default(),
        }
    }
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self, is_grpc: bool) -> Vec<(String, String)> {
        let mut wrong = self.settings(is_grpc).check();
        wrong.extend(self.sending_queue.check());
        let mut problem = |field: &str, message: &str| wrong.push((field.into(), message.into()));
        if let Some(message) = self.check_endpoint(is_grpc) {
            let own = !is_grpc && !self.profiles_endpoint.is_empty();
            problem(if own { "profiles_endpoint" } else { "endpoint" }, message);
        }
        if is_grpc && !self.profiles_endpoint.is_empty() {
            problem("profiles_endpoint", "is of otlp_http only");
        }
        if is_grpc && self.encoding != Encoding::Proto {
            problem("encoding", "is of otlp_http only");
        }
        if is_grpc && !self.compression.is_of_grpc() {
            problem("compression", "must be gzip, snappy, zstd or none with otlp_grpc");
        }
        if !is_grpc && !self.balancer_name.is_empty() {
            problem("balancer_name", "is of otlp_grpc only");
        } else if !matches!(&*self.balancer_name, "" | "pick_first" | "round_robin") {
            problem("balancer_name", "must be pick_first or round_robin");
        }
        if HeaderValue::try_from(&self.user_agent).is_err() {
            problem("user_agent", "must be one line");
        }
        for (field, message) in self.tls.check() {
            problem(field, &message);
        }
        if !self.proxy_url.is_empty() {
            if reqwest::Proxy::all(&self.proxy_url).is_err() {
                problem("proxy_url", "is not the address of a proxy");
            } else if self.is_plain(is_grpc) && is_grpc {
                problem("proxy_url", "needs TLS with otlp_grpc");
            } else if self.tls.server_name_override.is_some() {
                problem("proxy_url", "must not come together with tls.server_name_override");
            }
        }
        for (name, value) in &self.headers {
            let fits =
                HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value.expose()).is_ok();
            if !fits {
                let message = "is no header field with a value of one line";
                problem(&format!("headers.{name}"), message);
            }
        }
        self.check_authority(is_grpc, &mut problem);
        if is_grpc {
            for (field, message) in self.keepalive.check() {
                problem(field, message);
            }
        }
        if self.reconnect_interval < Duration::from_secs(1) {
            problem("reconnect_interval", "must be 1s or more");
        }
        wrong
    }

    /// Time that one request may take; zero sets no limit.
    pub(super) fn timeout(&self, is_grpc: bool) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(if is_grpc { 5 } else { 30 }))
    }

    /// What is wrong with where requests go.
    fn check_endpoint(&self, is_grpc: bool) -> Option<&'static str> {
        if let Some(path) = self.socket(is_grpc) {
            return path.is_empty().then_some("must name the socket, as unix:///run/otel.sock");
        }
        let said = if is_grpc { self.target() } else { self.http_url() };
        let is_host_and_port = said
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.contains('/') && port.parse::<u16>().is_ok());
        if said.is_empty() {
            Some("must say where to send")
        } else if !has_scheme(said) && !is_grpc {
            Some("must start with http:// or https://")
        } else if !has_scheme(said) && !is_host_and_port {
            Some("must be a host and a port, as collector:4317, or a URL of http or https")
        } else if self.host(is_grpc).is_none() || (has_scheme(said) && Url::parse(said).is_err()) {
            Some("is not the address of one host")
        } else {
            None
        }
    }

    fn check_authority(&self, is_grpc: bool, problem: &mut impl FnMut(&str, &str)) {
        let other = self.tls.server_name_override.as_ref().filter(|_| !self.is_plain(is_grpc));
        if self.authority.is_empty() {
        } else if !is_grpc {
            problem("authority", "is of otlp_grpc only");
        } else if !is_host(&self.authority) || other.is_some_and(|name| *name != self.authority) {
            let message = "must be the name of a host, and the one of tls.server_name_override";
            problem("authority", message);
        } else if !self.proxy_url.is_empty() {
            problem("proxy_url", "must not come together with authority");
        }
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
        // A socket has no host; this is what gRPC says in its place.
        let target = self.socket(is_grpc).map_or(self.target(), |_| "localhost");
        let scheme = match (has_scheme(target), self.tls.insecure) {
            (true, _) => "",
            (false, true) => "http://",
            (false, false) => "https://",
        };
        // A port alone is one of this machine.
        let host = if target.starts_with(':') { "localhost" } else { "" };
        format!("{scheme}{host}{target}{}", super::grpc::PATH)
    }

    /// The endpoint without the name of a resolver of gRPC, as `dns:///host:port` has one.
    fn target(&self) -> &str {
        let endpoint = self.endpoint.trim_end_matches('/');
        let resolved =
            ["dns://", "passthrough://"].iter().find_map(|name| endpoint.strip_prefix(name));
        resolved.and_then(|rest| rest.split_once('/')).map_or(endpoint, |(_, target)| target)
    }

    /// The socket in the file system that requests go to, in place of a host and port.
    pub(super) fn socket(&self, is_grpc: bool) -> Option<&str> {
        let path = self.endpoint.strip_prefix("unix:").filter(|_| is_grpc)?;
        Some(path.strip_prefix("//").unwrap_or(path))
    }

    /// Whether requests go in the clear.
    pub fn is_plain(&self, is_grpc: bool) -> bool {
        self.url(is_grpc).starts_with("http://")
    }

    /// The host of requests.
    pub fn host(&self, is_grpc: bool) -> Option<String> {
        Url::parse(&self.url(is_grpc)).ok()?.host_str().map(str::to_owned)
    }

    /// How the engine treats this exporter. A push may be several requests, so it has more time.
    pub fn settings(&self, is_grpc: bool) -> Settings {
        Settings {
            timeout: self.timeout(is_grpc).saturating_mul(64),
            retry: self.retry_on_failure.clone(),
            queue: self.sending_queue.queue(),
        }
    }
}

fn has_scheme(endpoint: &str) -> bool {
    endpoint.starts_with("http://") || endpoint.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use pipeline::settings::Queue;
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
            ("dns://8.8.8.8/collector:4317", true, "http://collector:4317/opentelemetry"),
            ("passthrough:///[::1]:4317", true, "http://[::1]:4317/opentelemetry"),
            (":4317", true, "http://localhost:4317/opentelemetry"),
            ("unix:///run/a.sock", true, "http://localhost/opentelemetry"),
            ("unix:a.sock", false, "https://localhost/opentelemetry"),
            ("https://collector", true, "https://collector/opentelemetry"),
        ] {
            let config = config(endpoint, insecure);
            assert!(config.url(true).starts_with(start), "{endpoint}");
            assert_eq!(config.check(true), []);
        }
        for wrong in
            ["unix:", "unix://", "a:1,b:2", "localhost", "a:b", "::1", "dns://a:1", "http://"]
        {
            let found = config(wrong, true).check(true);
            assert!(found.len() == 1 && found[0].0 == "endpoint", "{wrong}: {found:?}");
        }
        for wrong in ["collector:4318", "http://", "http://a:b"] {
            assert_eq!(config(wrong, true).check(false).len(), 1, "{wrong}");
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
        assert_eq!(config.settings(true).queue, Queue::default());
        let seconds = [true, false].map(|is_grpc| config.timeout(is_grpc).as_secs());
        assert_eq!(seconds, [5, 30], "as the Collector has them");
        let fields: Vec<_> = Config { encoding: Encoding::Json, ..Config::default() }
            .check(true)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["endpoint", "encoding"]);
    }

    #[test]
    fn what_cannot_work_is_named() {
        for (is_grpc, config, field) in [
            (true, json!({"tls": {"cert_file": "/a"}}), "tls.key_file"),
            (true, json!({"tls": {"ca_file": "/a", "ca_pem": "b"}}), "tls.ca_pem"),
            (true, json!({"tls": {"server_name_override": "a/b"}}), "tls.server_name_override"),
            (true, json!({"tls": {"min_version": "0.9"}}), "tls.min_version"),
            (true, json!({"tls": {"max_version": "1.1"}}), "tls.max_version"),
            (true, json!({"keepalive": {"time": "1ms"}}), "keepalive.time"),
            (true, json!({"authority": "a:1"}), "authority"),
            (true, json!({"balancer_name": "round-robin"}), "balancer_name"),
            (false, json!({"balancer_name": "round_robin"}), "balancer_name"),
            (true, json!({"authority": "a", "tls": {"server_name_override": "b"}}), "authority"),
            (false, json!({"authority": "a"}), "authority"),
            (true, json!({"proxy_url": "http://p:1", "tls": {"insecure": true}}), "proxy_url"),
            (false, json!({"proxy_url": "::"}), "proxy_url"),
            (true, json!({"compression": "lz4"}), "compression"),
            (true, json!({"user_agent": "a\nb"}), "user_agent"),
            (false, json!({"headers": {"a b": "c"}}), "headers.a b"),
        ] {
            let mut config: Config = serde_json::from_value(config).unwrap();
            config.endpoint = if is_grpc { "c:4317" } else { "http://c:4318" }.into();
            let wrong = config.check(is_grpc);
            assert_eq!(wrong.iter().map(|(field, _)| field).collect::<Vec<_>>(), [field]);
        }
        let listed = json!({"headers": [{"name": "a", "value": "b"}]});
        let listed: Config = serde_json::from_value(listed).unwrap();
        assert_eq!(listed.headers["a"].expose(), "b");
    }
}
