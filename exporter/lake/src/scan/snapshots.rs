//! When each instance was profiled, from the table `profiles`: what gauges are averaged over, what
//! rates are divided by, and where nothing is known. `sheet` cuts it in steps.

use std::collections::{HashMap, HashSet};

use crate::{
    error::Error,
    group::Group,
    matcher::{FIXED_KEYS, same_key},
    pages::{NULL, PageError, Run, push_run},
    schema::PROFILES,
    time::TimeRange,
};

use super::{
    Ask, Fail,
    filter::Filter,
    lives::Lives,
    rows::{Rows, walk},
    sheet::Sheet,
};

/// Steps that a range is cut in for averages.
const STEPS: i64 = 60;
/// Snapshots that one question may look at.
const SNAPSHOTS_MAX: usize = 16 << 20;

/// What tells instances apart: service, namespace, instance.
pub(crate) type Name = [String; 3];

/// One profile of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub instance: u32,
    pub group: u32,
    pub time_us: i64,
    pub duration_ns: i64,
    pub total: i64,
    /// Its profile and how often that is there, where it was asked for; else 0 and 1.
    pub profile: u64,
    pub copies: u32,
}

/// Snapshots of a selection.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    pub list: Vec<Snapshot>,
    instances: Ids<Name>,
    /// Values of the label that was asked for.
    pub groups: Ids<String>,
}

/// Dense ids in order of first use.
#[derive(Debug)]
pub(crate) struct Ids<T> {
    ids: HashMap<T, u32>,
    pub all: Vec<T>,
}

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Self { ids: HashMap::new(), all: vec![] }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Ids<T> {
    pub fn id(&mut self, value: T) -> u32 {
        let Self { ids, all } = self;
        *ids.entry(value).or_insert_with_key(|value| {
            all.push(value.clone());
            all.len() as u32 - 1
        })
    }

    fn find(&self, value: &T) -> Option<u32> {
        self.ids.get(value).copied()
    }
}

impl Snapshots {
    /// Those that pass the filter, grouped by a label if one is given.
    pub fn collect(ask: &Ask<'_>, filter: &Filter, by: Option<&str>) -> Result<Self, Error> {
        let all = Self::read(ask, filter, by, false)?;
        // Whether these are parts of one snapshot, or one that was pushed twice, the profiles tell.
        if all.meet() { Self::read(ask, filter, by, true) } else { Ok(all) }
    }

    fn read(
        ask: &Ask<'_>,
        filter: &Filter,
        by: Option<&str>,
        with_profiles: bool,
    ) -> Result<Self, Error> {
        let parts = ask.fold(&PROFILES, filter, Self::default, |all, group, rows| {
            ask.meter.charge(all.list.len() * size_of::<Snapshot>())?;
            if all.list.len() + rows.len() > SNAPSHOTS_MAX {
                return Err(Fail::Over(Error::TooLarge {
                    bytes_max: ask.meter.allowance.bytes_max,
                }));
            }
            Ok(all.add(group, rows, by, with_profiles)?)
        })?;
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        for part in parts {
            let instances: Vec<u32> =
                part.instances.all.iter().map(|name| all.instances.id(name.clone())).collect();
            let groups: Vec<u32> =
                part.groups.all.iter().map(|value| all.groups.id(value.clone())).collect();
            all.list.extend(part.list.iter().map(|s| Snapshot {
                instance: instances[s.instance as usize],
                group: groups[s.group as usize],
                ..*s
            }));
        }
        Ok(all)
    }

    /// Whether there are two of an instance at one time.
    fn meet(&self) -> bool {
        let mut seen = HashSet::with_capacity(self.list.len());
        self.list.iter().any(|s| s.copies > 1 || !seen.insert((s.instance, s.time_us)))
    }

    fn add(
        &mut self,
        group: &Group<'_>,
        rows: &Rows,
        by: Option<&str>,
        with_profiles: bool,
    ) -> Result<(), PageError> {
        let names = instances(group, rows, |name| self.instances.id(name))?;
        let labels = label_runs(group, rows, by, &mut self.groups)?;
        let (times, durations) = (group.int_codes("time")?, group.int_codes("duration_ns")?);
        let totals = group.ints("total")?;
        let ids = with_profiles.then(|| group.texts("profile_id")).transpose()?;
        let id_runs = ids.as_ref().map_or(&times.runs[..], |ids| &ids.runs);
        let columns = [&names[..], &labels[..], &times.runs[..], &durations.runs[..], id_runs];
        walk(rows, columns, |range, [instance, label, time, duration, id]| {
            let id = ids.as_ref().and_then(|ids| u128::from_str_radix(ids.text(id), 16).ok());
            self.list.push(Snapshot {
                instance,
                group: label,
                time_us: times.int(time),
                duration_ns: durations.int(duration),
                total: totals.sum(range.start as usize..range.end as usize),
                // As good as random in every part.
                profile: id.unwrap_or_default() as u64,
                copies: range.end - range.start,
            });
        });
        Ok(())
    }

    /// Adds windows that `samples` has and `profiles` lost.
    pub fn adopt(&mut self, orphans: Vec<(Name, i64)>) {
        for (name, time_us) in orphans {
            let instance = self.instances.id(name);
            let group = self.groups.id(String::new());
            let lost = Snapshot {
                instance,
                group,
                time_us,
                duration_ns: 0,
                total: 0,
                profile: 0,
                copies: 1,
            };
            self.list.push(lost);
        }
    }

    /// How far apart snapshots are: the median of each instance, of which the longest. 0 where no
    /// instance has two.
    pub fn interval_us(&self) -> i64 {
        longest(&self.intervals())
    }

    /// How far apart the snapshots of each instance that has two or more are: the median.
    pub(super) fn intervals(&self) -> HashMap<u32, Interval> {
        let mut times: HashMap<u32, Vec<i64>> = HashMap::new();
        for snapshot in &self.list {
            times.entry(snapshot.instance).or_default().push(snapshot.time_us);
        }
        let medians = times.into_iter().filter_map(|(instance, mut times)| {
            times.sort_unstable();
            times.dedup();
            let mut gaps: Vec<i64> = times.windows(2).map(|w| w[1] - w[0]).collect();
            gaps.sort_unstable();
            let us = gaps.get(gaps.len().saturating_sub(1) / 2).copied()?;
            Some((instance, Interval { sure: gaps.len() >= 3, us }))
        });
        medians.collect()
    }

    /// The part of a range that has data.
    pub fn extent(&self, range: TimeRange) -> TimeRange {
        let times = || self.list.iter().map(|s| s.time_us);
        let first = times().min().unwrap_or(0);
        let last = times().max().unwrap_or(0);
        let to_us = range.to_us.min(last.saturating_add(1));
        TimeRange { from_us: range.from_us.max(first), to_us }
    }

    /// The length of a step for a range: no less than the interval, and sixty steps at most.
    pub fn step_us(&self, range: TimeRange) -> i64 {
        let extent = self.extent(range);
        let length = extent.to_us.saturating_sub(extent.from_us).max(0);
        self.interval_us().max(length.saturating_add(STEPS - 1) / STEPS).max(1)
    }

    /// The steps that a gauge is averaged over.
    pub fn averaged(&self, range: TimeRange) -> Sheet {
        Sheet::of_gauge(self, self.extent(range).from_us, self.step_us(range))
    }

    /// The id of an instance that has a snapshot.
    pub(super) fn instance(&self, name: &Name) -> Option<u32> {
        self.instances.find(name)
    }

    pub(super) fn lives(&self, interval_us: i64) -> Lives {
        let mut spans: HashMap<u32, (i64, i64)> = HashMap::new();
        for s in &self.list {
            let span = spans.entry(s.instance).or_insert((s.time_us, s.time_us));
            *span = (span.0.min(s.time_us), span.1.max(s.time_us));
        }
        Lives::new(spans, interval_us, &self.instances.all)
    }
}

/// How far apart snapshots of an instance are. A gap between two lone snapshots tells of an outage
/// more likely than of an interval, so it is unsure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub sure: bool,
    pub us: i64,
}

/// The longest of the intervals; 0 where there are none.
pub(super) fn longest(intervals: &HashMap<u32, Interval>) -> i64 {
    intervals.values().max().map_or(0, |interval| interval.us)
}

/// Runs of ids of the instances of selected rows; `NULL` elsewhere.
pub(super) fn instances(
    group: &Group<'_>,
    rows: &Rows,
    mut id: impl FnMut(Name) -> u32,
) -> Result<Vec<Run>, PageError> {
    let columns = [group.texts("service")?, group.texts("namespace")?, group.texts("instance")?];
    let mut known: HashMap<[u32; 3], u32> = HashMap::new();
    let runs = std::array::from_fn::<_, 3, _>(|i| &columns[i].runs[..]);
    Ok(filled(group, rows, runs, |codes| {
        *known
            .entry(codes)
            .or_insert_with(|| id(std::array::from_fn(|i| columns[i].text(codes[i]).to_owned())))
    }))
}

/// Runs of what `id` makes of the codes of selected rows; `NULL` elsewhere.
pub(crate) fn filled<const K: usize>(
    group: &Group<'_>,
    rows: &Rows,
    columns: [&[Run]; K],
    mut id: impl FnMut([u32; K]) -> u32,
) -> Vec<Run> {
    let (mut out, mut at) = (vec![], 0);
    let mut last = None;
    walk(rows, columns, |range, codes| {
        let value = match last {
            Some((same, value)) if same == codes => value,
            _ => id(codes),
        };
        last = Some((codes, value));
        push_run(&mut out, NULL, range.start - at);
        push_run(&mut out, value, range.end - range.start);
        at = range.end;
    });
    push_run(&mut out, NULL, group.rows() as u32 - at);
    out
}

/// Runs of ids of the values that selected rows have for a label: a column, a label of samples,
/// or a resource attribute, in this order.
pub(crate) fn label_runs(
    group: &Group<'_>,
    rows: &Rows,
    by: Option<&str>,
    values: &mut Ids<String>,
) -> Result<Vec<Run>, PageError> {
    let Some(key) = by else {
        let id = values.id(String::new());
        return Ok(vec![(id, group.rows() as u32)]);
    };
    if let Some(column) = FIXED_KEYS.iter().find(|column| **column == key) {
        let codes = group.texts(column)?;
        let mut ids = HashMap::new();
        return Ok(filled(group, rows, [&codes.runs], |[code]| {
            *ids.entry(code).or_insert_with(|| values.id(codes.text(code).to_owned()))
        }));
    }
    let (labels, resource) = (group.sets("labels")?, group.sets("resource")?);
    let mut ids = HashMap::new();
    Ok(filled(group, rows, [&labels.runs, &resource.runs], |codes| {
        *ids.entry(codes).or_insert_with(|| {
            let mut pairs = labels.pairs(codes[0]).chain(resource.pairs(codes[1]));
            let value = pairs.find(|(name, _)| same_key(name, key)).map_or("", |pair| pair.1);
            values.id(value.to_owned())
        })
    }))
}
