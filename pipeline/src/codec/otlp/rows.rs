//! Samples to rows: those of one identity (stack, attributes, link) are one row, with a value for
//! each type. Of several equal ones in a type, the k-th belongs to the k-th of the others.

use xxhash_rust::xxh3::Xxh3;

use super::build::{ByHash, Sample};

const NONE: u32 = u32::MAX;
/// Rows of one identity; more are added to the last one, as OTLP recommends.
const EQUAL_MAX: usize = 64;

/// The rows of a profile in the making.
pub struct Rows {
    types: usize,
    stacks: Vec<u32>,
    links: Vec<u32>,
    attributes: Vec<u32>,
    attribute_ends: Vec<u32>,
    values: Vec<i64>,
    hashes: Vec<u64>,
    /// The last type that gave the row a value.
    filled: Vec<u32>,
    /// The next row of the same identity.
    next: Vec<u32>,
    first: ByHash,
    /// Whether it is the first row of its identity.
    is_first: Vec<bool>,
    /// Where the next sample is likely to belong: types list their samples in the same order.
    likely: usize,
    /// The type that gave the last sample.
    column: usize,
}

/// What identifies a row.
pub struct Row<'r> {
    pub stack: u32,
    pub attributes: &'r [u32],
    pub link: u32,
}

impl Rows {
    /// No rows, of so many types.
    pub fn new(types: usize) -> Self {
        Self {
            types,
            stacks: Vec::new(),
            links: Vec::new(),
            attributes: Vec::new(),
            attribute_ends: Vec::new(),
            values: Vec::new(),
            hashes: Vec::new(),
            filled: Vec::new(),
            next: Vec::new(),
            first: ByHash::new(),
            is_first: Vec::new(),
            likely: 0,
            column: 0,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.stacks.len()
    }

    /// Adds the value of a sample. The order of attributes says nothing, so that of the first
    /// sample stays.
    pub fn add(&mut self, sample: &Sample, column: usize, value: i64) {
        if self.types == 1 {
            return self.push(sample, 0, column, value);
        }
        let hash = hash(sample);
        if std::mem::replace(&mut self.column, column) != column {
            self.likely = 0;
        }
        let row = match self.is_likely(hash, column) {
            true => Some(self.likely),
            false => self.find(hash, column),
        };
        match row {
            Some(row) => {
                let slot = &mut self.values[row * self.types + column];
                *slot = slot.saturating_add(value);
                self.filled[row] = column as u32;
                self.likely = row + 1;
            }
            None => {
                self.push(sample, hash, column, value);
            }
        }
    }

    fn is_likely(&self, hash: u64, column: usize) -> bool {
        let row = self.likely;
        self.hashes.get(row) == Some(&hash)
            && self.is_first[row]
            && self.filled[row] != column as u32
    }

    /// A row of this identity that has no value of the type yet.
    fn find(&self, hash: u64, column: usize) -> Option<usize> {
        let mut row = *self.first.get(&hash)?;
        for _ in 1..EQUAL_MAX {
            if self.filled[row as usize] != column as u32 {
                return Some(row as usize);
            }
            row = match self.next[row as usize] {
                NONE => return None,
                next => next,
            };
        }
        Some(row as usize)
    }

    fn push(&mut self, sample: &Sample, hash: u64, column: usize, value: i64) {
        let row = self.stacks.len() as u32;
        self.stacks.push(sample.stack);
        self.links.push(sample.link);
        self.attributes.extend_from_slice(&sample.attributes);
        self.attribute_ends.push(self.attributes.len() as u32);
        self.values.resize(self.values.len() + self.types, 0);
        self.values[row as usize * self.types + column] = value;
        if self.types == 1 {
            return;
        }
        self.hashes.push(hash);
        self.filled.push(column as u32);
        self.next.push(NONE);
        let first = *self.first.entry(hash).or_insert(row);
        self.is_first.push(first == row);
        if first != row {
            let mut last = first as usize;
            while self.next[last] != NONE {
                last = self.next[last] as usize;
            }
            self.next[last] = row;
        }
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.stacks.len()).map(|row| {
            let start = if row == 0 { 0 } else { self.attribute_ends[row - 1] as usize };
            let attributes = &self.attributes[start..self.attribute_ends[row] as usize];
            Row { stack: self.stacks[row], attributes, link: self.links[row] }
        })
    }

    /// The values of a row.
    pub fn values(&self, row: usize) -> &[i64] {
        &self.values[row * self.types..(row + 1) * self.types]
    }
}

/// A hash of what identifies a sample; the order of attributes does not matter to it.
fn hash(sample: &Sample) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&sample.stack.to_le_bytes());
    hash.update(&sample.link.to_le_bytes());
    let set = sample.attributes.iter().fold(0_u64, |sum, attribute| {
        sum.wrapping_add(xxhash_rust::xxh3::xxh3_64(&attribute.to_le_bytes()))
    });
    hash.update(&set.to_le_bytes());
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(rows: &mut Rows, stack: u32, attributes: &[u32], column: usize, value: i64) {
        let sample = Sample { stack, attributes: attributes.to_vec(), ..Sample::default() };
        rows.add(&sample, column, value);
    }

    #[test]
    fn equal_samples_of_types_are_one_row() {
        let mut rows = Rows::new(2);
        for (stack, value) in [(1, 10), (2, 20), (1, 30)] {
            add(&mut rows, stack, &[5, 6], 0, value);
        }
        for (stack, value) in [(2, 2), (1, 1), (1, 3), (9, 9)] {
            add(&mut rows, stack, &[6, 5], 1, value);
        }
        let all: Vec<_> = rows.iter().zip(0..).map(|(r, i)| (r.stack, rows.values(i))).collect();
        assert_eq!(all, [(1, &[10, 1][..]), (2, &[20, 2]), (1, &[30, 3]), (9, &[0, 9])]);
        assert_eq!(rows.iter().next().map(|row| row.attributes.to_vec()), Some(vec![5, 6]));
    }

    #[test]
    fn very_many_equal_samples_are_added_up() {
        let mut rows = Rows::new(2);
        (0..1000).for_each(|_| add(&mut rows, 1, &[], 0, 1));
        assert_eq!(rows.len(), EQUAL_MAX);
        assert_eq!((0..rows.len()).map(|row| rows.values(row)[0]).sum::<i64>(), 1000);
    }
}
