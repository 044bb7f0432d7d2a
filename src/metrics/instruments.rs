//! All metrics there are. Those of one thing have one prefix: `profpipe_`, or `otelcol_` where the
//! OpenTelemetry Collector has the same, so that its dashboards work.

use std::sync::Arc;

use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Meter},
};
use pipeline::{
    config_state::ConfigStatus,
    spool::{SpoolStats, Totals},
};
use receiver::pprof::ScrapeCounts;

use super::{Observed, Times, process};

/// Name, description and unit of a metric.
type Name = (&'static str, &'static str, &'static str);

/// Registers all of them, and gives those that have to be told of each scrape. Those that the
/// Collector has too go to `shared`, because its names in Prometheus' text have no suffixes.
pub(super) fn register(meter: &Meter, shared: &Meter, observed: &Arc<Observed>) -> Times {
    gauge(meter, ("profpipe_build_info", "Always 1; the labels say what runs", ""), |observer| {
        observer.observe(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
    });
    accounts(meter, observed);
    spools(meter, observed);
    intake(meter, observed);
    exporters(meter, observed);
    queues(shared, observed);
    samples(shared, observed);
    scrapes(meter, observed);
    pushes(meter, observed);
    config(meter, observed);
    memory(meter, observed);
    own_process(shared, observed);
    open_files(meter);
    times(meter)
}

fn gauge(
    meter: &Meter,
    (name, help, unit): Name,
    look: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let gauge = meter.u64_observable_gauge(name).with_description(help).with_unit(unit);
    gauge.with_callback(move |observer| look(observer)).build();
}

fn counter(
    meter: &Meter,
    (name, help, unit): Name,
    look: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let counter = meter.u64_observable_counter(name).with_description(help).with_unit(unit);
    counter.with_callback(move |observer| look(observer)).build();
}

fn label(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
}

type Count = fn(&Totals) -> u64;

/// The account of an exporter, which lives in its cursor and so survives restarts: gauges to
/// Prometheus, because they do not start at zero with the process.
const ACCOUNT: &[(&str, &str, Count)] = &[
    ("profpipe_exporter_accepted_profiles", "Profiles that it is answerable for", |t| t.accepted),
    ("profpipe_exporter_delivered_profiles", "Profiles that the destination has", |t| t.delivered),
    ("profpipe_exporter_pending_profiles", "Profiles that wait in the spool", |t| t.pending),
    ("profpipe_exporter_dead_lettered_profiles", "Profiles refused for good", |t| t.dead_lettered),
];

fn accounts(meter: &Meter, observed: &Arc<Observed>) {
    for (name, help, count) in ACCOUNT {
        let observed = Arc::clone(observed);
        gauge(meter, (name, help, ""), move |observer| {
            for (stats, spool) in observed.spools().iter() {
                for (exporter, totals) in &spool.exporters {
                    let labels = [label("pipeline", stats.name()), label("exporter", exporter)];
                    observer.observe(count(totals), &labels);
                }
            }
        });
    }
    let of_spools = Arc::clone(observed);
    let name = ("profpipe_exporter_dropped_profiles", "Profiles given up, by reason", "");
    counter(meter, name, move |observer| {
        for (stats, spool) in of_spools.spools().iter() {
            for (exporter, totals) in &spool.exporters {
                for (reason, count) in &totals.dropped {
                    let labels = [
                        label("pipeline", stats.name()),
                        label("exporter", exporter),
                        label("reason", reason.as_str()),
                    ];
                    observer.observe(*count, &labels);
                }
            }
        }
    });
}

fn queues(meter: &Meter, observed: &Arc<Observed>) {
    let of_spools = Arc::clone(observed);
    let name = ("otelcol_exporter_queue_size", "Profiles that wait for the exporter", "{profiles}");
    gauge(meter, name, move |observer| {
        for (stats, spool) in of_spools.spools().iter() {
            for (exporter, totals) in &spool.exporters {
                let labels = [
                    label("pipeline", stats.name()),
                    label("exporter", exporter),
                    label("data_type", "profiles"),
                ];
                observer.observe(totals.pending, &labels);
            }
        }
    });
}

type Size = fn(&SpoolStats) -> u64;

const SPOOL: &[(&str, &str, Size)] = &[
    ("profpipe_spool_bytes", "Bytes in segments", |s| s.bytes),
    ("profpipe_spool_segments", "Number of segment files", |s| s.segments),
    ("profpipe_spool_corrupt_files", "Files set aside since the start", |s| s.corrupt_files),
    ("profpipe_spool_writable", "1 while the disk keeps what it is given", |s| {
        u64::from(s.disk_fault.is_none())
    }),
    ("profpipe_spool_oldest_age_seconds", "Age of the oldest profile that waits", |s| {
        s.oldest_age.map_or(0, |age| age.as_secs())
    }),
];

fn spools(meter: &Meter, observed: &Arc<Observed>) {
    for (name, help, value) in SPOOL {
        let observed = Arc::clone(observed);
        gauge(meter, (name, help, ""), move |observer| {
            for (stats, spool) in observed.spools().iter() {
                observer.observe(value(spool), &[label("pipeline", stats.name())]);
            }
        });
    }
}

fn intake(meter: &Meter, observed: &Arc<Observed>) {
    let of_pipelines = Arc::clone(observed);
    let help = "Profiles that receivers gave since the start, by outcome";
    counter(meter, ("profpipe_intake_profiles", help, ""), move |observer| {
        for stats in of_pipelines.pipelines.snapshot() {
            let (accepted, refused) = stats.intake_counts();
            let filtered = stats.processors().iter().map(|(_, dropped)| dropped).sum();
            for (outcome, count) in
                [("accepted", accepted), ("refused", refused), ("filtered", filtered)]
            {
                let labels = [label("pipeline", stats.name()), label("outcome", outcome)];
                observer.observe(count, &labels);
            }
        }
    });
    let of_pipelines = Arc::clone(observed);
    let help = "Profiles that a processor dropped since the start";
    counter(meter, ("profpipe_processor_dropped_profiles", help, ""), move |observer| {
        for stats in of_pipelines.pipelines.snapshot() {
            for (processor, dropped) in stats.processors() {
                let labels = [
                    label("pipeline", stats.name()),
                    label("processor", &processor),
                    label("reason", "filtered"),
                ];
                observer.observe(dropped, &labels);
            }
        }
    });
}

fn exporters(meter: &Meter, observed: &Arc<Observed>) {
    let of_pipelines = Arc::clone(observed);
    let help = "Attempts to export since the start, by outcome";
    counter(meter, ("profpipe_exporter_pushes", help, ""), move |observer| {
        for stats in of_pipelines.pipelines.snapshot() {
            for (exporter, counts) in stats.exporters() {
                for (outcome, count) in [("ok", counts.pushes()), ("failed", counts.failures())] {
                    let labels = [
                        label("pipeline", stats.name()),
                        label("exporter", &exporter),
                        label("outcome", outcome),
                    ];
                    observer.observe(count, &labels);
                }
            }
        }
    });
}

/// What the Collector counts in samples.
fn samples(meter: &Meter, observed: &Arc<Observed>) {
    type Samples = fn((u64, u64)) -> u64;
    let given: [(&str, &str, Samples); 2] = [
        ("otelcol_receiver_accepted_profile_samples", "Samples made durable", |(taken, _)| taken),
        ("otelcol_receiver_refused_profile_samples", "Samples not taken", |(_, not)| not),
    ];
    for (name, help, count) in given {
        let observed = Arc::clone(observed);
        counter(meter, (name, help, "{samples}"), move |observer| {
            for stats in observed.pipelines.snapshot() {
                for (receiver, source) in stats.sources() {
                    let labels = [label("pipeline", stats.name()), label("receiver", &receiver)];
                    observer.observe(count(source.samples()), &labels);
                }
            }
        });
    }
    let sent: [(&str, &str, Samples); 2] = [
        ("otelcol_exporter_sent_profile_samples", "Samples delivered", |(sent, _)| sent),
        ("otelcol_exporter_send_failed_profile_samples", "Samples given up", |(_, not)| not),
    ];
    for (name, help, count) in sent {
        let observed = Arc::clone(observed);
        counter(meter, (name, help, "{samples}"), move |observer| {
            for stats in observed.pipelines.snapshot() {
                for (exporter, counts) in stats.exporters() {
                    let labels = [label("pipeline", stats.name()), label("exporter", &exporter)];
                    observer.observe(count(counts.samples()), &labels);
                }
            }
        });
    }
}

type Scraped = fn(&ScrapeCounts) -> u64;

const SCRAPES: &[(&str, &str, &str, Scraped)] = &[
    ("profpipe_scrape_attempts", "Scrapes that were started", "", |c| c.attempts),
    ("profpipe_scrape_body", "Bytes of bodies as they came over the wire", "By", |c| c.body_bytes),
    ("profpipe_scrape_skipped_ticks", "Ticks at which a scrape was under way", "", |c| {
        c.skipped_ticks
    }),
    ("profpipe_scrape_adjusted_times", "Profiles whose time was far off", "", |c| {
        c.timestamps_adjusted
    }),
    ("profpipe_scrape_repaired_texts", "Strings that were no UTF-8 or too long", "", |c| {
        c.repaired
    }),
    ("profpipe_scrape_restarts", "Snapshots whose counters had fallen", "", |c| c.restarts),
    ("profpipe_scrape_clocks_back", "Snapshots older than the one before", "", |c| c.clocks_back),
];

fn scrapes(meter: &Meter, observed: &Arc<Observed>) {
    let counts = observed.scrapes.clone();
    let help = "Scrapes that ended, by outcome: ok, or the reason of the failure";
    counter(meter, ("profpipe_scrapes", help, ""), move |observer| {
        let counts = counts.snapshot();
        observer.observe(counts.successes, &[label("outcome", "ok")]);
        for (reason, count) in counts.failures {
            observer.observe(count, &[label("outcome", reason.as_str())]);
        }
    });
    for (name, help, unit, count) in SCRAPES {
        let counts = observed.scrapes.clone();
        counter(meter, (name, help, unit), move |observer| {
            observer.observe(count(&counts.snapshot()), &[]);
        });
    }
}

/// What senders were told.
fn pushes(meter: &Meter, observed: &Arc<Observed>) {
    let counts = observed.pushes.clone();
    let help = "Requests that were pushed, by outcome: ok, or the reason why nothing was taken";
    counter(meter, ("profpipe_receiver_requests", help, ""), move |observer| {
        for (receiver, counts) in counts.snapshot() {
            let labels = |outcome| [label("receiver", &receiver), label("outcome", outcome)];
            observer.observe(counts.taken, &labels("ok"));
            for (reason, count) in counts.refused {
                observer.observe(count, &labels(reason.as_str()));
            }
        }
    });
    let counts = observed.pushes.clone();
    let help = "Profiles that were left out of requests that were taken";
    counter(meter, ("profpipe_receiver_rejected_profiles", help, ""), move |observer| {
        for (receiver, counts) in counts.snapshot() {
            observer.observe(counts.rejected_profiles, &[label("receiver", &receiver)]);
        }
    });
}

/// Memory that bodies and profiles take on their way to the spool.
fn memory(meter: &Meter, observed: &Arc<Observed>) {
    let budget = observed.budget.clone();
    let help = "Bytes of bodies and profiles that are not durable yet";
    gauge(meter, ("profpipe_receiver_in_flight", help, "By"), move |observer| {
        observer.observe(budget.used() as u64, &[]);
    });
}

/// Upper bounds of the buckets of times, in seconds.
const TIMES_S: [f64; 13] =
    [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0];

fn times(meter: &Meter) -> Times {
    [
        ("profpipe_scrape_lateness", "From when a scrape was due to its start"),
        ("profpipe_scrape_duration", "From the start of a scrape to its end, good or bad"),
    ]
    .map(|(name, help)| {
        let histogram = meter.f64_histogram(name).with_unit("s").with_description(help);
        histogram.with_boundaries(TIMES_S.to_vec()).build()
    })
}

type Told = fn(&ConfigStatus) -> u64;

fn config(meter: &Meter, observed: &Arc<Observed>) {
    let told: [(&str, &str, Told); 2] = [
        ("profpipe_config_ok", "1 while the last config that was read runs", |c| u64::from(c.ok)),
        ("profpipe_config_loaded_at_seconds", "When the config that runs was loaded", |c| {
            c.loaded_at as u64
        }),
    ];
    for (name, help, value) in told {
        let state = observed.config.clone();
        gauge(meter, (name, help, ""), move |observer| {
            observer.observe(value(&state.snapshot()), &[]);
        });
    }
    let state = observed.config.clone();
    let help = "Reloads of the config since the start, by outcome";
    counter(meter, ("profpipe_config_reloads", help, ""), move |observer| {
        let status = state.snapshot();
        observer.observe(status.reloads, &[label("outcome", "ok")]);
        observer.observe(status.failed_reloads, &[label("outcome", "failed")]);
    });
}

fn own_process(meter: &Meter, observed: &Arc<Observed>) {
    let started = observed.started;
    let float = |(name, help): (&'static str, &'static str)| {
        meter.f64_observable_counter(name).with_description(help).with_unit("s")
    };
    float(("otelcol_process_uptime", "Uptime of the process"))
        .with_callback(move |observer| observer.observe(started.elapsed().as_secs_f64(), &[]))
        .build();
    float(("otelcol_process_cpu_seconds", "CPU time of user and system"))
        .with_callback(|observer| {
            if let Some(seconds) = process::cpu_seconds() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
    let name = ("otelcol_process_memory_rss", "Memory that is resident", "By");
    gauge(meter, name, |observer| {
        if let Some(bytes) = process::resident_bytes() {
            observer.observe(bytes, &[]);
        }
    });
}

fn open_files(meter: &Meter) {
    let name = ("profpipe_process_open_files", "Files and sockets that are open", "");
    gauge(meter, name, |observer| {
        if let Some(files) = process::open_files() {
            observer.observe(files, &[]);
        }
    });
}
