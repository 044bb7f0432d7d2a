//! An open file of the lake and the columns of its row groups, from the cache or from disk.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit},
    file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
};

use crate::{
    cache::{Cache, Footer, Kept, Key},
    files,
    pages::{self, Chunk, Codes, Ints, PageError, Run, Sets, Texts, stock},
    schema,
};

/// Largest footer that is read.
const FOOTER_BYTES_MAX: u64 = 32 << 20;
/// Most rows of a row group; the writer makes one of at most a million.
const ROWS_MAX: i64 = 1 << 24;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A file whose footer was read and checked.
#[derive(Debug)]
pub(crate) struct Open<'c> {
    pub footer: Arc<Footer>,
    file: File,
    cache: &'c Cache,
}

/// One row group of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'f> {
    open: &'f Open<'f>,
    pub index: usize,
}

impl<'c> Open<'c> {
    pub fn new(path: &Path, cache: &'c Cache) -> Result<Self, PageError> {
        let (file, stamp) = files::open(path)?;
        let key = Key::Footer(path.to_owned());
        if let Some(Kept::Footer(footer)) = cache.get(&key)
            && footer.stamp == stamp
        {
            return Ok(Self { footer, file, cache });
        }
        let meta = footer_of(&file, stamp.bytes())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let pairs = meta.file_metadata().key_value_metadata();
        if let Err(error @ schema::SchemaError::Newer { .. }) = schema::check(&name, pairs) {
            return Err(PageError::Damaged(error.to_string()));
        }
        if meta.row_groups().iter().any(|group| !(0..=ROWS_MAX).contains(&group.num_rows())) {
            return Err(PageError::damaged("a row group with a wrong number of rows"));
        }
        let mut leaves = std::collections::HashMap::new();
        for (index, column) in meta.file_metadata().schema_descr().columns().iter().enumerate() {
            let root = column.path().parts().first().cloned().unwrap_or_default();
            leaves.entry(root).or_insert((index, 0)).1 += 1;
        }
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let footer = Arc::new(Footer { id, stamp, meta, leaves });
        cache.put(key, Kept::Footer(footer.clone()));
        Ok(Self { footer, file, cache })
    }

    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        (0..self.footer.meta.num_row_groups()).map(|index| Group { open: self, index })
    }

    /// A value of the file's metadata.
    pub fn pair(&self, key: &str) -> Option<&str> {
        let pairs = self.footer.meta.file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
    }
}

/// Reads the footer, whose length is checked before memory is taken.
fn footer_of(file: &File, bytes: u64) -> Result<ParquetMetaData, PageError> {
    let mut tail = [0; 8];
    if bytes < 12 {
        return Err(PageError::damaged("too short for a Parquet file"));
    }
    file.read_exact_at(&mut tail, bytes - 8)?;
    let len = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != b"PAR1" || len > bytes - 12 || len > FOOTER_BYTES_MAX {
        return Err(PageError::damaged("no footer of a Parquet file"));
    }
    let mut footer = vec![0; len as usize];
    file.read_exact_at(&mut footer, bytes - 8 - len)?;
    Ok(ParquetMetaDataReader::decode_metadata(&footer)?)
}

impl<'f> Group<'f> {
    pub fn rows(&self) -> usize {
        self.meta().num_rows() as usize
    }

    pub fn meta(&self) -> &'f RowGroupMetaData {
        self.open.footer.meta.row_group(self.index)
    }

    /// Index of the first leaf of a column.
    pub fn leaf(&self, column: &str) -> Option<usize> {
        self.open.footer.leaves.get(column).map(|(first, _)| *first)
    }

    /// What a thing kept about this row group is known by.
    pub fn id(&self) -> (u64, usize) {
        (self.open.footer.id, self.index)
    }

    pub fn cache(&self) -> &'f Cache {
        self.open.cache
    }

    /// A text column as codes.
    pub fn texts(&self, column: &'static str) -> Result<Arc<Codes>, PageError> {
        self.codes(column, stock::texts)
    }

    /// An integer or time column as codes.
    pub fn int_codes(&self, column: &'static str) -> Result<Arc<Codes>, PageError> {
        self.codes(column, stock::int_codes)
    }

    fn codes(
        &self,
        column: &'static str,
        fallback: fn(File, usize, &str) -> Result<Codes, PageError>,
    ) -> Result<Arc<Codes>, PageError> {
        let key = Key::Codes(self.open.footer.id, self.index, column);
        if let Some(Kept::Codes(codes)) = self.cache().get(&key) {
            return Ok(codes);
        }
        let codes = match self.leaf(column) {
            None => Codes::absent(self.rows()),
            Some(leaf) => {
                let codes = self.chunk(leaf).and_then(|chunk| pages::codes(chunk, self.rows()));
                self.or_stock(codes, column, fallback)?
            }
        };
        if codes.runs.iter().map(|run| u64::from(run.1)).sum::<u64>() != self.rows() as u64 {
            return Err(PageError::damaged("a column with fewer rows than the others"));
        }
        let codes = Arc::new(codes);
        self.cache().put(key, Kept::Codes(codes.clone()));
        Ok(codes)
    }

    /// An integer column, null as 0.
    pub fn ints(&self, column: &'static str) -> Result<Arc<Ints>, PageError> {
        let key = Key::Ints(self.open.footer.id, self.index, column);
        if let Some(Kept::Ints(ints)) = self.cache().get(&key) {
            return Ok(ints);
        }
        let ints = match self.leaf(column) {
            None => Ints::new(vec![0; self.rows()]),
            Some(leaf) => {
                let ints = self.chunk(leaf).and_then(|chunk| pages::ints(chunk, self.rows()));
                self.or_stock(ints, column, stock::ints)?
            }
        };
        if ints.values.len() != self.rows() {
            return Err(PageError::damaged("a column with fewer rows than the others"));
        }
        let ints = Arc::new(ints);
        self.cache().put(key, Kept::Ints(ints.clone()));
        Ok(ints)
    }

    /// A map column.
    pub fn sets(&self, column: &'static str) -> Result<Arc<Sets>, PageError> {
        let key = Key::Sets(self.open.footer.id, self.index, column);
        if let Some(Kept::Sets(sets)) = self.cache().get(&key) {
            return Ok(sets);
        }
        let sets = match self.open.footer.leaves.get(column) {
            None => Sets::absent(self.rows()),
            Some((leaf, 2)) => {
                let chunks = self.chunk(*leaf).and_then(|k| Ok((k, self.chunk(leaf + 1)?)));
                let sets = chunks.and_then(|(k, v)| pages::sets(k, v, self.rows()));
                self.or_stock(sets, column, stock::sets)?
            }
            Some(_) => return Err(PageError::damaged("a map column of another type")),
        };
        if sets.runs.iter().map(|run| u64::from(run.1)).sum::<u64>() != self.rows() as u64 {
            return Err(PageError::damaged("a column with fewer rows than the others"));
        }
        let sets = Arc::new(sets);
        self.cache().put(key, Kept::Sets(sets.clone()));
        Ok(sets)
    }

    /// The codes alone of a text column that is known to have `codes` of them.
    pub fn runs(&self, column: &'static str, codes: usize) -> Result<Arc<Vec<Run>>, PageError> {
        let key = Key::Runs(self.open.footer.id, self.index, column);
        if let Some(Kept::Runs(runs)) = self.cache().get(&key) {
            return Ok(runs);
        }
        let leaf = self.leaf(column).ok_or(PageError::Other)?;
        let runs = Arc::new(pages::runs(self.chunk(leaf)?, self.rows(), codes)?);
        self.cache().put(key, Kept::Runs(runs.clone()));
        Ok(runs)
    }

    /// The distinct strings of a column, in order of their codes, without looking at the rows.
    pub fn dictionary(&self, column: &'static str) -> Result<Texts, PageError> {
        let leaf = self.leaf(column).ok_or(PageError::Other)?;
        pages::dictionary(self.chunk(leaf)?)
    }

    fn chunk(&self, leaf: usize) -> Result<Chunk, PageError> {
        let meta = self.meta().column(leaf);
        let about = meta.column_descr();
        let micros = match about.logical_type_ref() {
            Some(LogicalType::Timestamp(time)) => time.unit == TimeUnit::MICROS,
            _ => about.converted_type() != ConvertedType::TIMESTAMP_MILLIS,
        };
        if !micros {
            return Err(PageError::Other);
        }
        let file_bytes = self.open.footer.stamp.bytes();
        self.cache().count_chunk();
        Chunk::read(meta, |at, bytes| {
            if at.saturating_add(bytes as u64) > file_bytes {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk past the end"));
            }
            let mut buffer = vec![0; bytes];
            self.open.file.read_exact_at(&mut buffer, at)?;
            Ok(Bytes::from(buffer))
        })
    }

    /// Reads a column the other way where its layout is not ours.
    fn or_stock<T>(
        &self,
        ours: Result<T, PageError>,
        column: &str,
        fallback: fn(File, usize, &str) -> Result<T, PageError>,
    ) -> Result<T, PageError> {
        match ours {
            Err(PageError::Other) => fallback(self.open.file.try_clone()?, self.index, column),
            ours => ours,
        }
    }
}
