//! The typed form of a config file, both shapes in one tree.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

use super::{
    components::{Component, ComponentId, components},
    monitors::{Monitor, SelfTelemetry},
};

/// A whole config.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(deserialize_with = "components")]
    pub receivers: BTreeMap<ComponentId, receiver::Config>,
    #[serde(deserialize_with = "components")]
    pub exporters: BTreeMap<ComponentId, exporter::Config>,
    pub service: Service,
    /// The documented collector's form of targets.
    pub monitors: Vec<Monitor>,
    /// The documented collector's form of profiling itself.
    pub self_telemetry: Option<SelfTelemetry>,
}

/// What is joined, and how profpipe speaks of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Service {
    #[serde(deserialize_with = "components")]
    pub pipelines: BTreeMap<ComponentId, Pipeline>,
    pub telemetry: Telemetry,
}

/// Components by their ids.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pipeline {
    pub receivers: Vec<ComponentId>,
    pub exporters: Vec<ComponentId>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub logs: Logs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Logs {
    pub level: LogLevel,
}

/// What is written to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
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

impl Component for Pipeline {
    const WHAT: &'static str = "pipeline";
    const KINDS: &'static [&'static str] = &["profiles"];

    fn parse<'de, D: Deserializer<'de>>(_: &str, de: D) -> Result<Self, D::Error> {
        Self::deserialize(de)
    }
}
