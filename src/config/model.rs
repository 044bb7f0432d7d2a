//! The typed form of a config file, both shapes in one tree.

use std::collections::BTreeMap;

use pipeline::{extension, processor};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::{
    components::{Component, ComponentId, components},
    monitors::{Monitor, SelfTelemetry},
    telemetry::Telemetry,
};

/// A whole config.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// What brings profiles in, by `type[/name]`.
    #[serde(deserialize_with = "components")]
    #[schemars(with = "BTreeMap<String, Elsewhere>")]
    pub receivers: BTreeMap<ComponentId, receiver::Config>,
    /// What changes or drops them on their way, by `type[/name]`.
    #[serde(deserialize_with = "components")]
    #[schemars(with = "BTreeMap<String, Elsewhere>")]
    pub processors: BTreeMap<ComponentId, processor::Config>,
    /// What takes them out, by `type[/name]`.
    #[serde(deserialize_with = "components")]
    #[schemars(with = "BTreeMap<String, Elsewhere>")]
    pub exporters: BTreeMap<ComponentId, exporter::Config>,
    /// What stands beside pipelines, by `type[/name]`.
    #[serde(deserialize_with = "components")]
    #[schemars(with = "BTreeMap<String, Elsewhere>")]
    pub extensions: BTreeMap<ComponentId, extension::Config>,
    /// What is joined, and how profpipe speaks of itself.
    pub service: Service,
    /// The documented collector's form of targets.
    pub monitors: Vec<Monitor>,
    /// The documented collector's form of profiling itself. The sampler keeps a table of about
    /// 120 MiB in memory from the first CPU window on.
    pub self_telemetry: Option<SelfTelemetry>,
}

/// What is joined, and how profpipe speaks of itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Service {
    /// Ids of the extensions that run.
    #[schemars(with = "Vec<String>")]
    pub extensions: Vec<ComponentId>,
    /// Pipelines by `profiles[/name]`.
    #[serde(deserialize_with = "components")]
    #[schemars(with = "BTreeMap<String, Pipeline>")]
    pub pipelines: BTreeMap<ComponentId, Pipeline>,
    /// Own logs and metrics.
    pub telemetry: Telemetry,
}

/// Components by their ids.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pipeline {
    /// Ids of receivers.
    #[schemars(with = "Vec<String>")]
    pub receivers: Vec<ComponentId>,
    /// Ids of processors, in the order in which they work.
    #[schemars(with = "Vec<String>")]
    pub processors: Vec<ComponentId>,
    /// Ids of exporters.
    #[schemars(with = "Vec<String>")]
    pub exporters: Vec<ComponentId>,
}

/// Stands for the config of a component, which docs show by itself.
#[derive(JsonSchema)]
pub(crate) struct Elsewhere {}

impl Component for Pipeline {
    const WHAT: &'static str = "pipeline";
    const KINDS: &'static [&'static str] = &["profiles"];

    fn parse<'de, D: Deserializer<'de>>(_: &str, de: D) -> Result<Self, D::Error> {
        Self::deserialize(de)
    }
}
