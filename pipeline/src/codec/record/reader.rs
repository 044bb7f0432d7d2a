//! Reads the lists of a record: bytes and 64-bit numbers, each behind its length in bytes.

use crate::reason::{Reason, Refused};

/// A place in the inflated bytes of a record.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first list.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What is wrong with the list before the current place.
    #[cold]
    pub fn broken(&self, what: &str) -> Refused {
        Refused::new(Reason::Malformed, format!("{what} of a record is broken")).at(self.at)
    }

    fn list(&mut self) -> Result<&'a [u8], Refused> {
        let rest = &self.bytes[self.at..];
        let list = rest.split_first_chunk::<8>().and_then(|(length, rest)| {
            rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)
        });
        let list = list.ok_or_else(|| self.broken("a list"))?;
        self.at += 8 + list.len();
        Ok(list)
    }

    /// A list of bytes that are text.
    pub fn text(&mut self) -> Result<&'a str, Refused> {
        let bytes = self.list()?;
        std::str::from_utf8(bytes).map_err(|_| self.broken("a text"))
    }

    /// A list of rows of `N` numbers.
    pub fn rows<const N: usize>(
        &mut self,
    ) -> Result<impl Iterator<Item = [u64; N]> + use<'a, N>, Refused> {
        let list = self.list()?;
        if !list.len().is_multiple_of(8 * N) {
            return Err(self.broken("a column"));
        }
        Ok(list.chunks_exact(8 * N).map(|row| {
            let mut numbers = [0; N];
            for (number, bytes) in numbers.iter_mut().zip(row.as_chunks::<8>().0) {
                *number = u64::from_le_bytes(*bytes);
            }
            numbers
        }))
    }

    /// A list of exactly `N` numbers.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u64; N], Refused> {
        let first = self.rows::<N>()?.next();
        first.ok_or_else(|| self.broken("a header"))
    }

    /// A list of indexes.
    pub fn indexes(&mut self) -> Result<Vec<u32>, Refused> {
        Ok(self.rows::<1>()?.map(|[n]| u32::try_from(n).unwrap_or(u32::MAX)).collect())
    }
}
