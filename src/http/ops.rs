//! What probes and scrapers ask: alive, ready, metrics.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::sync::mpsc;

use super::reload::ReloadRequest;
use crate::metrics::Metrics;

/// One condition of readiness: its name, and what is wrong with it if anything is.
pub type Check = (&'static str, Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

/// What the operational endpoints need.
#[derive(Clone)]
pub struct Ops {
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/readyz` asks.
    pub checks: Checks,
    /// Where requests to reload go.
    pub reload: mpsc::Sender<ReloadRequest>,
}

/// All conditions of readiness; a reload changes them. Cloning gives the same ones.
#[derive(Clone, Default)]
pub struct Checks(Arc<Mutex<Vec<Check>>>);

impl Checks {
    /// From now on these count.
    pub fn set(&self, checks: Vec<Check>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = checks;
    }

    /// What is wrong, a line each.
    pub(super) fn failing(&self) -> Vec<String> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failing =
            checks.iter().filter_map(|(name, check)| Some(format!("{name}: {}\n", check().err()?)));
        failing.collect()
    }
}

/// The operational endpoints.
pub fn router(ops: Ops) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

async fn ready(State(ops): State<Ops>) -> impl IntoResponse {
    let failing = ops.checks.failing();
    match failing.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, failing.concat()),
    }
}

async fn metrics(State(ops): State<Ops>) -> impl IntoResponse {
    match ops.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}
