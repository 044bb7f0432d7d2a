//! The table `profiles`: one row per window and sample type, those without samples included.

use super::{Batch, Total, Window};
use crate::{
    encode::{ColumnData, Dict, IdCoder, IntCoder, NULL, Numbers, Runs, Scratch, Sets},
    schema::{PROFILES, profiles as column},
    symbols::Symbols,
};

/// Rows of a row group, at most.
const ROWS_MAX: usize = 1 << 16;

/// Rows of the table in its order.
pub struct ProfileRows<'a> {
    symbols: &'a Symbols,
    windows: &'a [Window],
    totals: Vec<Total>,
}

impl<'a> ProfileRows<'a> {
    /// The rows of a batch.
    pub fn new(symbols: &'a Symbols, batch: &'a Batch) -> Self {
        let windows = batch.windows.as_slice();
        let mut totals = batch.totals.clone();
        totals.sort_by(|a, b| {
            let [(x, y), (v, w)] = [a, b].map(|total| {
                let window = &windows[total.window as usize];
                let ids = [window.target[0], window.profile, total.kind.name];
                (ids.map(|id| symbols.strings.get(id)), window.time_us)
            });
            (x, y).cmp(&(v, w))
        });
        Self { symbols, windows, totals }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.totals.len()
    }

    /// Pieces of the table, one per row group.
    pub fn groups(&self) -> impl Iterator<Item = &[Total]> {
        self.totals.chunks(ROWS_MAX)
    }

    /// A column of some rows.
    pub fn column(
        &self,
        rows: &[Total],
        index: usize,
        scratch: &mut Scratch,
    ) -> ColumnData<'static> {
        let window = |total: &Total| &self.windows[total.window as usize];
        match index {
            column::PROFILE_ID => profile_ids(rows.iter().map(|row| (row.window, window(row).id))),
            column::TIME => ints(rows, |row| Some(window(row).time_us)),
            column::INGEST_TIME => ints(rows, |row| Some(window(row).ingest_us)),
            column::DURATION_NS => ints(rows, |row| Some(window(row).duration_ns)),
            column::PERIOD => ints(rows, |row| Some(window(row).period).filter(|p| *p != 0)),
            column::TOTAL => numbers(rows, |row| saturate(row.total)),
            column::SAMPLES => numbers(rows, |row| row.samples),
            column::LABEL_UNITS => {
                let runs = rows.iter().map(|row| window(row).label_units).collect();
                ColumnData::Map(sets(self.symbols, &runs, scratch))
            }
            column::RESOURCE => {
                let runs = rows.iter().map(|row| window(row).resource).collect();
                ColumnData::Map(sets(self.symbols, &runs, scratch))
            }
            _ => self.texts(rows, index, scratch),
        }
    }

    fn texts(&self, rows: &[Total], index: usize, scratch: &mut Scratch) -> ColumnData<'static> {
        let id = |row: &Total| {
            let window = &self.windows[row.window as usize];
            match index {
                column::SERVICE => window.target[0],
                column::SERVICE_VERSION => window.target[1],
                column::NAMESPACE => window.target[2],
                column::INSTANCE => window.target[3],
                column::HOST => window.target[4],
                column::PROFILE => window.profile,
                column::SAMPLE_TYPE => row.kind.name,
                column::UNIT => row.kind.unit,
                column::TEMPORALITY => row.kind.temporality,
                column::PERIOD_TYPE => window.period_type[0],
                column::PERIOD_UNIT => window.period_type[1],
                column::DEFAULT_TYPE => window.default_type,
                column::COMMENTS => window.comments,
                column::SOURCE => window.source,
                _ => window.build_id,
            }
        };
        let mut coder = IdCoder::new(scratch, self.symbols.strings.len());
        let nullable = PROFILES.columns[index].nullable;
        let code = |id: u32| match id {
            0 if nullable => NULL,
            id => coder.code(id, || self.symbols.strings.get(id)),
        };
        let runs: Runs = rows.iter().map(id).map(code).collect();
        ColumnData::Coded(coder.finish(), runs)
    }
}

fn ints(rows: &[Total], value: impl Fn(&Total) -> Option<i64>) -> ColumnData<'static> {
    let mut coder = IntCoder::default();
    let runs = rows.iter().map(value).map(|value| value.map_or(NULL, |value| coder.code(value)));
    let runs = runs.collect();
    ColumnData::Coded(coder.finish(), runs)
}

fn numbers(rows: &[Total], value: impl Fn(&Total) -> i64) -> ColumnData<'static> {
    let values = rows.iter().map(value).collect();
    ColumnData::Numbers(Numbers { values, defined: None, groups: vec![rows.len() as u32] })
}

fn saturate(total: i128) -> i64 {
    total.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// A column of profile ids from windows and their ids.
pub fn profile_ids(windows: impl Iterator<Item = (u32, u128)>) -> ColumnData<'static> {
    let (mut dict, mut codes) = (Dict::default(), std::collections::HashMap::new());
    let mut code = |(window, id): (u32, u128)| {
        *codes.entry(window).or_insert_with(|| dict.push_text(&format!("{id:032x}")))
    };
    let runs = windows.map(&mut code).collect();
    ColumnData::Coded(dict, runs)
}

/// A column of maps from runs of label sets.
pub fn sets(symbols: &Symbols, runs: &Runs, scratch: &mut Scratch) -> Sets {
    let mut sets = Sets::default();
    let mut index = vec![NULL; symbols.sets_len()];
    let mut distinct = Vec::new();
    for (set, rows) in runs.iter() {
        if index[set as usize] == NULL {
            index[set as usize] = distinct.len() as u32;
            distinct.push(set);
        }
        sets.runs.push(index[set as usize], rows);
    }
    let mut codes = |of: fn((u32, u32)) -> u32| {
        let mut coder = IdCoder::new(scratch, symbols.strings.len());
        let mut code = |pair| coder.code(of(pair), || symbols.strings.get(of(pair)));
        let codes: Vec<Vec<u32>> =
            distinct.iter().map(|set| symbols.pairs(*set).map(&mut code).collect()).collect();
        (coder.finish(), codes)
    };
    (sets.keys, sets.key_codes) = codes(|pair| pair.0);
    (sets.values, sets.value_codes) = codes(|pair| pair.1);
    sets
}
