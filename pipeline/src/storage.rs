//! The one door to the disk for everything that must survive a power cut.
//!
//! The spool and the lake do all their file work through [`Storage`], so that tests can put a
//! crash model in place of the disk. Each method is one system call or close to it; what is durable
//! when follows POSIX at its strictest: bytes after [`StorageFile::sync`], names after
//! [`Storage::sync_dir`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::io::Errno;

/// Files and directories, as a durable store needs them. All calls block.
pub trait Storage: Send + Sync {
    /// Creates a file that must not exist yet (`O_EXCL`) and opens it for writing.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens an existing regular file for overwriting in place; nothing is truncated.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file; `AlreadyExists` where the new name is taken (put if absent).
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Unlinks a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates one directory; its parent must exist.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// What a directory holds, in no order. Names that are not UTF-8 are left out: none is ours.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// A whole regular file; `InvalidData` if it is longer than `bytes_max`.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;
    /// `bytes` bytes from `offset`, fewer where the file ends before.
    fn read_at(&self, path: &Path, offset: u64, bytes: usize) -> io::Result<Vec<u8>>;
    /// Room on the file system that holds `dir`.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// A file open for writing. `write` goes to the end of what was written through this handle.
pub trait StorageFile: Write + Send {
    /// Writes all of `bytes` at `offset`, and leaves the place of `write` alone.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the bytes durable. After an error the handle must be dropped: a second call could
    /// succeed although the bytes are gone.
    fn sync(&mut self) -> io::Result<()>;
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: String,
    /// What it names; links are not followed.
    pub kind: EntryKind,
    /// Length of a file in bytes.
    pub bytes: u64,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A link, pipe, socket or device: nothing of ours.
    Other,
}

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still fill.
    pub free_bytes: u64,
    /// Size of the file system in bytes.
    pub total_bytes: u64,
}

/// Writes a new file whose bytes are durable; its name is not yet. Leaves nothing after an error.
/// A file of that name that an earlier run has left is replaced.
pub fn write_new(disk: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = match disk.create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create_new(path)
        }
        other => other,
    }?;
    let written = file.write_all(bytes).and_then(|()| file.sync());
    drop(file);
    written.inspect_err(|_| {
        // Should this fail as well, the next start clears temp names.
        let _ = disk.remove(path);
    })
}

/// Writes `bytes` under `name` so that the name is durable and whole, or absent: dot-named temp
/// file, fsync, rename, fsync of the directory. Replaces an older file of that name.
pub fn put(disk: &dyn Storage, dir: &Path, temp: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    debug_assert!(temp.starts_with('.'), "temp names start with a dot");
    let temp = dir.join(temp);
    write_new(disk, &temp, bytes)?;
    disk.rename(&temp, &dir.join(name))?;
    disk.sync_dir(dir)
}

/// Makes a directory and those above it, all with durable names. That one is there already does not
/// say that its name is durable: a process that was killed may have made it.
pub fn create_dir_all(disk: &dyn Storage, dir: &Path) -> io::Result<()> {
    let parent_of = |dir: &Path| match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_path_buf),
    };
    let mut missing = Vec::new();
    for above in dir.ancestors() {
        match disk.create_dir(above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(above),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => break,
        }
    }
    for below in missing.into_iter().rev() {
        match disk.create_dir(below) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // By somebody else.
            made => made?,
        }
    }
    for above in dir.ancestors().filter_map(parent_of) {
        match disk.sync_dir(&above) {
            // Not ours to read, and so not ours to have made.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced?,
        }
    }
    Ok(())
}

/// Whether an error means that there is no room (disk or quota).
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

struct DiskFile(File);

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageFile for DiskFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

impl Disk {
    /// Opens a regular file and nothing else: no link is followed and no pipe blocks.
    fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<(File, u64)> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = options.custom_flags(flags.cast_signed()).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok((file, metadata.len()))
    }
}

impl Storage for Disk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let (file, _) = Self::open_regular(path, OpenOptions::new().write(true))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag; a link is refused in the same way.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                // Another thread may remove a file while we list.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            let kind = match metadata.file_type() {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Dir,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name, kind, bytes: metadata.len() });
        }
        Ok(entries)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let (file, len) = Self::open_regular(path, OpenOptions::new().read(true))?;
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, "file is too long");
        if len > bytes_max {
            return Err(too_long());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(|_| too_long())?);
        // The file may have grown since its length was asked for.
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max { Err(too_long()) } else { Ok(bytes) }
    }

    fn read_at(&self, path: &Path, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let (file, len) = Self::open_regular(path, OpenOptions::new().read(true))?;
        let available = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; bytes.min(available)];
        file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimDisk;

    /// What both the real disk and its model must do, so that tests on the model mean something.
    fn contract(disk: &dyn Storage, root: &Path) {
        let dir = root.join("a/b");
        create_dir_all(disk, &dir).unwrap();
        create_dir_all(disk, &dir).unwrap();
        disk.create_new(&dir.join(".x.tmp")).unwrap().write_all(b"left over").unwrap();
        put(disk, &dir, ".x.tmp", "x", b"hello").unwrap();
        assert_eq!(disk.read(&dir.join("x"), 5).unwrap(), b"hello");
        assert_eq!(disk.read(&dir.join("x"), 4).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(disk.read_at(&dir.join("x"), 3, 10).unwrap(), b"lo");
        assert_eq!(disk.read_at(&dir.join("x"), 9, 10).unwrap(), b"");
        let exists = disk.create_new(&dir.join("x")).err().unwrap();
        assert_eq!(exists.kind(), io::ErrorKind::AlreadyExists);
        let missing = disk.open(&dir.join("nothing")).err().unwrap();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.open(root).err().map(|_| ()), Some(()));

        let mut file = disk.open(&dir.join("x")).unwrap();
        file.write_at(1, b"u").unwrap();
        file.write_at(6, b"!").unwrap();
        file.sync().unwrap();
        assert_eq!(disk.read(&dir.join("x"), 64).unwrap(), b"hullo\0!");

        put(disk, &dir, ".y.tmp", "y", b"y").unwrap();
        let taken = disk.rename_new(&dir.join("y"), &dir.join("x")).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        disk.rename_new(&dir.join("y"), &dir.join("z")).unwrap();
        disk.rename(&dir.join("z"), &dir.join("x")).unwrap();
        let entries = disk.list(&dir).unwrap();
        assert_eq!(entries, [Entry { name: "x".into(), kind: EntryKind::File, bytes: 1 }]);
        assert_eq!(disk.list(root).unwrap()[0].kind, EntryKind::Dir);

        assert!(disk.remove_dir(&dir).is_err(), "a directory with files stays");
        disk.remove(&dir.join("x")).unwrap();
        assert_eq!(disk.remove(&dir.join("x")).unwrap_err().kind(), io::ErrorKind::NotFound);
        disk.remove_dir(&dir).unwrap();
        assert_eq!(disk.list(&dir).unwrap_err().kind(), io::ErrorKind::NotFound);
        let space = disk.space(root).unwrap();
        assert!(space.free_bytes <= space.total_bytes && space.total_bytes > 0);
    }

    #[test]
    fn the_disk_and_its_model_keep_the_same_contract() {
        let dir = tempfile::tempdir().unwrap();
        contract(&Disk, dir.path());
        contract(&SimDisk::new(1), Path::new("/"));
    }

    #[test]
    fn links_and_pipes_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), b"1").unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
        assert!(Disk.read(&dir.path().join("link"), 10).is_err());
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(Disk.read(&pipe, 10).is_err());
        let kinds = Disk.list(dir.path()).unwrap().into_iter().map(|entry| entry.kind);
        assert_eq!(kinds.filter(|kind| *kind == EntryKind::Other).count(), 2);
    }
}
