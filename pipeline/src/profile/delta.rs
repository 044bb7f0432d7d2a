//! Totals since the start of a process to what happened between two snapshots.
//!
//! Go's `alloc_*`, and `contentions` and `delay` of mutex and block profiles, only grow. The
//! difference to the snapshot before, per stack and label set, is what happened in between. The
//! first snapshot is a baseline and no data; so is one in which a counter fell, because the process
//! started anew. The caller moves the baseline only when the delta is durable, so that one that got
//! lost is part of the next.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use super::{LabelValue, Profile, Temporality, subset::subset};
use crate::{limits::Limits, reason::Refused};

/// What a snapshot counted, by stack and label set: 8 bytes a row and 8 a counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// Names of the counters.
    counters: Vec<String>,
    /// When the snapshot was taken.
    time_ns: i64,
    /// Hashes of stack and labels, sorted.
    keys: Vec<u64>,
    /// The counters of each key, side by side.
    values: Vec<i64>,
}

/// What one snapshot gives.
#[derive(Debug)]
pub struct Delta {
    /// Gauges of the moment, and counters as deltas where there is a baseline: up to two profiles,
    /// because they cover different times.
    pub profiles: Vec<Profile>,
    /// What the next snapshot is compared to, once these profiles are durable; none where the
    /// profile has no counters.
    pub baseline: Option<Baseline>,
    /// Whether the process started anew since the baseline.
    pub restarted: bool,
    /// Whether it is older than the baseline, as a clock was set back: what happened in between
    /// belongs to no time, and is left out.
    pub turned_back: bool,
}

impl Baseline {
    /// Bytes of memory that it holds.
    pub fn bytes(&self) -> usize {
        8 * (self.keys.len() + self.values.len())
    }
}

/// Splits a snapshot into gauges and deltas. What has no cumulative column stays as it is.
///
/// # Errors
/// Where a part is over the limits, which the whole was within.
pub fn delta(
    profile: Profile,
    baseline: Option<&Baseline>,
    limits: &Limits,
) -> Result<Delta, Refused> {
    let columns = |cumulative: bool| -> Vec<usize> {
        let types = profile.meta.sample_types.iter().enumerate();
        types
            .filter(|(_, t)| (t.temporality == Temporality::Cumulative) == cumulative)
            .map(|(column, _)| column)
            .collect()
    };
    let (counters, gauges) = (columns(true), columns(false));
    if counters.is_empty() {
        let (baseline, restarted, turned_back) = (None, false, false);
        return Ok(Delta { profiles: vec![profile], baseline, restarted, turned_back });
    }
    let keys = keys(&profile);
    let next = snapshot(&profile, &counters, &keys);
    let mut profiles = Vec::new();
    if !gauges.is_empty() {
        profiles.push(part(&profile, &gauges, limits, |_, _| {})?);
    }
    let same = baseline.filter(|before| before.counters == next.counters);
    let turned_back = same.is_some_and(|before| before.time_ns > next.time_ns);
    let comparable = same.filter(|before| before.time_ns < next.time_ns);
    let grown = comparable.map(|before| before.growth(&next));
    let restarted = matches!(grown, Some(None));
    if let (Some(before), Some(Some(grown))) = (comparable, grown) {
        profiles.push(deltas(&profile, &counters, &keys, before, grown, limits)?);
    }
    Ok(Delta { profiles, baseline: Some(next), restarted, turned_back })
}

/// Splits a profile into what happened in a window and what was there at its end. Either may be
/// missing; a profile of one sort stays as it is.
///
/// # Errors
/// Where a part is over the limits, which the whole was within.
pub fn split(profile: Profile, limits: &Limits) -> Result<[Option<Profile>; 2], Refused> {
    let types = profile.meta.sample_types.iter().enumerate();
    let (happened, there): (Vec<_>, Vec<_>) =
        types.partition(|(_, t)| t.temporality == Temporality::Delta);
    let [happened, there] = [happened, there]
        .map(|some| some.into_iter().map(|(column, _)| column).collect::<Vec<usize>>());
    match (happened.is_empty(), there.is_empty()) {
        (_, true) => Ok([Some(profile), None]),
        (true, false) => Ok([None, Some(profile)]),
        (false, false) => {
            let happened = part(&profile, &happened, limits, |_, _| {})?;
            Ok([Some(happened), Some(part(&profile, &there, limits, |_, _| {})?)])
        }
    }
}

/// The deltas as a profile over the time between the snapshots. Of several rows with one key the
/// first has all of it.
fn deltas(
    profile: &Profile,
    counters: &[usize],
    keys: &[u64],
    before: &Baseline,
    mut grown: Growth,
    limits: &Limits,
) -> Result<Profile, Refused> {
    let take = |row: usize, values: &mut [i64]| grown.take(keys[row], values);
    let mut part = part(profile, counters, limits, take)?;
    part.meta.duration_ns = profile.meta.time_ns - before.time_ns;
    part.meta.time_ns = before.time_ns;
    for sample_type in &mut part.meta.sample_types {
        sample_type.temporality = Temporality::Delta;
    }
    Ok(part)
}

/// Some columns as a profile with an identity of its own; `change` may replace the values of a row.
/// Rows of zeros are left out.
fn part(
    profile: &Profile,
    columns: &[usize],
    limits: &Limits,
    mut change: impl FnMut(usize, &mut [i64]),
) -> Result<Profile, Refused> {
    let types = profile.meta.sample_types.len();
    let all = &profile.samples().values;
    let mut part = subset(profile, columns, limits, |row, values| {
        for (value, column) in values.iter_mut().zip(columns) {
            *value = all[row * types + column];
        }
        change(row, values);
        values.iter().any(|value| *value != 0)
    })?;
    let mut identity = profile.meta.content_hash.to_le_bytes().to_vec();
    columns.iter().for_each(|column| identity.push(*column as u8));
    part.meta.content_hash = xxh3_128(&identity);
    Ok(part)
}

/// What tells rows apart, by content: indexes and ids differ from snapshot to snapshot.
fn keys(profile: &Profile) -> Vec<u64> {
    let strings: Vec<u64> = profile.strings().iter().map(|s| xxh3_64(s.as_bytes())).collect();
    let text = |index: u32| strings[index as usize];
    let mut hash = Xxh3::new();
    let mut places = Vec::with_capacity(profile.locations().len());
    for (index, location) in profile.locations().iter().enumerate() {
        hash.reset();
        hash.update(&location.address.to_le_bytes());
        for line in profile.lines().get(index as u32) {
            let function = profile.functions()[line.function as usize];
            for part in [text(function.name), text(function.file), line.line as u64] {
                hash.update(&part.to_le_bytes());
            }
        }
        places.push(hash.digest());
    }
    let samples = profile.samples();
    let mut keys = Vec::with_capacity(profile.len());
    for (stack, labels) in samples.stacks.iter().zip(&samples.label_sets) {
        hash.reset();
        for location in profile.stacks().get(*stack) {
            hash.update(&places[*location as usize].to_le_bytes());
        }
        // Order of labels means nothing, so their hashes are added.
        let labels = profile.label_sets().get(*labels).iter().map(|label| {
            let [kind, value, unit] = match label.value {
                LabelValue::Text(value) => [0, text(value), 0],
                LabelValue::Number(number, unit) => [1, number as u64, text(unit)],
            };
            let parts = [text(label.key), kind, value, unit].map(u64::to_le_bytes);
            xxh3_64(parts.as_flattened())
        });
        hash.update(&labels.fold(0, u64::wrapping_add).to_le_bytes());
        keys.push(hash.digest());
    }
    keys
}

fn snapshot(profile: &Profile, counters: &[usize], keys: &[u64]) -> Baseline {
    let types = profile.meta.sample_types.len();
    let all = &profile.samples().values;
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    order.sort_unstable_by_key(|row| keys[*row as usize]);
    let mut sorted: Vec<u64> = Vec::with_capacity(keys.len());
    let mut values: Vec<i64> = Vec::with_capacity(keys.len() * counters.len());
    for row in order {
        let (row, key) = (row as usize, keys[row as usize]);
        let own = counters.iter().map(|column| all[row * types + column]);
        if sorted.last() == Some(&key) {
            let at = values.len() - counters.len();
            values[at..].iter_mut().zip(own).for_each(|(sum, v)| *sum = sum.saturating_add(v));
        } else {
            sorted.push(key);
            values.extend(own);
        }
    }
    let name = |column: &usize| profile.text(profile.meta.sample_types[*column].kind).to_owned();
    let counters = counters.iter().map(name).collect();
    Baseline { counters, time_ns: profile.meta.time_ns, keys: sorted, values }
}

/// Differences by key; taking one leaves zeros.
struct Growth {
    keys: Vec<u64>,
    values: Vec<i64>,
    counters: usize,
}

impl Growth {
    fn take(&mut self, key: u64, values: &mut [i64]) {
        let at = self.keys.binary_search(&key).map(|at| at * self.counters);
        let own = at.map(|at| &mut self.values[at..at + self.counters]);
        for (column, value) in values.iter_mut().enumerate() {
            *value = own.as_ref().map_or(0, |own| own[column]);
        }
        if let Ok(own) = own {
            own.fill(0);
        }
    }
}

impl Baseline {
    /// What was counted since; `None` where a counter fell or is gone.
    fn growth(&self, next: &Self) -> Option<Growth> {
        let counters = self.counters.len();
        let mut values = next.values.clone();
        let mut at = 0;
        for (key, before) in self.keys.iter().zip(self.values.chunks_exact(counters)) {
            while next.keys.get(at).is_some_and(|other| other < key) {
                at += 1;
            }
            if next.keys.get(at) != Some(key) {
                if before.iter().any(|value| *value != 0) {
                    return None;
                }
                continue;
            }
            for (value, before) in values[at * counters..][..counters].iter_mut().zip(before) {
                *value = value.checked_sub(*before).filter(|grown| *grown >= 0)?;
            }
        }
        Some(Growth { keys: next.keys.clone(), values, counters })
    }
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
