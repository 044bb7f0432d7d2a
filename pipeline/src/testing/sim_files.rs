//! What the modelled disk holds: files and directories, each as the process sees it (page cache)
//! and as it would be after a power cut.

use std::collections::BTreeMap;

use super::Rng;

/// The disk writes sectors whole; anything longer may be torn.
const SECTOR_BYTES: u64 = 512;

/// A file's bytes.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// What reads see.
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    /// Writes that no sync has covered yet, in order.
    pending: Vec<(u64, Vec<u8>)>,
}

impl Inode {
    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8]) {
        overlay(&mut self.live, offset, bytes);
        self.pending.push((offset, bytes.to_vec()));
    }

    pub(super) fn sync(&mut self) {
        for (offset, bytes) in self.pending.drain(..) {
            overlay(&mut self.durable, offset, &bytes);
        }
    }

    /// Some sectors of what is pending reach the disk and the rest never will: what a power cut
    /// does, and also a failed fsync, after which the kernel takes the pages for clean.
    pub(super) fn tear(&mut self, rng: &mut Rng) {
        for (offset, bytes) in std::mem::take(&mut self.pending) {
            let end = offset + bytes.len() as u64;
            let mut at = offset;
            while at < end {
                let stop = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
                if rng.one_in(2) {
                    let piece = &bytes[(at - offset) as usize..(stop - offset) as usize];
                    overlay(&mut self.durable, at, piece);
                }
                at = stop;
            }
        }
    }

    /// The process sees the disk again.
    pub(super) fn reload(&mut self) {
        self.live.clone_from(&self.durable);
    }
}

fn overlay(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + bytes.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}

/// What a name stands for: a file by number, or a directory (found by its path).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Dir,
}

/// A directory's names.
#[derive(Debug, Default)]
pub(super) struct Dir {
    /// What listings see.
    pub(super) live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// Changes that no sync has covered yet, in order; `None` unlinks.
    pending: Vec<(String, Option<Node>)>,
}

impl Dir {
    pub(super) fn set(&mut self, name: &str, node: Option<Node>) {
        apply(&mut self.live, name, node);
        self.pending.push((name.into(), node));
    }

    pub(super) fn sync(&mut self) {
        for (name, node) in self.pending.drain(..) {
            apply(&mut self.durable, &name, node);
        }
    }

    /// Any subset of the pending changes reaches the disk, in order; the rest never will.
    pub(super) fn tear(&mut self, rng: &mut Rng) {
        for (name, node) in std::mem::take(&mut self.pending) {
            if rng.one_in(2) {
                apply(&mut self.durable, &name, node);
            }
        }
    }

    /// The process sees the disk again.
    pub(super) fn reload(&mut self) {
        self.live.clone_from(&self.durable);
    }
}

fn apply(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => drop(names.insert(name.into(), node)),
        None => drop(names.remove(name)),
    }
}
