//! The processor `filter`: drops profiles, types of profiles, and labels of samples.

mod config;

use anyhow::anyhow;
use regex::Regex;

pub use config::Config;

use crate::{
    component::Processor,
    limits::Limits,
    matcher::{Matcher, parse_matchers},
    profile::{Profile, keep_types, relabel},
    reason::Refused,
};

use super::anchored;

/// Drops what its config says.
pub struct Filter {
    drop: Vec<Vec<Matcher>>,
    keep: Vec<Vec<Matcher>>,
    drop_sample_labels: Vec<Regex>,
    limits: Limits,
}

impl Filter {
    /// A filter after its config.
    ///
    /// # Errors
    /// Where a list of matchers or a pattern cannot be read.
    pub fn new(config: &Config, limits: Limits) -> anyhow::Result<Self> {
        let read = |lists: &[String]| -> anyhow::Result<Vec<Vec<Matcher>>> {
            lists.iter().map(|list| Ok(parse_matchers(list)?)).collect()
        };
        let patterns = config.drop_sample_labels.iter().map(|pattern| anchored(pattern));
        Ok(Self {
            drop: read(&config.drop)?,
            keep: read(&config.keep)?,
            drop_sample_labels: patterns.collect::<Result<_, _>>().map_err(|e| anyhow!(e))?,
            limits,
        })
    }

    /// What is left of a profile.
    fn rest(&self, profile: Profile) -> Result<Option<Profile>, Refused> {
        let types = 0..profile.meta.sample_types.len();
        let kept: Vec<usize> = types.filter(|column| self.keeps(&profile, *column)).collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let mut profile = profile;
        if kept.len() < profile.meta.sample_types.len() {
            let name = |column: &usize| profile.text(profile.meta.sample_types[*column].kind);
            let names: Vec<String> = kept.iter().map(|column| name(column).to_owned()).collect();
            profile = keep_types(&profile, &names, &self.limits)?;
        }
        if self.drop_sample_labels.is_empty() {
            return Ok(Some(profile));
        }
        let dropped = |key: &str| self.drop_sample_labels.iter().any(|re| re.is_match(key));
        let relabelled = relabel(&profile, &self.limits, |labels| {
            let before = labels.len();
            labels.retain(|label| !dropped(&label.key));
            labels.len() < before
        })?;
        Ok(Some(relabelled.unwrap_or(profile)))
    }

    fn keeps(&self, profile: &Profile, column: usize) -> bool {
        let kind = profile.text(profile.meta.sample_types[column].kind);
        let matches = |list: &Vec<Matcher>| list.iter().all(|m| matches(m, profile, kind));
        !self.drop.iter().any(matches) && (self.keep.is_empty() || self.keep.iter().any(matches))
    }
}

/// Whether a matcher fits a type of a profile. A key is `profile`, `type` (`profile:sample_type`),
/// a column of the lake, or a resource attribute.
fn matches(matcher: &Matcher, profile: &Profile, sample_type: &str) -> bool {
    let resource = &profile.meta.resource;
    match matcher.key() {
        "profile" => matcher.matches(&profile.meta.name),
        "type" => matcher.matches(&format!("{}:{sample_type}", profile.meta.name)),
        key => {
            let own = || resource.iter().find(|(name, _)| matcher.names(name)).map(|pair| pair.1);
            matcher.matches(resource.column(key).or_else(own).unwrap_or_default())
        }
    }
}

impl Processor for Filter {
    fn process(&mut self, profiles: &mut Vec<Profile>) {
        let rest = |profile: Profile| {
            let (name, service) = (profile.meta.name.clone(), profile.meta.resource.clone());
            self.rest(profile).unwrap_or_else(|refused| {
                let service = service.service();
                tracing::warn!(%refused, profile = name, service, "a filtered profile is dropped");
                None
            })
        };
        *profiles = std::mem::take(profiles).into_iter().filter_map(rest).collect();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{heap, labels, processed};

    #[test]
    fn profiles_and_types_are_dropped_by_matchers() {
        let resource = [("service.name", "orders"), ("k8s.namespace.name", "shop"), ("zone", "a")];
        let all = ["inuse_objects", "inuse_space"];
        for (config, want) in [
            (json!({"drop": ["service=\"orders\""]}), &[][..]),
            (json!({"drop": ["service=\"order\""]}), &all),
            (json!({"drop": ["service=\"orders\", zone=\"b\""]}), &all),
            (json!({"drop": ["service=\"orders\", zone=\"a\""]}), &[]),
            (json!({"drop": ["namespace=~\"sh.*\""]}), &[]),
            (json!({"drop": ["k8s_namespace_name=\"shop\""]}), &[]),
            (json!({"drop": ["profile=\"goroutine\"", "profile=\"heap\""]}), &[]),
            (json!({"drop": ["type=\"heap:inuse_objects\""]}), &all[1..]),
            (json!({"drop": ["type=~\".*:inuse_space\""]}), &all[..1]),
            (json!({"keep": ["type=\"heap:inuse_space\"", "profile=\"cpu\""]}), &all[1..]),
            (json!({"keep": ["profile=\"cpu\""]}), &[]),
            (json!({"keep": ["zone=\"a\""], "drop": ["absent=\"\""]}), &[]),
        ] {
            let left = processed("filter", config.clone(), heap(&resource, &[&[], &[]]));
            let types: Vec<&str> = left
                .iter()
                .flat_map(|p| p.meta.sample_types.iter().map(|t| p.text(t.kind)))
                .collect();
            assert_eq!(types, want, "{config}");
        }
    }

    #[test]
    fn what_is_kept_keeps_its_values() {
        let config = json!({"drop": ["type=\"heap:inuse_objects\""]});
        let left = processed("filter", config, heap(&[], &[&[("a", "1")], &[("b", "2")]]));
        assert_eq!(left[0].samples().values, [100, 200]);
        assert_eq!(labels(&left[0]), [["a=1"], ["b=2"]]);
    }

    #[test]
    fn labels_of_samples_are_dropped_by_name() {
        let samples: [&[_]; 3] =
            [&[("request_id", "7"), ("endpoint", "/x")], &[("span.id", "1")], &[]];
        let config = json!({"drop_sample_labels": ["request_id", "span\\..*"]});
        let left = processed("filter", config, heap(&[], &samples));
        assert_eq!(labels(&left[0]), [vec!["endpoint=/x"], vec![], vec![]]);
        assert_eq!(left[0].samples().values, [1, 100, 2, 200, 3, 300]);
        let config = json!({"drop_sample_labels": ["request"]});
        let left = processed("filter", config, heap(&[], &samples));
        assert_eq!(left[0], heap(&[], &samples), "a part of a name is not the name");
    }
}
