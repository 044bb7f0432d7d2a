//! A directory that keeps the newest files and forgets the oldest: dead letters, and files set
//! aside as corrupt.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::SpoolConfig;
use super::SpoolError;
use super::error::io_error;
use crate::storage::{self, EntryKind, Storage};

pub(super) struct Ring {
    disk: Arc<dyn Storage>,
    dir: PathBuf,
    bytes_max: u64,
    files_max: usize,
    /// Name and size, oldest first; names sort by age.
    files: VecDeque<(String, u64)>,
    bytes: u64,
}

impl Ring {
    /// Opens the directory, which is made if it is missing.
    pub(super) fn open(
        disk: Arc<dyn Storage>,
        dir: &Path,
        config: &SpoolConfig,
    ) -> Result<Self, SpoolError> {
        storage::create_dir_all(&*disk, dir).map_err(io_error("create", dir))?;
        let mut files = Vec::new();
        for entry in disk.list(dir).map_err(io_error("list", dir))? {
            if entry.name.starts_with('.') {
                // A temp file of a write that never ended.
                let _ = disk.remove(&dir.join(entry.name));
            } else if entry.kind != EntryKind::Dir {
                files.push((entry.name, entry.bytes));
            }
        }
        files.sort();
        let mut ring = Self {
            disk,
            dir: dir.into(),
            bytes_max: config.ring_bytes_max,
            files_max: config.ring_files_max,
            bytes: files.iter().map(|(_, bytes)| bytes).sum(),
            files: files.into(),
        };
        ring.make_room(0, 0);
        Ok(ring)
    }

    /// Writes a file with a running number before `suffix`; durable when this returns.
    pub(super) fn put(&mut self, suffix: &str, bytes: &[u8]) -> Result<(), SpoolError> {
        let size = bytes.len() as u64;
        if size > self.bytes_max {
            let limit = self.bytes_max;
            return Err(SpoolError::TooLarge { what: "dead letter", value: size, limit });
        }
        self.make_room(1, size);
        let number = self.files.back().and_then(|(name, _)| name.get(..20)?.parse::<u64>().ok());
        let name = format!("{:020}.{suffix}", number.map_or(0, |number| number + 1));
        let path = self.dir.join(&name);
        loop {
            match storage::put(&*self.disk, &self.dir, &format!(".{name}.tmp"), &name, bytes) {
                Err(error) if storage::is_full(&error) && self.drop_oldest() => {}
                other => break other.map_err(io_error("write", &path))?,
            }
        }
        self.files.push_back((name, size));
        self.bytes += size;
        Ok(())
    }

    /// Moves a file in from elsewhere, durably.
    pub(super) fn adopt(&mut self, from: &Path, name: String, size: u64) -> io::Result<()> {
        self.disk.rename(from, &self.dir.join(&name))?;
        self.disk.sync_dir(&self.dir)?;
        self.files.push_back((name, size));
        self.bytes += size;
        self.make_room(0, 0);
        Ok(())
    }

    /// Forgets the oldest files until `files` more with `bytes` in all fit.
    fn make_room(&mut self, files: usize, bytes: u64) {
        while self.files.len() + files > self.files_max || self.bytes + bytes > self.bytes_max {
            if !self.drop_oldest() {
                return;
            }
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((name, bytes)) = self.files.pop_front() else { return false };
        self.bytes -= bytes;
        if let Err(error) = self.disk.remove(&self.dir.join(&name)) {
            tracing::warn!(%error, dir = %self.dir.display(), file = name, "cannot remove a file");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimDisk;

    fn names(disk: &SimDisk) -> Vec<String> {
        disk.list(Path::new("/r")).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn the_newest_files_stay() {
        let disk = SimDisk::new(1);
        let config =
            SpoolConfig { ring_bytes_max: 10, ring_files_max: 3, ..SpoolConfig::default() };
        let open = || Ring::open(Arc::new(disk.clone()), Path::new("/r"), &config).unwrap();
        let mut ring = open();
        for size in [1, 1, 1, 1] {
            ring.put("x", &vec![0; size]).unwrap();
        }
        assert_eq!(names(&disk)[0], "00000000000000000001.x");
        let mut ring = open();
        ring.put("y", &[0; 9]).unwrap();
        assert_eq!(names(&disk), ["00000000000000000003.x", "00000000000000000004.y"]);
        assert!(matches!(ring.put("z", &[0; 11]), Err(SpoolError::TooLarge { .. })));
        disk.power_cut();
        assert!(names(&disk).contains(&"00000000000000000004.y".to_string()));
    }

    #[test]
    fn on_a_full_disk_old_files_make_room() {
        let disk = SimDisk::new(1);
        let mut ring =
            Ring::open(Arc::new(disk.clone()), Path::new("/r"), &SpoolConfig::default()).unwrap();
        ring.put("a", &[0; 60]).unwrap();
        disk.set_capacity_bytes(100);
        ring.put("b", &[0; 70]).unwrap();
        assert_eq!(names(&disk), ["00000000000000000001.b"]);
        assert!(ring.put("c", &[0; 101]).is_err());
    }
}
