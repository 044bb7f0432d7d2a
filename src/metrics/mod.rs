//! Own metrics, by the OpenTelemetry SDK: observed from the counts that components keep anyway, so
//! that counting costs nothing until somebody looks. `/metrics` shows them, and readers of
//! `service.telemetry.metrics` get them by OTLP.

mod instruments;
mod process;
pub(crate) mod push;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use opentelemetry::metrics::{Histogram, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use pipeline::{
    config_state::ConfigState,
    engine::{PipelineStats, Pipelines},
    spool::SpoolStats,
};
use prometheus::{Registry, TextEncoder};
use receiver::{budget::Budget, pprof::ScrapeMetrics, server::PushMetrics};

use crate::config::Telemetry;

/// How old a look at the spools may be. Each metric is asked for by itself; as all of them look at
/// the same moment, the account of an exporter adds up.
const MOMENT: Duration = Duration::from_millis(250);
/// How long the last push may take when the process ends.
const LAST_PUSH_MAX: Duration = Duration::from_secs(1);

/// The process's metrics. Cloning is cheap.
#[derive(Clone)]
pub struct Metrics {
    /// Ours, and those that the Collector has too.
    registries: [Registry; 2],
    /// Keep the instruments alive that the registries read.
    _providers: [SdkMeterProvider; 2],
    observed: Arc<Observed>,
    /// Held while metrics are read: who asks at the same time waits.
    reading: Arc<Mutex<()>>,
    pushing: Arc<Mutex<Option<Pushing>>>,
}

/// What pushes, and the part of the config that it was made of.
struct Pushing {
    telemetry: Telemetry,
    provider: SdkMeterProvider,
}

/// Where the numbers are.
struct Observed {
    pipelines: Pipelines,
    scrapes: ScrapeMetrics,
    pushes: PushMetrics,
    budget: Budget,
    config: ConfigState,
    /// Who records how late scrapes started and how long they took: `/metrics`, and then the push.
    times: Mutex<Vec<Times>>,
    started: Instant,
    moment: Mutex<Option<(Instant, Arc<Spools>)>>,
}

/// Histograms of the lateness and the duration of scrapes, in seconds.
type Times = [Histogram<f64>; 2];

/// Pipelines, each with its spool at one moment.
type Spools = Vec<(PipelineStats, SpoolStats)>;

impl Observed {
    fn times(&self) -> MutexGuard<'_, Vec<Times>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self) -> Arc<Spools> {
        let spools = self.pipelines.snapshot().into_iter();
        let spools: Spools = spools.map(|stats| (stats.clone(), stats.spool())).collect();
        let spools = Arc::new(spools);
        let mut moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        *moment = Some((Instant::now(), Arc::clone(&spools)));
        spools
    }

    fn spools(&self) -> Arc<Spools> {
        let moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match moment {
            Some((at, spools)) if at.elapsed() < MOMENT => spools,
            _ => self.refresh(),
        }
    }
}

impl Metrics {
    /// Metrics of these pipelines, which come and go, of all receivers, of the config and the
    /// process.
    pub fn new(
        pipelines: Pipelines,
        receivers: &receiver::Context,
        config: ConfigState,
    ) -> anyhow::Result<Self> {
        let registries = [Registry::new(), Registry::new()];
        let reader = |registry: &Registry| {
            opentelemetry_prometheus::exporter()
                .with_registry(registry.clone())
                .without_target_info()
                .scope_info_enabled(false)
        };
        let own = reader(&registries[0]).build().context("build the metrics reader")?;
        let shared = reader(&registries[1]).without_units().without_counter_suffixes();
        let shared = shared.build().context("build the metrics reader")?;
        let own = SdkMeterProvider::builder().with_reader(own).build();
        let shared = SdkMeterProvider::builder().with_reader(shared).build();
        let (scrapes, pushes) = (receivers.scrapes.clone(), receivers.pushes.clone());
        let budget = receivers.budget.clone();
        let (started, times, moment) = (Instant::now(), Mutex::default(), Mutex::default());
        let observed =
            Observed { pipelines, scrapes, pushes, budget, config, times, started, moment };
        let observed = Arc::new(observed);
        let meters = [own.meter("profpipe"), shared.meter("profpipe")];
        let times = instruments::register(&meters[0], &meters[1], &observed);
        observed.times().push(times);
        let (late, took) = (Arc::clone(&observed), Arc::clone(&observed));
        receivers.scrapes.watch_times(
            move |seconds| late.times().iter().for_each(|times| times[0].record(seconds, &[])),
            move |seconds| took.times().iter().for_each(|times| times[1].record(seconds, &[])),
        );
        let (reading, pushing) = (Arc::default(), Arc::default());
        Ok(Self { registries, _providers: [own, shared], observed, reading, pushing })
    }

    /// All metrics in the Prometheus text format.
    pub fn text(&self) -> anyhow::Result<String> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.observed.refresh();
        let families: Vec<_> = self.registries.iter().flat_map(Registry::gather).collect();
        TextEncoder::new().encode_to_string(&families).context("encode metrics")
    }

    /// Pushes to whom the config names, and to nobody else any more.
    ///
    /// # Errors
    /// Where an exporter cannot be made; nothing changes then.
    pub fn push(&self, telemetry: &Telemetry) -> anyhow::Result<()> {
        let mut pushing = self.pushing.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |old: &Pushing| {
            let Telemetry { metrics, resource, logs: _, traces: _ } = &old.telemetry;
            *metrics == telemetry.metrics && *resource == telemetry.resource
        };
        if pushing.as_ref().is_some_and(same) {
            return Ok(());
        }
        let new = match telemetry.metrics.readers.is_empty() {
            true => None,
            false => Some(push::provider(telemetry)?),
        };
        let mut times = self.observed.times();
        times.truncate(1);
        let new = new.map(|provider| {
            let meter = provider.meter("profpipe");
            times.push(instruments::register(&meter, &meter, &self.observed));
            Pushing { telemetry: telemetry.clone(), provider }
        });
        drop(times);
        if let Some(old) = std::mem::replace(&mut *pushing, new) {
            // Its last push may wait for a destination that is gone.
            std::thread::spawn(move || old.provider.shutdown_with_timeout(LAST_PUSH_MAX));
        }
        Ok(())
    }

    /// Pushes a last time.
    pub async fn stop(&self) {
        let last = self.pushing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(last) = last else { return };
        // What the last push says is of the end, not of a moment before.
        self.observed.refresh();
        let ended =
            tokio::task::spawn_blocking(move || last.provider.shutdown_with_timeout(LAST_PUSH_MAX));
        let ended = tokio::time::timeout(LAST_PUSH_MAX, ended).await;
        if !matches!(ended, Ok(Ok(Ok(())))) {
            tracing::warn!("the last push of own metrics did not succeed");
        }
    }
}
