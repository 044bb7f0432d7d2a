//! Reads the lists of a record: bytes and numbers, each list behind its length in bytes.

use crate::reason::{Reason, Refused};

/// A place in the inflated bytes of a record.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether numbers have eight bytes each; else they are varints.
    is_wide: bool,
}

/// Rows of `N` numbers; the list was checked to be of whole ones.
pub struct Rows<'a, const N: usize> {
    list: &'a [u8],
    is_wide: bool,
}

impl<const N: usize> Iterator for Rows<'_, N> {
    type Item = [u64; N];

    fn next(&mut self) -> Option<[u64; N]> {
        if self.list.is_empty() {
            return None;
        }
        Some([(); N].map(|()| match self.is_wide {
            true => {
                let (number, rest) = self.list.split_first_chunk().unwrap_or((&[0; 8], &[]));
                self.list = rest;
                u64::from_le_bytes(*number)
            }
            false => self.varint(),
        }))
    }
}

impl<const N: usize> Rows<'_, N> {
    fn varint(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        while let [byte, rest @ ..] = self.list {
            self.list = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if *byte < 0x80 {
                break;
            }
            shift += 7;
        }
        number
    }
}

impl<'a> Reader<'a> {
    /// Starts at the first list.
    pub fn new(bytes: &'a [u8], is_wide: bool) -> Self {
        Self { bytes, at: 0, is_wide }
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
    pub fn rows<const N: usize>(&mut self) -> Result<Rows<'a, N>, Refused> {
        let (list, is_wide) = (self.list()?, self.is_wide);
        let is_whole = match is_wide {
            true => list.len().is_multiple_of(8 * N),
            // Each number ends with the only byte of it that has its highest bit clear.
            false => {
                let numbers = list.iter().filter(|byte| **byte < 0x80).count();
                numbers.is_multiple_of(N) && list.last().is_none_or(|last| *last < 0x80)
            }
        };
        if is_whole { Ok(Rows { list, is_wide }) } else { Err(self.broken("a column")) }
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
