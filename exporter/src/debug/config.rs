//! Config of the exporter `debug`.

use std::time::Duration;

use pipeline::{
    quantity,
    settings::{Queue, Retry, Settings, TIMEOUT},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Config of the exporter `debug`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much is written.
    pub verbosity: Verbosity,
    /// Time that one push may take.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
    /// What happens after a push that may succeed later.
    pub retry_on_failure: Retry,
    /// What may wait for this exporter.
    pub sending_queue: Queue,
}

/// How much the exporter `debug` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// One line for each push.
    #[default]
    Basic,
    /// One line for each profile.
    Normal,
    /// Every sample.
    Detailed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::default(),
            timeout: TIMEOUT,
            retry_on_failure: Retry::default(),
            sending_queue: Queue::default(),
        }
    }
}

impl Config {
    /// How the engine treats this exporter.
    pub fn settings(&self) -> Settings {
        Settings {
            timeout: self.timeout,
            retry: self.retry_on_failure.clone(),
            queue: self.sending_queue.clone(),
        }
    }
}
