//! Config of the processor `attributes`: a list of actions, named as the Collector's.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::super::anchored;

/// Config of the processor `attributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is done, one after the other.
    pub actions: Vec<Action>,
}

/// One action on one attribute, or on those whose names match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Action {
    /// Name of the attribute, as `deployment.environment.name`.
    pub key: Option<String>,
    /// For `delete` and `hash`, in place of `key`: a regular expression for whole names.
    pub pattern: Option<String>,
    /// What is done: `insert` where it is missing, `update` where it is there, `upsert` in any
    /// case, `delete`, or `hash` (the SHA-256 of the value, in hex).
    pub action: Kind,
    /// The value to set.
    #[serde(deserialize_with = "scalar")]
    pub value: Option<String>,
    /// In place of `value`: the attribute whose value is taken; if it is missing nothing is done.
    pub from_attribute: Option<String>,
    /// Whether `resource` attributes are meant or the labels of `samples`.
    pub on: On,
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sets it where it is missing.
    Insert,
    /// Sets it where it is there.
    Update,
    /// Sets it in any case.
    #[default]
    Upsert,
    /// Takes it away.
    Delete,
    /// Replaces its value by the SHA-256 of it.
    Hash,
}

/// What an action is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Attributes of who was profiled.
    #[default]
    Resource,
    /// Labels of samples.
    Samples,
}

/// Numbers and truth values are texts here, as in every label.
fn scalar<'de, D: Deserializer<'de>>(de: D) -> Result<Option<String>, D::Error> {
    struct Scalar;
    impl de::Visitor<'_> for Scalar {
        type Value = Option<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text, a number, true or false")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
            Ok(Some(value.to_string()))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    de.deserialize_any(Scalar)
}

impl Config {
    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.actions.is_empty() {
            problems.push(("actions".into(), "there is nothing to do: name an action".into()));
        }
        for (index, action) in self.actions.iter().enumerate() {
            if let Some((field, message)) = action.problem() {
                let dot = if field.is_empty() { "" } else { "." };
                problems.push((format!("actions[{index}]{dot}{field}"), message));
            }
        }
        problems
    }
}

impl Action {
    fn problem(&self) -> Option<(&'static str, String)> {
        let sets = matches!(self.action, Kind::Insert | Kind::Update | Kind::Upsert);
        let said = |field: &'static str, message: &str| Some((field, message.to_owned()));
        let (value, from) = (self.value.is_some(), self.from_attribute.is_some());
        match (&self.key, &self.pattern) {
            (None, None) if sets => return said("", "needs a `key`"),
            (None, None) => return said("", "needs a `key` or a `pattern`"),
            (Some(_), Some(_)) => return said("pattern", "stands beside `key`: only one counts"),
            (Some(key), None) if key.is_empty() => return said("key", "must not be empty"),
            (None, Some(_)) if sets => return said("pattern", "is for `delete` and `hash` only"),
            (None, Some(pattern)) => {
                if let Err(message) = anchored(pattern) {
                    return Some(("pattern", message));
                }
            }
            _ => {}
        }
        match (sets, value, from) {
            (true, false, false) => said("", "needs a `value` or `from_attribute`"),
            (true, true, true) => said("from_attribute", "stands beside `value`: only one counts"),
            (false, true, _) => said("value", "is of no use here"),
            (false, _, true) => said("from_attribute", "is of no use here"),
            _ => None,
        }
    }
}
