//! Keeps one scraper a target while the list of targets changes: unchanged ones keep theirs, with
//! the window that is under way; those that are gone are stopped before new ones start.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use pipeline::target::{Target, TargetBoard};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    scrape::{Gates, Scraper, Shared, gates},
    status::Report,
    target::{ScrapeTarget, host_port},
};

/// First scrapes are spread over this time for each target that starts …
const SPREAD_PER_TARGET: Duration = Duration::from_millis(5);

/// … and over this time at most.
const SPREAD_MAX: Duration = Duration::from_secs(5);

/// The scrapers that run.
pub(super) struct Manager {
    shared: Arc<Shared>,
    board: TargetBoard,
    running: HashMap<ScrapeTarget, Running>,
    gates: HashMap<String, Weak<Gates>>,
}

struct Running {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Manager {
    /// A manager of no targets.
    pub(super) fn new(shared: Shared, board: TargetBoard) -> Self {
        let shared = Arc::new(shared);
        Self { shared, board, running: HashMap::new(), gates: HashMap::new() }
    }

    /// Makes the scrapers fit the list. Of several targets with one job and address the first one
    /// counts.
    pub(super) async fn sync(&mut self, targets: &[ScrapeTarget]) {
        let mut first = HashMap::new();
        for target in targets {
            let Target { job, address, .. } = &target.target;
            first.entry((job, address)).or_insert(target);
        }
        let wanted: HashSet<&ScrapeTarget> = first.into_values().collect();
        let gone = self.running.extract_if(|target, _| !wanted.contains(target)).collect();
        self.stop(gone).await;
        let is_new = |target: &&ScrapeTarget| !self.running.contains_key(*target);
        let new: Vec<_> = wanted.into_iter().filter(is_new).collect();
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let spread = SPREAD_PER_TARGET.saturating_mul(count).min(SPREAD_MAX);
        for target in new {
            self.start(target.clone(), spread);
        }
    }

    /// Stops all scrapers and waits for them.
    pub(super) async fn shutdown(mut self) {
        let all = self.running.drain().collect();
        self.stop(all).await;
    }

    fn start(&mut self, target: ScrapeTarget, spread: Duration) {
        let process = host_port(&target.target.address);
        let gates = match self.gates.get(&process).and_then(Weak::upgrade) {
            Some(gates) => gates,
            None => Arc::new(gates()),
        };
        self.gates.insert(process, Arc::downgrade(&gates));
        let report = Report::new(target.clone(), self.board.clone());
        let scraper = Scraper::new(target.clone(), gates, report, Arc::clone(&self.shared));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            stopped.run_until_cancelled(scraper.run(spread)).await;
        });
        self.running.insert(target, Running { stop, task: AbortOnDropHandle::new(task) });
    }

    async fn stop(&mut self, gone: Vec<(ScrapeTarget, Running)>) {
        for (_, running) in &gone {
            running.stop.cancel();
        }
        let (targets, tasks): (Vec<_>, Vec<_>) =
            gone.into_iter().map(|(target, running)| (target, running.task)).unzip();
        for error in join_all(tasks).await.into_iter().filter_map(Result::err) {
            tracing::error!(%error, "scrape loop broke off");
        }
        for target in targets {
            self.board.remove(&target.target);
        }
        self.gates.retain(|_, gates| gates.strong_count() > 0);
    }
}
