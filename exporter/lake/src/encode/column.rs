//! Columns to pages: dictionary codes from runs, integers in the encoding that suits them, maps
//! with their levels.

use std::borrow::Cow;

use parquet::basic::Encoding;

use super::{
    NULL, Runs,
    delta::delta,
    dict::{Dict, IntCoder},
    hybrid::{Hybrid, definition_levels, levels},
};

/// Rows of a data page, at most.
pub const PAGE_ROWS: usize = 131_072;

/// What a column of a row group holds.
pub enum ColumnData<'a> {
    /// Strings or integers by dictionary code; [`NULL`] is null.
    Coded(Dict, Runs),
    /// Integers that change from row to row.
    Numbers(Numbers<'a>),
    /// Maps of strings.
    Map(Sets),
}

/// Integers that change from row to row.
pub struct Numbers<'a> {
    /// The values that are not null.
    pub values: Cow<'a, [i64]>,
    /// Where a row is null; `None` if the column cannot be.
    pub defined: Option<Runs>,
    /// Rows that are alike, in order: each group may have an encoding of its own.
    pub groups: Vec<u32>,
}

/// Maps of strings: few distinct ones, many rows.
#[derive(Default)]
pub struct Sets {
    /// Distinct keys.
    pub keys: Dict,
    /// Distinct values.
    pub values: Dict,
    /// The distinct maps, as codes of keys.
    pub key_codes: Vec<Vec<u32>>,
    /// The same maps, as codes of values.
    pub value_codes: Vec<Vec<u32>>,
    /// Index of the map of each row.
    pub runs: Runs,
}

/// A leaf column, ready to be compressed.
pub struct Chunk {
    /// Its dictionary; not written if no page refers to it.
    pub dict: Dict,
    /// Its data pages.
    pub pages: Vec<RawPage>,
    /// Rows that are null.
    pub nulls: usize,
}

/// A data page of version 1, not compressed yet.
pub struct RawPage {
    /// Levels and values.
    pub bytes: Vec<u8>,
    /// Number of values, nulls included.
    pub levels: usize,
    /// Number of rows.
    pub rows: usize,
    /// Encoding of the values.
    pub encoding: Encoding,
}

/// Bits of a code. Columns that change from row to row get whole bytes: the compressor sees bytes.
fn width(dict: &Dict, runs: usize, rows: usize) -> u32 {
    let width = u32::BITS - dict.len().saturating_sub(1).leading_zeros();
    if runs * 4 > rows && width > 4 { width.next_multiple_of(8) } else { width }
}

/// A flat column of codes.
pub fn coded(dict: Dict, runs: &Runs, nullable: bool) -> Chunk {
    let width = width(&dict, runs.len(), runs.rows());
    let mut chunk = Chunk { dict, pages: Vec::new(), nulls: 0 };
    runs.cut(PAGE_ROWS, |runs| {
        let mut page = Vec::with_capacity(runs.len() * 4 + 32);
        if nullable {
            chunk.nulls += definition_levels(&mut page, runs);
        }
        page.push(width as u8);
        let rows = runs.rows();
        let mut hybrid = Hybrid::new(page, width);
        if runs.len() * 4 < rows {
            hybrid = hybrid.with_short_runs();
        }
        for (code, rows) in runs.iter().filter(|run| run.0 != NULL) {
            hybrid.push(code, rows);
        }
        let encoding = Encoding::RLE_DICTIONARY;
        chunk.pages.push(RawPage { bytes: hybrid.finish(), levels: rows, rows, encoding });
    });
    chunk
}

/// A part of a column of numbers that becomes one page.
struct Part {
    delta: bool,
    rows: usize,
    values: usize,
    /// Where a row is null; empty if none can be.
    defined: Runs,
}

/// Cuts numbers into pages: by group, dictionary where values repeat, else deltas; neighbours of
/// one encoding share a page.
fn parts(numbers: &Numbers) -> Vec<Part> {
    let mut defined = numbers.defined.as_ref().map(|runs| runs.iter().collect::<Vec<_>>());
    defined.iter_mut().for_each(|runs| runs.reverse());
    let (mut parts, mut at): (Vec<Part>, usize) = (Vec::new(), 0);
    for &group in &numbers.groups {
        let pieces = (0..group as usize).step_by(PAGE_ROWS).map(|start| {
            let rows = PAGE_ROWS.min(group as usize - start);
            let defined = defined.as_mut().map(|runs| take_rows(runs, rows as u32));
            let values = rows - defined.as_ref().map_or(0, Runs::nulls);
            Part { delta: false, rows, values, defined: defined.unwrap_or_default() }
        });
        let pieces: Vec<Part> = pieces.collect();
        let values = pieces.iter().map(|piece| piece.values).sum::<usize>();
        let delta = rarely_repeat(&numbers.values[at..at + values]);
        at += values;
        for piece in pieces {
            match parts.last_mut() {
                Some(last) if last.delta == delta && last.rows + piece.rows <= PAGE_ROWS => {
                    last.rows += piece.rows;
                    last.values += piece.values;
                    piece.defined.iter().for_each(|(code, rows)| last.defined.push(code, rows));
                }
                _ => parts.push(Part { delta, ..piece }),
            }
        }
    }
    parts
}

/// Values of a long column that are looked at first.
const LOOKED_AT: usize = 4096;

/// Whether more than half of the values are distinct. The more one looks at, the more of them
/// repeat, so where they do among a few of a long column, they do in all of it.
fn rarely_repeat(values: &[i64]) -> bool {
    let step = values.len().div_ceil(LOOKED_AT).max(1);
    more_than_half_differ(values, step) && more_than_half_differ(values, 1)
}

/// Whether of every `step`th value more than half are distinct.
fn more_than_half_differ(values: &[i64], step: usize) -> bool {
    let few = values.len().div_ceil(step) as u32 / 2 + 16;
    let mut distinct = IntCoder::default();
    values.iter().step_by(step).any(|value| distinct.code(*value) > few)
}

/// A flat column of numbers.
pub fn numbers(numbers: &Numbers) -> Chunk {
    let (mut pages, mut nulls, mut coder) = (Vec::new(), 0, IntCoder::default());
    let mut values = &*numbers.values;
    for part in parts(numbers) {
        let mut page = Vec::new();
        if numbers.defined.is_some() {
            nulls += definition_levels(&mut page, &part.defined);
        }
        let (own, rest) = values.split_at(part.values);
        values = rest;
        let encoding = if part.delta {
            delta(&mut page, own);
            Encoding::DELTA_BINARY_PACKED
        } else {
            let runs: Runs = own.iter().map(|value| coder.code(*value)).collect();
            let width = width(coder.dict(), runs.len(), own.len());
            page.push(width as u8);
            let mut hybrid = Hybrid::new(page, width);
            runs.iter().for_each(|(code, rows)| hybrid.push(code, rows));
            page = hybrid.finish();
            Encoding::RLE_DICTIONARY
        };
        pages.push(RawPage { bytes: page, levels: part.rows, rows: part.rows, encoding });
    }
    Chunk { dict: coder.finish(), pages, nulls }
}

/// Takes the next rows off a reversed list of runs.
fn take_rows(reversed: &mut Vec<(u32, u32)>, mut rows: u32) -> Runs {
    let mut taken = Runs::default();
    while let Some((code, have)) = reversed.last_mut().filter(|_| rows > 0) {
        let part = rows.min(*have);
        taken.push(*code, part);
        rows -= part;
        *have -= part;
        if *have == 0 {
            reversed.pop();
        }
    }
    taken
}

/// One leaf of a column of maps: the keys, or the values, which may be null by their definition.
pub fn map_leaf(dict: Dict, sets: &[Vec<u32>], runs: &Runs, keys: bool) -> Chunk {
    let width = width(&dict, runs.len(), runs.rows());
    let (level_max, level_width) = if keys { (1, 1) } else { (2, 2) };
    let mut chunk = Chunk { dict, pages: Vec::new(), nulls: 0 };
    runs.cut(PAGE_ROWS, |runs| {
        let codes = |set: u32| sets[set as usize].as_slice();
        let mut page = Vec::new();
        levels(&mut page, 1, |hybrid| {
            for (set, rows) in runs.iter() {
                let mut pattern = vec![1; codes(set).len().max(1)];
                pattern[0] = 0;
                hybrid.push_pattern(&pattern, rows as usize);
            }
        });
        levels(&mut page, level_width, |hybrid| {
            for (set, rows) in runs.iter() {
                let entries = codes(set).len() as u32;
                hybrid.push(if entries == 0 { 0 } else { level_max }, rows * entries.max(1));
            }
        });
        page.push(width as u8);
        let (mut hybrid, mut levels) = (Hybrid::new(page, width), 0);
        for (set, rows) in runs.iter() {
            levels += codes(set).len().max(1) * rows as usize;
            match codes(set) {
                [] => chunk.nulls += rows as usize,
                codes => hybrid.push_pattern(codes, rows as usize),
            }
        }
        let (rows, encoding) = (runs.rows(), Encoding::RLE_DICTIONARY);
        chunk.pages.push(RawPage { bytes: hybrid.finish(), levels, rows, encoding });
    });
    chunk
}
