//! The bytes of a body while they come in: pieces that stay where they are, because a large buffer
//! that grows leaves a trail of smaller ones which the allocator gives back only later.

use pipeline::reason::Refused;

use crate::budget::Share;

/// The first piece; others are as large as what is there.
const PIECE_BYTES_MIN: usize = 16 << 10;

/// The largest piece, unless more comes at once.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// A body so far.
#[derive(Default)]
pub(crate) struct Body {
    pieces: Vec<Vec<u8>>,
    len: usize,
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes room for a body that is announced to have so many bytes.
    pub(crate) async fn expect(&mut self, bytes: usize, share: &mut Share) -> Result<(), Refused> {
        match bytes.min(PIECE_BYTES_MAX) {
            0 => Ok(()),
            bytes => self.grow(bytes, share).await,
        }
    }

    /// Adds what came in; `share` grows by the memory that it takes.
    pub(crate) async fn push(&mut self, mut data: &[u8], share: &mut Share) -> Result<(), Refused> {
        self.len += data.len();
        if let Some(last) = self.pieces.last_mut() {
            let fits = data.len().min(last.capacity() - last.len());
            last.extend_from_slice(&data[..fits]);
            data = &data[fits..];
        }
        if !data.is_empty() {
            let as_much_again = self.len.clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
            self.grow(data.len().max(as_much_again), share).await?;
            self.pieces.last_mut().into_iter().for_each(|piece| piece.extend_from_slice(data));
        }
        Ok(())
    }

    async fn grow(&mut self, bytes: usize, share: &mut Share) -> Result<(), Refused> {
        share.grow(bytes).await?;
        self.pieces.push(Vec::with_capacity(bytes));
        Ok(())
    }

    /// All of it in one piece, which may be kept: it is hardly larger than what is in it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if let Some(mut piece) = self.pieces.pop_if(|piece| piece.len() == self.len) {
            if piece.capacity() / 2 > piece.len() {
                piece.shrink_to_fit();
            }
            return piece;
        }
        let mut whole = Vec::with_capacity(self.len);
        self.pieces.into_iter().for_each(|piece| whole.extend_from_slice(&piece));
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[tokio::test]
    async fn what_comes_in_pieces_is_whole_and_counted() {
        let bytes: Vec<u8> = (0..5 << 20).map(|i: u32| (i % 251) as u8).collect();
        for step in [1 << 10, 100_000, 3 << 20] {
            let budget = Budget::default();
            let (mut share, mut body) = (budget.share(), Body::default());
            body.expect(10, &mut share).await.unwrap();
            for data in bytes.chunks(step) {
                body.push(data, &mut share).await.unwrap();
                assert!(body.len() <= budget.used(), "all memory is counted");
                assert!(budget.used() <= 2 * body.len() + PIECE_BYTES_MIN, "and not too much");
            }
            assert!(body.finish() == bytes, "pieces of {step}");
        }
        assert!(Body::default().finish().is_empty());
    }
}
