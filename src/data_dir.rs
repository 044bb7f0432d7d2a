//! The data directory: one process at a time owns it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("the data directory {} is in use by process {pid}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, as it wrote it down.
        pid: String,
    },
    /// It cannot be made or written.
    #[error("the data directory {} cannot be used: {source}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing and locks it. The lock ends with the process, however
    /// that ends.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let file = path.join("lock");
        let mut open = OpenOptions::new();
        let mut lock = open
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)
            .map_err(unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = lock.read_to_string(&mut pid);
                let pid = if pid.is_empty() { "unknown".into() } else { pid };
                return Err(DataDirError::InUse { path: path.to_owned(), pid });
            }
            Err(error) => return Err(unusable(error.into())),
        }
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "{}", std::process::id()));
        written.map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the spool of a pipeline stands.
    pub fn spool(&self, pipeline: &str) -> PathBuf {
        self.path.join("spool").join(pipeline.replace('/', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new/data");
        let first = DataDir::lock(&path).expect("is free");
        let second = DataDir::lock(&path).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(matches!(&second, DataDirError::InUse { pid: seen, .. } if *seen == pid));
        drop(first);
        DataDir::lock(&path).expect("is free again");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("is writable");
        assert!(matches!(DataDir::lock(&file).unwrap_err(), DataDirError::Unusable { .. }));
    }
}
