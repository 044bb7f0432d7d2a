//! A pipeline that runs, and what can be changed while it does: receivers and exporters come and
//! go around the spool, so that a reload of the config interrupts nobody whom it does not concern.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use futures_util::future::join_all;
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Sink, blocking,
    process::{Stage, Stages},
    stats::PipelineStats,
    worker,
};
use crate::{
    component::{Outlet, Processor, Receiver},
    spool::Spool,
    trace::Trail,
};

/// A pipeline that runs. Dropping it aborts its tasks; what the spool has accepted stays there.
pub struct Running {
    pub(super) stages: Stages,
    pub(super) spool: Arc<Spool>,
    pub(super) trail: Trail,
    pub(super) stats: PipelineStats,
    pub(super) outlet: Outlet,
    /// Cancelled when the pipeline stops: receivers end.
    pub(super) stop: CancellationToken,
    /// Cancelled when the intake has ended: workers end.
    pub(super) drained: CancellationToken,
    /// Intake, and what looks after the spool.
    pub(super) core: Vec<Part>,
    pub(super) receivers: BTreeMap<String, Part>,
    pub(super) exporters: BTreeMap<String, Part>,
    pub(super) failures: Failures,
}

/// Where parts tell that they ended by themselves.
pub(super) struct Failures {
    tell: mpsc::UnboundedSender<anyhow::Error>,
    told: mpsc::UnboundedReceiver<anyhow::Error>,
}

/// A task that is expected to run until its token is cancelled.
pub(super) struct Part {
    stop: CancellationToken,
    task: AbortOnDropHandle<anyhow::Result<()>>,
}

impl Failures {
    pub(super) fn new() -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { tell, told }
    }

    /// Starts a part. One that ends before its token is cancelled is a failure.
    pub(super) fn watch(
        &self,
        name: String,
        stop: CancellationToken,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> Part {
        let (tell, told_to_stop) = (self.tell.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let ended = AbortOnDropHandle::new(tokio::spawn(work)).await;
            let ended = match ended {
                Ok(ended) => ended.with_context(|| name.clone()),
                Err(panicked) => {
                    Err(anyhow::Error::new(panicked).context(format!("{name} failed")))
                }
            };
            if !told_to_stop.is_cancelled() {
                let why = match &ended {
                    Ok(()) => anyhow::anyhow!("{name} ended by itself"),
                    Err(error) => anyhow::anyhow!("{error:#}"),
                };
                let _ = tell.send(why); // Nobody listens when all of it is dropped.
            }
            ended
        });
        Part { stop, task: AbortOnDropHandle::new(task) }
    }
}

impl Part {
    /// Tells it to stop and waits; what has not ended at the deadline is aborted.
    async fn end(self, deadline: Instant) -> anyhow::Result<()> {
        self.stop.cancel();
        let ended = time::timeout_at(deadline, self.task).await;
        ended.context("did not end in time")?.context("wait for the end")?
    }
}

impl Running {
    /// What the pipeline counts; stays valid after it has ended.
    pub fn stats(&self) -> PipelineStats {
        self.stats.clone()
    }

    /// Resolves when a component ends on its own, which a healthy one never does.
    pub async fn ended(&mut self) -> anyhow::Error {
        let failure = self.failures.told.recv().await;
        failure.unwrap_or_else(|| anyhow::anyhow!("nobody is left to fail"))
    }

    /// The spool between receivers and exporters.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Puts processors, each with its id, in the place of those that there were. What one of the
    /// same id dropped counts on.
    pub fn set_processors(&self, processors: Vec<(String, Box<dyn Processor>)>) {
        self.stats.keep_processors(|id| processors.iter().any(|(other, _)| other == id));
        let stage = |(id, processor): (String, Box<dyn Processor>)| Stage {
            processor,
            dropped: self.stats.processor(&id),
        };
        self.outlet.take_requests(processors.is_empty());
        self.stages.set(processors.into_iter().map(stage).collect());
    }

    /// Starts a receiver. Its id must be free.
    pub fn add_receiver(&mut self, id: String, receiver: Box<dyn Receiver>) {
        let stop = self.stop.child_token();
        let outlet = self.outlet.of(self.stats.source(&id));
        let work = receiver.run(outlet, stop.clone());
        let part = self.failures.watch(format!("receiver {id}"), stop, work);
        self.receivers.insert(id, part);
    }

    /// Ends a receiver; after `grace` it is aborted. What it has sent is in the spool or will be.
    pub async fn end_receiver(&mut self, id: &str, grace: Duration) {
        let Some(part) = self.receivers.remove(id) else { return };
        if let Err(error) = part.end(Instant::now() + grace).await {
            tracing::warn!(receiver = id, error = format!("{error:#}"), "receiver ended badly");
        }
    }

    /// Ends these exporters at once; after `grace` they are aborted. Their places in the spool
    /// stay until the next [`Running::add_exporters`].
    pub async fn end_exporters(&mut self, ids: &[String], grace: Duration) {
        let deadline = Instant::now() + grace;
        let parts = ids.iter().filter_map(|id| Some((id, self.exporters.remove(id)?)));
        let ends = parts.map(async |(id, part)| (id, part.end(deadline).await));
        for (id, ended) in join_all(ends).await {
            if let Err(error) = ended {
                tracing::warn!(exporter = id, error = format!("{error:#}"), "exporter ended badly");
            }
        }
    }

    /// Starts exporters beside those that run, and declares all of them to the spool: one whose id
    /// the spool knows goes on where it was, a new one starts at the tail, and one that is gone
    /// gives up its share.
    pub async fn add_exporters(&mut self, sinks: Vec<Sink>) -> anyhow::Result<()> {
        let running = self.exporters.keys().cloned();
        let ids: Vec<String> = running.chain(sinks.iter().map(|sink| sink.id.clone())).collect();
        let spool = Arc::clone(&self.spool);
        let declared = blocking(move || {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            spool.set_exporters(&ids)
        });
        declared.await?.context("declare exporters")?;
        self.start_exporters(sinks);
        Ok(())
    }

    /// Starts exporters that the spool knows.
    pub(super) fn start_exporters(&mut self, sinks: Vec<Sink>) {
        for sink in sinks {
            let (id, stats) = (sink.id.clone(), self.stats.exporter(&sink.id));
            let stop = self.drained.child_token();
            let (spool, trail) = (Arc::clone(&self.spool), self.trail.clone());
            let worker = worker::Worker::new(sink, spool, stats, trail);
            let work = worker.run(stop.clone());
            let part = self.failures.watch(format!("exporter {id}"), stop, work);
            self.exporters.insert(id, part);
        }
        self.stats.keep_exporters(|id| self.exporters.contains_key(id));
    }

    /// Stops the receivers; each later stage ends when the channel before it closes. After
    /// `grace`, what is left is aborted: accepted profiles stay in the spool for the next start.
    pub async fn shutdown(self, grace: Duration) -> anyhow::Result<()> {
        let Self { stop, outlet, core, receivers, exporters, .. } = self;
        stop.cancel();
        drop(outlet);
        let parts = receivers.into_values().chain(core).chain(exporters.into_values());
        // Their tokens are children of `stop` and `drained`: to cancel those of workers here would
        // end them before the last profiles are in the spool.
        let tasks = join_all(parts.map(|part| part.task));
        match time::timeout(grace, tasks).await {
            // All have come to their end; the first failure of them is told.
            Ok(ended) => ended
                .into_iter()
                .map(|ended| ended.context("wait for the end").flatten())
                .fold(Ok(()), Result::and),
            Err(_) => anyhow::bail!("components did not end within {grace:?}"),
        }
    }
}
