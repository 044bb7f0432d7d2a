//! A config to a running process: the only code that names every part.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use exporter::ui::Ui;
use lake::{Lake, WriterId};
use pipeline::{
    engine::{Pipeline, Running, Sink},
    limits::Limits,
    spool::{Spool, SpoolConfig},
    storage::Disk,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{PipelineSpec, Resolved, UiSpec},
    data_dir::DataDir,
    http::{self, AllowedHosts, Check, Ops, Server},
    metrics::Metrics,
    self_profile,
};

/// Everything that runs.
pub struct Process {
    pipelines: Vec<Running>,
    servers: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    urls: Vec<String>,
}

/// A pipeline that is not running yet, and its spool for the check of readiness.
type Prepared = (Pipeline, Arc<Spool>);

impl Process {
    /// Starts what the config asks for. Ports are taken before anything runs, so that one that is
    /// in use leaves nothing behind.
    pub async fn start(resolved: &Resolved, data_dir: &DataDir) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for spec in &resolved.ui {
            listeners.push(http::listen(&spec.config.endpoint).await?);
        }
        let own = match &resolved.self_telemetry {
            Some(own) => Some(self_profile::bind(own.listen).await?),
            None => None,
        };
        let metrics = Metrics::new()?;
        let context = receiver::Context::default();
        metrics.observe_scrapes(&context.scrapes);
        metrics.observe_memory(&context.budget);
        let writer = WriterId::of_data_dir(&Disk, data_dir.path()).context("read the writer id")?;
        let prepare = |spec| prepare(spec, data_dir, &context, &writer);
        let prepared: Vec<Prepared> =
            resolved.pipelines.iter().map(prepare).collect::<anyhow::Result<_>>()?;
        let checks: Arc<[Check]> =
            prepared.iter().map(|(_, spool)| spool_check(Arc::clone(spool))).collect();
        let ops = Ops { metrics: metrics.clone(), checks };
        let mut lakes = BTreeMap::new();
        let (mut servers, mut urls) = (Vec::new(), Vec::new());
        for (spec, listener) in resolved.ui.iter().zip(listeners) {
            let server = pages(spec, listener, &mut lakes, &context, ops.clone());
            urls.push(format!("http://{}", server.address()?));
            servers.push(server);
        }
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for server in servers {
            tasks.spawn(server.serve(stop.clone()));
        }
        if let Some(own) = own {
            tasks.spawn(self_profile::serve(own, stop.clone()));
        }
        let mut pipelines = Vec::new();
        for (pipeline, _) in prepared {
            let running = pipeline.start()?;
            metrics.observe_pipeline(&running.stats());
            pipelines.push(running);
        }
        Ok(Self { pipelines, servers: tasks, stop, urls })
    }

    /// Where the web app is.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Resolves when a part ends on its own, which a healthy one never does.
    pub async fn ended(&mut self) -> anyhow::Error {
        let mut pipelines = JoinAny(self.pipelines.iter_mut().collect());
        tokio::select! {
            error = pipelines.first() => error,
            Some(server) = self.servers.join_next() => match server {
                Ok(Ok(())) => anyhow::anyhow!("a server ended by itself"),
                Ok(Err(error)) => error,
                Err(panicked) => anyhow::Error::new(panicked).context("a server failed"),
            },
        }
    }

    /// Stops receivers, then what comes after them, then the servers: who looks sees the end.
    pub async fn stop(mut self, grace: Duration) -> anyhow::Result<()> {
        let mut result = Ok(());
        let stopping = self.pipelines.into_iter().map(|pipeline| pipeline.shutdown(grace));
        let mut stopping: JoinSet<_> = stopping.collect();
        while let Some(stopped) = stopping.join_next().await {
            result = result.and(stopped.map_err(Into::into).flatten());
        }
        self.stop.cancel();
        while let Some(server) = self.servers.join_next().await {
            result = result.and(server.map_err(Into::into).flatten());
        }
        result
    }
}

/// The first of several pipelines that ends.
struct JoinAny<'a>(Vec<&'a mut Running>);

impl JoinAny<'_> {
    async fn first(&mut self) -> anyhow::Error {
        let mut waiting: futures_util::stream::FuturesUnordered<_> =
            self.0.iter_mut().map(|running| running.ended()).collect();
        match futures_util::StreamExt::next(&mut waiting).await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}

fn prepare(
    spec: &PipelineSpec,
    data_dir: &DataDir,
    context: &receiver::Context,
    writer: &WriterId,
) -> anyhow::Result<Prepared> {
    let dir = data_dir.spool(&spec.name);
    let spool = Spool::open(Arc::new(Disk), &dir, spool_config(spec))
        .with_context(|| format!("open the spool {}", dir.display()))?;
    let mut receivers = Vec::new();
    for (id, config) in &spec.receivers {
        let id = id.to_string();
        let (receiver, _) = receiver::build(&id, config, context)?;
        receivers.push((id, receiver));
    }
    let mut exporters = Vec::new();
    for (id, config) in &spec.exporters {
        let id = id.to_string();
        let settings = config.settings().unwrap_or_default();
        let exporter = exporter::build(&id, config, writer)?;
        exporters.push(Sink { id, exporter, settings });
    }
    let name = spec.name.clone();
    let pipeline = Pipeline {
        name,
        receivers,
        exporters,
        spool: Arc::clone(&spool),
        limits: spec.receivers.iter().fold(Limits::default(), |limits, (_, config)| {
            limits.or(&config.limits()) // What a receiver took must come out of the spool again.
        }),
    };
    Ok((pipeline, spool))
}

/// One spool serves all exporters of a pipeline, so it holds what the most patient of them asks
/// for.
fn spool_config(spec: &PipelineSpec) -> SpoolConfig {
    let settings = || spec.exporters.iter().filter_map(|(_, config)| config.settings());
    let default = SpoolConfig::default();
    SpoolConfig {
        bytes_max: settings().map(|s| s.queue.bytes_max).max().unwrap_or(default.bytes_max),
        max_age: settings().map(|s| s.queue.max_age).max().unwrap_or(default.max_age),
        ..default
    }
}

fn pages(
    spec: &UiSpec,
    listener: TcpListener,
    lakes: &mut BTreeMap<PathBuf, Arc<Lake>>,
    context: &receiver::Context,
    ops: Ops,
) -> Server {
    let lake = lakes
        .entry(spec.lake_path.clone())
        .or_insert_with(|| Arc::new(Lake::open(&spec.lake_path)));
    let host = spec.config.host_port().map(|(host, _)| host).unwrap_or_default();
    let loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let hosts = AllowedHosts::new(&spec.config.allowed_hosts, !loopback);
    let router = Ui::new(Arc::clone(lake), context.board.clone()).router();
    Server::new(listener, router, ops, hosts)
}

fn spool_check(spool: Arc<Spool>) -> Check {
    let check = move || match spool.is_writable() {
        true => Ok(()),
        false => Err("the spool cannot write to its disk".to_owned()),
    };
    ("spool", Arc::new(check))
}
