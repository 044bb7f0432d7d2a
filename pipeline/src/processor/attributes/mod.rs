//! The processor `attributes`: sets, takes away and hashes attributes of resources and labels of
//! samples.

mod config;

use std::collections::BTreeMap;

use anyhow::anyhow;
use regex::Regex;
use sha2::{Digest, Sha256};

pub use config::{Action, Config, Kind, On};

use crate::{
    component::Processor,
    limits::Limits,
    profile::{Profile, SampleLabel, SampleValue, relabel},
};

use super::anchored;

/// Does what its config says.
pub struct Attributes {
    resource: Vec<Step>,
    samples: Vec<Step>,
    limits: Limits,
}

/// One action, ready.
struct Step {
    kind: Kind,
    named: Named,
    value: Source,
}

enum Named {
    Key(String),
    Pattern(Regex),
}

enum Source {
    Value(String),
    Attribute(String),
}

/// Something that has values by keys.
trait Map {
    fn value(&self, key: &str) -> Option<String>;
    fn set(&mut self, key: &str, value: &str);
    fn delete(&mut self, named: &Named);
    fn hash(&mut self, named: &Named);
}

impl Attributes {
    /// A processor after its config.
    ///
    /// # Errors
    /// Where a pattern cannot be read.
    pub fn new(config: &Config, limits: Limits) -> anyhow::Result<Self> {
        let of = |on: On| -> anyhow::Result<Vec<Step>> {
            config.actions.iter().filter(|action| action.on == on).map(Step::of).collect()
        };
        Ok(Self { resource: of(On::Resource)?, samples: of(On::Samples)?, limits })
    }

    fn on_resource(&self, profile: &mut Profile) {
        if self.resource.is_empty() {
            return;
        }
        let pairs = profile.meta.resource.iter();
        let mut map: BTreeMap<String, String> =
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        self.resource.iter().for_each(|step| step.apply(&mut map));
        profile.meta.resource = map.into_iter().collect();
    }

    /// Whether the profile goes on.
    fn on_samples(&self, profile: &mut Profile) -> bool {
        if self.samples.is_empty() {
            return true;
        }
        let relabelled = relabel(profile, &self.limits, |labels| {
            let before = labels.clone();
            self.samples.iter().for_each(|step| step.apply(labels));
            *labels != before
        });
        match relabelled {
            Ok(None) => true,
            Ok(Some(relabelled)) => {
                *profile = relabelled;
                true
            }
            // What was to be hidden must not pass, so it goes as a whole.
            Err(refused) => {
                let (name, service) = (&profile.meta.name, profile.meta.resource.service());
                tracing::warn!(%refused, profile = name, service, "a changed profile is dropped");
                false
            }
        }
    }
}

impl Processor for Attributes {
    fn process(&mut self, profiles: &mut Vec<Profile>) {
        profiles.retain_mut(|profile| {
            self.on_resource(profile);
            self.on_samples(profile)
        });
    }
}

impl Step {
    fn of(action: &Action) -> anyhow::Result<Self> {
        let named = match &action.pattern {
            Some(pattern) => Named::Pattern(anchored(pattern).map_err(|error| anyhow!(error))?),
            None => Named::Key(action.key.clone().unwrap_or_default()),
        };
        let value = match &action.from_attribute {
            Some(attribute) => Source::Attribute(attribute.clone()),
            None => Source::Value(action.value.clone().unwrap_or_default()),
        };
        Ok(Self { kind: action.action, named, value })
    }

    fn apply(&self, map: &mut impl Map) {
        let key = match (self.kind, &self.named) {
            (Kind::Delete, named) => return map.delete(named),
            (Kind::Hash, named) => return map.hash(named),
            (_, Named::Key(key)) => key,
            (_, Named::Pattern(_)) => return,
        };
        let there = map.value(key).is_some();
        let wanted = match self.kind {
            Kind::Insert => !there,
            Kind::Update => there,
            _ => true,
        };
        let value = match &self.value {
            Source::Value(value) => Some(value.clone()),
            Source::Attribute(attribute) => map.value(attribute),
        };
        if let (true, Some(value)) = (wanted, value) {
            map.set(key, &value);
        }
    }
}

impl Named {
    fn is(&self, key: &str) -> bool {
        match self {
            Self::Key(wanted) => wanted == key,
            Self::Pattern(regex) => regex.is_match(key),
        }
    }
}

fn hashed(value: &str) -> String {
    Sha256::digest(value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Map for BTreeMap<String, String> {
    fn value(&self, key: &str) -> Option<String> {
        self.get(key).cloned()
    }

    fn set(&mut self, key: &str, value: &str) {
        self.insert(key.to_owned(), value.to_owned());
    }

    fn delete(&mut self, named: &Named) {
        self.retain(|key, _| !named.is(key));
    }

    fn hash(&mut self, named: &Named) {
        for (_, value) in self.iter_mut().filter(|(key, _)| named.is(key)) {
            *value = hashed(value);
        }
    }
}

/// Labels of samples; a key may be there more than once.
impl Map for Vec<SampleLabel> {
    fn value(&self, key: &str) -> Option<String> {
        let label = self.iter().find(|label| label.key == key)?;
        Some(text(&label.value))
    }

    fn set(&mut self, key: &str, value: &str) {
        self.retain(|label| label.key != key);
        let value = SampleValue::Text(value.to_owned());
        self.push(SampleLabel { key: key.to_owned(), value });
    }

    fn delete(&mut self, named: &Named) {
        self.retain(|label| !named.is(&label.key));
    }

    fn hash(&mut self, named: &Named) {
        for label in self.iter_mut().filter(|label| named.is(&label.key)) {
            label.value = SampleValue::Text(hashed(&text(&label.value)));
        }
    }
}

fn text(value: &SampleValue) -> String {
    match value {
        SampleValue::Text(text) => text.clone(),
        SampleValue::Number(number, _) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::tests::{heap, labels, processed},
        *,
    };

    const SHA256_OF_A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

    #[test]
    fn actions_on_resources_are_those_of_the_collector() {
        for (actions, want) in [
            (json!([{"key": "x", "value": "1", "action": "insert"}]), "x=1 zone=a"),
            (json!([{"key": "zone", "value": "1", "action": "insert"}]), "zone=a"),
            (json!([{"key": "x", "value": "1", "action": "update"}]), "zone=a"),
            (json!([{"key": "zone", "value": 1, "action": "update"}]), "zone=1"),
            (json!([{"key": "x", "value": true, "action": "upsert"}]), "x=true zone=a"),
            (json!([{"key": "x", "from_attribute": "zone", "action": "insert"}]), "x=a zone=a"),
            (json!([{"key": "x", "from_attribute": "none", "action": "upsert"}]), "zone=a"),
            (json!([{"key": "zone", "action": "delete"}]), ""),
            (json!([{"pattern": "z.*", "action": "delete"}]), ""),
            (json!([{"pattern": "z", "action": "delete"}]), "zone=a"),
            (json!([{"key": "zone", "action": "hash"}]), &format!("zone={SHA256_OF_A}")),
            (
                json!([
                    {"key": "x", "from_attribute": "zone", "action": "insert"},
                    {"key": "zone", "action": "delete"},
                ]),
                "x=a",
            ),
        ] {
            let config = json!({"actions": actions});
            let out = processed("attributes", config.clone(), heap(&[("zone", "a")], &[]));
            let pairs: Vec<String> =
                out[0].meta.resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(pairs.join(" "), want, "{config}");
        }
    }

    #[test]
    fn actions_on_samples_change_their_labels_only() {
        let samples: [&[_]; 2] = [&[("user", "a"), ("path", "/x")], &[]];
        for (actions, want) in [
            (json!([{"key": "user", "action": "delete"}]), [vec!["path=/x"], vec![]]),
            (
                json!([{"pattern": "us.*", "action": "hash"}]),
                [vec![&*format!("user={SHA256_OF_A}"), "path=/x"], vec![]],
            ),
            (
                json!([{"key": "team", "value": "b", "action": "insert"}]),
                [vec!["user=a", "path=/x", "team=b"], vec!["team=b"]],
            ),
            (
                json!([{"key": "user", "from_attribute": "path", "action": "update"}]),
                [vec!["path=/x", "user=/x"], vec![]],
            ),
            (json!([{"key": "none", "action": "delete"}]), [vec!["user=a", "path=/x"], vec![]]),
        ] {
            let mut actions = actions;
            actions[0]["on"] = json!("samples");
            let out = processed("attributes", json!({"actions": actions}), heap(&[], &samples));
            assert_eq!(labels(&out[0]), want, "{actions}");
            assert_eq!(out[0].samples().values, [1, 100, 2, 200]);
        }
    }

    #[test]
    fn a_profile_that_would_be_too_large_is_dropped() {
        let config: Config = serde_json::from_value(json!({"actions": [
            {"key": "x", "value": "1", "action": "insert", "on": "samples"}
        ]}))
        .unwrap();
        let limits = Limits { labels_per_sample_max: 1, ..Limits::default() };
        let mut profiles = vec![heap(&[], &[&[("a", "b")]]), heap(&[], &[&[]])];
        Attributes::new(&config, limits).unwrap().process(&mut profiles);
        assert_eq!(profiles.len(), 1);
        assert_eq!(labels(&profiles[0]), [["x=1"]]);
    }

    #[test]
    fn actions_that_cannot_work_say_so() {
        for (action, want) in [
            (json!({"action": "delete"}), "actions[0]: needs a `key` or a `pattern`"),
            (json!({"value": "x"}), "actions[0]: needs a `key`"),
            (json!({"key": "a"}), "actions[0]: needs a `value` or `from_attribute`"),
            (
                json!({"key": "a", "value": "b", "from_attribute": "c"}),
                "actions[0].from_attribute: stands beside `value`: only one counts",
            ),
            (
                json!({"key": "a", "value": "b", "action": "hash"}),
                "actions[0].value: is of no use here",
            ),
            (
                json!({"pattern": "(", "action": "delete"}),
                "actions[0].pattern: `(` is no regular expression",
            ),
            (
                json!({"pattern": "a", "value": "b"}),
                "actions[0].pattern: is for `delete` and `hash` only",
            ),
        ] {
            let config: Config = serde_json::from_value(json!({"actions": [action]})).unwrap();
            let problems: Vec<String> =
                config.check().iter().map(|(field, text)| format!("{field}: {text}")).collect();
            assert_eq!(problems, [want]);
        }
        assert!(
            serde_json::from_value::<Config>(json!({"actions": [{"action": "drop"}]})).is_err()
        );
    }
}
