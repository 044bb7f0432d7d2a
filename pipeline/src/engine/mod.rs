//! Wires components together with bounded channels and takes them down in flow order.
//!
//! Receivers → intake → spool → one worker per exporter. Nobody holds a profile that is not durable
//! longer than it takes to make it so, and no exporter can slow another down: each reads the spool
//! at its own pace.

mod backoff;
mod intake;
mod stats;
mod worker;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    task::JoinSet,
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    component::{Exporter, Outlet, Receiver},
    limits::Limits,
    settings::Settings,
    spool::Spool,
};

pub use stats::{ExporterStats, PipelineStats};

/// Batches that wait between receivers and the spool.
const QUEUE_BATCHES: usize = 64;

/// A pipeline that is not running yet.
pub struct Pipeline {
    /// Its name: `profiles`, or `profiles/x`.
    pub name: String,
    /// What brings profiles in, each with its id.
    pub receivers: Vec<(String, Box<dyn Receiver>)>,
    /// What takes them out.
    pub exporters: Vec<Sink>,
    /// What keeps them in between. Its exporters are declared by `start`.
    pub spool: Arc<Spool>,
    /// Limits on the profiles that are read back from the spool.
    pub limits: Limits,
}

/// An exporter with its id and how it is to be treated.
pub struct Sink {
    /// Its id: `parquet`, or `parquet/x`.
    pub id: String,
    /// The exporter.
    pub exporter: Box<dyn Exporter>,
    /// Timeout and retry.
    pub settings: Settings,
}

/// A pipeline that runs. Dropping it aborts its tasks; what the spool has accepted stays there.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    stats: PipelineStats,
}

impl Pipeline {
    /// Starts exporters first and receivers last, so that nobody sends to what is not there.
    pub fn start(self) -> anyhow::Result<Running> {
        let stop = CancellationToken::new();
        // Cancelled when the intake has ended: from then on nothing more comes into the spool.
        let drained = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let ids: Vec<&str> = self.exporters.iter().map(|sink| sink.id.as_str()).collect();
        self.spool.set_exporters(&ids).context("declare exporters")?;
        let mut exporters = Vec::new();
        for sink in self.exporters {
            let stats = Arc::new(ExporterStats::default());
            exporters.push((sink.id.clone(), Arc::clone(&stats)));
            let spool = Arc::clone(&self.spool);
            let worker = worker::Worker::new(sink, spool, self.limits, stats);
            tasks.spawn(worker.run(drained.clone()));
        }
        tasks.spawn(tend(Arc::clone(&self.spool), drained.clone()));
        let (outlet, intake) = Outlet::new(QUEUE_BATCHES);
        let stats = PipelineStats::new(self.name, Arc::clone(&self.spool), exporters);
        tasks.spawn(intake::run(intake, self.spool, stats.intake(), drained));
        for (id, receiver) in self.receivers {
            let running = receiver.run(outlet.clone(), stop.clone());
            tasks.spawn(async move { running.await.with_context(|| format!("receiver {id}")) });
        }
        Ok(Running { stop, tasks, stats })
    }
}

impl Running {
    /// What the pipeline counts; stays valid after it has ended.
    pub fn stats(&self) -> PipelineStats {
        self.stats.clone()
    }

    /// Resolves when a component ends on its own, which a healthy one never does.
    pub async fn ended(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panicked)) => anyhow::Error::new(panicked).context("a component failed"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a component ended by itself"),
        }
    }

    /// Stops the receivers; each later stage ends when the channel before it closes. After
    /// `grace`, what is left is aborted: accepted profiles stay in the spool for the next start.
    pub async fn shutdown(mut self, grace: Duration) -> anyhow::Result<()> {
        self.stop.cancel();
        match time::timeout(grace, drain(&mut self.tasks)).await {
            Ok(result) => result,
            Err(_) => {
                self.tasks.shutdown().await;
                anyhow::bail!("components did not end within {grace:?}")
            }
        }
    }
}

/// Waits for every task and gives the first failure: one bad component must not cut others off.
async fn drain(tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut result = Ok(());
    while let Some(joined) = tasks.join_next().await {
        result = result.and(joined.map_err(Into::into).flatten());
    }
    result
}

/// Lets the spool look after its disk once a second.
async fn tend(spool: Arc<Spool>, drained: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drained.run_until_cancelled(ticks.tick()).await.is_some() {
        let spool = Arc::clone(&spool);
        blocking(move || spool.tend()).await?;
    }
    Ok(())
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("run blocking work")
}
