//! Config of the processor `filter`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matcher::parse_matchers;

use super::super::anchored;

/// Config of the processor `filter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lists of label matchers as of `-l`, such as `profile="goroutine", namespace=~"kube-.*"`.
    /// What matches all of one list is dropped. Keys: `profile`, `type` (`heap:alloc_space`),
    /// `service`, `service_version`, `namespace`, `instance`, `host`, and resource attributes.
    pub drop: Vec<String>,
    /// The same: where there are any, only what matches all of one list is kept.
    pub keep: Vec<String>,
    /// Regular expressions for whole names of labels that samples lose.
    pub drop_sample_labels: Vec<String>,
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (field, lists) in [("drop", &self.drop), ("keep", &self.keep)] {
            for (index, list) in lists.iter().enumerate() {
                let message = match parse_matchers(list) {
                    Ok(matchers) if matchers.is_empty() => {
                        "matches everything: name a label, as in `profile=\"goroutine\"`".into()
                    }
                    Ok(_) => continue,
                    Err(error) => error.to_string(),
                };
                problems.push((format!("{field}[{index}]"), message));
            }
        }
        for (index, pattern) in self.drop_sample_labels.iter().enumerate() {
            if let Err(message) = anchored(pattern) {
                problems.push((format!("drop_sample_labels[{index}]"), message));
            }
        }
        problems
    }
}
