//! The receiver `pprof`: scrapes the profiles of Go processes over HTTP. `README.md` beside this
//! file says what a user sees of it.

mod client;
mod config;
mod failure;
mod fetch;
mod handle;
mod http;
mod kind;
mod manager;
mod metrics;
mod prepare;
mod schedule;
mod scrape;
mod status;
mod target;
#[cfg(test)]
mod tests;

pub use config::{Config, Later, Problem, ProfileConfig, Scheme, StaticConfig, Texts};
pub use handle::Handle;
pub use http::{
    Authorization, BasicAuth, Credentials, HeaderValues, Headers, HttpSettings, TlsConfig,
};
pub use kind::{KINDS, Kind, SECONDS_DEFAULT, SNAPSHOT_INTERVAL_DEFAULT_S};
pub use metrics::{ScrapeCounts, ScrapeMetrics};
pub use target::{ProfileSettings, Schedule, ScrapeTarget, TIMEOUT_DEFAULT, address, path_twice};

use std::sync::Arc;

use async_trait::async_trait;
use pipeline::{
    component::{Outlet, Receiver},
    limits::Limits,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{fetch::Fetcher, manager::Manager, scrape::Shared};
use crate::Context;

/// All targets to scrape at a moment, with what to ask of each. A new value replaces the old one.
pub type ScrapeTargets = watch::Receiver<Arc<[ScrapeTarget]>>;

/// Scrapes what a list of targets names, which may change while it runs.
pub struct Pprof {
    targets: ScrapeTargets,
    fetcher: Fetcher,
    limits: Limits,
    context: Context,
}

impl Pprof {
    /// A receiver for the targets that stand in its config, as members of the group `id`, and
    /// what tells it of others. Fails if HTTP cannot be set up.
    pub fn new(id: &str, config: &Config, context: &Context) -> anyhow::Result<(Self, Handle)> {
        let handle = Handle::new(id, config);
        Ok((Self::following(handle.targets(), &config.limits, context)?, handle))
    }

    /// A receiver for targets that come and go. Fails if HTTP cannot be set up.
    pub fn following(
        targets: ScrapeTargets,
        limits: &Limits,
        context: &Context,
    ) -> anyhow::Result<Self> {
        let fetcher = Fetcher::new(limits.body_bytes_max)?;
        Ok(Self { targets, fetcher, limits: *limits, context: context.clone() })
    }
}

#[async_trait]
impl Receiver for Pprof {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { mut targets, fetcher, limits, context } = *self;
        let Context { board, scrapes: metrics, budget, .. } = context;
        budget.fit(limits.body_bytes_max);
        let shared = Shared { fetcher, limits, budget, outlet, metrics };
        let mut manager = Manager::new(shared, board);
        loop {
            let wanted = Arc::clone(&targets.borrow_and_update());
            manager.sync(&wanted).await;
            tokio::select! {
                () = stop.cancelled() => break,
                // Without a sender the list is final, and this arm waits no more.
                Ok(()) = targets.changed() => {}
            }
        }
        manager.shutdown().await;
        Ok(())
    }
}
