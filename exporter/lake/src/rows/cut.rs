//! Where a file is cut into row groups: before a dictionary outgrows its page, and at a service
//! boundary once there are many rows.

use super::{
    functions::StackFiles,
    sort::{RUN_ROWS_MAX, Run, Sorted},
};
use crate::symbols::Symbols;

/// Bytes of one dictionary page, at most; beyond it readers lose what makes them quick.
pub const DICTIONARY_BYTES_MAX: usize = 16 << 20;
/// Rows of a row group, at most.
const ROWS_MAX: usize = RUN_ROWS_MAX as usize;
/// Rows from which on a new service begins a new row group.
const ROWS_AT_SERVICE: usize = 128 << 10;

/// Dictionary entries that a row group has, and their bytes on the page.
struct Seen {
    /// The last row group that had the entry.
    in_group: Vec<u32>,
    bytes: usize,
}

/// An entry and its bytes on the page.
type Entry = (u32, usize);

impl Seen {
    fn new(entries: usize) -> Self {
        Self { in_group: vec![0; entries], bytes: 0 }
    }

    /// Bytes that an entry would add to the row group.
    fn cost(&self, (entry, bytes): Entry, group: u32) -> usize {
        if self.in_group[entry as usize] == group { 0 } else { bytes }
    }

    fn add(&mut self, entry: Entry, group: u32) {
        self.bytes += self.cost(entry, group);
        self.in_group[entry.0 as usize] = group;
    }
}

/// Bytes of a label set's values. Keys are few. Values that sets share are counted for each: rather
/// one cut too many.
fn set_bytes(symbols: &Symbols, set: u32) -> usize {
    let text = |id| symbols.strings.get(id).len() + 4;
    let (trace, span) = symbols.link(set);
    symbols.pairs(set).map(|(_, value)| text(value)).sum::<usize>() + text(trace) + text(span)
}

/// Whether no cut can be needed, by what all known texts come to: true for most files.
fn fits_one(symbols: &Symbols, sorted: &Sorted, files: &StackFiles) -> bool {
    let pages = [symbols.folded.page_bytes(), symbols.lines.page_bytes(), files.page_bytes()];
    sorted.columns.values.len() < ROWS_AT_SERVICE
        && pages.iter().all(|bytes| *bytes <= DICTIONARY_BYTES_MAX)
        && (0..symbols.sets_len() as u32).map(|set| set_bytes(symbols, set)).sum::<usize>()
            <= DICTIONARY_BYTES_MAX
}

/// The runs of each row group.
pub fn row_groups<'a>(symbols: &Symbols, sorted: &'a Sorted, files: &StackFiles) -> Vec<&'a [Run]> {
    let runs = sorted.columns.runs.as_slice();
    if runs.is_empty() {
        return Vec::new();
    }
    if fits_one(symbols, sorted, files) {
        return vec![runs];
    }
    let entries = |run: &Run| -> [Entry; 4] {
        let stack = symbols.stack_at(run.stack);
        let file_bytes = files.get(run.stack).map_or(0, |(_, text)| text.len() + 4);
        [
            (stack.folded, symbols.folded.get(stack.folded).len() + 4),
            (stack.lines, symbols.lines.get(stack.lines).len() + 4),
            (run.stack, file_bytes),
            (run.labels, set_bytes(symbols, run.labels)),
        ]
    };
    let service = |run: &Run| sorted.services[run.group as usize];
    let counts = [symbols.folded.len(), symbols.lines.len(), symbols.stacks_len()];
    let [folded, lines, files] = counts.map(Seen::new);
    let mut seen = [folded, lines, files, Seen::new(symbols.sets_len())];
    // Where the row group begins, and how many rows it has.
    let (mut groups, mut start, mut rows, mut group) = (Vec::new(), 0, 0, 1);
    for (at, run) in runs.iter().enumerate() {
        let new = entries(run);
        let mut costs = new.iter().zip(&seen);
        let full =
            costs.any(|(entry, seen)| seen.bytes + seen.cost(*entry, group) > DICTIONARY_BYTES_MAX);
        let enough = rows >= ROWS_AT_SERVICE && service(&runs[at - 1]) != service(run);
        if at > start && (full || enough || rows + run.rows as usize > ROWS_MAX) {
            groups.push(&runs[start..at]);
            (start, rows, group) = (at, 0, group + 1);
            seen.iter_mut().for_each(|seen| seen.bytes = 0);
        }
        for (entry, seen) in new.iter().zip(&mut seen) {
            seen.add(*entry, group);
        }
        rows += run.rows as usize;
    }
    groups.push(&runs[start..]);
    groups
}
