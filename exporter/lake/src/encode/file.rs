//! One table to one file: chunks are compressed and described, parquet-rs does the rest.

use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata},
    basic::{Compression, Encoding, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, KeyValue, OffsetIndexBuilder, SortingColumn},
        properties::WriterProperties,
        statistics::Statistics,
        writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite},
    },
    schema::types::{ColumnDescPtr, TypePtr},
};

use super::{
    column::{self, Chunk, ColumnData},
    dict::Scratch,
};
use crate::{
    schema::{Column, Kind, MAJOR, Table, key, samples},
    seal,
};

/// Zstd level of all columns but one.
const LEVEL: i32 = 1;
/// Zstd level of `stack`, the largest column: names repeat in long pieces. Level 6 would save a
/// fifth of its bytes for four times the time, which is for whoever merges files to spend.
const LEVEL_STACK: i32 = 3;
/// Chunks below this many bytes stay as they are: they would not shrink.
const COMPRESS_BYTES_MIN: usize = 64;

/// What a file says of itself.
#[derive(Clone, Debug)]
pub struct FileInfo {
    /// Id of the writer.
    pub writer: String,
    /// First record of the range.
    pub first: u64,
    /// Last record of the range.
    pub last: u64,
}

/// What is kept from file to file: compressors, scratch space, and the schemas.
pub struct Encoder {
    fast: zstd::bulk::Compressor<'static>,
    dense: zstd::bulk::Compressor<'static>,
    scratch: Scratch,
    layouts: Vec<Layout>,
}

/// A table as parquet-rs knows it.
struct Layout {
    table: &'static Table,
    schema: TypePtr,
    leaves: Vec<ColumnDescPtr>,
    arrow: KeyValue,
}

impl Layout {
    fn new(table: &'static Table) -> Result<Self> {
        let arrow = table.arrow();
        let parquet = ArrowSchemaConverter::new().convert(&arrow)?;
        let mut properties = WriterProperties::builder().build();
        add_encoded_arrow_schema_to_metadata(&arrow, &mut properties);
        let metadata = properties.key_value_metadata().and_then(|pairs| pairs.first()).cloned();
        let arrow = metadata.ok_or_else(|| ParquetError::General("no arrow schema".into()))?;
        Ok(Self {
            table,
            schema: parquet.root_schema_ptr(),
            leaves: parquet.columns().into(),
            arrow,
        })
    }

    fn properties(&self, info: &FileInfo) -> WriterProperties {
        let sorting = self.table.sorted_by.iter().map(|column| SortingColumn {
            column_idx: self.table.leaf(*column) as i32,
            descending: false,
            nulls_first: false,
        });
        let own = [
            (key::SCHEMA, MAJOR.to_string()),
            (key::WRITER, info.writer.clone()),
            (key::FIRST, info.first.to_string()),
            (key::LAST, info.last.to_string()),
            (key::SEAL, seal::OPEN.to_owned()),
        ];
        let own = own.map(|(key, value)| KeyValue::new(key.to_string(), value));
        WriterProperties::builder()
            .set_created_by(concat!("profpipe version ", env!("CARGO_PKG_VERSION")).to_string())
            .set_sorting_columns(Some(sorting.collect()))
            .set_key_value_metadata(Some(own.into_iter().chain([self.arrow.clone()]).collect()))
            .build()
    }
}

impl Encoder {
    /// An encoder; made once, used for many files.
    pub fn new() -> Result<Self> {
        let compressor = |level| zstd::bulk::Compressor::new(level).map_err(failed);
        Ok(Self {
            fast: compressor(LEVEL)?,
            dense: compressor(LEVEL_STACK)?,
            scratch: Scratch::default(),
            layouts: Vec::new(),
        })
    }

    /// Starts a file of a table.
    pub fn file(&mut self, table: &'static Table, info: &FileInfo) -> Result<TableFile<'_>> {
        let known = self.layouts.iter().position(|layout| layout.table.name == table.name);
        let index = match known {
            Some(index) => index,
            None => {
                self.layouts.push(Layout::new(table)?);
                self.layouts.len() - 1
            }
        };
        let layout = &self.layouts[index];
        let properties = Arc::new(layout.properties(info));
        let sink = Vec::with_capacity(1 << 20);
        let file = SerializedFileWriter::new(sink, layout.schema.clone(), properties)?;
        Ok(TableFile { encoder: self, layout: index, file })
    }

    /// Compresses a chunk and describes it to parquet-rs.
    fn close(&mut self, chunk: Chunk, about: &About) -> Result<(Bytes, ColumnCloseResult)> {
        let page_bytes = chunk.pages.iter().map(|page| page.bytes.len()).sum::<usize>();
        let raw_bytes = chunk.dict.bytes() + page_bytes;
        let compression = compression(raw_bytes)?;
        let stats = about.stats(&chunk);
        let compressor = if about.dense { &mut self.dense } else { &mut self.fast };
        let mut squeeze = |page: &[u8]| match compression {
            Compression::UNCOMPRESSED => Ok(page.to_vec()),
            _ => compressor.compress(page).map_err(failed),
        };
        let mut sink = TrackedWrite::new(Vec::with_capacity(raw_bytes / 8 + 256));
        let mut writer = SerializedPageWriter::new(&mut sink);
        let (mut size, mut size_raw, mut encodings) = (0, 0, vec![Encoding::PLAIN, Encoding::RLE]);
        let coded = chunk.pages.iter().any(|page| page.encoding == Encoding::RLE_DICTIONARY);
        if coded {
            let (num_values, bytes) = (chunk.dict.len(), chunk.dict.bytes());
            let page = chunk.dict.into_page();
            let buf = squeeze(&page)?.into();
            self.scratch.give_back(page);
            let encoding = Encoding::PLAIN;
            let page = Page::DictionaryPage { buf, num_values, encoding, is_sorted: false };
            let spec = writer.write_page(CompressedPage::new(page, bytes))?;
            (size, size_raw) = (spec.compressed_size, spec.uncompressed_size);
        }
        let (data_start, mut rows, mut values) = (size, 0, 0);
        let mut index = OffsetIndexBuilder::new();
        for page in chunk.pages {
            let bytes = page.bytes.len();
            if !encodings.contains(&page.encoding) {
                encodings.push(page.encoding);
            }
            let data = Page::DataPage {
                buf: squeeze(&page.bytes)?.into(),
                num_values: page.levels as u32,
                encoding: page.encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            let spec = writer.write_page(CompressedPage::new(data, bytes))?;
            index.append_row_count(page.rows as i64);
            index.append_offset_and_size(size as i64, spec.compressed_size as i32);
            size += spec.compressed_size;
            size_raw += spec.uncompressed_size;
            rows += page.rows;
            values += page.levels;
        }
        writer.close()?;
        let mut metadata = ColumnChunkMetaData::builder(about.leaf.clone())
            .set_compression(compression)
            .set_encodings(encodings)
            .set_num_values(values as i64)
            .set_total_compressed_size(size as i64)
            .set_total_uncompressed_size(size_raw as i64)
            .set_dictionary_page_offset(coded.then_some(0))
            .set_data_page_offset(data_start as i64);
        if let Some(stats) = stats {
            metadata = metadata.set_statistics(stats);
        }
        let close = ColumnCloseResult {
            bytes_written: size as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(index.build()),
        };
        Ok((sink.into_inner()?.into(), close))
    }
}

/// How a chunk of so many bytes is compressed: a small one costs more with a frame around it.
fn compression(raw_bytes: usize) -> Result<Compression> {
    match raw_bytes < COMPRESS_BYTES_MIN {
        true => Ok(Compression::UNCOMPRESSED),
        false => Ok(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?)),
    }
}

/// What to know of a leaf besides its pages.
struct About {
    leaf: ColumnDescPtr,
    column: Column,
    dense: bool,
}

impl About {
    fn stats(&self, chunk: &Chunk) -> Option<Statistics> {
        let nulls = chunk.nulls as u64;
        match self.column.kind {
            _ if !self.column.stats => None,
            Kind::Time | Kind::Int => chunk.dict.int_stats(nulls),
            Kind::Text => chunk.dict.text_stats(nulls),
            Kind::Map => None,
        }
    }
}

fn failed(error: std::io::Error) -> ParquetError {
    ParquetError::General(format!("compress a page: {error}"))
}

/// A file in the making.
pub struct TableFile<'e> {
    encoder: &'e mut Encoder,
    layout: usize,
    file: SerializedFileWriter<Vec<u8>>,
}

impl TableFile<'_> {
    /// Appends a row group; `data` is asked for each column in order.
    pub fn row_group<'d>(
        &mut self,
        mut data: impl FnMut(usize, &mut Scratch) -> ColumnData<'d>,
    ) -> Result<()> {
        let table = self.encoder.layouts[self.layout].table;
        let mut group = self.file.next_row_group()?;
        for (index, column) in table.columns.iter().enumerate() {
            let dense = table.name == "samples" && index == samples::STACK;
            let chunks = match data(index, &mut self.encoder.scratch) {
                ColumnData::Coded(dict, runs) => {
                    let chunk = column::coded(dict, &runs, column.nullable);
                    self.encoder.scratch.give_back_runs(runs);
                    vec![chunk]
                }
                ColumnData::Numbers(numbers) => vec![column::numbers(&numbers)],
                ColumnData::Map(map) => vec![
                    column::map_leaf(map.keys, &map.key_codes, &map.runs, true),
                    column::map_leaf(map.values, &map.value_codes, &map.runs, false),
                ],
            };
            for (offset, chunk) in chunks.into_iter().enumerate() {
                let leaf = table.leaf(index) + offset;
                let leaf = self.encoder.layouts[self.layout].leaves[leaf].clone();
                let about = About { leaf, column: *column, dense };
                let (bytes, close) = self.encoder.close(chunk, &about)?;
                group.append_column(&bytes, close)?;
            }
        }
        group.close()?;
        Ok(())
    }

    /// The bytes of the file.
    pub fn finish(self) -> Result<Vec<u8>> {
        let mut bytes = self.file.into_inner()?;
        seal::close(&mut bytes);
        Ok(bytes)
    }
}
