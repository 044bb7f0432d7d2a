//! The exporter `ui`: stores nothing, shows a lake. Pages and API are one router, which the process
//! puts behind its guard.

mod api;
mod assets;
mod config;

use std::sync::Arc;

use axum::{Router, routing::any};
use lake::Lake;
use pipeline::{config_state::ConfigState, engine::Pipelines, target::TargetBoard};
use tokio::sync::Semaphore;

pub use api::{Labels, Series, filtered_series};
pub use config::Config;

/// Questions that are answered at the same time; more wait their turn or are told to come back.
const QUESTIONS_MAX: usize = 4;
/// Questions that may wait besides.
const WAITING_MAX: usize = 32;

/// What pages and API are made of.
#[derive(Clone)]
pub struct Ui {
    lake: Arc<Lake>,
    sources: Sources,
    questions: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// What pages and API show of the process besides lakes.
#[derive(Clone, Default)]
pub struct Sources {
    /// How targets are doing.
    pub targets: TargetBoard,
    /// How the config is doing.
    pub config: ConfigState,
    /// What runs.
    pub pipelines: Pipelines,
}

impl Ui {
    /// Shows this lake and these sources.
    pub fn new(lake: Arc<Lake>, sources: Sources) -> Self {
        let questions = Arc::new(Semaphore::new(QUESTIONS_MAX));
        let waiting = Arc::new(Semaphore::new(QUESTIONS_MAX + WAITING_MAX));
        Self { lake, sources, questions, waiting }
    }

    /// Pages at `/`, the API at `/api/v1`.
    pub fn router(self) -> Router {
        let api = Router::new().route("/api/{*path}", any(api::nothing));
        api.nest("/api/v1", api::router(self)).merge(assets::router())
    }
}
