//! Own metrics, by the OpenTelemetry SDK: observed from the counts that components keep anyway, so
//! that counting costs nothing until somebody looks.

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
use receiver::pprof::ScrapeMetrics;
use std::sync::Arc;

/// The process's metrics. Cloning is cheap.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
}

impl Metrics {
    /// No metrics but `profpipe_build_info` and what the process uses.
    pub fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .with_namespace("profpipe")
            .without_target_info()
            .build()
            .context("build the metrics reader")?;
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let metrics = Self { registry, provider };
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
        let families = self.registry.gather();
        TextEncoder::new().encode_to_string(&families).context("encode metrics")
    }

    /// Shows the counts of a pipeline: `accepted = delivered + pending + dead_lettered + dropped`
    /// for each exporter.
    pub fn observe_pipeline(&self, stats: &PipelineStats) {
        for (name, help, count) in ACCOUNT {
            let stats = stats.clone();
            self.meter()
                .u64_observable_gauge(*name)
                .with_description(*help)
                .with_callback(move |observer| per_exporter(&stats, *count, observer))
                .build();
        }
        let dropped = stats.clone();
        self.meter()
            .u64_observable_counter("exporter_dropped_profiles")
            .with_description("Profiles given up, by reason")
            .with_callback(move |observer| {
                for (exporter, totals) in dropped.spool().exporters {
                    for (reason, count) in totals.dropped {
                        let labels = [
                            KeyValue::new("pipeline", dropped.name().to_owned()),
                            KeyValue::new("exporter", exporter.clone()),
                            KeyValue::new("reason", reason.as_str()),
                        ];
                        observer.observe(count, &labels);
                    }
                }
            })
            .build();
        self.observe_spool(stats);
        self.observe_pushes(stats);
    }

    fn observe_spool(&self, stats: &PipelineStats) {
        for (name, help, value) in SPOOL {
            let stats = stats.clone();
            self.meter()
                .u64_observable_gauge(*name)
                .with_description(*help)
                .with_callback(move |observer| {
                    let label = KeyValue::new("pipeline", stats.name().to_owned());
                    observer.observe(value(&stats.spool()), &[label]);
                })
                .build();
        }
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
                            KeyValue::new("exporter", exporter.to_owned()),
                            KeyValue::new("outcome", outcome),
                        ];
                        observer.observe(count, &labels);
                    }
                }
            })
            .build();
    }

    /// Shows the counts of a scraping receiver.
    pub fn observe_scrapes(&self, receiver: &str, scrapes: &Arc<ScrapeMetrics>) {
        let (receiver, scrapes) = (receiver.to_owned(), Arc::clone(scrapes));
        let label = KeyValue::new("receiver", receiver);
        let (counts, own) = (Arc::clone(&scrapes), label.clone());
        self.meter()
            .u64_observable_counter("scrapes")
            .with_description("Scrapes that ended, by outcome: ok, or the reason of the failure")
            .with_callback(move |observer| {
                let snapshot = counts.snapshot();
                let ok = KeyValue::new("outcome", "ok");
                observer.observe(snapshot.successes, &[own.clone(), ok]);
                for (reason, count) in snapshot.failures {
                    let outcome = KeyValue::new("outcome", reason.as_str());
                    observer.observe(count, &[own.clone(), outcome]);
                }
            })
            .build();
        self.meter()
            .u64_observable_counter("scrape_body")
            .with_description("Bytes of bodies as they came over the wire")
            .with_unit("By")
            .with_callback(move |observer| {
                observer.observe(scrapes.snapshot().body_bytes, std::slice::from_ref(&label));
            })
            .build();
    }
}

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

fn per_exporter(stats: &PipelineStats, count: Count, observer: &dyn AsyncInstrument<u64>) {
    for (exporter, totals) in stats.spool().exporters {
        let labels = [
            KeyValue::new("pipeline", stats.name().to_owned()),
            KeyValue::new("exporter", exporter),
        ];
        observer.observe(count(&totals), &labels);
    }
}
