//! `service.telemetry`: how profpipe speaks of itself. Keys and meanings are the Collector's.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use pipeline::{quantity, secret::Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::traces::Traces;

/// `service.telemetry`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// What is written to standard error.
    pub logs: Logs,
    /// Where own metrics are pushed to. `/metrics` on the port of the pages is there in any case.
    pub metrics: Metrics,
    /// Where spans of the way that profiles take go; nowhere without processors.
    pub traces: Traces,
    /// Attributes of own metrics and spans that are pushed, beside `service.name` and
    /// `service.version`.
    pub resource: BTreeMap<String, String>,
}

/// `service.telemetry.logs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logs {
    /// From which level on lines are written. A reload changes it.
    pub level: LogLevel,
    /// How a line looks. It counts from the next start on.
    pub encoding: LogEncoding,
}

/// What is written to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Every step, for developers.
    Trace,
    /// What helps to find an error.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What should not be.
    Warn,
    /// What failed.
    Error,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    /// Text for people.
    #[default]
    Console,
    /// A JSON object a line.
    Json,
}

/// `service.telemetry.metrics`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Who gets the metrics besides `/metrics`.
    pub readers: Vec<Reader>,
    /// Accepted without effect: there are always all of them.
    pub level: Option<MetricsLevel>,
}

/// One entry of `readers`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reader {
    /// Pushes all metrics once in a while.
    pub periodic: Option<Periodic>,
    /// Accepted without effect: `/metrics` on the port of the pages is always there.
    pub pull: Option<Pull>,
}

/// How much the Collector tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricsLevel {
    /// Nothing.
    None,
    /// What is needed.
    Basic,
    /// What is usual.
    Normal,
    /// Everything.
    Detailed,
}

/// A reader that others ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pull {
    /// Accepted without effect.
    pub exporter: PullExporter,
}

/// The exporter of a reader that others ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PullExporter {
    /// Accepted without effect.
    pub prometheus: Option<Prometheus>,
}

/// Where the Collector has its `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prometheus {
    /// Accepted without effect.
    pub host: String,
    /// Accepted without effect.
    pub port: u16,
    /// Accepted without effect.
    pub without_scope_info: bool,
    /// Accepted without effect.
    pub without_type_suffix: bool,
    /// Accepted without effect.
    pub without_units: bool,
}

/// A reader that pushes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Periodic {
    /// Time between two pushes; a bare number is milliseconds.
    #[serde(deserialize_with = "millis", serialize_with = "quantity::duration::serialize")]
    #[schemars(with = "quantity::DurationText")]
    pub interval: Duration,
    /// Time that one push may take; a bare number is milliseconds.
    #[serde(deserialize_with = "millis", serialize_with = "quantity::duration::serialize")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
    /// Where to.
    pub exporter: PushExporter,
}

/// The exporter of a reader that pushes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PushExporter {
    /// Speaks OTLP.
    pub otlp: Option<Otlp>,
}

/// OTLP for own metrics.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// What is spoken.
    pub protocol: Protocol,
    /// Scheme, host and port, as `http://localhost:4318`; for `http/protobuf` with the path unless
    /// it is that of the signal, `/v1/metrics` or `/v1/traces`.
    pub endpoint: String,
    /// Headers of every push, such as a token.
    pub headers: Vec<Header>,
    /// What counters are relative to.
    pub temporality_preference: Temporality,
}

/// One header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value, which is never shown.
    pub value: Secret,
}

/// A protocol of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Protocol {
    /// Protobuf over HTTP.
    #[default]
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

/// What pushed counters are relative to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    /// The start of the process.
    #[default]
    Cumulative,
    /// The push before.
    Delta,
}

impl Default for Periodic {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            exporter: PushExporter::default(),
        }
    }
}

impl Telemetry {
    /// What cannot work, as pairs of a path below `service.telemetry` and a message.
    pub(crate) fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (index, reader) in self.metrics.readers.iter().enumerate() {
            let at = |field: &str| format!("metrics.readers[{index}]{field}");
            let Some(periodic) = &reader.periodic else {
                wrong.push((at(""), "needs `periodic`".into()));
                continue;
            };
            for (field, time) in
                [(".periodic.interval", periodic.interval), (".periodic.timeout", periodic.timeout)]
            {
                if time < Duration::from_millis(100) {
                    wrong.push((at(field), "must be at least 100ms".into()));
                }
            }
            match &periodic.exporter.otlp {
                None => wrong.push((at(".periodic"), "needs `exporter: {otlp: …}`".into())),
                Some(otlp) if !is_url(&otlp.endpoint) => {
                    let message = format!(
                        "`{}` is not an address such as http://localhost:4318",
                        otlp.endpoint
                    );
                    wrong.push((at(".periodic.exporter.otlp.endpoint"), message));
                }
                Some(_) => {}
            }
        }
        wrong.extend(self.traces.check());
        wrong
    }
}

pub(super) fn is_url(text: &str) -> bool {
    let uri = text.parse::<axum::http::Uri>().ok();
    let scheme = |uri: &axum::http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    uri.is_some_and(|uri| scheme(&uri) && uri.host().is_some_and(|host| !host.is_empty()))
}

/// A duration; as in the Collector a bare number is milliseconds.
pub(super) fn millis<'de, D: Deserializer<'de>>(de: D) -> Result<Duration, D::Error> {
    struct Millis;
    impl de::Visitor<'_> for Millis {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as 60s, or milliseconds")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            let millis = text.parse().map(Duration::from_millis);
            millis.or_else(|_| quantity::parse_duration(text)).map_err(E::custom)
        }

        fn visit_u64<E: de::Error>(self, millis: u64) -> Result<Duration, E> {
            Ok(Duration::from_millis(millis))
        }
    }
    de.deserialize_any(Millis)
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The name in config and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let level = Self::ALL.into_iter().find(|level| level.as_str() == text);
        level.ok_or_else(|| {
            format!("`{text}` is none of {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
