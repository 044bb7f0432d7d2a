//! The durable queue between receivers and exporters: immutable segments on disk, a cursor per
//! exporter.
//!
//! [`Spool::append`] returns only when its records would survive a power cut; each exporter reads
//! them through its own [`Reader`] and accounts for every one. All calls block: async code makes
//! them on blocking threads. README.md has the format and what is promised.

mod append;
mod ballast;
mod clock;
mod collect;
mod config;
mod cursor;
mod dead;
mod error;
mod exporters;
mod join;
mod names;
mod reader;
mod recover;
mod ring;
mod segment;
mod slots;
mod stats;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use clock::{Clock, steady_clock};
pub use config::{FreeFloor, FullPolicy, SpoolConfig};
pub use cursor::{DropReason, Outcome, Totals};
pub use dead::{DeadLetter, dead_letters};
pub use error::SpoolError;
pub use reader::Reader;
pub use segment::{Payload, Record};
pub use stats::{Rejected, SpoolStats};

use append::Writer;
use ballast::Ballast;
use cursor::Cursor;
use ring::Ring;
use segment::{Frame, Segment};
use slots::SlotFile;

use crate::storage::Storage;

/// No record has a number as high: a million records a second take 146,000 years. What names one is
/// damaged; followed there, the spool would soon have no number left to give.
const SEQ_END: u64 = 1 << 62;

/// The spool of one pipeline, shared by its receivers and exporters.
///
/// Where several locks are held they are taken in the order of the fields, save `limits`, under
/// which nothing else is taken; `state` is never held during a call to the disk.
pub struct Spool {
    disk: Arc<dyn Storage>,
    dir: PathBuf,
    config: SpoolConfig,
    /// The limits of `config` that a reload may change.
    limits: Mutex<(u64, Duration, FullPolicy)>,
    clock: Clock,
    head: watch::Sender<u64>,
    writer: Mutex<Writer>,
    dead: Mutex<BTreeMap<String, Ring>>,
    corrupt: Mutex<Ring>,
    meta: Mutex<Meta>,
    ballast: Mutex<Ballast>,
    state: Mutex<State>,
}

/// What readers and writer share.
#[derive(Default)]
struct State {
    /// Whole segments on disk, oldest first; where numbers are missing, records were lost.
    segments: VecDeque<Frame>,
    /// Sum of the segments' sizes.
    bytes: u64,
    /// The number of the next record.
    head: u64,
    exporters: BTreeMap<String, Exporter>,
    /// The last account of exporters removed since the spool was opened.
    removed: BTreeMap<String, Totals>,
    /// Readers given out so far.
    readers: u64,
    /// The segment appended last: readers that keep up never touch the disk.
    fresh: Option<Arc<Segment>>,
    /// Why the disk refuses to keep data, while it does.
    failure: Option<String>,
    /// Bytes that the disk had no room for lately; 0 if it has.
    too_many_bytes: u64,
    rejected: Vec<Rejected>,
    corrupt_files: u64,
}

struct Exporter {
    cursor: Cursor,
    /// Taken before `state`, never while `state` is held.
    file: Arc<Mutex<SlotFile>>,
}

/// The number that must not be given again even when no segment is left to show it.
struct Meta {
    file: SlotFile,
    next: u64,
}

impl Spool {
    /// The number of the next record, as it moves: what an idle exporter waits on.
    pub fn watch_head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Whether the disk keeps what it is given. [`Self::tend`] tries again.
    pub fn is_writable(&self) -> bool {
        lock(&self.state).failure.is_none()
    }

    /// Why the disk lets the spool take nothing, if it does: a part of readiness. A spool that is
    /// full because a destination is away is not a fault of the disk.
    pub fn disk_fault(&self) -> Option<String> {
        lock(&self.state).disk_fault()
    }

    /// Changes what the spool may take, how long it keeps it, and what happens when it is full,
    /// from the next record on. Of a config nothing else can change.
    pub fn set_limits(&self, config: &SpoolConfig) {
        *lock(&self.limits) = (config.bytes_max, config.max_age, config.full);
    }

    /// Most bytes in segments.
    fn bytes_max(&self) -> u64 {
        lock(&self.limits).0
    }

    /// Most bytes in one record.
    pub fn record_bytes_max(&self) -> u64 {
        self.config.record_bytes_max
    }

    /// Age at which a record is dropped.
    fn max_age(&self) -> Duration {
        lock(&self.limits).1
    }

    /// What happens when there is no room.
    fn full(&self) -> FullPolicy {
        lock(&self.limits).2
    }

    /// The spool's own time, in milliseconds since 1970: what records are stamped with.
    pub fn now_unix_ms(&self) -> u64 {
        (self.clock)()
    }

    fn segment_path(&self, frame: &Frame) -> PathBuf {
        self.dir.join(names::segment(&frame.records))
    }

    /// Makes sure that all numbers below `next` stay given.
    fn keep_numbers(&self, next: u64) -> Result<(), SpoolError> {
        let mut meta = lock(&self.meta);
        if meta.next < next {
            self.with_ballast(|| meta.file.save(&next.to_le_bytes()))?;
            meta.next = next;
        }
        Ok(())
    }

    /// Runs `work`, and once more with the ballast's room if the disk is full.
    fn with_ballast(
        &self,
        mut work: impl FnMut() -> Result<(), SpoolError>,
    ) -> Result<(), SpoolError> {
        match work() {
            Err(error) if error.is_disk_full() && lock(&self.ballast).release() => work(),
            other => other,
        }
    }
}

fn cursors_dir(dir: &Path) -> PathBuf {
    dir.join("cursors")
}

fn corrupt_dir(dir: &Path) -> PathBuf {
    dir.join("corrupt")
}

fn dead_dir(dir: &Path) -> PathBuf {
    dir.join("dead")
}

/// A panic elsewhere leaves our data whole: every change under a lock is complete in itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod tests;
