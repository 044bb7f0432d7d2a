//! `service.telemetry.traces`: spans of the way that profiles take. Keys and meanings are the
//! Collector's.

use std::time::Duration;

use pipeline::quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::telemetry::{PushExporter, is_url, millis};

/// `service.telemetry.traces`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// What takes spans; without any there are none.
    pub processors: Vec<SpanProcessor>,
    /// Which traces are kept: all of them without it.
    pub sampler: Option<Sampler>,
    /// Accepted: spans are of this process alone.
    pub propagators: Vec<String>,
}

/// One entry of `processors`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpanProcessor {
    /// Gathers spans and pushes them.
    pub batch: Option<BatchSpans>,
}

/// A processor that gathers. Where its queue is full, spans are dropped, and nobody waits.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSpans {
    /// Time between two pushes; a bare number is milliseconds.
    #[serde(deserialize_with = "millis", serialize_with = "quantity::duration::serialize")]
    #[schemars(with = "quantity::DurationText")]
    pub schedule_delay: Duration,
    /// Time that one push may take; a bare number is milliseconds.
    #[serde(deserialize_with = "millis", serialize_with = "quantity::duration::serialize")]
    #[schemars(with = "quantity::DurationText")]
    pub export_timeout: Duration,
    /// Spans that wait at most.
    pub max_queue_size: usize,
    /// Spans of one push at most.
    pub max_export_batch_size: usize,
    /// Where to; for `http/protobuf` the path is `/v1/traces` unless the endpoint has one.
    pub exporter: PushExporter,
}

/// `sampler`: one of its keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sampler {
    /// Keeps all traces.
    pub always_on: Option<Nothing>,
    /// Keeps none.
    pub always_off: Option<Nothing>,
    /// Keeps a share of them.
    pub trace_id_ratio_based: Option<Ratio>,
    /// Keeps what this one keeps; what follows a span is kept with it.
    pub parent_based: Option<ParentBased>,
}

/// A sampler without settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Nothing {}

/// `trace_id_ratio_based`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ratio {
    /// The share of traces that are kept, 0 to 1.
    pub ratio: f64,
}

/// `parent_based`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ParentBased {
    /// What decides on traces that begin here.
    pub root: RootSampler,
}

/// `parent_based.root`: one of its keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RootSampler {
    /// Keeps all traces.
    pub always_on: Option<Nothing>,
    /// Keeps none.
    pub always_off: Option<Nothing>,
    /// Keeps a share of them.
    pub trace_id_ratio_based: Option<Ratio>,
}

impl Default for Ratio {
    fn default() -> Self {
        Self { ratio: 1.0 }
    }
}

impl Default for BatchSpans {
    fn default() -> Self {
        Self {
            schedule_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
            max_queue_size: 2_048,
            max_export_batch_size: 512,
            exporter: PushExporter::default(),
        }
    }
}

/// Spans that may wait.
const QUEUE_MAX: usize = 65_536;

impl Traces {
    /// The share of traces that are kept.
    pub fn ratio(&self) -> f64 {
        let Some(sampler) = &self.sampler else { return 1.0 };
        let root = sampler.parent_based.as_ref().map(|parent| &parent.root);
        let off =
            sampler.always_off.is_some() || root.is_some_and(|root| root.always_off.is_some());
        let ratio = sampler.trace_id_ratio_based.as_ref();
        let ratio = ratio.or_else(|| root?.trace_id_ratio_based.as_ref());
        if off { 0.0 } else { ratio.map_or(1.0, |ratio| ratio.ratio) }
    }

    /// What cannot work, as pairs of a path below `service.telemetry` and a message.
    pub(super) fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (index, processor) in self.processors.iter().enumerate() {
            let at = |field: &str| format!("traces.processors[{index}]{field}");
            let Some(batch) = &processor.batch else {
                wrong.push((at(""), "needs `batch`".into()));
                continue;
            };
            for (field, time) in [
                (".batch.schedule_delay", batch.schedule_delay),
                (".batch.export_timeout", batch.export_timeout),
            ] {
                if time < Duration::from_millis(100) {
                    wrong.push((at(field), "must be at least 100ms".into()));
                }
            }
            if !(1..=QUEUE_MAX).contains(&batch.max_queue_size) {
                let message = format!("must be between 1 and {QUEUE_MAX}");
                wrong.push((at(".batch.max_queue_size"), message));
            }
            if !(1..=batch.max_queue_size).contains(&batch.max_export_batch_size) {
                let message = "must be between 1 and max_queue_size";
                wrong.push((at(".batch.max_export_batch_size"), message.into()));
            }
            match &batch.exporter.otlp {
                None => wrong.push((at(".batch"), "needs `exporter: {otlp: …}`".into())),
                Some(otlp) if !is_url(&otlp.endpoint) => {
                    let message = format!(
                        "`{}` is not an address such as http://localhost:4318",
                        otlp.endpoint
                    );
                    wrong.push((at(".batch.exporter.otlp.endpoint"), message));
                }
                Some(_) => {}
            }
        }
        if !(0.0..=1.0).contains(&self.ratio()) {
            wrong.push(("traces.sampler".into(), "the ratio must be between 0 and 1".into()));
        }
        wrong
    }
}
