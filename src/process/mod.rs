//! A config to a running process, and from one config to another: the only code that names every
//! part.

mod pipelines;
mod servers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use exporter::ui::Sources;
use futures_util::stream::{FuturesUnordered, StreamExt};
use pipeline::{config_state::ConfigState, engine::Pipelines, spool::Spool};
use tokio::task::{JoinSet, block_in_place};

use self::{
    pipelines::{Live, Workshop},
    servers::Servers,
};
use crate::{
    config::Resolved,
    data_dir::DataDir,
    http::{Checks, Ops, ReloadRequests, reload_requests},
    metrics::Metrics,
    traces::Spans,
};

/// How long a pipeline may take to end that a reload takes away.
const END_GRACE: Duration = Duration::from_secs(5);

/// Everything that runs.
pub struct Process {
    resolved: Resolved,
    workshop: Workshop,
    live: BTreeMap<String, Live>,
    pipelines: Pipelines,
    servers: Servers,
    checks: Checks,
    metrics: Metrics,
    spans: Spans,
    state: ConfigState,
}

impl Process {
    /// Starts what the config asks for, and gives what asks for reloads over HTTP. Ports are taken
    /// before anything runs, so that one that is in use leaves nothing behind.
    pub async fn start(
        resolved: Resolved,
        data_dir: DataDir,
    ) -> anyhow::Result<(Self, ReloadRequests)> {
        let (context, pipelines) = (receiver::Context::default(), Pipelines::default());
        let (state, checks) = (ConfigState::default(), Checks::default());
        let metrics = Metrics::new(pipelines.clone(), &context, state.clone())?;
        let (reload, requests) = reload_requests();
        let ops = Ops { metrics: metrics.clone(), checks: checks.clone(), reload };
        let targets = context.board.clone();
        let sources = Sources { targets, config: state.clone(), pipelines: pipelines.clone() };
        let mut servers = Servers::new(ops, sources);
        let bound = servers.bind(&resolved).await?;
        let spans = Spans::default();
        let tracing = spans.tracing.clone();
        let workshop = Workshop { data_dir, context, tracing };
        let prepared = resolved.pipelines.iter().map(|spec| workshop.prepare(spec));
        let prepared: Vec<_> = prepared.collect::<anyhow::Result<_>>()?;
        checks.set(prepared.iter().map(|one| spool_check(one.spool())).collect());
        servers.serve(&resolved, bound)?;
        let mut live = BTreeMap::new();
        for (spec, prepared) in resolved.pipelines.iter().zip(prepared) {
            live.insert(spec.name.clone(), prepared.start()?);
        }
        metrics.push(&resolved.telemetry)?;
        spans.push(&resolved.telemetry)?;
        state.started();
        let mut process =
            Self { resolved, workshop, live, pipelines, servers, checks, metrics, spans, state };
        process.show();
        Ok((process, requests))
    }

    /// Whether the config that runs is the one in the files.
    pub fn state(&self) -> &ConfigState {
        &self.state
    }

    /// What runs.
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// Goes over to another config. Targets that are in both keep their scrape loop and the window
    /// in flight; other receivers and exporters that changed are replaced around the spool. What
    /// can fail is done first, so that an error leaves everything as it was.
    ///
    /// # Errors
    /// Where a port is taken, or a spool or a lake cannot be opened.
    pub async fn reload(&mut self, new: Resolved) -> anyhow::Result<()> {
        let bound = self.servers.bind(&new).await?;
        let (mut fresh, mut changes) = (Vec::new(), Vec::new());
        for spec in &new.pipelines {
            match self.live.get(&spec.name) {
                Some(live) if live.is(spec) => {}
                // These open files; the runtime's other threads go on meanwhile.
                Some(live) => changes.push(block_in_place(|| self.workshop.change(live, spec))?),
                None => fresh.push(block_in_place(|| self.workshop.prepare(spec))?),
            }
        }
        self.metrics.push(&new.telemetry)?;
        self.spans.push(&new.telemetry)?;
        let before = self.servers.urls();
        let mut result = self.servers.serve(&new, bound);
        for url in self.servers.urls().iter().filter(|url| !before.contains(url)) {
            tracing::info!(url, "pages moved");
        }
        let gone = |name: &String| !new.pipelines.iter().any(|spec| spec.name == *name);
        let gone: Vec<_> = self.live.keys().filter(|name| gone(name)).cloned().collect();
        for live in gone.iter().filter_map(|name| self.live.remove(name)).collect::<Vec<_>>() {
            result = result.and(live.stop(END_GRACE).await);
        }
        for change in changes {
            if let Some(live) = self.live.get_mut(change.name()) {
                result = result.and(live.apply(&self.workshop, change).await);
            }
        }
        for prepared in fresh {
            let name = prepared.name().to_owned();
            self.live.insert(name, prepared.start()?);
        }
        self.resolved = new;
        self.show();
        result
    }

    /// Lets metrics, pages and readiness look at the pipelines that run.
    fn show(&mut self) {
        let live = || self.live.values().map(Live::running);
        self.checks.set(live().map(|running| spool_check(running.spool())).collect());
        self.pipelines.set(live().map(|running| running.stats()).collect());
    }

    /// Where the web app is.
    pub fn urls(&self) -> Vec<String> {
        self.servers.urls()
    }

    /// Resolves when a part ends on its own, which a healthy one never does.
    pub async fn ended(&mut self) -> anyhow::Error {
        let mut waiting: FuturesUnordered<_> =
            self.live.values_mut().map(|live| live.ended()).collect();
        let pipelines = async {
            match waiting.next().await {
                Some(error) => error,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = pipelines => error,
            error = self.servers.ended() => error,
        }
    }

    /// Stops receivers, then what comes after them, then the servers: who looks sees the end.
    pub async fn stop(self, grace: Duration) -> anyhow::Result<()> {
        let mut result = Ok(());
        let stopping = self.live.into_values().map(|live| live.stop(grace));
        let mut stopping: JoinSet<_> = stopping.collect();
        while let Some(stopped) = stopping.join_next().await {
            result = result.and(stopped.map_err(Into::into).flatten());
        }
        let stopped = self.servers.stop().await;
        tokio::join!(self.metrics.stop(), self.spans.stop());
        result.and(stopped)
    }
}

fn spool_check(spool: &Arc<Spool>) -> crate::http::Check {
    let spool = Arc::clone(spool);
    let check = move || match spool.disk_fault() {
        None => Ok(()),
        Some(fault) => Err(format!("the spool cannot write to its disk: {fault}")),
    };
    ("spool", Arc::new(check))
}
