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
    let mut best = (false, 0);
    for times in snapshots.values().filter(|times| times.len() > 1) {
        let times: Vec<i64> = times.iter().copied().collect();
        let mut gaps: Vec<i64> = times.windows(2).map(|w| w[1] - w[0]).collect();
        gaps.sort();
        best = best.max((gaps.len() >= 3, gaps[(gaps.len() - 1) / 2]));
    }
    best.1
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
    let steps: BTreeSet<i64> = all.iter().map(|time| of(*time)).collect();
    for number in steps {
        let stacks: &mut Stacks = out.entry(number).or_default();
        for (instance_name, times) in snapshots {
            let n = times.iter().filter(|time| of(**time) == number).count();
            if n == 0 {
                continue;
            }
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
                if instance(row) == *instance_name && of(int(row, "time")) == number {
                    let level = *value as f64 / n as f64 * share;
                    *stacks.entry(text(row, "stack").to_owned()).or_default() += level;
                }
            }
        }
    }
    out
}

/// From when to when an instance was there, as far as that is within the step `here`.
fn lifetime(
    snapshots: &BTreeMap<Instance, BTreeSet<i64>>,
    of: &Instance,
    interval: i64,
    here: impl Fn(i64) -> bool,
) -> (i64, i64) {
    let all = || snapshots.values().flatten();
    let (begin, end) = (*all().min().unwrap(), *all().max().unwrap());
    let span = |times: &BTreeSet<i64>| (*times.first().unwrap(), *times.last().unwrap());
    let same = |other: &Instance| (&other.0, &other.1) == (&of.0, &of.1);
    let of_service = || snapshots.iter().filter(|(name, _)| same(name));
    let spans = || of_service().map(|(name, times)| (name, span(times)));
    let mut born: Vec<_> = spans().map(|(name, span)| (span.0, name)).collect();
    born.retain(|(time, _)| *time >= begin + interval);
    let mut died: Vec<_> = spans().map(|(name, span)| (span.1, name)).collect();
    died.retain(|(time, _)| *time <= end - interval);
    born.sort();
    died.sort();
    // Who comes takes the place of the first who went before, and not too long ago.
    let mut pairs = vec![];
    for new in &born {
        let fits = |old: &&(i64, &Instance)| old.0 < new.0 && new.0 - old.0 < 2 * interval;
        if let Some(old) = died.iter().find(fits).copied() {
            died.retain(|other| *other != old);
            pairs.push((old, *new));
        }
    }
    let (first, last) = span(&snapshots[of]);
    let middle = |old: i64, new: i64| match here(old) && here(new) {
        true => Some(old + (new - old) / 2),
        false => None,
    };
    let from = match pairs.iter().find(|(_, new)| new.1 == of) {
        Some((old, new)) => middle(old.0, new.0),
        None => (first >= begin + interval && here(first)).then_some(first - interval / 2),
    };
    let to = match pairs.iter().find(|(old, _)| old.1 == of) {
        Some((old, new)) => middle(old.0, new.0),
        None => (last <= end - interval && here(last)).then_some(last + interval / 2),
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
