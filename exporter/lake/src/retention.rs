//! What a lake keeps: by age since profiles were taken in, and by bytes.
//!
//! The age of a file is that of its last change, so history that was imported today stays as long
//! as what was measured today; whoever rewrites a file must keep that time. Bytes are freed from
//! the oldest hour on, and the newest hour always stays.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    commit::StorageError,
    schema::{FUNCTIONS, PROFILES, SAMPLES},
};

/// How much a lake keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age since a profile was taken in.
    pub max_age: Duration,
    /// Bytes of all files of all tables.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(15 * 86_400), max_bytes: 10 << 30 }
    }
}

/// What a pass removed, and what it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files that are gone.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of all files that are left.
    pub bytes_left: u64,
}

struct File {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// The files of an hour, in the order in which they may go: samples first, so that one that is
/// there has its profile and its functions.
type Hours = BTreeMap<(String, String), Vec<File>>;

impl Retention {
    /// Removes what is too old or too much, and directories that are empty after it. Files that do
    /// not have a name of the lake stay and do not count.
    ///
    /// # Errors
    /// If a directory cannot be listed or a file not removed; what was removed until then is gone.
    pub fn apply(&self, root: &Path, now: SystemTime) -> Result<Removed, StorageError> {
        let mut hours = Hours::new();
        for table in [&SAMPLES, &PROFILES, &FUNCTIONS] {
            collect(&root.join(table.name), &mut hours)?;
        }
        let mut removed = Removed::default();
        for files in hours.values_mut() {
            let old = |file: &File| {
                // A time to come is no age.
                now.duration_since(file.modified).is_ok_and(|age| age > self.max_age)
            };
            let (gone, kept) = std::mem::take(files).into_iter().partition(old);
            *files = kept;
            remove(&gone, &mut removed)?;
        }
        hours.retain(|_, files| !files.is_empty());
        removed.bytes_left = hours.values().flatten().map(|file| file.bytes).sum();
        while removed.bytes_left > self.max_bytes && hours.len() > 1 {
            let Some((_, files)) = hours.pop_first() else { break };
            remove(&files, &mut removed)?;
            removed.bytes_left -= files.iter().map(|file| file.bytes).sum::<u64>();
        }
        Ok(removed)
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_path_buf();
    move |source| StorageError { action, path, source }
}

/// Adds the files of a table by hour.
fn collect(table: &Path, hours: &mut Hours) -> Result<(), StorageError> {
    for (date, date_name) in entries(table, "date=")? {
        for (hour, hour_name) in entries(&date, "hour=")? {
            for (path, name) in entries(&hour, "L")? {
                let metadata = match fs::symlink_metadata(&path) {
                    // Another process removed it: that is what we want.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(failed("read", &path))?,
                };
                if metadata.is_file() && name.ends_with(".parquet") {
                    let modified = metadata.modified().map_err(failed("read", &path))?;
                    let file = File { path, bytes: metadata.len(), modified };
                    hours.entry((date_name.clone(), hour_name.clone())).or_default().push(file);
                }
            }
        }
    }
    Ok(())
}

/// Paths and names in a directory that begin with `prefix`; none if it is not a directory.
fn entries(dir: &Path, prefix: &str) -> Result<Vec<(PathBuf, String)>, StorageError> {
    let listed = match fs::read_dir(dir) {
        Err(error) if absent(&error) => return Ok(Vec::new()),
        listed => listed.map_err(failed("list", dir))?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(failed("list", dir))?;
        if let Ok(name) = entry.file_name().into_string()
            && name.starts_with(prefix)
            // A link could lead out of the lake.
            && entry.file_type().is_ok_and(|kind| !kind.is_symlink())
        {
            found.push((entry.path(), name));
        }
    }
    Ok(found)
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn remove(files: &[File], removed: &mut Removed) -> Result<(), StorageError> {
    for file in files {
        match fs::remove_file(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(failed("remove", &file.path))?,
        }
        removed.files += 1;
        removed.bytes += file.bytes;
        // The hour and the date go with their last file; while there is one they stay.
        for dir in file.path.ancestors().skip(1).take(2) {
            if fs::remove_dir(dir).is_err() {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// A file of an hour in each table, of this size and age.
    fn put(root: &Path, hour: &str, name: &str, bytes: usize, age: Duration, now: SystemTime) {
        for table in ["samples", "profiles", "functions"] {
            let dir = root.join(table).join(hour);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(name), vec![0; bytes]).unwrap();
            let file = fs::File::options().write(true).open(dir.join(name)).unwrap();
            file.set_modified(now - age).unwrap();
        }
    }

    fn left(root: &Path) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut dirs = vec![root.join("samples")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => dirs.push(entry.path()),
                    false => found.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn age_is_that_of_ingest() {
        let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        let root = dir.path();
        assert_eq!(Retention::default().apply(root, now).unwrap(), Removed::default());
        put(root, "date=2026-11-01/hour=01", "L0-old.parquet", 10, DAY * 16, now);
        put(root, "date=2001-01-01/hour=01", "L0-imported.parquet", 10, DAY, now);
        put(root, "date=2026-11-22/hour=01", "L0-ahead.parquet", 10, Duration::ZERO, now + DAY);
        put(root, "date=2026-11-01/hour=02", "notes.txt", 10, DAY * 16, now);
        let removed = Retention::default().apply(root, now).unwrap();
        assert_eq!(removed, Removed { files: 3, bytes: 30, bytes_left: 60 });
        assert_eq!(left(root), ["L0-ahead.parquet", "L0-imported.parquet", "notes.txt"]);
        assert!(root.join("samples/date=2026-11-01/hour=01").symlink_metadata().is_err());
        assert!(root.join("samples/date=2026-11-01/hour=02").symlink_metadata().is_ok());
    }

    #[test]
    fn bytes_go_from_the_oldest_hour_but_never_the_newest() {
        let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        let root = dir.path();
        for (hour, name) in [
            ("date=2026-11-21/hour=23", "L0-b.parquet"),
            ("date=2026-11-21/hour=03", "L0-a.parquet"),
            ("date=2026-11-22/hour=00", "L0-c.parquet"),
        ] {
            put(root, hour, name, 100, DAY, now);
        }
        let retention = Retention { max_bytes: 600, ..Retention::default() };
        let removed = retention.apply(root, now).unwrap();
        assert_eq!(removed, Removed { files: 3, bytes: 300, bytes_left: 600 });
        assert_eq!(left(root), ["L0-b.parquet", "L0-c.parquet"]);
        let retention = Retention { max_bytes: 0, ..Retention::default() };
        let removed = retention.apply(root, now).unwrap();
        assert_eq!(removed, Removed { files: 3, bytes: 300, bytes_left: 300 });
        assert_eq!(left(root), ["L0-c.parquet"]);
    }

    #[test]
    fn links_are_not_followed() {
        let (dir, other, now) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), SystemTime::now());
        put(other.path(), "date=2026-11-01/hour=01", "L0-x.parquet", 10, DAY * 16, now);
        let date = dir.path().join("samples/date=2026-11-01");
        fs::create_dir_all(&date).unwrap();
        let target = other.path().join("samples/date=2026-11-01/hour=01");
        std::os::unix::fs::symlink(target, date.join("hour=01")).unwrap();
        assert_eq!(Retention::default().apply(dir.path(), now).unwrap(), Removed::default());
        assert_eq!(left(other.path()), ["L0-x.parquet"]);
    }
}
