//! What the bytes of a pushed profile do not say: whose it is, what it measures, its time, and
//! which of its values add over time.

use std::collections::BTreeMap;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128;

use super::labels::Labels;
use crate::{
    limits::Limits,
    profile::{Profile, Temporality, delta, kind, split},
    reason::Refused,
};

/// The longest time that a profile may say it covers.
pub(super) const DAY_NS: i64 = 86_400_000_000_000;

/// What `sample_type_config` says of one sample type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct TypeConfig {
    /// `sum` or `average`.
    pub aggregation: String,
    /// What it is to people, which tells mutex and block profiles apart.
    pub display_name: String,
    /// Whether it is a total since the process started.
    pub cumulative: bool,
}

/// What is known beside the profile.
pub(super) struct Source<'s> {
    /// Of its series.
    pub labels: &'s Labels,
    /// Start and end, nanoseconds since 1970.
    pub window: Option<(i64, i64)>,
    /// By sample type.
    pub types: &'s BTreeMap<String, TypeConfig>,
}

/// Completes a profile: up to two come out of it, because what happened in a window and what was
/// there at its end are of different times. Totals become what happened where `previous` is the
/// profile of the window's start, and stay totals without it.
///
/// # Errors
/// Where a part is over the limits.
pub(super) fn complete(
    mut profile: Profile,
    previous: Option<Profile>,
    source: &Source<'_>,
    limits: &Limits,
) -> Result<Vec<Profile>, Refused> {
    describe(&mut profile, source);
    let meta = &mut profile.meta;
    let has_window = (1..=DAY_NS).contains(&meta.duration_ns) && meta.time_ns > 0;
    let Some((from_ns, until_ns)) = source.window.filter(|_| !has_window) else {
        if !has_window {
            (meta.time_ns, meta.duration_ns) = (meta.time_ns.max(0), 0);
        }
        return Ok(vec![profile]);
    };
    // The bytes of two windows may be equal, above all where nothing happened in them.
    let window = [i128::from(from_ns), i128::from(until_ns)].map(i128::to_le_bytes);
    let identity = [meta.content_hash.to_le_bytes(), window[0], window[1]];
    meta.content_hash = xxh3_128(identity.as_flattened());
    meta.duration_ns = 0;
    let is_total = |t: &crate::profile::SampleType| t.temporality == Temporality::Cumulative;
    if let Some(mut previous) = previous
        && meta.sample_types.iter().any(is_total)
    {
        describe(&mut previous, source);
        (previous.meta.time_ns, meta.time_ns) = (from_ns, until_ns);
        let baseline = delta(previous, None, limits)?.baseline;
        return Ok(delta(profile, baseline.as_ref(), limits)?.profiles);
    }
    let [happened, there] = split(profile, limits)?;
    let happened = happened.map(|mut profile| {
        (profile.meta.time_ns, profile.meta.duration_ns) = (from_ns, until_ns - from_ns);
        profile
    });
    let there = there.map(|mut profile| {
        if profile.meta.time_ns <= 0 {
            profile.meta.time_ns = until_ns;
        }
        profile
    });
    Ok(happened.into_iter().chain(there).collect())
}

/// Name, resource, and what the values mean.
fn describe(profile: &mut Profile, source: &Source<'_>) {
    profile.meta.resource = source.labels.resource.clone();
    if let Some(name) = &source.labels.profile {
        profile.meta.name.clone_from(name);
    } else if profile.meta.name == "mutex"
        && source.types.values().any(|config| config.display_name.contains("block"))
    {
        profile.meta.name = "block".into();
    }
    let mut types = std::mem::take(&mut profile.meta.sample_types);
    for sample_type in &mut types {
        let name = profile.text(sample_type.kind);
        let by_name = kind::temporality(name, profile.meta.duration_ns);
        sample_type.temporality = match source.types.get(name) {
            Some(config) if config.cumulative => Temporality::Cumulative,
            Some(config) if config.aggregation.starts_with("av") => Temporality::Instant,
            _ if by_name == Temporality::Instant => by_name,
            Some(_) => Temporality::Delta,
            None if source.labels.is_delta => Temporality::Delta,
            None => by_name,
        };
    }
    profile.meta.sample_types = types;
}
