//! What the spool tells about itself: the source of its metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Spool, State, Totals, lock};

const REJECTED_MAX: usize = 100;

/// A file that was set aside in `corrupt/` since the spool was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its name.
    pub file: String,
    /// What is wrong with it, one word.
    pub reason: String,
}

/// The spool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolStats {
    /// Bytes in segments.
    pub bytes: u64,
    /// Number of segment files.
    pub segments: u64,
    /// Age of the oldest record that is kept; none where the spool is empty.
    pub oldest_age: Option<Duration>,
    /// The number of the next record.
    pub head: u64,
    /// Files set aside as corrupt since the spool was opened.
    pub corrupt_files: u64,
    /// Why the disk keeps nothing of what it is given, if so.
    pub disk_fault: Option<String>,
    /// Whether the room for emergencies is set aside.
    pub ballast: bool,
    /// The account of each exporter, those removed since the spool was opened among them.
    pub exporters: BTreeMap<String, Totals>,
}

impl Spool {
    /// The spool as it is now; all figures are of one moment.
    pub fn stats(&self) -> SpoolStats {
        let ballast = lock(&self.ballast).is_present();
        let now = self.now_unix_ms();
        let state = lock(&self.state);
        let oldest = state.segments.front().map(|frame| now.saturating_sub(frame.oldest_unix_ms));
        let declared = state.exporters.iter();
        let declared = declared
            .map(|(name, exporter)| (name.clone(), exporter.cursor.progress.totals(state.head)));
        SpoolStats {
            bytes: state.bytes,
            segments: state.segments.len() as u64,
            oldest_age: oldest.map(Duration::from_millis),
            head: state.head,
            corrupt_files: state.corrupt_files,
            disk_fault: state.disk_fault(),
            ballast,
            exporters: state.removed.clone().into_iter().chain(declared).collect(),
        }
    }

    /// The files set aside since the spool was opened, the last hundred of them.
    pub fn rejected(&self) -> Vec<Rejected> {
        lock(&self.state).rejected.clone()
    }
}

impl State {
    pub(super) fn disk_fault(&self) -> Option<String> {
        let is_full = self.too_many_bytes > 0;
        let full = || is_full.then(|| "no space left above the free floor".to_owned());
        self.failure.clone().or_else(full)
    }

    pub(super) fn reject(&mut self, file: String, reason: String) {
        self.corrupt_files += 1;
        if self.rejected.len() == REJECTED_MAX {
            self.rejected.remove(0);
        }
        self.rejected.push(Rejected { file, reason });
    }
}
