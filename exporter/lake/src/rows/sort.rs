//! The rows of a batch in the order of the file, found by integer ranks.

use super::{Batch, Row};
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

/// Stable counting sort of `rows` by a key below `keys`.
fn pass(rows: &[u32], keys: usize, key: impl Fn(u32) -> u32) -> Vec<u32> {
    let mut starts = vec![0u32; keys + 1];
    for row in rows {
        starts[key(*row) as usize + 1] += 1;
    }
    for i in 1..=keys {
        starts[i] += starts[i - 1];
    }
    let mut sorted = vec![0; rows.len()];
    for row in rows {
        let place = &mut starts[key(*row) as usize];
        sorted[*place as usize] = *row;
        *place += 1;
    }
    sorted
}

impl Sorted {
    /// Sorts the rows of a batch; the batch keeps its windows and series.
    pub fn new(symbols: &mut Symbols, batch: &Batch) -> Self {
        symbols.rank_stacks();
        let symbols = &*symbols;
        let (series, group, services) = sort_series(symbols, batch);
        let mut sorted = Self { rows: Vec::new(), series, group, services };
        sorted.rows = sorted.gather(symbols, batch);
        sorted.sort_labels(symbols);
        sorted.rows.dedup_by(|next, kept| {
            let of = |row: &Row| (row.series, row.stack, row.labels);
            let same = of(next) == of(kept);
            if same {
                kept.value = kept.value.saturating_add(next.value);
                kept.count = kept.count.saturating_add(next.count);
            }
            same
        });
        sorted
    }

    /// Rows by (group, stack, time).
    fn gather(&self, symbols: &Symbols, batch: &Batch) -> Vec<Row> {
        let rows = &batch.rows;
        let series = |row: u32| rows[row as usize].series as usize;
        let time =
            |row: &Row| batch.windows[batch.series[row.series as usize].window as usize].time_us;
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        // Batches mostly come in order of time.
        if !rows.is_sorted_by_key(time) {
            let mut rank = vec![0; self.series.len()];
            self.series.iter().enumerate().for_each(|(i, s)| rank[*s as usize] = i as u32);
            order = pass(&order, rank.len(), |row| rank[series(row)]);
        }
        let mut order = pass(&order, self.services.len(), |row| self.group[series(row)]);
        for part in order.chunk_by_mut(|a, b| self.group[series(*a)] == self.group[series(*b)]) {
            let stack = |row: u32| symbols.stack_rank(rows[row as usize].stack);
            // Counting costs a counter per known stack; few rows among many are better compared.
            if part.len() * 8 < symbols.stacks_len() {
                part.sort_by_key(|row| stack(*row));
            } else {
                let sorted = pass(part, symbols.stacks_len(), stack);
                part.copy_from_slice(&sorted);
            }
        }
        order.iter().map(|row| rows[*row as usize]).collect()
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
