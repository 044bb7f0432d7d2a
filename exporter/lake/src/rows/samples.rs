//! The table `samples`: columns of the sorted rows. What follows from the stack or the series costs
//! work per run, not per row.

use std::ops::Range;

use super::{
    Batch, Functions, Row, Series, Space, Window, cut, functions::StackFiles, profiles,
    sort::Sorted,
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
        let files = functions.stack_files(symbols, sorted.rows.iter().map(|row| row.stack));
        Self { symbols, batch, sorted, files }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.sorted.rows.len()
    }

    /// Gives the memory of the rows back.
    pub fn give_back(self, space: &mut Space) {
        space.give_back(self.sorted.rows);
    }

    /// The row groups of the file.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let ranges = cut::row_groups(self.symbols, &self.sorted, &self.files);
        ranges.into_iter().map(|range| Group::new(self, range))
    }
}

/// One row group.
pub struct Group<'a> {
    all: &'a SampleRows<'a>,
    rows: &'a [Row],
    /// Runs of groups, series, stacks and label sets.
    groups: Runs,
    series: Runs,
    stacks: Runs,
    labels: Runs,
}

impl<'a> Group<'a> {
    fn new(all: &'a SampleRows<'a>, range: Range<usize>) -> Self {
        let rows = &all.sorted.rows[range];
        let [mut groups, mut series, mut stacks, mut labels] = [const { Runs::new() }; 4];
        // In one go, since the rows may be more than the caches hold.
        for row in rows {
            groups.push(all.sorted.group[row.series as usize], 1);
            series.push(row.series, 1);
            stacks.push(row.stack, 1);
            labels.push(row.labels, 1);
        }
        Self { all, rows, groups, series, stacks, labels }
    }

    fn series(&self, series: u32) -> &Series {
        &self.all.batch.series[series as usize]
    }

    fn window(&self, series: u32) -> &Window {
        &self.all.batch.windows[self.series(series).window as usize]
    }

    /// A column of the row group.
    pub fn column(&self, index: usize, scratch: &mut Scratch) -> ColumnData {
        match index {
            column::TIME => self.series_int(scratch, |series| Some(self.window(series).time_us)),
            column::DURATION_NS => {
                self.series_int(scratch, |series| Some(self.window(series).duration_ns))
            }
            column::PERIOD => {
                let period = |series| Some(self.window(series).period).filter(|p| *p != 0);
                self.series_int(scratch, period)
            }
            column::VALUE => self.numbers(scratch, None, self.rows.iter().map(|row| row.value)),
            column::COUNT => {
                let counted = |series: u32| self.series(series).counted;
                let code = |series| if counted(series) { 1 } else { NULL };
                let defined = self.by_series(Runs::default(), code);
                let rows = self.rows.iter().filter(|row| counted(row.series));
                self.numbers(scratch, Some(defined), rows.map(|row| row.count))
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
            self.series.iter().for_each(|(series, rows)| runs.push(code(series), rows));
        }
        runs
    }

    fn by_stack(&self, mut runs: Runs, mut code: impl FnMut(&Stack) -> u32) -> Runs {
        for (stack, rows) in self.stacks.iter() {
            runs.push(code(self.all.symbols.stack_at(stack)), rows);
        }
        runs
    }

    fn series_int(&self, scratch: &mut Scratch, value: impl Fn(u32) -> Option<i64>) -> ColumnData {
        let mut coder = IntCoder::default();
        let code = |series| value(series).map_or(NULL, |value| coder.code(value));
        let runs = self.by_series(scratch.runs(), code);
        ColumnData::Coded(coder.finish(), runs)
    }

    fn series_text(&self, index: usize, scratch: &mut Scratch) -> ColumnData {
        let id = |series: u32| {
            let (kind, window) = (&self.series(series).kind, self.window(series));
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

    fn profile_id(&self, scratch: &mut Scratch) -> ColumnData {
        let mut dict = Dict::default();
        let mut codes = vec![NULL; self.all.batch.windows.len()];
        let runs = self.by_series(scratch.runs(), |series| {
            let code = &mut codes[self.series(series).window as usize];
            if *code == NULL {
                *code = dict.push_text(&format!("{:032x}", self.window(series).id));
            }
            *code
        });
        ColumnData::Coded(dict, runs)
    }

    fn stack_files(&self, scratch: &mut Scratch) -> ColumnData {
        let files = &self.all.files;
        let mut runs = scratch.runs();
        let mut coder = IdCoder::new(scratch, files.len());
        for (stack, rows) in self.stacks.iter() {
            let code = files.get(stack).map_or(NULL, |(id, text)| coder.code(id, || text));
            runs.push(code, rows);
        }
        ColumnData::Coded(coder.finish(), runs)
    }

    fn link(&self, scratch: &mut Scratch, of: impl Fn((u32, u32)) -> u32) -> ColumnData {
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

    fn numbers(
        &self,
        scratch: &mut Scratch,
        defined: Option<Runs>,
        of_rows: impl Iterator<Item = i64>,
    ) -> ColumnData {
        let groups = self.groups.iter().map(|group| group.1).collect();
        let mut values = scratch.numbers();
        values.extend(of_rows);
        ColumnData::Numbers(Numbers { values, defined, groups })
    }
}
