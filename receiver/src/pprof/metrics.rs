//! Counts of scrapes, for `/metrics`: every attempt ends as one success or one failure.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
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
    repaired: AtomicU64,
    restarts: AtomicU64,
    clocks_back: AtomicU64,
    lateness: Watcher,
    duration: Watcher,
}

/// Who wants each value of a time in seconds, and not only their sum.
type Watch = Box<dyn Fn(f64) + Send + Sync>;

#[derive(Default)]
struct Watcher(OnceLock<Watch>);

impl Watcher {
    fn see(&self, time: Duration) {
        if let Some(watch) = self.0.get() {
            watch(time.as_secs_f64());
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
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
    /// Strings that were no UTF-8, or so long that only their tail was kept.
    pub repaired: u64,
    /// Snapshots whose counters had fallen, because the process started anew.
    pub restarts: u64,
    /// Snapshots older than the one before, so that what happened in between is not known.
    pub clocks_back: u64,
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
            repaired: counters.repaired.load(Relaxed),
            restarts: counters.restarts.load(Relaxed),
            clocks_back: counters.clocks_back.load(Relaxed),
        }
    }

    /// Hands on how late each scrape started, and how long it took, in seconds. The first to ask
    /// is told.
    pub fn watch_times(
        &self,
        lateness: impl Fn(f64) + Send + Sync + 'static,
        duration: impl Fn(f64) + Send + Sync + 'static,
    ) {
        let _only_the_first = self.0.lateness.0.set(Box::new(lateness));
        let _only_the_first = self.0.duration.0.set(Box::new(duration));
    }

    /// A scrape starts so long after it was due.
    pub(super) fn started(&self, late: Duration) {
        self.0.attempts.fetch_add(1, Relaxed);
        self.0.lateness.see(late);
    }

    /// A scrape has ended, well or not, after this time.
    pub(super) fn ended(&self, took: Duration) {
        self.0.duration.see(took);
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

    pub(super) fn clock_back(&self) {
        self.0.clocks_back.fetch_add(1, Relaxed);
    }

    pub(super) fn repaired(&self, texts: u64) {
        self.0.repaired.fetch_add(texts, Relaxed);
    }

    pub(super) fn timestamp_adjusted(&self) {
        self.0.timestamps_adjusted.fetch_add(1, Relaxed);
    }
}
