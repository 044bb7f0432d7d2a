//! What the scan should give, row by row.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::profile::{Temporality, kind};

use crate::{
    Flame, Gauge,
    matcher::Matcher,
    selection::{Selection, Type},
};

use super::support::{Cell, Row, int, map, text};

/// Values by stack.
pub type Stacks = BTreeMap<String, f64>;

/// The value that a row has for a label.
fn label<'r>(row: &'r Row, key: &str) -> Option<&'r str> {
    if ["service", "service_version", "namespace", "instance", "host"].contains(&key) {
        return Some(text(row, key));
    }
    let own = map(row, "labels").and_then(|map| map.get(key));
    own.or_else(|| map(row, "resource")?.get(key)).map(String::as_str)
}

fn selected(row: &Row, selection: &Selection, matchers: &[&Matcher]) -> bool {
    selection.range.holds(int(row, "time"))
        && selection.service.as_ref().is_none_or(|service| text(row, "service") == service)
        && matchers.iter().all(|m| m.matches(label(row, m.key()).unwrap_or("")))
}

fn value(row: &Row, wanted: &Type) -> Option<i64> {
    let fits = text(row, "profile") == wanted.profile
        && text(row, "temporality") == wanted.temporality.as_str();
    let sample_type = text(row, "sample_type");
    match fits {
        true if sample_type == wanted.sample_type => Some(int(row, "value")),
        true if kind::counts(&wanted.sample_type).contains(&sample_type) => Some(int(row, "count")),
        _ => None,
    }
}

type Instance = (String, String, String);

fn instance(row: &Row) -> Instance {
    let part = |column| text(row, column).to_owned();
    (part("service"), part("namespace"), part("instance"))
}

/// Snapshots by instance. Labels that no resource has are those of samples, and tell nothing here.
pub fn snapshots(
    profiles: &[Row],
    selection: &Selection,
    wanted: &Type,
) -> BTreeMap<Instance, BTreeSet<i64>> {
    let known = |m: &&Matcher| profiles.iter().any(|row| label(row, m.key()).is_some());
    let matchers: Vec<&Matcher> = selection.matchers.iter().filter(known).collect();
    let mut found: BTreeMap<Instance, BTreeSet<i64>> = BTreeMap::new();
    for row in profiles.iter().filter(|row| selected(row, selection, &matchers)) {
        if text(row, "profile") == wanted.profile
            && text(row, "sample_type") == wanted.sample_type
            && text(row, "temporality") == wanted.temporality.as_str()
        {
            found.entry(instance(row)).or_default().insert(int(row, "time"));
        }
    }
    found
}

/// How far apart snapshots are.
fn interval(snapshots: &BTreeMap<Instance, BTreeSet<i64>>) -> i64 {
    snapshots.values().filter_map(own_interval).max().unwrap_or_default().1
}

/// Whether that of one instance can be relied on, and what it is.
fn own_interval(times: &BTreeSet<i64>) -> Option<(bool, i64)> {
    let times: Vec<i64> = times.iter().copied().collect();
    let mut gaps: Vec<i64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    gaps.sort();
    let middle = gaps.len().checked_sub(1)? / 2;
    Some((gaps.len() >= 3, gaps[middle]))
}

pub fn flame(
    samples: &[Row],
    profiles: &[Row],
    selection: &Selection,
    wanted: &Type,
    gauge: Gauge,
) -> Stacks {
    let matchers: Vec<&Matcher> = selection.matchers.iter().collect();
    let rows = samples.iter().filter(|row| selected(row, selection, &matchers));
    let rows: Vec<(&Row, i64)> = rows.filter_map(|row| Some((row, value(row, wanted)?))).collect();
    let mut out = Stacks::new();
    if wanted.temporality == Temporality::Delta {
        for (row, value) in rows {
            *out.entry(text(row, "stack").to_owned()).or_default() += value as f64;
        }
    } else {
        let snapshots = snapshots(profiles, selection, wanted);
        let by_step = steps(&rows, &snapshots, gauge);
        let total = |stacks: &Stacks| stacks.values().sum::<f64>();
        let chosen: Vec<&Stacks> = match gauge {
            Gauge::Mean => by_step.values().collect(),
            Gauge::Last => by_step.values().next_back().into_iter().collect(),
            Gauge::Max => {
                by_step.values().max_by(|a, b| total(a).total_cmp(&total(b))).into_iter().collect()
            }
        };
        for stacks in &chosen {
            for (stack, value) in *stacks {
                *out.entry(stack.clone()).or_default() += value / chosen.len() as f64;
            }
        }
    }
    out.retain(|_, value| *value != 0.0);
    out
}

/// The level of each stack in each step that has data.
fn steps(
    rows: &[(&Row, i64)],
    snapshots: &BTreeMap<Instance, BTreeSet<i64>>,
    gauge: Gauge,
) -> BTreeMap<i64, Stacks> {
    let all: BTreeSet<i64> = snapshots.values().flatten().copied().collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return BTreeMap::new() };
    let interval = interval(snapshots);
    let step = interval.max((last + 1 - first + 59) / 60).max(1);
    let first = if gauge == Gauge::Last { last + 1 - step } else { *first };
    let of = |time: i64| (time - first).div_euclid(step);
    let (begin, end) = (*all.first().unwrap(), *last);
    let mut out = BTreeMap::new();
    for number in of(begin)..=of(end) {
        for (instance_name, times) in snapshots {
            let seen = times.iter().any(|time| of(*time) == number);
            let stand_in = || stand_in(snapshots, instance_name, interval, of, number);
            let Some(counted) = seen.then_some(number).or_else(stand_in) else { continue };
            let stacks: &mut Stacks = out.entry(number).or_default();
            let n = times.iter().filter(|time| of(**time) == counted).count();
            // An instance that came or went counts for the part in which it was there.
            let start = first + number * step;
            let (low, high) = (start.max(begin), (start + step).min(end + interval));
            let (from, to) =
                lifetime(snapshots, instance_name, interval, |time| of(time) == number);
            let there = to.min(high) - from.max(low);
            let share = match interval > 0 {
                true => (there.max(1) as f64 / (high - low).max(1) as f64).min(1.0),
                false => 1.0,
            };
            for (row, value) in rows {
                if instance(row) == *instance_name && of(int(row, "time")) == counted {
                    let level = *value as f64 / n as f64 * share;
                    *stacks.entry(text(row, "stack").to_owned()).or_default() += level;
                }
            }
        }
    }
    out
}

/// The step whose snapshots stand for an instance in a step in which it has none, but was there.
fn stand_in(
    snapshots: &BTreeMap<Instance, BTreeSet<i64>>,
    of: &Instance,
    interval: i64,
    step_of: impl Fn(i64) -> i64,
    number: i64,
) -> Option<i64> {
    if interval == 0 {
        return None;
    }
    let times = &snapshots[of];
    let own = own_interval(times).filter(|own| own.0).map_or(interval, |own| own.1.min(interval));
    let (born, died, pairs) = changes(snapshots, of, interval);
    let before = times.iter().rev().find(|time| step_of(**time) < number);
    let after = times.iter().find(|time| step_of(**time) > number);
    match (before, after) {
        (Some(before), Some(after)) if (after - before) * 2 <= own * 5 => Some(step_of(*before)),
        (None, Some(after)) if !born.iter().any(|(_, name)| *name == of) => Some(step_of(*after)),
        (Some(before), None) if !died.iter().any(|(_, name)| *name == of) => Some(step_of(*before)),
        (Some(before), None) => {
            let (_, new) = pairs.iter().find(|(old, _)| old.1 == of)?;
            (step_of(new.0) > number).then(|| step_of(*before))
        }
        _ => None,
    }
}

type Change<'s> = (i64, &'s Instance);

/// Who of the same service came and went, and who took whose place.
fn changes<'s>(
    snapshots: &'s BTreeMap<Instance, BTreeSet<i64>>,
    of: &Instance,
    interval: i64,
) -> (Vec<Change<'s>>, Vec<Change<'s>>, Vec<(Change<'s>, Change<'s>)>) {
    let all = || snapshots.values().flatten();
    let (begin, end) = (*all().min().unwrap(), *all().max().unwrap());
    let span = |times: &BTreeSet<i64>| (*times.first().unwrap(), *times.last().unwrap());
    let same = |other: &Instance| (&other.0, &other.1) == (&of.0, &of.1);
    let of_service = || snapshots.iter().filter(|(name, _)| same(name));
    let spans = || of_service().map(|(name, times)| (name, span(times)));
    let mut born: Vec<_> = spans().map(|(name, span)| (span.0, name)).collect();
    born.retain(|(time, _)| *time >= begin + interval + interval / 4);
    let mut died: Vec<_> = spans().map(|(name, span)| (span.1, name)).collect();
    died.retain(|(time, _)| *time <= end - interval - interval / 4);
    born.sort();
    died.sort();
    // Who comes takes the place of the first who went before, and not too long ago.
    let (mut pairs, mut left) = (vec![], died.clone());
    for new in &born {
        let fits = |old: &&Change<'_>| old.0 < new.0 && new.0 - old.0 < 2 * interval;
        if let Some(old) = left.iter().find(fits).copied() {
            left.retain(|other| *other != old);
            pairs.push((old, *new));
        }
    }
    (born, died, pairs)
}

/// From when to when an instance was there, as far as that is within the step `here`.
fn lifetime(
    snapshots: &BTreeMap<Instance, BTreeSet<i64>>,
    of: &Instance,
    interval: i64,
    here: impl Fn(i64) -> bool,
) -> (i64, i64) {
    let (born, died, pairs) = changes(snapshots, of, interval);
    let times = &snapshots[of];
    let (first, last) = (*times.first().unwrap(), *times.last().unwrap());
    let middle = |old: i64, new: i64| match here(old) && here(new) {
        true => Some(old + (new - old) / 2),
        false => None,
    };
    let from = match pairs.iter().find(|(_, new)| new.1 == of) {
        Some((old, new)) => middle(old.0, new.0),
        None => (born.contains(&(first, of)) && here(first)).then_some(first - interval / 2),
    };
    let to = match pairs.iter().find(|(old, _)| old.1 == of) {
        Some((old, new)) => middle(old.0, new.0),
        None => (died.contains(&(last, of)) && here(last)).then_some(last + interval / 2),
    };
    (from.unwrap_or(i64::MIN / 4), to.unwrap_or(i64::MAX / 4))
}

/// Values by stack of an answer.
pub fn stacks(flame: &Flame, own: &[i64]) -> Stacks {
    let mut out = Stacks::new();
    for (node, value) in own.iter().enumerate().filter(|(_, value)| **value != 0) {
        let path = flame.trie.path(node as u32);
        let names: Vec<&str> = path.iter().map(|node| flame.trie.name(*node)).collect();
        assert_eq!(out.insert(names.join(";"), *value as f64), None);
    }
    out
}

/// A row of columns and values.
pub fn row<const N: usize>(cells: [(&'static str, Cell); N]) -> Row {
    cells.into_iter().collect()
}
