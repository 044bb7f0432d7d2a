//! What every exporter can be told about queue, retry and timeout. The engine's worker acts on it;
//! names and meanings are the OpenTelemetry Collector's, save that retry has no end by default.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{quantity, spool::FullPolicy};

/// How the engine treats one exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time that one push may take; zero sets no limit.
    pub timeout: Duration,
    /// What happens after a push that may succeed later.
    pub retry: Retry,
    /// What may wait for the exporter.
    pub queue: Queue,
}

/// Waiting times between attempts.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// `false` gives a push one attempt only.
    pub enabled: bool,
    /// Wait after the first failure. No wait is shorter than 100 ms, whatever is said.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub initial_interval: Duration,
    /// The longest wait.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_interval: Duration,
    /// Share by which a wait is made longer or shorter at random, 0 to 1.
    pub randomization_factor: f64,
    /// By how much each wait is longer than the one before.
    pub multiplier: f64,
    /// Time after which a push is given up; zero never gives up.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_elapsed_time: Duration,
}

/// What may wait in the spool for one exporter.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// Bytes of spool that may wait, of those that the exporters of a pipeline say the largest;
    /// beyond them `overflow` says what happens.
    #[serde(rename = "queue_size", with = "quantity::bytes")]
    #[schemars(with = "quantity::BytesText")]
    pub bytes_max: u64,
    /// Age at which a profile that still waits is dropped and counted.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_age: Duration,
    /// What gives way when no more may wait: `block` refuses what is new, so that its sender tries
    /// again; `drop_oldest` and `drop_newest` drop it and count it. By default what is scraped
    /// makes the oldest go, and what is pushed is refused, as is all that shares a pipeline with
    /// it. Where exporters of a pipeline differ, the first in this order holds.
    pub overflow: Option<FullPolicy>,
}

/// The time that one push may take where the config says nothing.
pub const TIMEOUT: Duration = Duration::from_secs(30);

impl Default for Settings {
    fn default() -> Self {
        Self { timeout: TIMEOUT, retry: Retry::default(), queue: Queue::default() }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            max_interval: Duration::from_secs(30),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_elapsed_time: Duration::ZERO,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { bytes_max: 1 << 30, max_age: Duration::from_secs(24 * 3600), overflow: None }
    }
}

impl Settings {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let Retry { randomization_factor, multiplier, .. } = self.retry;
        let mut wrong = Vec::new();
        let mut require = |holds: bool, field: &str, message: &str| {
            if !holds {
                wrong.push((field.to_owned(), message.to_owned()));
            }
        };
        require(
            (0.0..=1.0).contains(&randomization_factor),
            "retry_on_failure.randomization_factor",
            "must be between 0 and 1",
        );
        require(
            multiplier.is_finite() && multiplier >= 0.0,
            "retry_on_failure.multiplier",
            "must be a number, 0 or more",
        );
        require(self.queue.bytes_max > 0, "sending_queue.queue_size", ABOVE_0);
        require(!self.queue.max_age.is_zero(), "sending_queue.max_age", ABOVE_0);
        wrong
    }
}

const ABOVE_0: &str = "must be above 0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_nonsense_is_named() {
        assert_eq!(Settings::default().check(), []);
        let settings = Settings {
            retry: Retry { randomization_factor: f64::NAN, multiplier: -0.5, ..Retry::default() },
            queue: Queue { bytes_max: 0, max_age: Duration::ZERO, overflow: None },
            ..Settings::default()
        };
        let fields: Vec<_> = settings.check().into_iter().map(|(field, _)| field).collect();
        assert_eq!(
            fields,
            [
                "retry_on_failure.randomization_factor",
                "retry_on_failure.multiplier",
                "sending_queue.queue_size",
                "sending_queue.max_age",
            ]
        );
    }
}
