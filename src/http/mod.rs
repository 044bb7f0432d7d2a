//! The one HTTP server: it carries the routers of components and the operational endpoints, and
//! guards all of them.

mod guard;
mod health;
mod ops;
mod pages;
mod reload;
mod server;

use anyhow::Context;
use axum::{Router, extract::DefaultBodyLimit, middleware};
use tokio::net::TcpListener;
use tower_http::{CompressionLevel, compression::CompressionLayer};

pub use guard::AllowedHosts;
pub use health::health;
pub use ops::{Check, Checks, Ops};
pub use pages::Pages;
pub use reload::{ReloadRequests, reload_requests};
pub use server::Server;

/// Bytes of a request body; nothing here needs one.
const BODY_BYTES_MAX: usize = 64 << 10;

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
