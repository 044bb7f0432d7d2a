//! profpipe's own profiles, served like those of a Go process, so that they are scraped like any
//! target's.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use crate::{
    cpu_profile, heap_profile,
    http::{Pages, Server},
};

/// The longest window in seconds.
const SECONDS_MAX: u64 = 300;

#[derive(Deserialize)]
struct Window {
    #[serde(default = "Window::default_seconds")]
    seconds: u64,
}

impl Window {
    fn default_seconds() -> u64 {
        30
    }
}

/// A profile at a time: the timer belongs to the process.
type Turn = Arc<Mutex<()>>;

/// Takes the port of the endpoint.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(listen).await;
    let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    let hint = match bound.as_ref().err().is_some_and(is_taken) {
        true => " (another port: `--set self_telemetry::pprof_port=N`)",
        false => "",
    };
    bound.with_context(|| format!("listen on {listen} for the own profile{hint}"))
}

/// Serves `/debug/pprof/{profile,heap}` until `stop`.
pub async fn serve(listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    heap_profile::activate().await;
    let router = Router::new()
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/heap", get(heap))
        .with_state(Turn::default());
    Server::new(listener, Pages::new(router)).serve(stop).await
}

async fn profile(State(turn): State<Turn>, Query(window): Query<Window>) -> Response {
    let Ok(_turn) = turn.try_lock() else {
        let message = "Could not enable CPU profiling: cpu profiling already in use\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, message).into_response();
    };
    if !(1..=SECONDS_MAX).contains(&window.seconds) {
        let message = format!("seconds must be from 1 to {SECONDS_MAX}\n");
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    match cpu_profile::take(Duration::from_secs(window.seconds)).await {
        Ok(bytes) => (headers, bytes).into_response(),
        Err(error) => failed(cpu_profile::AVAILABLE, &error),
    }
}

async fn heap() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/octet-stream")];
    match heap_profile::take().await {
        Ok(bytes) => (headers, bytes).into_response(),
        Err(error) => failed(heap_profile::AVAILABLE, &error),
    }
}

/// Says why there is no profile. What this build has not is not found, as in any other program, so
/// that it is not asked for again and again.
fn failed(available: bool, error: &anyhow::Error) -> Response {
    let status = match available {
        true => StatusCode::INTERNAL_SERVER_ERROR,
        false => StatusCode::NOT_FOUND,
    };
    (status, format!("{error:#}\n")).into_response()
}
