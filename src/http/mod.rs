//! The one HTTP server: it carries the routers of components and the operational endpoints, and
//! guards all of them.

mod guard;
mod health;
mod ops;
mod pages;
mod reload;

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::{Router, extract::DefaultBodyLimit, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{CompressionLevel, compression::CompressionLayer};

pub use guard::AllowedHosts;
pub use health::health;
pub use ops::{Check, Checks, Ops};
pub use pages::Pages;
pub use reload::{ReloadRequests, reload_requests};

/// Bytes of a request body; nothing here needs one.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long answers under way may take when the process stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A server that has its port but does not answer yet.
pub struct Server {
    listener: TcpListener,
    pages: Pages,
}

/// Takes the port of a server.
pub async fn listen(endpoint: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(endpoint).await;
    bound.with_context(|| format!("listen on {endpoint}"))
}

/// `pages` behind the Host check, which `ops` are not: probes and scrapers use addresses that
/// nobody can list.
pub fn router(pages: Router, ops: Ops, hosts: AllowedHosts) -> Router {
    let guarded = middleware::from_fn_with_state(hosts.clone(), guard::check_host);
    pages
        .layer(guarded)
        .merge(reload::router(ops.reload.clone(), hosts))
        .merge(ops::router(ops))
        .layer(middleware::map_response(guard::harden))
        // A flame graph shrinks to a third at once; a better ratio would take most of the time.
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

impl Server {
    /// Serves these pages, which may change while it does.
    pub fn new(listener: TcpListener, pages: Pages) -> Self {
        Self { listener, pages }
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.listener.local_addr().context("read the address of a server")
    }

    /// Answers until `stop`, then lets answers under way finish for a moment.
    pub async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let stopped = stop.clone().cancelled_owned();
        let serving =
            axum::serve(self.listener, self.pages.router()).with_graceful_shutdown(stopped);
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            served = async { serving.await } => served.context("serve over HTTP"),
            () = late => Ok(()),
        }
    }
}
