//! A column as runs of equal codes. Rows are sorted, so most columns are a few runs, and the work
//! on them is per run and not per row.

/// The code that stands for null.
pub const NULL: u32 = u32::MAX;

/// Codes of consecutive rows as (code, rows) pairs; neighbours differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<(u32, u32)>);

impl Runs {
    /// No runs.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends `rows` rows with the same code.
    #[inline]
    pub fn push(&mut self, code: u32, rows: u32) {
        match self.0.last_mut() {
            Some((last, have)) if *last == code => *have += rows,
            _ if rows > 0 => self.0.push((code, rows)),
            _ => {}
        }
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }

    /// Number of runs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Number of rows of all runs.
    pub fn rows(&self) -> usize {
        self.0.iter().map(|run| run.1 as usize).sum()
    }

    /// Number of rows that are null.
    pub fn nulls(&self) -> usize {
        self.0.iter().filter(|run| run.0 == NULL).map(|run| run.1 as usize).sum()
    }

    /// Drops all runs; their memory stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Runs that there is room for.
    pub fn room(&self) -> usize {
        self.0.capacity()
    }

    /// Appends codes, a row each.
    pub fn extend(&mut self, codes: impl Iterator<Item = u32>) {
        self.0.reserve(codes.size_hint().0);
        codes.for_each(|code| self.push(code, 1));
    }

    /// Hands out pieces of `rows_max` rows, the last one of those that are left.
    pub fn cut(&self, rows_max: usize, mut take: impl FnMut(&Self)) {
        if (1..=rows_max).contains(&self.rows()) {
            return take(self);
        }
        let (mut piece, mut room) = (Self::default(), rows_max as u32);
        for &(code, mut rows) in &self.0 {
            while rows > room {
                piece.push(code, room);
                rows -= room;
                take(&piece);
                piece.clear();
                room = rows_max as u32;
            }
            // Neighbours differ as they did.
            piece.0.push((code, rows));
            room -= rows;
        }
        if piece.len() > 0 {
            take(&piece);
        }
    }
}

impl FromIterator<u32> for Runs {
    fn from_iter<I: IntoIterator<Item = u32>>(codes: I) -> Self {
        let mut runs = Self::default();
        runs.extend(codes.into_iter());
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_and_cut() {
        let runs: Runs = [1, 1, 1, NULL, NULL, 2].into_iter().collect();
        assert_eq!((runs.len(), runs.rows(), runs.nulls()), (3, 6, 2));
        let mut pieces = Vec::new();
        runs.cut(4, |piece| pieces.push(piece.iter().collect::<Vec<_>>()));
        assert_eq!(pieces, [[(1, 3), (NULL, 1)], [(NULL, 1), (2, 1)]]);
        Runs::default().cut(4, |_| panic!("there is nothing"));
        let mut none = Runs::default();
        none.push(7, 0);
        assert_eq!(none, Runs::default());
    }
}
