//! The rows of a batch in the order of the file, found by integer ranks, as columns.

use super::{
    BLOCK, Batch,
    store::{KEPT_ROWS_MAX, Row, Rows},
};
use crate::symbols::Symbols;

/// Rows of a run, at most.
pub const RUN_ROWS_MAX: u32 = 1 << 20;

/// Rows in order of (service, profile, sample type, stack, labels, time), duplicates of one profile
/// summed.
pub struct Sorted {
    /// The rows.
    pub columns: Columns,
    /// Series in order of (service, profile, sample type, time).
    pub series: Vec<u32>,
    /// The group of each series: series of one service, profile and sample type share one.
    pub group: Vec<u32>,
    /// The service of each group, as a string id.
    pub services: Vec<u32>,
}

/// The rows, column by column.
#[derive(Default)]
pub struct Columns {
    /// Neighbours that differ in nothing but series and values.
    pub runs: Vec<Run>,
    /// The series of each row.
    pub series: Vec<u32>,
    /// The value of each row.
    pub values: Vec<i64>,
    /// The counts of those rows whose series is counted.
    pub counts: Vec<i64>,
}

/// Consecutive rows of one group, stack and label set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The group of the series.
    pub group: u32,
    /// Id of the stack.
    pub stack: u32,
    /// Id of the label set.
    pub labels: u32,
    /// Number of rows.
    pub rows: u32,
}

impl Columns {
    fn clear(&mut self) {
        let Self { runs, series, values, counts } = self;
        runs.clear();
        series.clear();
        values.clear();
        counts.clear();
    }

    /// Appends the next row, or adds it to the one before if that is of the same profile as well.
    #[inline]
    fn push(&mut self, run: Run, series: u32, value: i64, count: Option<i64>) {
        let of = |run: &Run| (run.group, run.stack, run.labels);
        let last = self.runs.last_mut().filter(|last| of(last) == of(&run));
        if last.is_some()
            && self.series.last() == Some(&series)
            && let Some(sum) = self.values.last_mut()
        {
            *sum = sum.saturating_add(value);
            if let (Some(count), Some(sum)) = (count, self.counts.last_mut()) {
                *sum = sum.saturating_add(count);
            }
            return;
        }
        match last.filter(|last| last.rows < RUN_ROWS_MAX) {
            Some(last) => last.rows += 1,
            None => self.runs.push(run),
        }
        self.series.push(series);
        self.values.push(value);
        self.counts.extend(count);
    }
}

/// Room to sort in, kept from batch to batch.
#[derive(Default)]
pub struct Space {
    columns: Columns,
    order: Vec<u32>,
    other: Vec<u32>,
    starts: Vec<u32>,
}

impl Space {
    /// Takes the memory of sorted rows back.
    pub fn give_back(&mut self, mut columns: Columns) {
        if columns.values.capacity() > KEPT_ROWS_MAX {
            *self = Self::default();
            return;
        }
        columns.clear();
        self.columns = columns;
    }
}

impl Space {
    /// Stable counting sort of `rows` rows by a key, in the order of the pass before; `keys` are
    /// all of them, first to last, and none reaches their number.
    fn pass(
        &mut self,
        rows: usize,
        keys: impl ExactSizeIterator<Item = usize>,
        key: impl Fn(u32) -> usize,
    ) {
        let Self { order, other, starts, .. } = self;
        other.resize(rows, 0);
        match order.is_empty() {
            true => scatter(0..rows as u32, keys, key, starts, other),
            false => scatter(order.iter().copied(), keys, key, starts, other),
        }
        std::mem::swap(order, other);
    }
}

/// Puts rows where they belong in `sorted`.
fn scatter(
    rows: impl Iterator<Item = u32> + Clone,
    keys: impl ExactSizeIterator<Item = usize>,
    key: impl Fn(u32) -> usize,
    starts: &mut Vec<u32>,
    sorted: &mut [u32],
) {
    starts.clear();
    starts.resize(keys.len(), 0);
    rows.clone().for_each(|row| starts[key(row)] += 1);
    let mut start = 0;
    for key in keys {
        start += std::mem::replace(&mut starts[key], start);
    }
    for row in rows {
        let place = &mut starts[key(row)];
        sorted[*place as usize] = row;
        *place += 1;
    }
}

impl Sorted {
    /// Sorts the rows of a batch; the batch keeps its windows and series.
    pub fn new(symbols: &mut Symbols, batch: &Batch, space: &mut Space) -> Self {
        symbols.rank_stacks();
        let symbols = &*symbols;
        let (series, group, services) = sort_series(symbols, batch);
        let columns = std::mem::take(&mut space.columns);
        let mut sorted = Self { columns, series, group, services };
        sorted.order(symbols, batch, space);
        if batch.rows.labelled() {
            sorted.order_labels(symbols, &batch.rows, &mut space.order);
        }
        sorted.gather(batch, &space.order);
        sorted
    }

    /// Numbers of the rows by (group, stack, time).
    fn order(&self, symbols: &Symbols, batch: &Batch, space: &mut Space) {
        let rows = &batch.rows;
        let series = |row: u32| rows.get(row).series as usize;
        let group = |row: u32| self.group[series(row)] as usize;
        space.order.clear();
        // Batches mostly come in order of time, and their rows in that of their windows.
        if !batch.windows.is_sorted_by_key(|window| window.time_us) {
            let mut rank = vec![0; self.series.len()];
            self.series.iter().enumerate().for_each(|(i, s)| rank[*s as usize] = i);
            space.pass(rows.len(), 0..rank.len(), |row| rank[series(row)]);
        }
        // Counting costs a counter per group and known stack; few rows are better compared.
        let (groups, stacks) = (self.services.len(), symbols.stacks_len());
        if groups * stacks <= rows.len() * 8 {
            let ranked = symbols.ranked_stacks();
            let place = |at: usize| at / stacks * stacks + ranked[at % stacks] as usize;
            let key = |row| group(row) * stacks + rows.get(row).stack as usize;
            space.pass(rows.len(), (0..groups * stacks).map(place), key);
        } else {
            space.pass(rows.len(), 0..groups, group);
            for part in space.order.chunk_by_mut(|a, b| group(*a) == group(*b)) {
                part.sort_by_key(|row| symbols.stack_rank(rows.get(*row).stack));
            }
        }
    }

    /// Puts labels between stack and time. A stack rarely has two sets, so only then is there work.
    fn order_labels(&self, symbols: &Symbols, rows: &Rows, order: &mut [u32]) {
        let labels = |row: &u32| rows.labels(*row);
        let all_alike = |order: &[u32]| order.iter().all(|row| labels(row) == labels(&order[0]));
        if all_alike(order) {
            return;
        }
        let rank = symbols.set_ranks();
        let place = |row: &u32| {
            let row = rows.get(*row);
            (row.stack, self.group[row.series as usize])
        };
        for order in order.chunk_by_mut(|a, b| place(a) == place(b)) {
            if !all_alike(order) {
                order.sort_by_key(|row| rank[labels(row) as usize]);
            }
        }
    }

    /// Puts the rows where they belong.
    fn gather(&mut self, batch: &Batch, order: &[u32]) {
        let columns = &mut self.columns;
        columns.series.reserve(order.len());
        columns.values.reserve(order.len());
        columns.counts.reserve(order.len());
        // Rows lie far apart: nothing waits for one of a block while the others are fetched.
        let mut block = [Row::default(); BLOCK];
        for order in order.chunks(BLOCK) {
            for (row, number) in block.iter_mut().zip(order) {
                *row = *batch.rows.get(*number);
            }
            for (row, number) in block.iter().zip(order) {
                let (group, labels) = (self.group[row.series as usize], batch.rows.labels(*number));
                let counted = batch.series[row.series as usize].counted;
                let run = Run { group, stack: row.stack, labels, rows: 1 };
                columns.push(run, row.series, row.value, counted.then_some(row.count));
            }
        }
    }
}

/// Series in order, the group of each, and the service of each group.
fn sort_series(symbols: &Symbols, batch: &Batch) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let window = |s: u32| &batch.windows[batch.series[s as usize].window as usize];
    let key = |s: u32| {
        let ids = [window(s).target[0], window(s).profile, batch.series[s as usize].kind.name];
        ids.map(|id| symbols.strings.get(id))
    };
    let mut series: Vec<u32> = (0..batch.series.len() as u32).collect();
    series.sort_by(|a, b| {
        key(*a).cmp(&key(*b)).then_with(|| window(*a).time_us.cmp(&window(*b).time_us))
    });
    let (mut group, mut services) = (vec![0; series.len()], Vec::new());
    for (i, s) in series.iter().enumerate() {
        if i == 0 || key(series[i - 1]) != key(*s) {
            services.push(window(*s).target[0]);
        }
        group[*s as usize] = services.len() as u32 - 1;
    }
    (series, group, services)
}
