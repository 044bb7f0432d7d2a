//! Values over time, by label: what charts are drawn from.
//!
//! They come from `profiles`, a row per profile, unless the question is about single samples (their
//! labels, their stacks). Deltas are per second of what was profiled, so windows with gaps between
//! them show the same level as windows without. Nothing profiled is no value, which is not 0.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    Lake,
    allowance::Allowance,
    error::Error,
    matcher::{FIXED_KEYS, canonical, same_key},
    pages::NULL,
    scan::{
        Ask, Notes,
        flame::Question,
        rows::{Rows, walk},
        sheet::{Cell, Sheet},
        snapshots::{Ids, Name, Snapshots, label_runs},
    },
    schema::{PROFILES, SAMPLES},
    selection::{Selection, Type},
    time::SECOND_US,
};

/// Groups that are told apart; the rest is one.
const GROUPS_MAX: usize = 20;
/// Groups that are counted at all.
const GROUPS_SEEN_MAX: usize = 100_000;
/// Steps of one answer.
const STEPS_MAX: i64 = 11_000;
/// Steps of all instances together, of a gauge.
const SIZE_MAX: i64 = 16 << 20;
/// The label value that stands for the groups beyond the first twenty.
pub const OTHER: &str = "(other)";

/// How values over time are asked for.
#[derive(Clone, Copy, Default)]
pub struct SeriesOptions<'a> {
    /// A label; without it there is one line.
    pub by: Option<&'a str>,
    /// Length of a step in microseconds; without it about a sixtieth of the range.
    pub step_us: Option<i64>,
    /// Only stacks (`root;…;leaf`) that this accepts.
    pub stacks: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
}

/// Values over time.
#[derive(Clone, Debug)]
pub struct Series {
    /// The type that the values are of. Those of deltas are per second.
    pub kind: Type,
    /// Length of a step in microseconds.
    pub step_us: i64,
    /// Starts of the steps from the first to the last with data, microseconds since 1970.
    pub times_us: Vec<i64>,
    /// One line for each value of the label, the highest first and `(other)` last.
    pub lines: Vec<Line>,
    /// What else should be known.
    pub notes: Notes,
}

/// The values of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The value of the label; empty where there is none, or none was asked for.
    pub label: String,
    /// A value for each step; none where nothing was profiled.
    pub values: Vec<Option<f64>>,
    /// The average over the range. That of a gauge is what `flame` says: a step in which an
    /// instance came or went counts for the time that it was there.
    pub mean: Option<f64>,
}

/// Sums by group and step, and where something was profiled.
#[derive(Default)]
struct Table {
    sums: HashMap<String, BTreeMap<i64, f64>>,
    known: HashMap<String, BTreeSet<i64>>,
    /// Steps in which anything was profiled, for groups that only samples tell.
    any: BTreeSet<i64>,
}

impl Table {
    /// Adds what a cell has of a group to all steps that it stands for.
    fn add(&mut self, label: &str, sheet: &Sheet, cell: u32, sum: f64, adds: bool) {
        let cell = &sheet.cells[cell as usize];
        if !self.sums.contains_key(label) {
            self.sums.insert(label.to_owned(), BTreeMap::new());
        }
        if let Some(steps) = self.sums.get_mut(label) {
            for step in cell.steps() {
                *steps.entry(step).or_default() += sum * weight(cell, step, sheet, adds);
            }
        }
    }
}

impl Lake {
    /// Values over time of a selection.
    pub fn series(
        &self,
        selection: &Selection,
        options: SeriesOptions<'_>,
        allowance: &Allowance,
    ) -> Result<Series, Error> {
        let ask = Ask::new(self, allowance);
        let question = Question::new(&ask, selection)?;
        let by = options.by.map(canonical);
        let keys: Vec<&str> = by.as_deref().into_iter().chain(question.rows.label_keys()).collect();
        let of_samples = unknown(&ask, &question, &keys)?;
        let by_profiles = by.as_deref().filter(|by| !of_samples.iter().any(|key| key == by));
        let mut snapshots = Snapshots::collect(&ask, &question.profiles, by_profiles)?;
        let whole = of_samples.is_empty() && options.stacks.is_none();
        let mut adopted = false;
        let (sheets, tables) = loop {
            let sheets = sheets(&snapshots, &question, options.step_us)?;
            let mut tables = sheets.each_ref().map(|sheet| known(&snapshots, sheet));
            if whole {
                for (table, sheet) in tables.iter_mut().zip(&sheets) {
                    by_snapshot(&ask, table, &snapshots, sheet, question.adds())?;
                }
                break (sheets, tables);
            }
            let of_rows = OfRows { question: &question, by: by.as_deref(), options };
            let orphans = of_rows.add(&ask, &mut tables, &snapshots, &sheets)?;
            if orphans.is_empty() || adopted {
                break (sheets, tables);
            }
            adopted = true;
            snapshots.adopt(orphans);
        };
        let [sheet, _] = sheets;
        let [table, of_means] = tables;
        let shared_gaps = by.is_some() && by_profiles.is_none();
        if table.sums.values().flat_map(BTreeMap::values).all(|sum| *sum == 0.0) {
            ask.nothing(selection)?;
        }
        let of_means = (!question.adds()).then_some(&of_means);
        let (times_us, lines) = lines(table, of_means, &sheet, shared_gaps);
        let ungrouped = !lines.is_empty() && lines.iter().all(|line| line.label.is_empty());
        if let Some(by) = options.by.filter(|_| ungrouped) {
            ask.ungrouped(selection, by)?;
        }
        let (kind, step_us) = (question.chosen.kind, sheet.step_us);
        Ok(Series { kind, step_us, times_us, lines, notes: ask.notes() })
    }
}

/// Those of the keys that no resource of the selection has: labels of samples.
fn unknown(ask: &Ask<'_>, question: &Question, keys: &[&str]) -> Result<Vec<String>, Error> {
    let mut left: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    left.retain(|key| !FIXED_KEYS.contains(&key.as_str()));
    if left.is_empty() {
        return Ok(left);
    }
    let found = ask.fold(&PROFILES, &question.profiles, BTreeSet::new, |found, group, _| {
        let resource = group.sets("resource")?;
        for name in resource.keys.iter() {
            found.extend(left.iter().filter(|key| same_key(key, name)).cloned());
        }
        Ok(())
    })?;
    left.retain(|key| !found.iter().any(|found| found.contains(key)));
    Ok(left)
}

/// The steps of the chart, and those that the average of a gauge is over.
fn sheets(
    snapshots: &Snapshots,
    question: &Question,
    step_us: Option<i64>,
) -> Result<[Sheet; 2], Error> {
    let range = question.rows.range;
    let extent = snapshots.extent(range);
    let whole_second = |us: i64| us.saturating_add(SECOND_US - 1) / SECOND_US * SECOND_US;
    let step_us = step_us.unwrap_or_else(|| whole_second(snapshots.step_us(range)));
    let length = extent.to_us.saturating_sub(extent.from_us);
    if step_us <= 0 || length / step_us >= STEPS_MAX {
        let message = format!("a step must be above 0 and give no more than {STEPS_MAX} steps");
        return Err(Error::Input { field: "step", message });
    }
    // Steps begin at multiples of their length, so that a chart does not shake as time goes on.
    let from_us = extent.from_us.div_euclid(step_us).saturating_mul(step_us);
    if question.adds() {
        return Ok([Sheet::of_rate(snapshots, from_us, step_us), Sheet::empty()]);
    }
    let sheet = Sheet::of_gauge(snapshots, from_us, step_us);
    if sheet.size() > SIZE_MAX {
        let message = "so many instances need a longer one".to_owned();
        return Err(Error::Input { field: "step", message });
    }
    Ok([sheet, snapshots.averaged(range)])
}

fn weight(cell: &Cell, step: i64, sheet: &Sheet, adds: bool) -> f64 {
    if adds { cell.rate_weight(sheet.step_us) } else { cell.mean_weight(step) }
}

fn known(snapshots: &Snapshots, sheet: &Sheet) -> Table {
    let mut table = Table::default();
    for s in &snapshots.list {
        let Some(cell) = sheet.cell(s.instance, s.time_us) else { continue };
        let steps = || sheet.cells[cell as usize].steps();
        let label = &snapshots.groups.all[s.group as usize];
        table.any.extend(steps());
        match table.known.get_mut(label) {
            Some(known) => known.extend(steps()),
            None => drop(table.known.insert(label.clone(), steps().collect())),
        }
    }
    table
}

fn by_snapshot(
    ask: &Ask<'_>,
    table: &mut Table,
    snapshots: &Snapshots,
    sheet: &Sheet,
    adds: bool,
) -> Result<(), Error> {
    let mut sums: HashMap<(u32, u32), f64> = HashMap::new();
    for s in &snapshots.list {
        if let Some(cell) = sheet.cell(s.instance, s.time_us) {
            *sums.entry((s.group, cell)).or_default() += s.total as f64;
        }
    }
    for ((group, cell), sum) in sums {
        ask.meter.check()?;
        table.add(&snapshots.groups.all[group as usize], sheet, cell, sum, adds);
    }
    Ok(())
}

/// A question about single samples.
struct OfRows<'a> {
    question: &'a Question,
    by: Option<&'a str>,
    options: SeriesOptions<'a>,
}

#[derive(Default)]
struct Sums {
    labels: Ids<String>,
    /// By label, cell of the chart and cell of the average.
    by_cell: HashMap<[u32; 3], f64>,
    orphans: Vec<(Name, i64)>,
}

impl OfRows<'_> {
    /// Adds the rows of `samples` to the tables; gives windows that the sheets do not know.
    fn add(
        &self,
        ask: &Ask<'_>,
        tables: &mut [Table; 2],
        snapshots: &Snapshots,
        sheets: &[Sheet; 2],
    ) -> Result<Vec<(Name, i64)>, Error> {
        let init = Sums::default;
        let states = ask.fold(&SAMPLES, &self.question.rows, init, |sums, group, rows| {
            let rows = match self.options.stacks {
                None => rows.clone(),
                Some(accept) => {
                    let stacks = group.texts("stack")?;
                    let accepted: Vec<bool> =
                        (0..stacks.len() as u32).map(|code| accept(stacks.text(code))).collect();
                    rows.only(&stacks.runs, |code| accepted.get(code as usize) == Some(&true))
                }
            };
            let labels = label_runs(group, &rows, self.by, &mut sums.labels)?;
            let cells = sheets[0].place(snapshots, group, &rows, &mut sums.orphans)?;
            let of_means = match self.question.adds() {
                true => vec![(NULL, group.rows() as u32)],
                false => sheets[1].place(snapshots, group, &rows, &mut vec![])?,
            };
            if sums.labels.all.len() > GROUPS_SEEN_MAX {
                let message = format!("a label with more than {GROUPS_SEEN_MAX} values");
                return Err(Error::Input { field: "by", message }.into());
            }
            for part in self.question.parts(group, &rows)? {
                let rows: &Rows = &part.rows;
                walk(rows, [&labels, &cells, &of_means], |range, key| {
                    if key[1] != NULL {
                        let sum = part.values.sum(range.start as usize..range.end as usize);
                        *sums.by_cell.entry(key).or_default() += sum as f64;
                    }
                });
            }
            Ok(())
        })?;
        let mut orphans = vec![];
        for state in states {
            orphans.extend(state.orphans);
            for ([label, cells @ ..], sum) in state.by_cell {
                ask.meter.check()?;
                let label = &state.labels.all[label as usize];
                for ((table, sheet), cell) in tables.iter_mut().zip(sheets).zip(cells) {
                    if cell != NULL {
                        table.add(label, sheet, cell, sum, self.question.adds());
                    }
                }
            }
        }
        Ok(orphans)
    }
}

/// The table as lines of equal length. With `shared_gaps` a line has a value wherever anything was
/// profiled, because nothing tells where its group was.
fn lines(
    table: Table,
    of_means: Option<&Table>,
    sheet: &Sheet,
    shared_gaps: bool,
) -> (Vec<i64>, Vec<Line>) {
    let (Some(first), Some(last)) = (table.any.first().copied(), table.any.last().copied()) else {
        return (vec![], vec![]);
    };
    let steps = (last - first + 1) as usize;
    let time =
        |step: i64| sheet.from_us.saturating_add((first + step).saturating_mul(sheet.step_us));
    let times_us = (0..steps as i64).map(time).collect();
    let mut labels: BTreeSet<&String> = table.sums.keys().collect();
    if !shared_gaps {
        labels.extend(table.known.keys());
    }
    let size = |label: &String| {
        let sums = table.sums.get(label).into_iter().flat_map(|sums| sums.values());
        sums.map(|sum| sum.abs()).sum::<f64>()
    };
    let mut labels: Vec<(f64, &String)> = labels.into_iter().map(|l| (size(l), l)).collect();
    labels.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let mut lines: Vec<Line> = vec![];
    let mut means: Vec<Mean> = vec![];
    for (rank, (_, label)) in labels.into_iter().enumerate() {
        if rank <= GROUPS_MAX {
            let name = if rank < GROUPS_MAX { label.as_str() } else { OTHER };
            lines.push(Line { label: name.to_owned(), values: vec![None; steps], mean: None });
            means.push(Mean::default());
        }
        if let Some(table) = of_means {
            means[rank.min(GROUPS_MAX)].add(table, label, shared_gaps);
        }
        let values = &mut lines[rank.min(GROUPS_MAX)].values;
        let gaps = if shared_gaps { Some(&table.any) } else { table.known.get(label) };
        for step in gaps.into_iter().flatten() {
            values[(step - first) as usize].get_or_insert(0.0);
        }
        for (step, sum) in table.sums.get(label).into_iter().flatten() {
            if let Some(value) = values.get_mut((step - first) as usize) {
                *value = Some(value.unwrap_or(0.0) + sum);
            }
        }
    }
    for (line, mean) in lines.iter_mut().zip(means) {
        line.mean = match of_means {
            Some(_) => mean.of(),
            None => {
                let known = || line.values.iter().flatten();
                Some(known().sum::<f64>() / known().count() as f64).filter(|mean| mean.is_finite())
            }
        };
    }
    (times_us, lines)
}

/// The average of a line of a gauge over the steps that `flame` has.
#[derive(Default)]
struct Mean {
    sum: f64,
    steps: BTreeSet<i64>,
}

impl Mean {
    fn add(&mut self, table: &Table, label: &String, shared_gaps: bool) {
        let known = if shared_gaps { Some(&table.any) } else { table.known.get(label) };
        self.steps.extend(known.into_iter().flatten());
        if let Some(sums) = table.sums.get(label) {
            self.sum += sums.values().sum::<f64>();
            self.steps.extend(sums.keys());
        }
    }

    fn of(&self) -> Option<f64> {
        (!self.steps.is_empty()).then(|| self.sum / self.steps.len() as f64)
    }
}
