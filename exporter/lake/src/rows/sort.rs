//! The rows of a batch in the order of the file, found by integer ranks.

use super::{Batch, KEPT_ROWS_MAX, Row};
use crate::symbols::Symbols;

/// Rows in order of (service, profile, sample type, stack, labels, time).
pub struct Sorted {
    /// The rows, duplicates of one profile summed.
    pub rows: Vec<Row>,
    /// Series in order of (service, profile, sample type, time).
    pub series: Vec<u32>,
    /// The group of each series: series of one service, profile and sample type share one.
    pub group: Vec<u32>,
    /// The service of each group, as a string id.
    pub services: Vec<u32>,
}

/// Room to sort in, kept from batch to batch.
#[derive(Default)]
pub struct Space {
    rows: Vec<Row>,
    order: Vec<u32>,
    other: Vec<u32>,
    starts: Vec<u32>,
}

impl Space {
    /// Takes the memory of sorted rows back.
    pub fn give_back(&mut self, mut rows: Vec<Row>) {
        if rows.capacity() > KEPT_ROWS_MAX {
            *self = Self::default();
            return;
        }
        rows.clear();
        self.rows = rows;
    }
}

/// Stable counting sort of `rows` by a key below `keys`, with room for as many in `sorted`.
fn pass(
    rows: &mut [u32],
    sorted: &mut [u32],
    starts: &mut Vec<u32>,
    keys: usize,
    key: impl Fn(u32) -> u32,
) {
    starts.clear();
    starts.resize(keys + 1, 0);
    for row in &*rows {
        starts[key(*row) as usize + 1] += 1;
    }
    for i in 1..=keys {
        starts[i] += starts[i - 1];
    }
    for row in &*rows {
        let place = &mut starts[key(*row) as usize];
        sorted[*place as usize] = *row;
        *place += 1;
    }
    rows.copy_from_slice(&sorted[..rows.len()]);
}

impl Sorted {
    /// Sorts the rows of a batch; the batch keeps its windows and series.
    pub fn new(symbols: &mut Symbols, batch: &Batch, space: &mut Space) -> Self {
        symbols.rank_stacks();
        let symbols = &*symbols;
        let (series, group, services) = sort_series(symbols, batch);
        let mut sorted = Self { rows: Vec::new(), series, group, services };
        sorted.rows = sorted.gather(symbols, batch, space);
        if batch.labelled {
            sorted.sort_labels(symbols);
            sorted.rows.dedup_by(|next, kept| kept.join(next));
        }
        sorted
    }

    /// Rows by (group, stack, time), equal neighbours joined.
    fn gather(&self, symbols: &Symbols, batch: &Batch, space: &mut Space) -> Vec<Row> {
        let rows = &batch.rows;
        let series = |row: u32| rows[row as usize].series as usize;
        let group = |row: u32| self.group[series(row)];
        let stack = |row: u32| symbols.stack_rank(rows[row as usize].stack);
        let Space { order, other, starts, .. } = space;
        order.clear();
        order.extend(0..rows.len() as u32);
        other.resize(rows.len().max(other.len()), 0);
        // Batches mostly come in order of time, and their rows in that of their windows.
        if !batch.windows.is_sorted_by_key(|window| window.time_us) {
            let mut rank = vec![0; self.series.len()];
            self.series.iter().enumerate().for_each(|(i, s)| rank[*s as usize] = i as u32);
            pass(order, other, starts, rank.len(), |row| rank[series(row)]);
        }
        // Counting costs a counter per group and known stack; few rows are better compared.
        let (groups, stacks) = (self.services.len(), symbols.stacks_len());
        if groups * stacks <= rows.len() * 8 {
            let key = |row| group(row) * stacks as u32 + stack(row);
            pass(order, other, starts, groups * stacks, key);
        } else {
            pass(order, other, starts, groups, group);
            for part in order.chunk_by_mut(|a, b| group(*a) == group(*b)) {
                part.sort_by_key(|row| stack(*row));
            }
        }
        let mut sorted = std::mem::take(&mut space.rows);
        sorted.reserve(rows.len());
        for row in &space.order {
            let row = rows[*row as usize];
            if !sorted.last_mut().is_some_and(|kept| kept.join(&row)) {
                sorted.push(row);
            }
        }
        sorted
    }

    /// Puts labels between stack and time. A stack rarely has two sets, so only then is there work.
    fn sort_labels(&mut self, symbols: &Symbols) {
        let Some(first) = self.rows.first().map(|row| row.labels) else { return };
        if self.rows.iter().all(|row| row.labels == first) {
            return;
        }
        let (rank, group) = (symbols.set_ranks(), &self.group);
        let alike = |a: &Row, b: &Row| {
            a.stack == b.stack && group[a.series as usize] == group[b.series as usize]
        };
        for rows in self.rows.chunk_by_mut(alike) {
            if rows.iter().any(|row| row.labels != rows[0].labels) {
                rows.sort_by_key(|row| rank[row.labels as usize]);
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
