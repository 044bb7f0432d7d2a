//! How the process is doing: its config, and the account of every pipeline and exporter.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use lake::time::now_us;
use pipeline::{config_state::ConfigStatus, engine::PipelineStats};
use schemars::JsonSchema;
use serde::Serialize;

use super::{super::Ui, error::ApiError, params::Params};

/// The answer of `/api/v1/status`. Times are Unix seconds.
#[derive(Serialize, JsonSchema)]
pub struct Status {
    now: f64,
    version: &'static str,
    config: ConfigStatus,
    pipelines: Vec<Pipeline>,
}

#[derive(Serialize, JsonSchema)]
struct Pipeline {
    name: String,
    accepted: u64,
    refused: u64,
    /// Profiles that processors dropped, by their ids.
    filtered: BTreeMap<String, u64>,
    spool: Spool,
    exporters: Vec<Exporter>,
}

#[derive(Serialize, JsonSchema)]
struct Spool {
    bytes: u64,
    segments: u64,
    oldest_age_s: Option<f64>,
    writable: bool,
    /// Why it cannot be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    corrupt_files: u64,
}

#[derive(Serialize, JsonSchema)]
struct Exporter {
    exporter: String,
    accepted: u64,
    delivered: u64,
    pending: u64,
    dead_lettered: u64,
    /// By reason.
    dropped: BTreeMap<&'static str, u64>,
    pushes: u64,
    failures: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// `/api/v1/status`.
pub async fn status(State(ui): State<Ui>, params: Params) -> Result<Json<Status>, ApiError> {
    params.only(&[])?;
    let pipelines = ui.sources.pipelines.snapshot();
    Ok(Json(Status {
        now: now_us() as f64 / 1e6,
        version: env!("CARGO_PKG_VERSION"),
        config: ui.sources.config.snapshot(),
        pipelines: pipelines.iter().map(Pipeline::of).collect(),
    }))
}

impl Pipeline {
    fn of(stats: &PipelineStats) -> Self {
        let spool = stats.spool();
        let (accepted, refused) = stats.intake_counts();
        let running = stats.exporters();
        let exporters = spool.exporters.iter().filter_map(|(id, totals)| {
            // The spool tells of removed ones, too, which are no part of the present.
            let (_, counts) = running.iter().find(|(other, _)| other == id)?;
            Some(Exporter {
                exporter: id.clone(),
                accepted: totals.accepted,
                delivered: totals.delivered,
                pending: totals.pending,
                dead_lettered: totals.dead_lettered,
                dropped: totals.dropped.iter().map(|(why, n)| (why.as_str(), *n)).collect(),
                pushes: counts.pushes(),
                failures: counts.failures(),
                last_error: counts.last_error(),
            })
        });
        let exporters = exporters.collect();
        let spool = Spool {
            bytes: spool.bytes,
            segments: spool.segments,
            oldest_age_s: spool.oldest_age.map(|age| age.as_secs_f64()),
            writable: spool.disk_fault.is_none(),
            error: spool.disk_fault,
            corrupt_files: spool.corrupt_files,
        };
        let (name, filtered) = (stats.name().to_owned(), stats.processors().into_iter().collect());
        Self { name, accepted, refused, filtered, spool, exporters }
    }
}
