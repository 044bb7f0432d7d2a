//! Own metrics, by the OpenTelemetry SDK: observed from the counts that components keep anyway, so
//! that counting costs nothing until somebody looks.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter, MeterProvider as _},
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use pipeline::{
    engine::PipelineStats,
    spool::{SpoolStats, Totals},
};
use prometheus::{Registry, TextEncoder};
use receiver::{
    budget::Budget,
    pprof::{ScrapeCounts, ScrapeMetrics},
};

/// The process's metrics. Cloning is cheap.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
    /// Held while the metrics are read: who asks at the same time waits.
    pipelines: Arc<Mutex<Vec<Arc<Observed>>>>,
}

/// A pipeline, and its spool at the moment that is shown. Each metric is asked for by itself; as
/// all of them look at the same moment, the account of an exporter adds up in every answer.
struct Observed {
    stats: PipelineStats,
    spool: Mutex<SpoolStats>,
}

impl Observed {
    fn refresh(&self) {
        *self.spool.lock().unwrap_or_else(PoisonError::into_inner) = self.stats.spool();
    }

    fn name(&self) -> KeyValue {
        KeyValue::new("pipeline", self.stats.name().to_owned())
    }

    fn spool<T>(&self, look: impl FnOnce(&SpoolStats) -> T) -> T {
        look(&self.spool.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Metrics {
    /// No metrics but `profpipe_build_info` and what the process uses.
    pub fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .with_namespace("profpipe")
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .context("build the metrics reader")?;
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let metrics = Self { registry, provider, pipelines: Arc::default() };
        let version = KeyValue::new("version", env!("CARGO_PKG_VERSION"));
        metrics
            .meter()
            .u64_observable_gauge("build_info")
            .with_description("Always 1; the labels say what runs")
            .with_callback(move |observer| observer.observe(1, std::slice::from_ref(&version)))
            .build();
        Ok(metrics)
    }

    fn meter(&self) -> Meter {
        self.provider.meter("profpipe")
    }

    /// All metrics in the Prometheus text format.
    pub fn text(&self) -> anyhow::Result<String> {
        let pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.iter().for_each(|pipeline| pipeline.refresh());
        let families = self.registry.gather();
        drop(pipelines);
        TextEncoder::new().encode_to_string(&families).context("encode metrics")
    }

    /// Shows the counts of a pipeline: `accepted = delivered + pending + dead_lettered + dropped`
    /// for each exporter.
    pub fn observe_pipeline(&self, stats: &PipelineStats) {
        let observed = Arc::new(Observed { stats: stats.clone(), spool: stats.spool().into() });
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.push(Arc::clone(&observed));
        drop(pipelines);
        for (name, help, count) in ACCOUNT {
            let observed = Arc::clone(&observed);
            self.meter()
                .u64_observable_gauge(*name)
                .with_description(*help)
                .with_callback(move |observer| per_exporter(&observed, *count, observer))
                .build();
        }
        let dropped = Arc::clone(&observed);
        self.meter()
            .u64_observable_counter("exporter_dropped_profiles")
            .with_description("Profiles given up, by reason")
            .with_callback(move |observer| per_reason(&dropped, observer))
            .build();
        self.observe_spool(&observed);
        self.observe_intake(stats);
        self.observe_pushes(stats);
    }

    fn observe_spool(&self, observed: &Arc<Observed>) {
        for (name, help, value) in SPOOL {
            let observed = Arc::clone(observed);
            self.meter()
                .u64_observable_gauge(*name)
                .with_description(*help)
                .with_callback(move |observer| {
                    observer.observe(observed.spool(value), &[observed.name()]);
                })
                .build();
        }
    }

    fn observe_intake(&self, stats: &PipelineStats) {
        let intake = stats.clone();
        self.meter()
            .u64_observable_counter("intake_profiles")
            .with_description("Profiles that receivers gave since the start, by outcome")
            .with_callback(move |observer| {
                let (accepted, refused) = intake.intake_counts();
                for (outcome, count) in [("accepted", accepted), ("refused", refused)] {
                    let labels = [
                        KeyValue::new("pipeline", intake.name().to_owned()),
                        KeyValue::new("outcome", outcome),
                    ];
                    observer.observe(count, &labels);
                }
            })
            .build();
    }

    fn observe_pushes(&self, stats: &PipelineStats) {
        let stats = stats.clone();
        self.meter()
            .u64_observable_counter("exporter_pushes")
            .with_description("Attempts to export since the start, by outcome")
            .with_callback(move |observer| {
                for (exporter, counts) in stats.exporters() {
                    for (outcome, count) in [("ok", counts.pushes()), ("failed", counts.failures())]
                    {
                        let labels = [
                            KeyValue::new("pipeline", stats.name().to_owned()),
                            KeyValue::new("exporter", exporter.clone()),
                            KeyValue::new("outcome", outcome),
                        ];
                        observer.observe(count, &labels);
                    }
                }
            })
            .build();
    }

    /// Shows the memory that bodies and profiles take on their way to the spool.
    pub fn observe_memory(&self, budget: &Budget) {
        let budget = budget.clone();
        self.meter()
            .u64_observable_gauge("receiver_in_flight")
            .with_description("Bytes of bodies and profiles that are not durable yet")
            .with_unit("By")
            .with_callback(move |observer| observer.observe(budget.used() as u64, &[]))
            .build();
    }

    fn observe_times(&self, scrapes: &ScrapeMetrics) {
        let histogram = |name, help| {
            let meter = self.meter();
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(help);
            let histogram = histogram.with_boundaries(TIMES_S.to_vec()).build();
            move |seconds: f64| histogram.record(seconds, &[])
        };
        scrapes.watch_times(
            histogram("scrape_lateness", "From when a scrape was due to its start"),
            histogram("scrape_duration", "From the start of a scrape to its end, good or bad"),
        );
    }

    /// Shows the counts of all scrapes.
    pub fn observe_scrapes(&self, scrapes: &ScrapeMetrics) {
        self.observe_times(scrapes);
        let counts = scrapes.clone();
        self.meter()
            .u64_observable_counter("scrapes")
            .with_description("Scrapes that ended, by outcome: ok, or the reason of the failure")
            .with_callback(move |observer| {
                let counts = counts.snapshot();
                observer.observe(counts.successes, &[KeyValue::new("outcome", "ok")]);
                for (reason, count) in counts.failures {
                    observer.observe(count, &[KeyValue::new("outcome", reason.as_str())]);
                }
            })
            .build();
        for (name, help, unit, count) in SCRAPES {
            let counts = scrapes.clone();
            self.meter()
                .u64_observable_counter(*name)
                .with_description(*help)
                .with_unit(*unit)
                .with_callback(move |observer| observer.observe(count(&counts.snapshot()), &[]))
                .build();
        }
    }
}

/// Upper bounds of the buckets of times, in seconds.
const TIMES_S: [f64; 13] =
    [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0];

type Scraped = fn(&ScrapeCounts) -> u64;

const SCRAPES: &[(&str, &str, &str, Scraped)] = &[
    ("scrape_attempts", "Scrapes that were started", "", |c| c.attempts),
    ("scrape_body", "Bytes of bodies as they came over the wire", "By", |c| c.body_bytes),
    ("scrape_skipped_ticks", "Ticks at which a scrape was still under way", "", |c| {
        c.skipped_ticks
    }),
    ("scrape_adjusted_times", "Profiles whose time was far off", "", |c| c.timestamps_adjusted),
    ("scrape_restarts", "Snapshots whose counters had fallen", "", |c| c.restarts),
];

type Count = fn(&Totals) -> u64;

/// The account of an exporter, which lives in its cursor and so survives restarts: gauges to
/// Prometheus, because they do not start at zero with the process.
const ACCOUNT: &[(&str, &str, Count)] = &[
    ("exporter_accepted_profiles", "Profiles that the exporter is answerable for", |t| t.accepted),
    ("exporter_delivered_profiles", "Profiles that the destination has", |t| t.delivered),
    ("exporter_pending_profiles", "Profiles that wait in the spool", |t| t.pending),
    ("exporter_dead_lettered_profiles", "Profiles refused for good", |t| t.dead_lettered),
];

type Size = fn(&SpoolStats) -> u64;

const SPOOL: &[(&str, &str, Size)] = &[
    ("spool_bytes", "Bytes in segments", |s| s.bytes),
    ("spool_segments", "Number of segment files", |s| s.segments),
    ("spool_corrupt_files", "Files set aside as corrupt since the start", |s| s.corrupt_files),
    ("spool_writable", "1 while the disk keeps what it is given", |s| u64::from(s.writable)),
    ("spool_oldest_age_seconds", "Age of the oldest profile that waits", |s| {
        s.oldest_age.map_or(0, |age| age.as_secs())
    }),
];

fn per_exporter(observed: &Observed, count: Count, observer: &dyn AsyncInstrument<u64>) {
    observed.spool(|spool| {
        for (exporter, totals) in &spool.exporters {
            let labels = [observed.name(), KeyValue::new("exporter", exporter.clone())];
            observer.observe(count(totals), &labels);
        }
    });
}

fn per_reason(observed: &Observed, observer: &dyn AsyncInstrument<u64>) {
    observed.spool(|spool| {
        for (exporter, totals) in &spool.exporters {
            for (reason, count) in &totals.dropped {
                let labels = [
                    observed.name(),
                    KeyValue::new("exporter", exporter.clone()),
                    KeyValue::new("reason", reason.as_str()),
                ];
                observer.observe(*count, &labels);
            }
        }
    });
}
