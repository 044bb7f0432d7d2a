//! Config of the exporter `parquet`.

use std::{path::PathBuf, time::Duration};

use pipeline::{
    quantity,
    settings::{Queue, Retry, Settings, TIMEOUT},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Config of the exporter `parquet`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directory of the lake. Where it is missing the loader sets it below the data directory,
    /// after the exporter's id.
    pub path: Option<PathBuf>,
    /// Time from the first profile of a file to its commit.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub flush_interval: Duration,
    /// The same for the first 20 seconds after start, so that a new user soon sees data.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub first_flush: Duration,
    /// What is kept.
    pub retention: Retention,
    /// Whether Go's numeric label `bytes` of heap samples, the size of the objects, is kept. It
    /// splits stacks into many rows, and few people ask for it.
    pub keep_bytes_label: bool,
    /// Time that one push may take; zero sets no limit.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub timeout: Duration,
    /// What happens after a push that may succeed later.
    pub retry_on_failure: Retry,
    /// What may wait for this exporter.
    pub sending_queue: Queue,
}

/// What a lake keeps; whichever limit is reached first removes the oldest hours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Age since a profile was taken in.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_age: Duration,
    /// Bytes of all files.
    #[serde(with = "quantity::bytes")]
    #[schemars(with = "quantity::BytesText")]
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            flush_interval: Duration::from_secs(10),
            first_flush: Duration::from_secs(2),
            retention: Retention::default(),
            keep_bytes_label: false,
            timeout: TIMEOUT,
            retry_on_failure: Retry::default(),
            sending_queue: Queue::default(),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(15 * 86_400), max_bytes: 10 << 30 }
    }
}

impl Retention {
    /// What the lake keeps that is there for the pages only.
    pub fn implied() -> Self {
        Self { max_age: Duration::from_secs(86_400), max_bytes: 1 << 30 }
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

    pub(crate) fn check(&self) -> Vec<(String, String)> {
        let mut wrong = self.settings().check();
        if self.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            wrong.push(("path".into(), "must not be empty".into()));
        }
        if let Some(path) = self.path.as_ref().and_then(|path| path.to_str())
            && path.contains("://")
        {
            wrong.push(("path".into(), format!("`{path}` is not a directory on a local disk")));
        }
        for (field, time) in [
            ("flush_interval", self.flush_interval),
            ("first_flush", self.first_flush),
            ("retention.max_age", self.retention.max_age),
        ] {
            if time < Duration::from_secs(1) {
                wrong.push((field.into(), "must be at least 1s".into()));
            }
        }
        if self.retention.max_bytes < 1 << 20 {
            wrong.push(("retention.max_bytes".into(), "must be at least 1MiB".into()));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_named() {
        assert_eq!(Config::default().check(), []);
        let config = Config {
            path: Some("s3://bucket/lake".into()),
            flush_interval: Duration::ZERO,
            retention: Retention { max_bytes: 5, ..Retention::default() },
            ..Config::default()
        };
        let fields: Vec<_> = config.check().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["path", "flush_interval", "retention.max_bytes"]);
    }
}
