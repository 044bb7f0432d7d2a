//! Counts of scrapes, for `/metrics`: every attempt ends as one success or one failure.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use pipeline::reason::Reason;

/// Counters of all scrape loops. Cloning gives the same counters.
#[derive(Clone, Debug, Default)]
pub struct ScrapeMetrics(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    attempts: AtomicU64,
    successes: AtomicU64,
    failures: Mutex<BTreeMap<Reason, u64>>,
    body_bytes: AtomicU64,
    skipped_ticks: AtomicU64,
    timestamps_adjusted: AtomicU64,
    restarts: AtomicU64,
}

/// The counts at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// Requests that were started.
    pub attempts: u64,
    /// Scrapes whose profiles are durable.
    pub successes: u64,
    /// Scrapes that failed, by reason.
    pub failures: BTreeMap<Reason, u64>,
    /// Bytes of answers with status 200, as they came over the wire.
    pub body_bytes: u64,
    /// Ticks of a schedule at which an earlier scrape was still under way.
    pub skipped_ticks: u64,
    /// Profiles whose time was so far off that the time of the scrape took its place.
    pub timestamps_adjusted: u64,
    /// Snapshots whose counters had fallen, because the process started anew.
    pub restarts: u64,
}

impl ScrapeMetrics {
    /// The counts at this moment.
    pub fn snapshot(&self) -> ScrapeCounts {
        let counters = &self.0;
        ScrapeCounts {
            attempts: counters.attempts.load(Relaxed),
            successes: counters.successes.load(Relaxed),
            failures: counters.failures.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            body_bytes: counters.body_bytes.load(Relaxed),
            skipped_ticks: counters.skipped_ticks.load(Relaxed),
            timestamps_adjusted: counters.timestamps_adjusted.load(Relaxed),
            restarts: counters.restarts.load(Relaxed),
        }
    }

    pub(super) fn attempt(&self) {
        self.0.attempts.fetch_add(1, Relaxed);
    }

    pub(super) fn success(&self) {
        self.0.successes.fetch_add(1, Relaxed);
    }

    pub(super) fn failure(&self, reason: Reason) {
        let mut failures = self.0.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(reason).or_default() += 1;
    }

    pub(super) fn body(&self, bytes: usize) {
        self.0.body_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn skipped(&self, ticks: u64) {
        self.0.skipped_ticks.fetch_add(ticks, Relaxed);
    }

    pub(super) fn restarted(&self) {
        self.0.restarts.fetch_add(1, Relaxed);
    }

    pub(super) fn timestamp_adjusted(&self) {
        self.0.timestamps_adjusted.fetch_add(1, Relaxed);
    }
}
