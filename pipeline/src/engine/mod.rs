//! Wires components together with bounded channels and takes them down in flow order.
//!
//! Receivers → intake with the processors → spool → one worker per exporter. Nobody holds a profile
//! that is not durable longer than it takes to make it so, and no exporter can slow another down:
//! each reads the spool at its own pace.

mod backoff;
mod intake;
mod open;
mod process;
mod running;
mod stats;
mod worker;

#[cfg(test)]
mod flush_tests;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    component::{Exporter, Outlet, Processor, Receiver},
    settings::Settings,
    spool::Spool,
    trace::{Tracing, Trail},
};

pub use running::Running;
pub use stats::{ExporterStats, PipelineStats, Pipelines};

use process::Stages;
use running::Failures;

/// Batches that wait between receivers and the spool.
const QUEUE_BATCHES: usize = 64;

/// A pipeline that is not running yet.
pub struct Pipeline {
    /// Its name: `profiles`, or `profiles/x`.
    pub name: String,
    /// What brings profiles in, each with its id.
    pub receivers: Vec<(String, Box<dyn Receiver>)>,
    /// What changes them on their way, in order, each with its id.
    pub processors: Vec<(String, Box<dyn Processor>)>,
    /// What takes them out.
    pub exporters: Vec<Sink>,
    /// What keeps them in between. Its exporters are declared by `start`.
    pub spool: Arc<Spool>,
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

impl Pipeline {
    /// Starts exporters first and receivers last, so that nobody sends to what is not there.
    pub fn start(self) -> anyhow::Result<Running> {
        self.start_traced(Tracing::default())
    }

    /// The same with spans of the way that profiles take.
    pub fn start_traced(self, tracing: Tracing) -> anyhow::Result<Running> {
        let Self { name, receivers, processors, exporters, spool } = self;
        let stop = CancellationToken::new();
        // Cancelled when the intake has ended: from then on nothing more comes into the spool.
        let drained = CancellationToken::new();
        let ids: Vec<&str> = exporters.iter().map(|sink| sink.id.as_str()).collect();
        spool.set_exporters(&ids).context("declare exporters")?;
        let (outlet, intake) = Outlet::new(QUEUE_BATCHES);
        let outlet = outlet.traced(tracing.clone());
        let trail = Trail::new(tracing);
        let stats = PipelineStats::new(name, Arc::clone(&spool));
        let failures = Failures::new();
        let tending = tend(Arc::clone(&spool), drained.clone());
        let stages = Stages::default();
        let store = intake::Store {
            stages: stages.clone(),
            spool: Arc::clone(&spool),
            stats: stats.intake(),
            trail: trail.clone(),
        };
        let taking = intake::run(intake, store, drained.clone());
        let core = vec![
            failures.watch("care for the spool".into(), drained.clone(), tending),
            failures.watch("intake".into(), stop.clone(), taking),
        ];
        let mut running = Running {
            stages,
            spool,
            trail,
            stats,
            outlet,
            stop,
            drained,
            core,
            receivers: BTreeMap::new(),
            exporters: BTreeMap::new(),
            failures,
        };
        running.set_processors(processors);
        running.start_exporters(exporters);
        for (id, receiver) in receivers {
            running.add_receiver(id, receiver);
        }
        Ok(running)
    }
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
