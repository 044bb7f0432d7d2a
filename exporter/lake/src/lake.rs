//! A lake directory as readers see it: never locked, never written.

use std::path::PathBuf;

use crate::{cache::Cache, tries::Tries};

/// Bytes that a lake keeps of its files between questions.
const CACHE_BYTES: usize = 64 << 20;

/// A read-only view of a lake directory. Cheap to open; share one between questions, because it
/// keeps what they read. A directory that is not there is an empty lake.
#[derive(Debug)]
pub struct Lake {
    pub(crate) root: PathBuf,
    pub(crate) cache: Cache,
    pub(crate) tries: Tries,
}

impl Lake {
    /// The lake in this directory. Looks at nothing yet.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self::with_cache(root, CACHE_BYTES)
    }

    /// With another limit on what is kept; a quarter of it again goes to the call tree.
    pub fn with_cache(root: impl Into<PathBuf>, bytes_max: usize) -> Self {
        let (cache, tries) = (Cache::new(bytes_max), Tries::new(bytes_max / 4));
        Self { root: root.into(), cache, tries }
    }

    /// Column chunks that were read from files since this was opened: what questions cost, besides
    /// the footers, which tell what need not be read.
    pub fn chunks_read(&self) -> u64 {
        self.cache.chunks_read()
    }

    /// Bytes that are kept between questions, without the call tree.
    pub fn kept_bytes(&self) -> usize {
        self.cache.bytes()
    }
}
