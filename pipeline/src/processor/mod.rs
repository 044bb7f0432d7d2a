//! What changes profiles on their way to the spool, one folder for each processor. They are plain
//! functions on profiles; the engine calls and counts them.

use schemars::{Schema, schema_for};
use serde::{Deserialize, Deserializer, de};

use crate::{component::Processor, limits::Limits};

pub mod attributes;
pub mod filter;

/// The types of processors, as config files name them.
pub const KINDS: &[&str] = &["attributes", "filter"];

/// The config of one processor.
#[derive(Clone, Debug, PartialEq)]
pub enum Config {
    /// Changes attributes of resources and labels of samples.
    Attributes(attributes::Config),
    /// Drops profiles, types and labels of samples.
    Filter(filter::Config),
}

impl Config {
    /// Reads the config of a processor of the type `kind`, one of [`KINDS`].
    pub fn parse<'de, D: Deserializer<'de>>(kind: &str, de: D) -> Result<Self, D::Error> {
        match kind {
            "attributes" => Deserialize::deserialize(de).map(Self::Attributes),
            "filter" => Deserialize::deserialize(de).map(Self::Filter),
            _ => Err(de::Error::unknown_variant(kind, KINDS)),
        }
    }

    /// What cannot work, as pairs of a field and a message.
    pub fn check(&self) -> Vec<(String, String)> {
        match self {
            Self::Attributes(config) => config.check(),
            Self::Filter(config) => config.check(),
        }
    }
}

/// The keys of a processor of type `kind`, with what their docs say and their defaults; `None`
/// where there is no such type.
pub fn schema(kind: &str) -> Option<Schema> {
    Some(match kind {
        "attributes" => schema_for!(attributes::Config),
        "filter" => schema_for!(filter::Config),
        _ => return None,
    })
}

/// Makes the processor `id` out of its config; `limits` are those of the profiles that it makes.
///
/// # Errors
/// Where the config does not check.
pub fn build(id: &str, config: &Config, limits: Limits) -> anyhow::Result<Box<dyn Processor>> {
    if let Some((field, message)) = config.check().first() {
        anyhow::bail!("processor {id}: {field}: {message}");
    }
    Ok(match config {
        Config::Attributes(config) => Box::new(attributes::Attributes::new(config, limits)?),
        Config::Filter(config) => Box::new(filter::Filter::new(config, limits)?),
    })
}

/// A regular expression for whole names, as label matchers have them.
pub(crate) fn anchored(pattern: &str) -> Result<regex::Regex, String> {
    const PATTERN_CHARS_MAX: usize = 1_000;
    if pattern.chars().count() > PATTERN_CHARS_MAX {
        return Err(format!("a pattern of more than {PATTERN_CHARS_MAX} characters"));
    }
    // Alone first: `a)|(b` would slip out of the group that anchors it.
    regex::Regex::new(pattern)
        .and_then(|_| {
            regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
        })
        .map_err(|_| format!("`{pattern}` is no regular expression"))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::profile::{Builder, Label, LabelValue, Meta, Profile, SampleType, Temporality};

    /// A heap profile with two types; a sample for each list of labels.
    pub fn heap(resource: &[(&str, &str)], samples: &[&[(&str, &str)]]) -> Profile {
        let mut builder = Builder::new(&Limits::default());
        for (row, labels) in (1i64..).zip(samples) {
            for (key, value) in *labels {
                let key = builder.string(key).unwrap();
                let value = LabelValue::Text(builder.string(value).unwrap());
                builder.label(Label { key, value }).unwrap();
            }
            builder.value(row);
            builder.value(row * 100);
            builder.sample(&[]).unwrap();
        }
        let sample_types = ["inuse_objects", "inuse_space"].map(|kind| SampleType {
            kind: builder.string(kind).unwrap(),
            unit: 0,
            temporality: Temporality::Instant,
        });
        let meta = Meta {
            name: "heap".into(),
            sample_types: sample_types.into(),
            resource: resource.iter().copied().collect(),
            ..Meta::default()
        };
        builder.finish(meta).unwrap()
    }

    /// The labels of each sample as `key=value`.
    pub fn labels(profile: &Profile) -> Vec<Vec<String>> {
        let text = |label: &Label| match label.value {
            LabelValue::Text(value) => {
                format!("{}={}", profile.text(label.key), profile.text(value))
            }
            LabelValue::Number(..) => String::new(),
        };
        let sets = profile.samples().label_sets.iter();
        sets.map(|set| profile.label_sets().get(*set).iter().map(text).collect()).collect()
    }

    /// What a processor makes of profiles.
    pub fn processed(kind: &str, config: serde_json::Value, profile: Profile) -> Vec<Profile> {
        let config = Config::parse(kind, config).unwrap();
        let mut profiles = vec![profile];
        build(kind, &config, Limits::default()).unwrap().process(&mut profiles);
        profiles
    }

    #[test]
    fn configs_are_read_by_type_and_checked() {
        assert!(Config::parse("relabels", json!({})).is_err());
        let config = Config::parse("filter", json!({"drop": ["service=~\"(\""]})).unwrap();
        let error = build("filter/x", &config, Limits::default()).err().unwrap().to_string();
        assert!(error.starts_with("processor filter/x: drop[0]: `(` is no regular"), "{error}");
        assert!(KINDS.iter().all(|kind| schema(kind).is_some()) && schema("x").is_none());
        assert!(anchored("a)|(b").is_err() && !anchored("a|b").unwrap().is_match("ab"));
    }
}
