//! Which rows of a row group are meant, and several columns walked side by side over them.

use std::ops::Range;

use crate::pages::Run;

/// Ranges of row numbers, in order, none empty, none touching the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows(Vec<Range<u32>>);

impl Rows {
    /// All rows of a row group.
    pub fn all(rows: usize) -> Self {
        if rows == 0 { Self(vec![]) } else { Self(std::iter::once(0..rows as u32).collect()) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|range| (range.end - range.start) as usize).sum()
    }

    /// Those rows whose code in a column is accepted.
    pub fn only(&self, runs: &[Run], accept: impl Fn(u32) -> bool) -> Self {
        let mut out = Self(vec![]);
        walk(self, [runs], |rows, [code]| {
            if accept(code) {
                out.push(rows);
            }
        });
        out
    }

    /// Appends a range behind all others.
    pub fn push(&mut self, rows: Range<u32>) {
        match self.0.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.0.push(rows),
        }
    }

    /// No row at all.
    pub fn none() -> Self {
        Self(vec![])
    }
}

/// Calls `each` with ranges of rows, in order, within which every column has one code.
#[inline]
pub(crate) fn walk<const K: usize>(
    rows: &Rows,
    columns: [&[Run]; K],
    mut each: impl FnMut(Range<u32>, [u32; K]),
) {
    let mut cursors = columns.map(Cursor::new);
    for range in &rows.0 {
        let mut at = range.start;
        while at < range.end {
            let mut end = range.end;
            let mut codes = [0; K];
            for (cursor, code) in cursors.iter_mut().zip(&mut codes) {
                cursor.seek(at);
                *code = cursor.code;
                end = end.min(cursor.end);
            }
            // A column that ends early, which readers rule out, ends the walk.
            if end <= at {
                return;
            }
            each(at..end, codes);
            at = end;
        }
    }
}

/// A place in a column.
struct Cursor<'r> {
    runs: std::slice::Iter<'r, Run>,
    code: u32,
    end: u32,
}

impl<'r> Cursor<'r> {
    fn new(runs: &'r [Run]) -> Self {
        Self { runs: runs.iter(), code: 0, end: 0 }
    }

    /// Moves to the run that holds a row; rows rise.
    #[inline]
    fn seek(&mut self, row: u32) {
        while self.end <= row {
            let Some((code, rows)) = self.runs.next() else { return };
            self.code = *code;
            self.end += rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(0u32..3, 40..41)
    }

    fn to_runs(codes: &[u32]) -> Vec<Run> {
        codes.iter().map(|code| (*code, 1)).fold(vec![], |mut runs, (code, n)| {
            crate::pages::push_run(&mut runs, code, n);
            runs
        })
    }

    proptest! {
        #[test]
        fn walking_sees_each_row_once(a in runs(), b in runs(), c in runs()) {
            let (ra, rb, rc) = (to_runs(&a), to_runs(&b), to_runs(&c));
            let rows = Rows::all(40).only(&ra, |code| code > 0).only(&rb, |code| code != 1);
            let want: Vec<usize> = (0..40).filter(|i| a[*i] > 0 && b[*i] != 1).collect();
            prop_assert_eq!(rows.len(), want.len());
            prop_assert_eq!(rows.is_empty(), want.is_empty());
            let mut seen = vec![];
            walk(&rows, [&ra, &rb, &rc], |range, codes| {
                for row in range {
                    let row = row as usize;
                    assert_eq!(codes, [a[row], b[row], c[row]]);
                    seen.push(row);
                }
            });
            prop_assert_eq!(seen, want);
        }
    }

    #[test]
    fn nothing_of_nothing() {
        assert!(Rows::all(0).is_empty() && Rows::none().is_empty());
        walk(&Rows::all(3), [&[(0, 2)][..]], |rows, _| assert_eq!(rows, 0..2));
    }
}
