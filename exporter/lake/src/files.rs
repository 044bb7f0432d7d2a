//! The files of a table that a question has to open, found by their directories and names alone.
//!
//! Whoever can write to the directory can put anything there, so only regular files whose names
//! follow the pattern count, no link is followed, and what does not fit is reported, not opened.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use crate::{schema::Table, time::TimeRange};

/// Why a file is passed over that somebody else put there.
const FOREIGN: &str = "not a name that profpipe gives";

/// A file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LakeFile {
    pub path: PathBuf,
    /// Start of the first and of the last window in it, milliseconds since 1970, rounded down.
    pub min_ms: i64,
    pub max_ms: i64,
    /// 0 as it was flushed; above that compacted.
    pub level: u32,
}

/// A file that a question passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Path below the root of the lake.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// Files of a table, oldest first, and what was passed over.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub files: Vec<LakeFile>,
    pub skipped: Vec<Skipped>,
}

impl LakeFile {
    /// Whether another table has the file of the same commit.
    pub fn is_in(&self, table: &Table, root: &Path) -> bool {
        let below: PathBuf = self.path.components().skip(1).collect();
        root.join(table.name).join(below).try_exists().unwrap_or(true)
    }

    fn meets(&self, range: TimeRange) -> bool {
        range.meets(ms_to_us(self.min_ms), ms_to_us(self.max_ms).saturating_add(999))
    }

    /// Reads a name such as `L0-1763829000000-1763829009999-WRITER-17-23.parquet`.
    fn parse(directory: &Path, name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix('L')?.strip_suffix(".parquet")?.split('-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (level, min_ms, max_ms) = (number()?, number()?, number()?);
        let rest: Vec<&str> = parts.collect();
        let [writer @ .., first, last] = rest.as_slice() else { return None };
        let whole = !writer.is_empty()
            && writer.iter().all(|part| !part.is_empty())
            && min_ms <= max_ms
            && i64::try_from(max_ms).is_ok()
            && first.parse::<u64>().ok()? <= last.parse::<u64>().ok()?;
        whole.then(|| Self {
            path: directory.join(name),
            min_ms: min_ms as i64,
            max_ms: max_ms as i64,
            level: level.min(u64::from(u32::MAX)) as u32,
        })
    }
}

fn ms_to_us(ms: i64) -> i64 {
    ms.saturating_mul(1_000)
}

/// Lists the files of a table that may hold windows of the range. A directory that is not there
/// holds none.
pub(crate) fn list(root: &Path, table: &str, range: TimeRange) -> io::Result<Listing> {
    let mut listing = Listing::default();
    if range.is_empty() {
        return Ok(listing);
    }
    let top = Path::new(table);
    for (date, at) in directories(root, top, "date=", &mut listing)? {
        if at.len() == 10 && may_hold(&at, range) {
            for (hour, number) in directories(root, &date, "hour=", &mut listing)? {
                if number.len() == 2 && may_hold(&format!("{at}T{number}"), range) {
                    files(root, &hour, range, &mut listing)?;
                }
            }
        }
    }
    listing.files.sort_by(|a, b| (a.min_ms, &a.path).cmp(&(b.min_ms, &b.path)));
    Ok(listing)
}

/// Directories `KEY=value` below `parent`, with their values.
fn directories(
    root: &Path,
    parent: &Path,
    key: &str,
    listing: &mut Listing,
) -> io::Result<Vec<(PathBuf, String)>> {
    let mut found = vec![];
    for entry in read(&root.join(parent))? {
        let name = entry.file_name();
        let Some(value) = name.to_str().and_then(|name| name.strip_prefix(key)) else { continue };
        let path = parent.join(&name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.push((path, value.to_owned())),
            Ok(_) => listing.skip(path, "not a directory"),
            Err(error) => listing.skip(path, error.to_string()),
        }
    }
    Ok(found)
}

fn files(root: &Path, parent: &Path, range: TimeRange, listing: &mut Listing) -> io::Result<()> {
    for entry in read(&root.join(parent))? {
        let name = entry.file_name();
        let path = parent.join(&name);
        let text = name.to_str().unwrap_or_default();
        // What begins with a dot is in the making; no engine looks at it.
        if text.starts_with('.') {
            continue;
        }
        match (entry.file_type(), LakeFile::parse(parent, text)) {
            (_, None) => listing.skip(path, FOREIGN),
            (Ok(kind), _) if !kind.is_file() => listing.skip(path, "not a regular file"),
            (Err(error), _) => listing.skip(path, error.to_string()),
            (_, Some(file)) if file.meets(range) => listing.files.push(file),
            _ => {}
        }
    }
    Ok(())
}

impl Skipped {
    /// Whether somebody else put it there: it has none of our names.
    pub fn is_foreign(&self) -> bool {
        self.reason == FOREIGN
    }
}

impl Listing {
    fn skip(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.skipped.push(Skipped { path, reason: reason.into() });
    }
}

/// Entries of a directory; none where retention or compaction took it away.
fn read(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries.filter_map(Result::ok).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(vec![]),
        Err(error) => Err(error),
    }
}

/// Whether the day (`2026-11-22`) or hour (`2026-11-22T17`) meets the range.
fn may_hold(at: &str, range: TimeRange) -> bool {
    let (format, length_us) = match at.len() {
        10 => (format!("{at}T00:00:00Z"), 86_400_000_000),
        _ => (format!("{at}:00:00Z"), 3_600_000_000_i64),
    };
    let Ok(start) = format.parse::<Timestamp>() else { return false };
    let start_us = start.as_microsecond();
    range.meets(start_us, start_us + length_us - 1)
}

/// What tells whether a file is still the one it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    inode: u64,
    bytes: u64,
    changed_ns: i128,
}

/// Opens a regular file for reading without following a link or waiting for a pipe's other end.
pub(crate) fn open(path: &Path) -> io::Result<(File, Stamp)> {
    use std::os::unix::fs::MetadataExt as _;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let changed_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    Ok((file, Stamp { inode: meta.ino(), bytes: meta.len(), changed_ns }))
}

impl Stamp {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Drops what compaction replaced: `replaces` gives the names that a compacted file lists.
pub(crate) fn without_replaced(
    files: &mut Vec<LakeFile>,
    mut replaces: impl FnMut(&LakeFile) -> Vec<String>,
) {
    let mut gone: HashMap<PathBuf, ()> = HashMap::new();
    for file in files.iter().filter(|file| file.level > 0) {
        let directory = file.path.parent().unwrap_or(Path::new(""));
        gone.extend(replaces(file).iter().map(|name| (directory.join(name), ())));
    }
    files.retain(|file| !gone.contains_key(&file.path));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{hour_dir, hour_of};

    #[test]
    fn names_are_ours_or_not() {
        let parse = |name: &str| LakeFile::parse(Path::new("d"), name);
        let file = parse("L1-5-7-01JD-w-3-4.parquet").unwrap();
        assert_eq!((file.level, file.min_ms, file.max_ms), (1, 5, 7));
        assert_eq!(file.path, Path::new("d/L1-5-7-01JD-w-3-4.parquet"));
        for foreign in [
            "part-0.parquet",
            "L0-7-5-w-1-2.parquet",
            "L0-5-7-w-2-1.parquet",
            "L0-5-7-1-2.parquet",
            "L0-5-7--1-2.parquet",
            "L0-5-7-w-1-2.parquet.tmp",
            "L0-5-99999999999999999999-w-1-2.parquet",
            "L0--5-7-w-1-2.parquet",
            "L0-5-7-w-1-2",
        ] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn only_regular_files_of_the_range() {
        let root = tempfile::tempdir().unwrap();
        let hour = Path::new("samples").join(hour_dir(hour_of(1_763_829_000_000_000_000)));
        assert_eq!(hour, Path::new("samples/date=2025-11-22/hour=16"));
        let at = root.path().join(&hour);
        fs::create_dir_all(at.join("L0-1763829000000-1763829000001-dir-1-2.parquet")).unwrap();
        let good = "L0-1763829000000-1763829009999-w-1-2.parquet";
        fs::write(at.join(good), "x").unwrap();
        fs::write(at.join(".L0-1763829000000-1763829009999-w-1-2.parquet.tmp"), "x").unwrap();
        fs::write(at.join("mine.parquet"), "x").unwrap();
        let link = at.join("L0-1763829000000-1763829000001-link-1-2.parquet");
        std::os::unix::fs::symlink(at.join(good), &link).unwrap();
        fs::create_dir_all(root.path().join("samples/date=2025-11-22/hour=99")).unwrap();
        fs::create_dir_all(root.path().join("samples/date=nonsense")).unwrap();
        fs::write(root.path().join("samples/date=2025-11-23"), "x").unwrap();

        let list = |from_s: i64, to_s: i64| {
            let range = TimeRange { from_us: from_s * 1_000_000, to_us: to_s * 1_000_000 };
            list(root.path(), "samples", range).unwrap()
        };
        let found = list(1_763_829_009, 1_763_829_010);
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.files[0].path, hour.join(good));
        assert_eq!(found.skipped.len(), 4, "{:?}", found.skipped);
        assert!(list(1_763_829_010, 1_763_829_011).files.is_empty());
        assert!(list(1_763_829_000 + 7_200, 1_763_829_000 + 7_201).skipped.len() == 1);
        assert!(list(5, 4).files.is_empty());
        assert!(super::list(root.path(), "absent", TimeRange::ALL).unwrap().files.is_empty());

        assert!(open(&at.join(good)).is_ok());
        assert!(open(&link).is_err() && open(&at).is_err());
        assert_eq!(open(&at.join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_compacted_file_stands_for_what_it_lists() {
        let file = |name: &str| LakeFile::parse(Path::new("h"), name).unwrap();
        let mut files = vec![
            file("L0-1-2-w-1-2.parquet"),
            file("L0-3-4-w-3-4.parquet"),
            file("L1-1-2-w-1-2.parquet"),
        ];
        without_replaced(&mut files, |_| vec!["L0-1-2-w-1-2.parquet".into()]);
        let names: Vec<_> = files.iter().map(|f| f.path.to_str().unwrap()).collect();
        assert_eq!(names, ["h/L0-3-4-w-3-4.parquet", "h/L1-1-2-w-1-2.parquet"]);
    }
}
