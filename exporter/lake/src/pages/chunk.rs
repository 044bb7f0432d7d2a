//! A column chunk as it stands in the file, and its pages.

use std::cell::RefCell;

use bytes::Bytes;
use parquet::{
    basic::{Compression, Type},
    file::metadata::ColumnChunkMetaData,
};

use super::{
    PageError,
    header::{self, Header},
};

/// Largest page, inflated: four times what the writer makes of a dictionary.
const PAGE_BYTES_MAX: i64 = 64 << 20;
/// Largest column chunk as stored.
const CHUNK_BYTES_MAX: i64 = 512 << 20;

/// The bytes of one column of one row group.
pub(crate) struct Chunk {
    bytes: Bytes,
    at: usize,
    zstd: bool,
    pub physical: Type,
    pub max_def: i16,
    pub max_rep: i16,
}

/// A page, inflated.
pub(super) struct Page {
    pub header: Header,
    pub body: Bytes,
}

impl Page {
    pub fn is_dictionary(&self) -> bool {
        self.header.kind == header::DICTIONARY_PAGE
    }

    /// Number of values, nulls included.
    pub fn values(&self) -> Result<usize, PageError> {
        match usize::try_from(self.header.values) {
            Ok(values) if values < u32::MAX as usize => Ok(values),
            _ => Err(PageError::damaged("a page with a wrong number of values")),
        }
    }
}

impl Chunk {
    /// Reads the chunk by `read(offset, bytes)`. Refuses what the stock reader must read.
    pub fn read(
        meta: &ColumnChunkMetaData,
        read: impl FnOnce(u64, usize) -> std::io::Result<Bytes>,
    ) -> Result<Self, PageError> {
        let zstd = match meta.compression() {
            Compression::UNCOMPRESSED => false,
            Compression::ZSTD(_) => true,
            _ => return Err(PageError::Other),
        };
        let start = match meta.dictionary_page_offset() {
            Some(at) if at > 0 && at < meta.data_page_offset() => at,
            _ => meta.data_page_offset(),
        };
        let len = meta.compressed_size();
        if start < 0 || !(0..=CHUNK_BYTES_MAX).contains(&len) {
            return Err(PageError::damaged("a column chunk with a wrong place"));
        }
        let descriptor = meta.column_descr();
        Ok(Self {
            bytes: read(start as u64, len as usize)?,
            at: 0,
            zstd,
            physical: meta.column_type(),
            max_def: descriptor.max_def_level(),
            max_rep: descriptor.max_rep_level(),
        })
    }

    /// The next page; `None` at the end. The dictionary page, always the first, is passed over
    /// without being inflated where it is not wanted.
    pub(super) fn next(&mut self, with_dictionary: bool) -> Result<Option<Page>, PageError> {
        loop {
            if self.at >= self.bytes.len() {
                return Ok(None);
            }
            let header = header::read(&self.bytes, &mut self.at)?;
            let stored = usize::try_from(header.stored_bytes).unwrap_or(usize::MAX);
            let end = self.at.saturating_add(stored);
            if end > self.bytes.len() || !(0..=PAGE_BYTES_MAX).contains(&header.raw_bytes) {
                return Err(PageError::damaged("a page with a wrong size"));
            }
            let body = self.bytes.slice(self.at..end);
            self.at = end;
            match header.kind {
                header::DICTIONARY_PAGE if !with_dictionary => continue,
                header::DATA_PAGE | header::DICTIONARY_PAGE => {}
                _ => return Err(PageError::Other),
            }
            let body = if self.zstd { inflate(&body, header.raw_bytes as usize)? } else { body };
            if body.len() as i64 != header.raw_bytes {
                return Err(PageError::damaged("a page of another size than it says"));
            }
            return Ok(Some(Page { header, body }));
        }
    }
}

thread_local! {
    /// A context is 100 KiB to set up, and a question reads hundreds of pages.
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn inflate(stored: &[u8], raw_bytes: usize) -> Result<Bytes, PageError> {
    if raw_bytes == 0 {
        return Ok(Bytes::new());
    }
    ZSTD.with_borrow_mut(|context| {
        if context.is_none() {
            *context = Some(zstd::bulk::Decompressor::new()?);
        }
        let context = context.as_mut().ok_or(PageError::Other)?;
        let raw = context.decompress(stored, raw_bytes);
        raw.map(Bytes::from).map_err(|error| PageError::Damaged(error.to_string()))
    })
}
