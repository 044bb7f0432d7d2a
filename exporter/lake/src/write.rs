//! The writer of the lake: profiles in, files out.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use parquet::errors::ParquetError;
use pipeline::{profile::Profile, storage::Storage};
use thiserror::Error;

use crate::{
    commit::{Committer, StorageError, file_name, hour_dir, hour_of},
    encode::{Encoder, FileInfo},
    rows::{self, Batch, Functions, ProfileRows, SampleRows, Space},
    schema::{FUNCTIONS, PROFILES, SAMPLES, Table},
    symbols::{Local, Symbols},
    writer_id::WriterId,
};

/// What a writer may do and hold.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Keep Go's numeric label `bytes` on heap samples. It tells object sizes apart and costs a
    /// fifth of the bytes; without it, a heap profile that comes out of the lake lacks it.
    pub keep_bytes_label: bool,
    /// Names are forgotten between batches once they take more memory than this.
    pub symbols_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep_bytes_label: false, symbols_bytes_max: 256 << 20 }
    }
}

/// A profile on its way into the lake.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The profile; its time must be set. A start before 1970 counts as 1970.
    pub profile: Arc<Profile>,
    /// When it was accepted, nanoseconds since 1970: of the record, so that a replay says the same.
    pub ingest_ns: i64,
}

/// What a call to `write` brought into the lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files by path below the root, those that were there already included.
    pub files: Vec<PathBuf>,
    /// Rows of the table `samples`.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why a batch is not in the lake, or not wholly: what is there is whole, and the same call again
/// brings the rest.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The disk failed or is full: worth another try.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The batch cannot be encoded, and never will.
    #[error("encode {table}: {source}")]
    Encode {
        /// The table.
        table: &'static str,
        /// What the encoder said.
        source: ParquetError,
    },
}

impl WriteError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage(_))
    }
}

/// Writes profiles into a lake on a local disk. One writer per id; several ids may share a lake.
pub struct Writer<S> {
    committer: Committer<S>,
    id: WriterId,
    options: Options,
    encoder: Encoder,
    symbols: Symbols,
    local: Local,
    pending: BTreeMap<i64, Hour>,
    /// An empty batch, for its memory.
    spare: Option<Batch>,
    space: Space,
}

/// The profiles of an hour that wait for their commit.
struct Hour {
    batch: Batch,
    /// Starts of the first and the last window, in nanoseconds.
    times: (i64, i64),
}

/// A file that is ready: its table and its bytes.
type Encoded = (&'static Table, Vec<u8>);

impl<S: Storage> Writer<S> {
    /// Opens a lake, makes its root if there is none, and removes what this writer left half done.
    ///
    /// # Errors
    /// If the root cannot be made or listed.
    pub fn open(
        storage: S,
        root: impl Into<PathBuf>,
        id: WriterId,
        options: Options,
    ) -> Result<Self, WriteError> {
        let committer = Committer::open(storage, &root.into(), &id)?;
        let encoder =
            Encoder::new().map_err(|source| WriteError::Encode { table: "any", source })?;
        let (symbols, local, pending) = (Symbols::default(), Local::default(), BTreeMap::new());
        let (spare, space) = (None, Space::default());
        Ok(Self { committer, id, options, encoder, symbols, local, pending, spare, space })
    }

    /// The id of this writer.
    pub fn id(&self) -> &WriterId {
        &self.id
    }

    /// Brings the profiles of the records `first..=last` into the lake: per hour a file of each
    /// table. After it returns, they survive a power cut. The same range and profiles give the same
    /// names and bytes, so a second call changes nothing.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(
        &mut self,
        first: u64,
        last: u64,
        profiles: &[Incoming],
    ) -> Result<Written, WriteError> {
        self.pending.clear();
        profiles.iter().for_each(|Incoming { profile, ingest_ns }| self.add(profile, *ingest_ns));
        self.commit(first, last)
    }

    /// Takes a profile in for the next [`Writer::commit`]: what it says is copied while it is still
    /// warm, so that it need not be kept. Its time must be set; see [`Incoming`].
    pub fn add(&mut self, profile: &Profile, ingest_ns: i64) {
        let start_ns = profile.meta.time_ns.max(0);
        let (spare, keep_bytes_label) = (&mut self.spare, self.options.keep_bytes_label);
        let hour = self.pending.entry(hour_of(start_ns)).or_insert_with(|| Hour {
            batch: spare.take().unwrap_or_else(|| Batch::new(keep_bytes_label)),
            times: (start_ns, start_ns),
        });
        hour.times = (hour.times.0.min(start_ns), hour.times.1.max(start_ns));
        hour.batch.add(&mut self.symbols, &mut self.local, profile, start_ns, ingest_ns);
    }

    /// Rows of the table `samples` that wait for the next [`Writer::commit`], 24 bytes each.
    pub fn pending_rows(&self) -> usize {
        self.pending.values().map(|hour| hour.batch.len()).sum()
    }

    /// Brings the profiles taken in since the last call into the lake, as the records
    /// `first..=last`; see [`Writer::write`]. Where it fails they are to be taken in again.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn commit(&mut self, first: u64, last: u64) -> Result<Written, WriteError> {
        let mut written = Written::default();
        for (hour, pending) in std::mem::take(&mut self.pending) {
            self.commit_hour(hour, &pending, (first, last), &mut written)?;
            let mut batch = pending.batch;
            batch.clear();
            self.spare = Some(batch);
        }
        if self.symbols.bytes() > self.options.symbols_bytes_max {
            self.symbols = Symbols::default();
        }
        Ok(written)
    }

    fn commit_hour(
        &mut self,
        hour: i64,
        Hour { batch, times }: &Hour,
        range: (u64, u64),
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let (name, dir) = (file_name(*times, &self.id, range), hour_dir(hour));
        let (files, rows) = self.encode(batch, range)?;
        written.rows += rows;
        // Samples last: who sees a sample finds its profile and its functions.
        for (table, bytes) in files {
            let dir = format!("{}/{dir}", table.name);
            self.committer.commit(&dir, &name, &bytes)?;
            written.bytes += bytes.len() as u64;
            written.files.push(PathBuf::from(dir).join(&name));
        }
        Ok(())
    }

    /// The files of a batch in order of their commit, and the number of samples. A table without
    /// rows has no file.
    fn encode(
        &mut self,
        batch: &Batch,
        (first, last): (u64, u64),
    ) -> Result<(Vec<Encoded>, u64), WriteError> {
        let info = FileInfo { writer: self.id.to_string(), first, last };
        let functions = batch.functions(&mut self.symbols);
        let mut files = Vec::new();
        let table = &FUNCTIONS;
        let bytes = functions_file(&mut self.encoder, &self.symbols, &functions, &info);
        files.extend(named(table, bytes)?.map(|bytes| (table, bytes)));
        let table = &PROFILES;
        let rows = ProfileRows::new(&self.symbols, batch);
        let bytes = profiles_file(&mut self.encoder, &rows, &info);
        files.extend(named(table, bytes)?.map(|bytes| (table, bytes)));
        let table = &SAMPLES;
        let rows = SampleRows::new(&mut self.symbols, batch, &functions, &mut self.space);
        let bytes = samples_file(&mut self.encoder, &rows, &info);
        files.extend(named(table, bytes)?.map(|bytes| (table, bytes)));
        let number = rows.len() as u64;
        rows.give_back(&mut self.space);
        Ok((files, number))
    }
}

type FileBytes = Result<Option<Vec<u8>>, ParquetError>;

fn named(table: &'static Table, bytes: FileBytes) -> Result<Option<Vec<u8>>, WriteError> {
    bytes.map_err(|source| WriteError::Encode { table: table.name, source })
}

fn functions_file(
    encoder: &mut Encoder,
    symbols: &Symbols,
    functions: &Functions,
    info: &FileInfo,
) -> FileBytes {
    let groups = functions.groups(symbols);
    if groups.is_empty() {
        return Ok(None);
    }
    let mut file = encoder.file(&FUNCTIONS, info)?;
    for rows in groups {
        file.row_group(|index, scratch| rows::function_column(symbols, rows, index, scratch))?;
    }
    file.finish().map(Some)
}

fn profiles_file(encoder: &mut Encoder, profiles: &ProfileRows, info: &FileInfo) -> FileBytes {
    if profiles.len() == 0 {
        return Ok(None);
    }
    let mut file = encoder.file(&PROFILES, info)?;
    for rows in profiles.groups() {
        file.row_group(|index, scratch| profiles.column(rows, index, scratch))?;
    }
    file.finish().map(Some)
}

fn samples_file(encoder: &mut Encoder, samples: &SampleRows, info: &FileInfo) -> FileBytes {
    if samples.len() == 0 {
        return Ok(None);
    }
    let mut file = encoder.file(&SAMPLES, info)?;
    for group in samples.groups() {
        file.row_group(|index, scratch| group.column(index, scratch))?;
    }
    file.finish().map(Some)
}
