//! Page headers: Thrift compact protocol, only the fields that a reader of pages needs.
//!
//! Read by hand because the sizes in a header come from the file: they are checked before memory
//! is taken for them, which the stock reader leaves to whoever wrote the file.
//! Format: `PageHeader` in parquet.thrift of apache/parquet-format.

use super::PageError;

/// What a page holds and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: i64,
    pub raw_bytes: i64,
    pub stored_bytes: i64,
    pub values: i64,
    pub encoding: i64,
}

/// Page kinds and encodings, by their numbers in parquet.thrift.
pub(super) const DATA_PAGE: i64 = 0;
pub(super) const DICTIONARY_PAGE: i64 = 2;
pub(super) const PLAIN: i64 = 0;
pub(super) const PLAIN_DICTIONARY: i64 = 2;
pub(super) const DELTA_BINARY_PACKED: i64 = 5;
pub(super) const RLE_DICTIONARY: i64 = 8;

/// Deepest nesting of structs that is skipped; parquet.thrift has three.
const DEPTH_MAX: u32 = 8;

/// Reads a header at `at` and moves `at` behind it.
pub(super) fn read(bytes: &[u8], at: &mut usize) -> Result<Header, PageError> {
    let mut header = Header::default();
    let mut thrift = Thrift { bytes, at: *at };
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(&mut last)? {
        match (id, kind) {
            (1, I32) => header.kind = thrift.int()?,
            (2, I32) => header.raw_bytes = thrift.int()?,
            (3, I32) => header.stored_bytes = thrift.int()?,
            (5 | 7, STRUCT) => thrift.page(&mut header)?,
            _ => thrift.skip(kind, 0)?,
        }
    }
    *at = thrift.at;
    Ok(header)
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Result<u8, PageError> {
        let byte = *self.bytes.get(self.at).ok_or(PageError::damaged("page header ends early"))?;
        self.at += 1;
        Ok(byte)
    }

    fn int(&mut self) -> Result<i64, PageError> {
        let raw = super::hybrid::uleb(self.bytes, &mut self.at)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Id and type of the next field; `None` at the end of the struct.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, PageError> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *last = match head >> 4 {
            0 => self.int()?,
            delta => *last + i64::from(delta),
        };
        Ok(Some((*last, head & 15)))
    }

    /// `DataPageHeader` and `DictionaryPageHeader` begin alike: number of values, then encoding.
    fn page(&mut self, header: &mut Header) -> Result<(), PageError> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                (1, I32) => header.values = self.int()?,
                (2, I32) => header.encoding = self.int()?,
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(())
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), PageError> {
        if depth > DEPTH_MAX {
            return Err(PageError::damaged("page header nests too deep"));
        }
        match kind {
            TRUE | FALSE => {}
            BYTE => self.at += 1,
            I16 | I32 | I64 => drop(self.int()?),
            DOUBLE => self.at += 8,
            BINARY => {
                let len = super::hybrid::uleb(self.bytes, &mut self.at)? as usize;
                self.at = self.at.saturating_add(len);
            }
            LIST | SET => {
                let head = self.byte()?;
                let len = match head >> 4 {
                    15 => super::hybrid::uleb(self.bytes, &mut self.at)?,
                    short => u64::from(short),
                };
                for _ in 0..len {
                    match head & 15 {
                        TRUE | FALSE => self.at += 1,
                        kind => self.skip(kind, depth + 1)?,
                    }
                    if self.at > self.bytes.len() {
                        return Err(PageError::damaged("page header ends early"));
                    }
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return Err(PageError::damaged("unknown field type in a page header")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_data_page_with_statistics() {
        // 1: type 0; 2: 100; 3: 50; 5: {1: 7, 2: 8, 3: 3, 4: 3, 5: {1: "ab", 7: true}}
        let bytes = [
            0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x64, 0x2c, 0x15, 0x0e, 0x15, 0x10, 0x15, 0x06,
            0x15, 0x06, 0x1c, 0x18, 0x02, b'a', b'b', 0x61, 0x00, 0x00, 0x00, 0xff,
        ];
        let mut at = 0;
        let want = Header { kind: 0, raw_bytes: 100, stored_bytes: 50, values: 7, encoding: 8 };
        assert_eq!(read(&bytes, &mut at).unwrap(), want);
        assert_eq!(at, bytes.len() - 1);
        for end in 0..at {
            assert!(read(&bytes[..end], &mut 0).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes, &mut 0);
        }
    }
}
