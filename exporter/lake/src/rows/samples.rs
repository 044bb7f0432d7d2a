//! The table `samples`: columns of the sorted rows. What follows from the stack or the series costs
//! work per run, not per row.

use std::borrow::Cow;

use super::{
    Batch, Functions, Series, Space, Window, cut,
    functions::StackFiles,
    profiles,
    sort::{Run, Sorted},
};
use crate::{
    encode::{ColumnData, Dict, IdCoder, IntCoder, NULL, Numbers, Runs, Scratch},
    schema::{SAMPLES, samples as column},
    symbols::{Stack, Symbols},
};

/// The rows of a batch in the order of the file.
pub struct SampleRows<'a> {
    symbols: &'a Symbols,
    batch: &'a Batch,
    sorted: Sorted,
    files: StackFiles,
}

impl<'a> SampleRows<'a> {
    /// Sorts the rows of a batch.
    pub fn new(
        symbols: &'a mut Symbols,
        batch: &'a Batch,
        functions: &Functions,
        space: &mut Space,
    ) -> Self {
        let sorted = Sorted::new(symbols, batch, space);
        let stacks = sorted.columns.runs.iter().map(|run| run.stack);
        let files = functions.stack_files(symbols, stacks);
        Self { symbols, batch, sorted, files }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.sorted.columns.values.len()
    }

    /// Gives the memory of the rows back.
    pub fn give_back(self, space: &mut Space) {
        space.give_back(self.sorted.columns);
    }

    /// The row groups of the file.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let columns = &self.sorted.columns;
        let (mut series, mut values) = (columns.series.as_slice(), columns.values.as_slice());
        let mut counts = columns.counts.as_slice();
        let groups = cut::row_groups(self.symbols, &self.sorted, &self.files);
        groups.into_iter().map(move |runs| {
            let rows = runs.iter().map(|run| run.rows as usize).sum();
            let series = take(&mut series, rows);
            let counted = series.iter().filter(|series| self.series(**series).counted).count();
            let (values, counts) = (take(&mut values, rows), take(&mut counts, counted));
            Group::new(self, runs, series, values, counts)
        })
    }

    fn series(&self, series: u32) -> &Series {
        &self.batch.series[series as usize]
    }
}

/// Takes the first of them off.
fn take<'a, T>(all: &mut &'a [T], number: usize) -> &'a [T] {
    let (first, rest) = all.split_at(number);
    *all = rest;
    first
}

/// One row group.
pub struct Group<'a> {
    all: &'a SampleRows<'a>,
    /// Series and values of its rows, and the counts of those that have one.
    series: &'a [u32],
    values: &'a [i64],
    counts: &'a [i64],
    /// Runs of groups, stacks and label sets.
    groups: Runs,
    stacks: Runs,
    labels: Runs,
}

impl<'a> Group<'a> {
    fn new(
        all: &'a SampleRows<'a>,
        runs: &[Run],
        series: &'a [u32],
        values: &'a [i64],
        counts: &'a [i64],
    ) -> Self {
        let [mut groups, mut stacks, mut labels] = [const { Runs::new() }; 3];
        for run in runs {
            groups.push(run.group, run.rows);
            stacks.push(run.stack, run.rows);
            labels.push(run.labels, run.rows);
        }
        Self { all, series, values, counts, groups, stacks, labels }
    }

    fn window(&self, series: u32) -> &Window {
        &self.all.batch.windows[self.all.series(series).window as usize]
    }

    /// A column of the row group.
    pub fn column(&self, index: usize, scratch: &mut Scratch) -> ColumnData<'a> {
        match index {
            column::TIME => self.series_int(scratch, |series| Some(self.window(series).time_us)),
            column::DURATION_NS => {
                self.series_int(scratch, |series| Some(self.window(series).duration_ns))
            }
            column::PERIOD => {
                let period = |series| Some(self.window(series).period).filter(|p| *p != 0);
                self.series_int(scratch, period)
            }
            column::VALUE => self.numbers(None, self.values),
            column::COUNT => {
                let code = |series| if self.all.series(series).counted { 1 } else { NULL };
                let defined = self.by_series(Runs::default(), code);
                self.numbers(Some(defined), self.counts)
            }
            column::FUNCTION | column::FILE => {
                let leaf = index == column::FUNCTION;
                let id = |stack: &Stack| if leaf { stack.function } else { stack.file };
                let runs = scratch.runs();
                let mut coder = IdCoder::new(scratch, self.all.symbols.strings.len());
                let runs = self.by_stack(runs, |stack| match id(stack) {
                    0 if !leaf => NULL,
                    id => coder.code(id, || self.all.symbols.strings.get(id)),
                });
                ColumnData::Coded(coder.finish(), runs)
            }
            column::STACK => {
                let texts = &self.all.symbols.folded;
                let runs = scratch.runs();
                let mut coder = IdCoder::new(scratch, texts.len());
                let code = |stack: &Stack| coder.code(stack.folded, || texts.get(stack.folded));
                let runs = self.by_stack(runs, code);
                ColumnData::Coded(coder.finish(), runs)
            }
            column::STACK_LINES => {
                let texts = &self.all.symbols.lines;
                let runs = scratch.runs();
                let mut coder = IdCoder::new(scratch, texts.len());
                let code = |stack: &Stack| coder.code(stack.lines, || texts.get(stack.lines));
                let runs = self.by_stack(runs, code);
                ColumnData::Coded(coder.finish(), runs)
            }
            column::STACK_FILES => self.stack_files(scratch),
            column::STACK_ID => {
                let symbols = self.all.symbols;
                let mut runs = scratch.runs();
                let mut coder = IdCoder::new(scratch, symbols.stacks_len());
                for (stack, rows) in self.stacks.iter() {
                    runs.push(coder.int(stack, symbols.stack_at(stack).id), rows);
                }
                ColumnData::Coded(coder.finish(), runs)
            }
            column::LABELS => {
                ColumnData::Map(profiles::sets(self.all.symbols, &self.labels, scratch))
            }
            column::RESOURCE => {
                let resource = |series| self.window(series).resource;
                let runs = self.by_series(Runs::default(), resource);
                ColumnData::Map(profiles::sets(self.all.symbols, &runs, scratch))
            }
            column::TRACE_ID => self.link(scratch, |link| link.0),
            column::SPAN_ID => self.link(scratch, |link| link.1),
            column::PROFILE_ID => self.profile_id(scratch),
            _ => self.series_text(index, scratch),
        }
    }

    /// Codes of a column that follows from the series. Most are constant within a group of series,
    /// and then need no look at the rows at all.
    fn by_series(&self, mut runs: Runs, mut code: impl FnMut(u32) -> u32) -> Runs {
        let sorted = &self.all.sorted;
        let mut of_series = vec![NULL; sorted.series.len()];
        let mut of_group = vec![None; sorted.services.len()];
        let mut constant = true;
        for &series in &sorted.series {
            let group = sorted.group[series as usize] as usize;
            let code = code(series);
            of_series[series as usize] = code;
            constant &= *of_group[group].get_or_insert(code) == code;
        }
        if constant {
            let code = |group: u32| of_group[group as usize].unwrap_or(NULL);
            self.groups.iter().for_each(|(group, rows)| runs.push(code(group), rows));
        } else {
            let code = |series: u32| of_series[series as usize];
            runs.extend(self.series.iter().map(|series| code(*series)));
        }
        runs
    }

    fn by_stack(&self, mut runs: Runs, mut code: impl FnMut(&Stack) -> u32) -> Runs {
        for (stack, rows) in self.stacks.iter() {
            runs.push(code(self.all.symbols.stack_at(stack)), rows);
        }
        runs
    }

    fn series_int(
        &self,
        scratch: &mut Scratch,
        value: impl Fn(u32) -> Option<i64>,
    ) -> ColumnData<'a> {
        let mut coder = IntCoder::default();
        let code = |series| value(series).map_or(NULL, |value| coder.code(value));
        let runs = self.by_series(scratch.runs(), code);
        ColumnData::Coded(coder.finish(), runs)
    }

    fn series_text(&self, index: usize, scratch: &mut Scratch) -> ColumnData<'a> {
        let id = |series: u32| {
            let (kind, window) = (&self.all.series(series).kind, self.window(series));
            match index {
                column::SERVICE => window.target[0],
                column::SERVICE_VERSION => window.target[1],
                column::NAMESPACE => window.target[2],
                column::INSTANCE => window.target[3],
                column::HOST => window.target[4],
                column::PROFILE => window.profile,
                column::SAMPLE_TYPE => kind.name,
                column::UNIT => kind.unit,
                column::TEMPORALITY => kind.temporality,
                _ => window.build_id,
            }
        };
        let (nullable, symbols) = (SAMPLES.columns[index].nullable, self.all.symbols);
        let runs = scratch.runs();
        let mut coder = IdCoder::new(scratch, symbols.strings.len());
        let runs = self.by_series(runs, |series| match id(series) {
            0 if nullable => NULL,
            id => coder.code(id, || symbols.strings.get(id)),
        });
        ColumnData::Coded(coder.finish(), runs)
    }

    fn profile_id(&self, scratch: &mut Scratch) -> ColumnData<'a> {
        let mut dict = Dict::default();
        let mut codes = vec![NULL; self.all.batch.windows.len()];
        let runs = self.by_series(scratch.runs(), |series| {
            let code = &mut codes[self.all.series(series).window as usize];
            if *code == NULL {
                *code = dict.push_text(&format!("{:032x}", self.window(series).id));
            }
            *code
        });
        ColumnData::Coded(dict, runs)
    }

    fn stack_files(&self, scratch: &mut Scratch) -> ColumnData<'a> {
        let files = &self.all.files;
        let mut runs = scratch.runs();
        let mut coder = IdCoder::new(scratch, files.len());
        for (stack, rows) in self.stacks.iter() {
            let code = files.get(stack).map_or(NULL, |(id, text)| coder.code(id, || text));
            runs.push(code, rows);
        }
        ColumnData::Coded(coder.finish(), runs)
    }

    fn link(&self, scratch: &mut Scratch, of: impl Fn((u32, u32)) -> u32) -> ColumnData<'a> {
        let symbols = self.all.symbols;
        let mut runs = scratch.runs();
        let mut coder = IdCoder::new(scratch, symbols.strings.len());
        for (set, rows) in self.labels.iter() {
            let code = match of(symbols.link(set)) {
                0 => NULL,
                id => coder.code(id, || symbols.strings.get(id)),
            };
            runs.push(code, rows);
        }
        ColumnData::Coded(coder.finish(), runs)
    }

    fn numbers(&self, defined: Option<Runs>, values: &'a [i64]) -> ColumnData<'a> {
        let groups = self.groups.iter().map(|group| group.1).collect();
        ColumnData::Numbers(Numbers { values: Cow::Borrowed(values), defined, groups })
    }
}
