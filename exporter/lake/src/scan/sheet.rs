//! Instances by step: the range is cut in steps, within a step an instance counts by the mean of
//! its snapshots, and instances add up. One that was there for a part of the step only, because a
//! rollout began or ended it, counts for that part (`lives`).
//!
//! Scrapes are never on time to the millisecond, so that of two steps as long as the interval one
//! may have two snapshots of an instance and the other none. Of a gauge an instance counts there as
//! well, with the snapshots of the step before: its cell stands for more steps than its own. One
//! scrape that was missed is bridged like this; more are an outage, in which nothing is known.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    ops::RangeInclusive,
};

use crate::{
    group::Group,
    pages::{NULL, PageError, Run, push_run},
};

use super::{
    lives::Lives,
    rows::{Rows, walk},
    snapshots::{Ids, Interval, Name, Snapshots, instances, longest},
};

/// One instance in one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub step: i64,
    pub instance: u32,
    /// Snapshots, each as often as it is there.
    pub times: i64,
    /// Their windows together.
    pub duration_ns: i64,
    /// The part of the step in which the instance was there.
    pub presence: f64,
    /// The first and last step that it stands for. Beside its own they have no snapshot of the
    /// instance, which was there all the same.
    pub stands: (i64, i64),
}

impl Cell {
    /// The steps that it stands for.
    pub fn steps(&self) -> RangeInclusive<i64> {
        self.stands.0..=self.stands.1
    }

    /// The part of one of them in which the instance was there.
    pub fn presence(&self, step: i64) -> f64 {
        if step == self.step { self.presence } else { 1.0 }
    }

    /// What one value counts for in the mean of one of its steps.
    pub fn mean_weight(&self, step: i64) -> f64 {
        self.presence(step) / self.times as f64
    }

    /// What one value counts for in the rate of the step, per second of what was profiled.
    pub fn rate_weight(&self, step_us: i64) -> f64 {
        match self.duration_ns {
            0 => self.presence * 1e6 / step_us as f64,
            duration_ns => self.presence * 1e9 / duration_ns as f64,
        }
    }
}

/// Cells of all steps.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub from_us: i64,
    pub step_us: i64,
    pub cells: Vec<Cell>,
    index: HashMap<(i64, u32), u32>,
}

/// The first and last snapshot of a cell.
type Span = (i64, i64);

impl Sheet {
    /// One without cells.
    pub fn empty() -> Self {
        Self { from_us: 0, step_us: 1, cells: vec![], index: HashMap::new() }
    }

    /// For values that add over time. `step_us` is above 0.
    pub fn of_rate(snapshots: &Snapshots, from_us: i64, step_us: i64) -> Self {
        let lives = snapshots.lives(snapshots.interval_us());
        Self::cut(snapshots, &lives, from_us, step_us).0
    }

    /// For a gauge. `step_us` is above 0.
    pub fn of_gauge(snapshots: &Snapshots, from_us: i64, step_us: i64) -> Self {
        let intervals = snapshots.intervals();
        let lives = snapshots.lives(longest(&intervals));
        let (mut sheet, spans) = Self::cut(snapshots, &lives, from_us, step_us);
        sheet.bridge(&lives, &intervals, &spans);
        sheet
    }

    fn cut(snapshots: &Snapshots, lives: &Lives, from_us: i64, step_us: i64) -> (Self, Vec<Span>) {
        let mut sheet = Self { from_us, step_us, cells: vec![], index: HashMap::new() };
        let mut seen = HashMap::new();
        let mut cells: BTreeMap<(i64, u32), (i64, i64, Span)> = BTreeMap::new();
        for s in &snapshots.list {
            let cell = cells.entry((sheet.step_of(s.time_us), s.instance));
            let (times, duration_ns, span) = cell.or_insert((0, 0, (s.time_us, s.time_us)));
            match seen.entry((s.instance, s.time_us)) {
                Entry::Vacant(first) => {
                    first.insert(s.profile);
                    *times += i64::from(s.copies);
                    *duration_ns = duration_ns.saturating_add(s.duration_ns.max(0));
                    *span = (span.0.min(s.time_us), span.1.max(s.time_us));
                }
                // What was pushed twice has its values twice.
                Entry::Occupied(first) if s.profile != 0 && *first.get() == s.profile => {
                    *times += i64::from(s.copies);
                }
                // Two profiles of one instance at one time are parts of one snapshot.
                Entry::Occupied(_) => {}
            }
        }
        let mut spans = Vec::with_capacity(cells.len());
        for ((step, instance), (times, duration_ns, span)) in cells {
            let start_us = from_us.saturating_add(step.saturating_mul(step_us));
            let presence = lives.presence(instance, start_us, step_us);
            let stands = (step, step);
            sheet.index.insert((step, instance), spans.len() as u32);
            sheet.cells.push(Cell { step, instance, times, duration_ns, presence, stands });
            spans.push(span);
        }
        (sheet, spans)
    }

    /// Lets cells stand for the steps beside them in which their instances were there unseen.
    fn bridge(&mut self, lives: &Lives, intervals: &HashMap<u32, Interval>, spans: &[Span]) {
        let Some(interval_us) = Some(longest(intervals)).filter(|us| *us > 0) else { return };
        let first = self.cells.first().map_or(0, |cell| cell.step);
        let last = self.cells.last().map_or(0, |cell| cell.step);
        let mut before: HashMap<u32, usize> = HashMap::new();
        for (at, span) in spans.iter().enumerate() {
            let Cell { step, instance, .. } = self.cells[at];
            match before.insert(instance, at) {
                None if lives.was_there_first(instance) => self.cells[at].stands.0 = first,
                None => {}
                Some(before) => {
                    let own = intervals.get(&instance).filter(|interval| interval.sure);
                    let interval_us = own.map_or(interval_us, |own| own.us.min(interval_us));
                    // One scrape was missed, and both beside it were off by a part.
                    if span.0.saturating_sub(spans[before].1) <= interval_us.saturating_mul(5) / 2 {
                        self.cells[before].stands.1 = step - 1;
                    }
                }
            }
        }
        for (instance, at) in before {
            let own = self.cells[at].step;
            let to = match lives.taken_us(instance) {
                Some(taken_us) => self.step_of(taken_us) - 1,
                None if lives.is_there_last(instance) => last,
                None => own,
            };
            self.cells[at].stands.1 = to.max(own);
        }
    }

    /// Steps in which anything was there, in order.
    pub fn steps(&self) -> BTreeSet<i64> {
        self.cells.iter().flat_map(Cell::steps).collect()
    }

    /// Steps of all cells together.
    pub fn size(&self) -> i64 {
        let of = |cell: &Cell| cell.stands.1.saturating_sub(cell.stands.0).saturating_add(1);
        self.cells.iter().map(of).fold(0, i64::saturating_add)
    }

    /// The step of a time.
    fn step_of(&self, time_us: i64) -> i64 {
        time_us.saturating_sub(self.from_us).div_euclid(self.step_us)
    }

    /// The cell of a time.
    pub fn cell(&self, instance: u32, time_us: i64) -> Option<u32> {
        self.index.get(&(self.step_of(time_us), instance)).copied()
    }

    /// The cells of the selected rows of a row group of `samples`, as runs from the first row on;
    /// `NULL` where the row is not selected, or an orphan: what `profiles` does not know.
    pub fn place(
        &self,
        snapshots: &Snapshots,
        group: &Group<'_>,
        rows: &Rows,
        orphans: &mut Vec<(Name, i64)>,
    ) -> Result<Vec<Run>, PageError> {
        let mut names: Ids<Name> = Ids::default();
        let instances = instances(group, rows, |name| names.id(name))?;
        let known: Vec<Option<u32>> =
            names.all.iter().map(|name| snapshots.instance(name)).collect();
        let times = group.int_codes("time")?;
        let mut cells: HashMap<u64, u32> = HashMap::new();
        let (mut out, mut at, mut last) = (vec![], 0, (u64::MAX, NULL));
        walk(rows, [&instances, &times.runs], |range, [name, time]| {
            let pair = u64::from(name) << 32 | u64::from(time);
            if last.0 != pair {
                let cell = *cells.entry(pair).or_insert_with(|| {
                    let time_us = times.int(time);
                    let cell = known[name as usize].and_then(|id| self.cell(id, time_us));
                    cell.unwrap_or_else(|| {
                        orphans.push((names.all[name as usize].clone(), time_us));
                        NULL
                    })
                });
                last = (pair, cell);
            }
            push_run(&mut out, NULL, range.start - at);
            push_run(&mut out, last.1, range.end - range.start);
            at = range.end;
        });
        push_run(&mut out, NULL, group.rows() as u32 - at);
        Ok(out)
    }
}
