//! The receiver `pyroscope`: what agents of Pyroscope push, so that pyroscope-go and Grafana Alloy
//! can send here. A sender is told of success when its profiles are durable.
//! `README.md` beside this file says what a user sees of it.
//!
//! Connections and the way to the spool are shared with the receiver `otlp`: `server/`.

mod config;
pub(crate) mod http;

pub use config::Config;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use hyper::HeaderMap;
use pipeline::{
    component::{Outlet, Receiver},
    extension,
    limits::Limits,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    budget::Budget,
    server::{
        Lifetime, Listener, PushMetrics,
        intake::Intake,
        port::place,
        serve::{Protocol, Server, Setup},
        tls,
    },
};

/// Takes what agents of Pyroscope push.
pub struct Pyroscope {
    id: String,
    listener: Arc<Listener>,
    setup: Setup,
    limits: Limits,
    budget: Budget,
    metrics: PushMetrics,
}

impl Pyroscope {
    /// Takes the port, so that one that is in use is known before anything runs.
    ///
    /// # Errors
    /// Where the port is in use, or a certificate or a file of secrets cannot be read.
    pub fn new(id: &str, config: &Config, context: &Context) -> anyhow::Result<Self> {
        let endpoint = &config.endpoint;
        let place = place(endpoint, None)?;
        let setup = Setup {
            protocol: Protocol::Push { header_timeout: config.read_header_timeout },
            tls: config.tls.as_ref().map(tls::Acceptor::new).transpose()?,
            connections_max: config.connections_max,
            lifetime: Lifetime::idle(config.idle_timeout),
            auth: config.auth.as_ref().map(extension::Server::new).transpose()?,
            headers: HeaderMap::new(),
        };
        let listener = context.listeners.bind(place)?;
        context.budget.fit(config.limits.body_bytes_max);
        let (budget, metrics) = (context.budget.clone(), context.pushes.clone());
        Ok(Self { id: id.to_owned(), listener, setup, limits: config.limits, budget, metrics })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }
}

#[async_trait]
impl Receiver for Pyroscope {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { id, listener, setup, limits, budget, metrics } = *self;
        let socket = listener.accepting().context("use a socket")?;
        let intake = Intake::new(&id, limits, budget, outlet, metrics);
        Server::new(setup, intake).run(socket, stop).await;
        drop(listener);
        Ok(())
    }
}
