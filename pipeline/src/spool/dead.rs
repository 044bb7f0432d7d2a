//! Dead letters as they lie on the disk, for who looks at them beside the process that wrote them:
//! nothing is locked, and nothing is written.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{SpoolError, dead_dir, error::io_error, names};
use crate::storage::{Entry, EntryKind, Storage};

/// A profile that a destination refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The exporter whose destination it was.
    pub exporter: String,
    /// Why, as far as the name of a file can say it.
    pub reason: String,
    /// The file, which holds a record of [`crate::codec::record`].
    pub file: PathBuf,
}

/// The dead letters of the spool in `dir`, those of an exporter from the oldest on.
pub fn dead_letters(disk: &dyn Storage, dir: &Path) -> Result<Vec<DeadLetter>, SpoolError> {
    let dir = dead_dir(dir);
    let mut letters = Vec::new();
    for ring in list(disk, &dir, EntryKind::Dir)? {
        let Some(exporter) = names::unescape(&ring.name) else { continue };
        let dir = dir.join(&ring.name);
        for Entry { name, .. } in list(disk, &dir, EntryKind::File)? {
            let Some((_, reason)) = name.split_once('.').filter(|(number, _)| !number.is_empty())
            else {
                continue;
            };
            let (exporter, reason) = (exporter.clone(), reason.to_owned());
            letters.push(DeadLetter { exporter, reason, file: dir.join(&name) });
        }
    }
    Ok(letters)
}

/// What a directory has of a kind, by name; nothing where there is no directory.
fn list(disk: &dyn Storage, dir: &Path, kind: EntryKind) -> Result<Vec<Entry>, SpoolError> {
    let mut entries = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(io_error("list", dir))?,
    };
    entries.retain(|entry| entry.kind == kind);
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
