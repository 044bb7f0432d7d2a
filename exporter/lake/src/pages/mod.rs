//! Columns of a row group as runs of dictionary codes, read page by page.
//!
//! What every question works on: a column of text costs one code per run of rows, and its strings
//! are looked at once each. Pages of our own writer (and of most others: dictionary, delta and
//! plain pages of format 1, zstd or uncompressed) are read here; any other layout goes through the
//! reader of parquet-rs (`stock`) and comes out in the same shape. Whatever a file says is checked
//! before it is used: a damaged file gives an error, never a panic, and never memory without bound.

mod chunk;
mod delta;
mod flat;
mod header;
mod hybrid;
mod map;
pub(crate) mod stock;
mod texts;

use thiserror::Error;

pub(crate) use chunk::Chunk;
pub(crate) use flat::{codes, dictionary, ints, runs};
pub(crate) use map::sets;
pub(crate) use texts::Texts;

/// So many rows, one after the other, have this code.
pub(crate) type Run = (u32, u32);

/// The code of null.
pub(crate) const NULL: u32 = u32::MAX;

/// Why a column could not be read.
#[derive(Debug, Error)]
pub(crate) enum PageError {
    /// The bytes contradict each other.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A layout for the stock reader.
    #[error("a layout that only the stock reader reads")]
    Other,
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl PageError {
    pub(crate) fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }
}

impl From<parquet::errors::ParquetError> for PageError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Distinct values of a column, by code. Equal values may have several codes.
#[derive(Debug)]
pub(crate) enum Dict {
    Texts(Texts),
    Ints(Vec<i64>),
}

/// A column as runs of codes.
#[derive(Debug)]
pub(crate) struct Codes {
    pub dict: Dict,
    pub runs: Vec<Run>,
}

impl Codes {
    /// A column that is not in the file.
    pub fn absent(rows: usize) -> Self {
        let runs = if rows == 0 { vec![] } else { vec![(NULL, rows as u32)] };
        Self { dict: Dict::Texts(Texts::default()), runs }
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        match &self.dict {
            Dict::Texts(texts) => texts.len(),
            Dict::Ints(ints) => ints.len(),
        }
    }

    /// The text of a code; empty for null.
    pub fn text(&self, code: u32) -> &str {
        match &self.dict {
            Dict::Texts(texts) => texts.get(code),
            Dict::Ints(_) => "",
        }
    }

    /// The integer of a code; 0 for null.
    pub fn int(&self, code: u32) -> i64 {
        match &self.dict {
            Dict::Ints(ints) => ints.get(code as usize).copied().unwrap_or(0),
            Dict::Texts(_) => 0,
        }
    }

    pub fn bytes(&self) -> usize {
        let dict = match &self.dict {
            Dict::Texts(texts) => texts.bytes(),
            Dict::Ints(ints) => ints.len() * 8,
        };
        dict + self.runs.len() * size_of::<Run>() + size_of::<Self>()
    }
}

/// A column of integers, null as 0.
#[derive(Debug, Default)]
pub(crate) struct Ints {
    pub values: Vec<i64>,
    /// Whether each value is below 2^31 in magnitude, so that no sum over a row group overflows.
    pub small: bool,
}

impl Ints {
    pub fn new(values: Vec<i64>) -> Self {
        let small = values.iter().fold(0, |all, v| all | v.unsigned_abs()) < 1 << 31;
        Self { values, small }
    }

    /// The sum of some rows; saturating.
    #[inline]
    pub fn sum(&self, rows: std::ops::Range<usize>) -> i64 {
        let values = &self.values[rows];
        if self.small {
            return values.iter().sum();
        }
        values.iter().fold(0, |sum: i64, v| sum.saturating_add(*v))
    }

    pub fn bytes(&self) -> usize {
        self.values.len() * 8 + size_of::<Self>()
    }
}

/// A map column: distinct sets of pairs, and runs of their codes.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    pub keys: Texts,
    pub values: Texts,
    /// Pairs of (code of the key, code of the value), as they stand in the row.
    pub sets: Vec<Box<[(u32, u32)]>>,
    pub runs: Vec<Run>,
}

impl Sets {
    /// A column that is not in the file.
    pub fn absent(rows: usize) -> Self {
        Self { sets: vec![Box::default()], runs: vec![(0, rows as u32)], ..Self::default() }
    }

    /// The pairs of a set.
    pub fn pairs(&self, code: u32) -> impl Iterator<Item = (&str, &str)> {
        let set = self.sets.get(code as usize).map_or(&[][..], |set| set);
        set.iter().map(|(key, value)| (self.keys.get(*key), self.values.get(*value)))
    }

    pub fn bytes(&self) -> usize {
        let pairs: usize = self.sets.iter().map(|set| set.len() * 8 + 16).sum();
        let runs = self.runs.len() * size_of::<Run>();
        self.keys.bytes() + self.values.bytes() + pairs + runs + size_of::<Self>()
    }
}

/// Appends a run, joined with the last one where the code is the same.
#[inline]
pub(crate) fn push_run(runs: &mut Vec<Run>, code: u32, rows: u32) {
    match runs.last_mut() {
        Some((last, n)) if *last == code => *n += rows,
        _ if rows > 0 => runs.push((code, rows)),
        _ => {}
    }
}
