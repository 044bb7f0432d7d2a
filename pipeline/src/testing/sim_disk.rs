//! A disk in memory that can lose power at any operation, fill up, fail to sync, and lie.
//!
//! It is as strict as POSIX allows: unsynced bytes are torn by sector, unsynced names come and go
//! one by one, a failed fsync drops its pages for good. Code that survives here leans on no habit
//! of one file system.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::Rng;
use super::sim_files::{Dir, Inode, Node};
use crate::storage::{Entry, EntryKind, Space, Storage, StorageFile};

/// The modelled disk; clones share it, as processes share a disk.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<Sim>>);

/// Ways in which the disk pretends; they exist to show that the model notices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lies {
    /// `sync_dir` succeeds and does nothing.
    pub dir_sync: bool,
    /// `sync` of a file succeeds and does nothing.
    pub file_sync: bool,
}

#[derive(Debug)]
struct Sim {
    inodes: BTreeMap<u64, Inode>,
    dirs: BTreeMap<PathBuf, Dir>,
    capacity_bytes: u64,
    rng: Rng,
    /// Changing calls so far.
    ops: u64,
    crash_at: Option<u64>,
    down: bool,
    /// Calls that are yet to fail.
    file_sync_errors: u32,
    dir_sync_errors: u32,
    quota_bytes: u64,
    lies: Lies,
    /// Handles from before the last restart are dead.
    epoch: u64,
}

impl SimDisk {
    /// An empty disk of 1 TiB with a root directory; `seed` decides what a power cut tears.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Sim {
            inodes: BTreeMap::new(),
            dirs: BTreeMap::from([(PathBuf::from("/"), Dir::default())]),
            capacity_bytes: 1 << 40,
            rng: Rng::new(seed),
            ops: 0,
            crash_at: None,
            down: false,
            file_sync_errors: 0,
            dir_sync_errors: 0,
            quota_bytes: u64::MAX,
            lies: Lies::default(),
            epoch: 0,
        })))
    }

    /// Sets the size of the disk; a write beyond it gives `StorageFull` after a part of its bytes.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.lock().capacity_bytes = bytes;
    }

    /// Sets a quota: like a smaller disk, but `space` does not tell.
    pub fn set_quota_bytes(&self, bytes: u64) {
        self.lock().quota_bytes = bytes;
    }

    /// Bytes in all files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// The power fails at the `ops`-th changing call from now (1 is the next): it and all later
    /// calls give an error until [`Self::power_cut`].
    pub fn crash_after(&self, ops: u64) {
        let mut sim = self.lock();
        sim.crash_at = Some(sim.ops + ops);
    }

    /// Whether the power is off.
    pub fn is_down(&self) -> bool {
        self.lock().down
    }

    /// The next `count` calls to `sync` of a file fail with EIO.
    pub fn fail_file_syncs(&self, count: u32) {
        self.lock().file_sync_errors = count;
    }

    /// The next `count` calls to `sync_dir` fail with EIO.
    pub fn fail_dir_syncs(&self, count: u32) {
        self.lock().dir_sync_errors = count;
    }

    /// Makes the disk pretend from now on.
    pub fn lie(&self, lies: Lies) {
        self.lock().lies = lies;
    }

    /// Loses what was not durable, some of it torn, and starts again. Old handles are dead.
    pub fn power_cut(&self) {
        let sim = &mut *self.lock();
        for inode in sim.inodes.values_mut() {
            inode.tear(&mut sim.rng);
            inode.reload();
        }
        for dir in sim.dirs.values_mut() {
            dir.tear(&mut sim.rng);
            dir.reload();
        }
        sim.forget_lost_dirs();
        sim.restart();
    }

    /// Ends the process and keeps the page cache, as `kill -9` does. Old handles are dead.
    pub fn kill(&self) {
        self.lock().restart();
    }

    /// Changes a file behind everybody's back: bit rot, for page cache and disk alike.
    pub fn rot(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut sim = self.lock();
        let number = sim.file(path).expect("the test names a file that is there");
        let inode = sim.inodes.get_mut(&number).expect("a name has an inode");
        let mut bytes = inode.live.clone();
        change(&mut bytes);
        *inode = Inode::default();
        inode.write_at(0, &bytes);
        inode.sync();
    }

    fn lock(&self) -> MutexGuard<'_, Sim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    fn alive(&self) -> io::Result<()> {
        if self.down { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts a changing call, and takes the power away when its turn has come.
    fn op(&mut self) -> io::Result<()> {
        self.alive()?;
        self.ops += 1;
        self.down = self.crash_at == Some(self.ops);
        self.alive()
    }

    fn restart(&mut self) {
        self.down = false;
        self.crash_at = None;
        self.file_sync_errors = 0;
        self.dir_sync_errors = 0;
        self.epoch += 1;
    }

    fn used_bytes(&self) -> u64 {
        let nodes = self.dirs.values().flat_map(|dir| dir.live.values());
        nodes.map(|node| if let Node::File(n) = node { self.len(*n) } else { 0 }).sum()
    }

    fn len(&self, inode: u64) -> u64 {
        self.inodes.get(&inode).map_or(0, |inode| inode.live.len() as u64)
    }

    fn dir(&mut self, path: &Path) -> io::Result<&mut Dir> {
        self.dirs.get_mut(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn parent(&mut self, path: &Path) -> io::Result<&mut Dir> {
        self.dir(path.parent().unwrap_or(path))
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let dir = self.dirs.get(path.parent()?)?;
        dir.live.get(&name_of(path)).copied()
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.node(path) {
            Some(Node::File(number)) => Ok(number),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None if self.dirs.contains_key(path) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Drops directories whose own name did not survive.
    fn forget_lost_dirs(&mut self) {
        loop {
            let lost = self
                .dirs
                .keys()
                .find(|path| path.parent().is_some() && self.node(path) != Some(Node::Dir));
            let Some(lost) = lost.cloned() else { return };
            self.dirs.remove(&lost);
        }
    }

    fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let end = offset + bytes.len() as u64;
        let growth = end.saturating_sub(self.len(inode));
        let limit = self.capacity_bytes.min(self.quota_bytes);
        let free = limit.saturating_sub(self.used_bytes());
        let short = usize::try_from(growth.saturating_sub(free)).unwrap_or(usize::MAX);
        let fits = bytes.len().saturating_sub(short);
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        file.write_at(offset, &bytes[..fits]);
        Ok(fits)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    epoch: u64,
    end: u64,
}

impl SimFile {
    fn lock(&self) -> io::Result<MutexGuard<'_, Sim>> {
        let mut sim = self.disk.lock();
        if sim.epoch != self.epoch {
            return Err(io::Error::other("a handle from before the restart"));
        }
        sim.op()?;
        Ok(sim)
    }
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.lock()?.write(self.inode, self.end, bytes)?;
        self.end += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageFile for SimFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = self.lock()?.write(self.inode, offset, bytes)?;
        if written < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let sim = &mut *self.lock()?;
        let inode = sim.inodes.get_mut(&self.inode).ok_or(io::ErrorKind::NotFound)?;
        if sim.file_sync_errors > 0 {
            sim.file_sync_errors -= 1;
            inode.tear(&mut sim.rng);
            return Err(Errno::IO.into());
        }
        if !sim.lies.file_sync {
            inode.sync();
        }
        Ok(())
    }
}

impl Storage for SimDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut sim = self.lock();
        sim.op()?;
        if sim.node(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = sim.inodes.last_key_value().map_or(0, |(number, _)| number + 1);
        sim.parent(path)?.set(&name_of(path), Some(Node::File(inode)));
        sim.inodes.insert(inode, Inode::default());
        Ok(Box::new(SimFile { disk: self.clone(), inode, epoch: sim.epoch, end: 0 }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let sim = self.lock();
        sim.alive()?;
        let inode = sim.file(path)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode, epoch: sim.epoch, end: 0 }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut sim = self.lock();
        sim.op()?;
        let node = Node::File(sim.file(from)?);
        sim.parent(to)?.set(&name_of(to), Some(node));
        sim.parent(from)?.set(&name_of(from), None);
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.lock().node(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut sim = self.lock();
        sim.op()?;
        sim.file(path)?;
        sim.parent(path)?.set(&name_of(path), None);
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut sim = self.lock();
        sim.op()?;
        if sim.dirs.contains_key(path) || sim.node(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        sim.parent(path)?.set(&name_of(path), Some(Node::Dir));
        sim.dirs.insert(path.into(), Dir::default());
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut sim = self.lock();
        sim.op()?;
        if !sim.dir(path)?.live.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        sim.parent(path)?.set(&name_of(path), None);
        sim.dirs.remove(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let sim = &mut *self.lock();
        sim.op()?;
        let (fails, lies) = (sim.dir_sync_errors > 0, sim.lies.dir_sync);
        let dir = sim.dirs.get_mut(dir).ok_or(io::ErrorKind::NotFound)?;
        if fails {
            sim.dir_sync_errors -= 1;
            dir.tear(&mut sim.rng);
            return Err(Errno::IO.into());
        }
        if !lies {
            dir.sync();
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut sim = self.lock();
        sim.alive()?;
        let names = sim.dir(dir)?.live.clone();
        let entry = |(name, node)| match node {
            Node::File(number) => Entry { name, kind: EntryKind::File, bytes: sim.len(number) },
            Node::Dir => Entry { name, kind: EntryKind::Dir, bytes: 0 },
        };
        Ok(names.into_iter().map(entry).collect())
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let sim = self.lock();
        sim.alive()?;
        let number = sim.file(path)?;
        if sim.len(number) > bytes_max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "file is too long"));
        }
        Ok(sim.inodes.get(&number).map(|inode| inode.live.clone()).unwrap_or_default())
    }

    fn read_at(&self, path: &Path, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let whole = self.read(path, u64::MAX)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
        Ok(whole[start..whole.len().min(start.saturating_add(bytes))].to_vec())
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let sim = self.lock();
        sim.alive()?;
        let free_bytes = sim.capacity_bytes.saturating_sub(sim.used_bytes());
        Ok(Space { free_bytes, total_bytes: sim.capacity_bytes })
    }
}

#[cfg(test)]
#[path = "sim_disk_tests.rs"]
mod tests;
