//! The rows of a batch as they come, in pieces: a list that grows by copying would touch every row
//! twice, and what is touched is what many rows cost.

/// A sample of one type, or of two that are twins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// Index of the series.
    pub series: u32,
    /// Id of the stack.
    pub stack: u32,
    /// The value.
    pub value: i64,
    /// The twin's value, where the series has a twin.
    pub count: i64,
}

/// Rows of a piece, 1.5 MiB.
const PIECE: usize = 1 << 16;

/// Rows whose memory is kept for the next batch, 3 MiB; more goes back to the system.
pub const KEPT_ROWS_MAX: usize = 2 * PIECE;

/// Rows by number.
#[derive(Default)]
pub struct Rows {
    pieces: Vec<Vec<Row>>,
    len: usize,
    /// Ids of the label sets of the first rows; those behind them have none.
    labels: Vec<u32>,
}

impl Rows {
    /// Drops all rows; some of their memory stays.
    pub fn clear(&mut self) {
        self.pieces.truncate(KEPT_ROWS_MAX / PIECE);
        self.pieces.iter_mut().for_each(Vec::clear);
        self.labels.clear();
        self.labels.shrink_to(KEPT_ROWS_MAX);
        self.len = 0;
    }

    /// Appends a row with the id of its label set, 0 for none.
    #[inline]
    pub fn push(&mut self, row: Row, labels: u32) {
        let piece = self.len / PIECE;
        if piece == self.pieces.len() {
            // The first one may stay small.
            self.pieces.push(Vec::with_capacity(if piece == 0 { 0 } else { PIECE }));
        }
        self.pieces[piece].push(row);
        if labels != 0 {
            self.labels.resize(self.len, 0);
            self.labels.push(labels);
        }
        self.len += 1;
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A row.
    #[inline]
    pub fn get(&self, row: u32) -> &Row {
        &self.pieces[row as usize / PIECE][row as usize % PIECE]
    }

    /// Whether a row has labels.
    pub fn labelled(&self) -> bool {
        !self.labels.is_empty()
    }

    /// The id of the label set of a row.
    #[inline]
    pub fn labels(&self, row: u32) -> u32 {
        self.labels.get(row as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: usize) -> Row {
        Row { series: 0, stack: 0, value: value as i64, count: 0 }
    }

    #[test]
    fn rows_are_found_in_every_piece_and_some_memory_stays() {
        let mut rows = Rows::default();
        for _ in 0..2 {
            let many = 3 * PIECE + 1;
            (0..many).for_each(|i| rows.push(row(i), u32::from(i == PIECE) * 7));
            assert_eq!((rows.len(), rows.labelled()), (many, true));
            for at in [0, PIECE - 1, PIECE, many - 1] {
                let labels = if at == PIECE { 7 } else { 0 };
                let found = (rows.get(at as u32).value, rows.labels(at as u32));
                assert_eq!(found, (at as i64, labels));
            }
            rows.clear();
            assert_eq!((rows.len(), rows.labelled(), rows.pieces.len()), (0, false, 2));
        }
        let few = (0..10).fold(Rows::default(), |mut rows, i| {
            rows.push(row(i), 0);
            rows
        });
        assert!(few.pieces[0].capacity() < 100, "a small batch takes little");
    }
}
