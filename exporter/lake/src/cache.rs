//! What is kept between questions: footers, columns, and the trie node of each dictionary code.
//!
//! Files never change once they are visible, so what was read of one stays true; a file that was
//! replaced has another stamp and gets another id. Two shelves share the byte limit, so that a
//! question over much data cannot push out the footers and nodes that make all others quick.

use std::{
    collections::HashMap,
    hash::Hash,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use parquet::file::metadata::ParquetMetaData;

use crate::{
    files::Stamp,
    pages::{Codes, Ints, Run, Sets},
};

/// A file as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Footer {
    /// Never given twice within a process.
    pub id: u64,
    pub stamp: Stamp,
    pub meta: ParquetMetaData,
    /// First leaf and number of leaves of each root column, by name.
    pub leaves: HashMap<String, (usize, usize)>,
}

/// A part of a file that is worth keeping.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Footer(Arc<Footer>),
    Codes(Arc<Codes>),
    Ints(Arc<Ints>),
    Sets(Arc<Sets>),
    /// Codes without their strings.
    Runs(Arc<Vec<Run>>),
    /// The trie node of each code of `stack`.
    Nodes(Arc<Vec<u32>>),
}

impl Kept {
    pub fn bytes(&self) -> usize {
        match self {
            Self::Footer(footer) => footer.meta.memory_size() + footer.leaves.len() * 64,
            Self::Codes(codes) => codes.bytes(),
            Self::Ints(ints) => ints.bytes(),
            Self::Sets(sets) => sets.bytes(),
            Self::Runs(runs) => runs.len() * size_of::<Run>() + 32,
            Self::Nodes(nodes) => nodes.len() * 4 + 32,
        }
    }
}

/// What a part is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Footer(PathBuf),
    /// File id, row group and column; codes and plain integers of a column differ.
    Codes(u64, usize, &'static str),
    Ints(u64, usize, &'static str),
    Sets(u64, usize, &'static str),
    Runs(u64, usize, &'static str),
    /// File id, row group, and which trie.
    Nodes(u64, usize, u64),
}

/// Parts of files up to a number of bytes, least recently used ones dropped first.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Footers and nodes, then columns.
    shelves: [Mutex<Shelf>; 2],
    /// Column chunks that had to be read from files.
    chunks_read: AtomicU64,
}

#[derive(Debug, Default)]
struct Shelf {
    kept: HashMap<Key, (Kept, usize, u64)>,
    bytes: usize,
    bytes_max: usize,
    tick: u64,
}

impl Cache {
    pub fn new(bytes_max: usize) -> Self {
        let shelf = || Mutex::new(Shelf { bytes_max: bytes_max / 2, ..Shelf::default() });
        Self { shelves: [shelf(), shelf()], chunks_read: AtomicU64::new(0) }
    }

    /// Counts a column chunk that is read from its file.
    pub fn count_chunk(&self) {
        self.chunks_read.fetch_add(1, Ordering::Relaxed);
    }

    /// Column chunks that were read from files so far.
    pub fn chunks_read(&self) -> u64 {
        self.chunks_read.load(Ordering::Relaxed)
    }

    pub fn get(&self, key: &Key) -> Option<Kept> {
        self.shelf(key).get(key)
    }

    pub fn put(&self, key: Key, part: Kept) {
        self.shelf(&key).put(key, part);
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.shelves.iter().map(|shelf| lock(shelf).bytes).sum()
    }

    fn shelf(&self, key: &Key) -> MutexGuard<'_, Shelf> {
        lock(&self.shelves[usize::from(!matches!(key, Key::Footer(_) | Key::Nodes(..)))])
    }
}

/// A panic while holding the lock leaves a shelf with a part less, which is no harm.
fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    fn get(&mut self, key: &Key) -> Option<Kept> {
        self.tick += 1;
        let (part, _, used) = self.kept.get_mut(key)?;
        *used = self.tick;
        Some(part.clone())
    }

    fn put(&mut self, key: Key, part: Kept) {
        let bytes = part.bytes() + size_of::<Key>();
        // One part must not push out all others.
        if bytes > self.bytes_max / 4 {
            return;
        }
        self.tick += 1;
        if let Some((_, old, _)) = self.kept.insert(key, (part, bytes, self.tick)) {
            self.bytes -= old;
        }
        self.bytes += bytes;
        if self.bytes > self.bytes_max {
            self.shrink();
        }
    }

    /// Down to three quarters, so that sorting by age is rare.
    fn shrink(&mut self) {
        let mut ages: Vec<(u64, usize)> = self.kept.values().map(|k| (k.2, k.1)).collect();
        ages.sort_unstable();
        let (mut left, mut oldest) = (self.bytes, 0);
        for (used, bytes) in ages {
            if left <= self.bytes_max / 4 * 3 {
                break;
            }
            (left, oldest) = (left - bytes, used);
        }
        self.kept.retain(|_, (_, _, used)| *used > oldest);
        self.bytes = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(n: usize) -> Kept {
        Kept::Ints(Arc::new(Ints::new(vec![1; n])))
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let cache = Cache::new(100_000);
        let key = |n: u64| Key::Ints(n, 0, "value");
        for n in 0..40 {
            cache.put(key(n), ints(500));
            cache.get(&key(0));
            assert!(cache.bytes() <= 50_000, "{}", cache.bytes());
        }
        assert!(cache.get(&key(0)).is_some() && cache.get(&key(39)).is_some());
        assert!(cache.get(&key(1)).is_none());
        cache.put(key(0), ints(10));
        cache.put(key(99), ints(5_000));
        assert!(cache.get(&key(99)).is_none(), "too large to keep");
        let before = cache.bytes();
        cache.put(Key::Nodes(1, 0, 1), Kept::Nodes(Arc::new(vec![0; 1_000])));
        assert!(cache.bytes() > before && cache.get(&key(39)).is_some());
    }
}
