//! How a file comes into the lake on a local disk: it is visible whole or not at all, and a second
//! time under the same name changes nothing.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use pipeline::storage::{EntryKind, Storage, create_dir_all};
use thiserror::Error;

use crate::{
    schema::{FUNCTIONS, PROFILES, SAMPLES},
    writer_id::WriterId,
};

/// Directories whose names are known to be durable, at most this many.
const KNOWN_DIRS_MAX: usize = 1024;
const HOUR_NS: i64 = 3_600_000_000_000;

/// A call to the disk that failed.
#[derive(Debug, Error)]
#[error("{action} {}", path.display())]
pub struct StorageError {
    /// What was tried.
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the disk said.
    pub source: io::Error,
}

trait Named<T> {
    fn named(self, action: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, action: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError { action, path: path.to_path_buf(), source })
    }
}

/// The hour since 1970 in which a window starts.
pub fn hour_of(time_ns: i64) -> i64 {
    time_ns.div_euclid(HOUR_NS)
}

/// The directory of an hour below that of its table: `date=2026-11-21/hour=22`, UTC.
pub fn hour_dir(hour: i64) -> String {
    // Every hour of an i64 of nanoseconds is within the calendar.
    let time = Timestamp::from_second(hour.saturating_mul(3600)).unwrap_or_default();
    let time = TimeZone::UTC.to_datetime(time);
    format!("date={:04}-{:02}-{:02}/hour={:02}", time.year(), time.month(), time.day(), time.hour())
}

/// The name of a file that a writer made of a range of records:
/// `L0-<first ms>-<last ms>-<writer>-<first>-<last>.parquet`, with the starts of its first and its
/// last window. It follows from the range, so a replay finds its own file.
pub fn file_name(times_ns: (i64, i64), writer: &WriterId, range: (u64, u64)) -> String {
    let [from, to] = [times_ns.0, times_ns.1].map(|time| time.div_euclid(1_000_000));
    format!("L0-{from}-{to}-{writer}-{}-{}.parquet", range.0, range.1)
}

fn temp_name(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Puts files into a lake for one writer.
pub struct Committer<S> {
    storage: S,
    root: PathBuf,
    known_dirs: HashSet<PathBuf>,
}

impl<S: Storage> Committer<S> {
    /// Opens a lake and removes what this writer left half done.
    pub fn open(storage: S, root: &Path, writer: &WriterId) -> Result<Self, StorageError> {
        create_dir_all(&storage, root).named("create", root)?;
        let committer = Self { storage, root: root.to_path_buf(), known_dirs: HashSet::new() };
        let own = format!("-{writer}-");
        for table in [&FUNCTIONS, &PROFILES, &SAMPLES] {
            let dir = root.join(table.name);
            for date in committer.dirs(&dir)? {
                for hour in committer.dirs(&date)? {
                    committer.remove_temps(&hour, &own)?;
                }
            }
        }
        Ok(committer)
    }

    /// Directories in a directory; none if it is not there.
    fn dirs(&self, dir: &Path) -> Result<Vec<PathBuf>, StorageError> {
        let entries = match self.storage.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries.named("list", dir)?,
        };
        let dirs = entries.into_iter().filter(|entry| entry.kind == EntryKind::Dir);
        Ok(dirs.map(|entry| dir.join(entry.name)).collect())
    }

    fn remove_temps(&self, dir: &Path, own: &str) -> Result<(), StorageError> {
        let entries = match self.storage.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.named("list", dir)?,
        };
        for entry in entries {
            let temp = entry.name.starts_with(".L0-") && entry.name.ends_with(".parquet.tmp");
            if temp && entry.name.contains(own) && entry.kind == EntryKind::File {
                let path = dir.join(entry.name);
                self.storage.remove(&path).named("remove", &path)?;
            }
        }
        Ok(())
    }

    /// Makes a file visible and durable; `dir` is relative to the root. A name that is there
    /// already is the same file, and stays.
    pub fn commit(&mut self, dir: &str, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let dir = self.root.join(dir);
        match self.try_commit(&dir, name, bytes) {
            // Retention or a person removed the directory: make it anew.
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.known_dirs.clear();
                self.try_commit(&dir, name, bytes)
            }
            result => result,
        }
    }

    fn try_commit(&mut self, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        if !self.known_dirs.contains(dir) {
            create_dir_all(&self.storage, dir).named("create", dir)?;
            if self.known_dirs.len() >= KNOWN_DIRS_MAX {
                self.known_dirs.clear();
            }
            self.known_dirs.insert(dir.to_path_buf());
        }
        let (path, temp) = (dir.join(name), dir.join(temp_name(name)));
        let written =
            self.write(&temp, bytes).and_then(|()| match self.storage.rename_new(&temp, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.storage.remove(&temp).named("remove", &temp)
                }
                renamed => renamed.named("rename", &temp),
            });
        if let Err(error) = written {
            // What stays behind is cleared at the next try or start.
            let _ = self.storage.remove(&temp);
            return Err(error);
        }
        // Also where the file was there: a process that died may have left its name not durable.
        self.storage.sync_dir(dir).named("sync", dir)
    }

    fn write(&self, temp: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let mut file = match self.storage.create_new(temp) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.storage.remove(temp).named("remove", temp)?;
                self.storage.create_new(temp)
            }
            file => file,
        }
        .named("create", temp)?;
        file.write_all(bytes).named("write", temp)?;
        file.sync().named("sync", temp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_time_and_range() {
        let writer = WriterId::parse("01HZZZZZZZZZZZZZZZZZZZZZZZ").unwrap();
        let name = file_name((1_500_000, 2_999_999), &writer, (7, 9));
        assert_eq!(name, "L0-1-2-01HZZZZZZZZZZZZZZZZZZZZZZZ-7-9.parquet");
        for (time_ns, dir) in [
            (0, "date=1970-01-01/hour=00"),
            (-1, "date=1969-12-31/hour=23"),
            (1_795_378_727_000_000_000, "date=2026-11-22/hour=20"),
            (i64::MAX, "date=2262-04-11/hour=23"),
            (i64::MIN, "date=1677-09-21/hour=00"),
        ] {
            assert_eq!(hour_dir(hour_of(time_ns)), dir);
        }
    }
}
