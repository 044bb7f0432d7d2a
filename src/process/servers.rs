//! What listens: pages with the API, and the own profile. A reload keeps a server whose address
//! stays, changes what it serves, and closes an old one only when the new one has its port.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context;
use exporter::ui::{Sources, Ui};
use lake::Lake;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{HealthSpec, Resolved, UiSpec},
    http::{self, AllowedHosts, Ops, Pages, Server},
    self_profile,
};

/// The servers that run.
pub struct Servers {
    ops: Ops,
    sources: Sources,
    lakes: BTreeMap<PathBuf, Arc<Lake>>,
    pages: Vec<Page>,
    health: Vec<Health>,
    own: Option<Own>,
    /// Each ends with whether it was told to.
    tasks: JoinSet<anyhow::Result<bool>>,
}

/// Ports that are taken for servers that do not run yet.
#[derive(Default)]
pub struct Bound {
    pages: BTreeMap<String, TcpListener>,
    health: BTreeMap<String, TcpListener>,
    own: Option<TcpListener>,
}

struct Page {
    spec: UiSpec,
    address: SocketAddr,
    pages: Pages,
    stop: CancellationToken,
}

struct Health {
    spec: HealthSpec,
    pages: Pages,
    stop: CancellationToken,
}

struct Own {
    listen: SocketAddr,
    stop: CancellationToken,
}

impl Servers {
    /// No server yet. `sources` are what pages show besides lakes.
    pub fn new(ops: Ops, sources: Sources) -> Self {
        let (lakes, tasks) = (BTreeMap::new(), JoinSet::new());
        let (pages, health) = (Vec::new(), Vec::new());
        Self { ops, sources, lakes, pages, health, own: None, tasks }
    }

    /// Takes the ports that this config needs and no server has. Fails where one is taken.
    pub async fn bind(&self, resolved: &Resolved) -> anyhow::Result<Bound> {
        let mut bound = Bound::default();
        for spec in &resolved.ui {
            if !self.pages.iter().any(|page| is_same_place(&page.spec, spec)) {
                let listener = http::listen(&spec.config.endpoint).await?;
                bound.pages.insert(spec.id.to_string(), listener);
            }
        }
        for spec in &resolved.health {
            let same = |health: &Health| health.spec.config.endpoint == spec.config.endpoint;
            if !self.health.iter().any(same) {
                let listener = http::listen(&spec.config.endpoint).await?;
                bound.health.insert(spec.id.to_string(), listener);
            }
        }
        if let Some(own) = &resolved.self_telemetry
            && self.own.as_ref().is_none_or(|running| running.listen != own.listen)
        {
            bound.own = Some(self_profile::bind(own.listen).await?);
        }
        Ok(bound)
    }

    /// Serves what the config says; servers that it does not name end.
    pub fn serve(&mut self, resolved: &Resolved, mut bound: Bound) -> anyhow::Result<()> {
        let mut old = std::mem::take(&mut self.pages);
        self.lakes.retain(|path, _| resolved.ui.iter().any(|spec| spec.lake_path == *path));
        for spec in &resolved.ui {
            let page = match old.iter().position(|page| is_same_place(&page.spec, spec)) {
                Some(index) => {
                    let mut page = old.swap_remove(index);
                    if page.spec != *spec {
                        page.pages.set(self.router(spec));
                        page.spec = spec.clone();
                    }
                    page
                }
                None => {
                    let listener = bound.pages.remove(&spec.id.to_string());
                    self.start(spec, listener.context("a page has no port")?)?
                }
            };
            self.pages.push(page);
        }
        old.iter().for_each(|page| page.stop.cancel());
        self.serve_health(resolved, bound.health)?;
        self.serve_own(resolved, bound.own)
    }

    fn serve_health(
        &mut self,
        resolved: &Resolved,
        mut bound: BTreeMap<String, TcpListener>,
    ) -> anyhow::Result<()> {
        let mut old = std::mem::take(&mut self.health);
        for spec in &resolved.health {
            let router = http::health(&spec.config, self.ops.checks.clone());
            let same = |health: &Health| health.spec.config.endpoint == spec.config.endpoint;
            let health = match old.iter().position(same) {
                Some(index) => {
                    let mut health = old.swap_remove(index);
                    if health.spec != *spec {
                        health.pages.set(router);
                        health.spec = spec.clone();
                    }
                    health
                }
                None => {
                    let listener = bound.remove(&spec.id.to_string());
                    let listener = listener.context("a health check has no port")?;
                    let (pages, stop) = (Pages::new(router), CancellationToken::new());
                    self.spawn(Server::new(listener, pages.clone()).serve(stop.clone()), &stop);
                    Health { spec: spec.clone(), pages, stop }
                }
            };
            self.health.push(health);
        }
        old.iter().for_each(|health| health.stop.cancel());
        Ok(())
    }

    fn serve_own(
        &mut self,
        resolved: &Resolved,
        listener: Option<TcpListener>,
    ) -> anyhow::Result<()> {
        let wanted = resolved.self_telemetry.as_ref().map(|own| own.listen);
        if self.own.as_ref().map(|own| own.listen) == wanted {
            return Ok(());
        }
        let old = self.own.take();
        if let Some(listen) = wanted {
            let stop = CancellationToken::new();
            let listener = listener.context("the own profile has no port")?;
            self.spawn(self_profile::serve(listener, stop.clone()), &stop);
            self.own = Some(Own { listen, stop });
        }
        if let Some(old) = old {
            old.stop.cancel();
        }
        Ok(())
    }

    fn start(&mut self, spec: &UiSpec, listener: TcpListener) -> anyhow::Result<Page> {
        let pages = Pages::new(self.router(spec));
        let server = Server::new(listener, pages.clone());
        let (address, stop) = (server.address()?, CancellationToken::new());
        self.spawn(server.serve(stop.clone()), &stop);
        Ok(Page { spec: spec.clone(), address, pages, stop })
    }

    fn spawn(
        &mut self,
        serving: impl Future<Output = anyhow::Result<()>> + Send + 'static,
        stop: &CancellationToken,
    ) {
        let stop = stop.clone();
        self.tasks.spawn(async move { serving.await.map(|()| stop.is_cancelled()) });
    }

    fn router(&mut self, spec: &UiSpec) -> axum::Router {
        let lake = self
            .lakes
            .entry(spec.lake_path.clone())
            .or_insert_with(|| Arc::new(Lake::open(&spec.lake_path)));
        let host = spec.config.host_port().map(|(host, _)| host).unwrap_or_default();
        let loopback = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let hosts = AllowedHosts::new(&spec.config.allowed_hosts, !loopback);
        let pages = Ui::new(Arc::clone(lake), self.sources.clone()).router();
        http::router(pages, self.ops.clone(), hosts)
    }

    /// Where the pages are.
    pub fn urls(&self) -> Vec<String> {
        self.pages.iter().map(|page| format!("http://{}", page.address)).collect()
    }

    /// Resolves when a server ends on its own, which a healthy one never does.
    pub async fn ended(&mut self) -> anyhow::Error {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ok(true))) => {}
                Some(Ok(Ok(false))) => return anyhow::anyhow!("a server ended by itself"),
                Some(Ok(Err(error))) => return error,
                Some(Err(panicked)) => {
                    return anyhow::Error::new(panicked).context("a server failed");
                }
                None => return std::future::pending().await,
            }
        }
    }

    /// Ends all of them, each after the answers that are under way.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let own = self.own.iter().map(|own| &own.stop);
        let health = self.health.iter().map(|health| &health.stop);
        let pages = self.pages.iter().map(|page| &page.stop);
        pages.chain(health).chain(own).for_each(CancellationToken::cancel);
        let mut result = Ok(());
        while let Some(server) = self.tasks.join_next().await {
            result = result.and(server.map_err(Into::into).flatten().map(|_| ()));
        }
        result
    }
}

/// Whether a server may go on under another config. Port 0 is a port of its own for each id.
fn is_same_place(old: &UiSpec, new: &UiSpec) -> bool {
    let any = new.config.host_port().is_some_and(|(_, port)| port == 0);
    old.config.endpoint == new.config.endpoint && (!any || old.id == new.id)
}
