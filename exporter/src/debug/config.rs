//! Config of the exporter `debug`, with the Collector's names and meanings.

use std::time::Duration;

use pipeline::{
    quantity,
    settings::{Retry, Settings, TIMEOUT},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::queue::SendingQueue;

/// Config of the exporter `debug`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much is written.
    pub verbosity: Verbosity,
    /// Pushes of each second that are written in any case.
    pub sampling_initial: u64,
    /// Of those after them, one of so many is written; 0 writes none of them.
    pub sampling_thereafter: u64,
    /// Whether it is written to the log. Otherwise to standard output, without time and level.
    pub use_internal_logger: bool,
    /// Where it is written to besides the log: `stdout`, `stderr`, or files, which grow.
    pub output_paths: Vec<String>,
    /// Time that one push may take; zero sets no limit.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
    /// What happens after a push that may succeed later.
    pub retry_on_failure: Retry,
    /// What may wait for this exporter.
    pub sending_queue: SendingQueue,
}

/// How much the exporter `debug` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// One line for each push.
    #[default]
    Basic,
    /// About one line for each profile.
    Normal,
    /// Every table and sample.
    Detailed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::default(),
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: vec!["stdout".into()],
            timeout: TIMEOUT,
            retry_on_failure: Retry::default(),
            sending_queue: SendingQueue::default(),
        }
    }
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = self.settings().check();
        wrong.extend(self.sending_queue.check());
        if self.output_paths.is_empty() {
            wrong.push(("output_paths".into(), "must name a place".into()));
        }
        for (index, path) in self.output_paths.iter().enumerate() {
            let file = path.strip_prefix("file://").unwrap_or(path);
            if file.is_empty() || file.contains("://") {
                let message = "must be stdout, stderr or a file".into();
                wrong.push((format!("output_paths[{index}]"), message));
            }
        }
        wrong
    }

    /// How the engine treats this exporter.
    pub fn settings(&self) -> Settings {
        Settings {
            timeout: self.timeout,
            retry: self.retry_on_failure.clone(),
            queue: self.sending_queue.queue(),
        }
    }
}
