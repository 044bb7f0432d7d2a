//! The receiver `otlp`: profiles by OTLP over gRPC and HTTP, from whoever speaks version 1.10 of
//! the protocol. A sender is told of success when its profiles are durable.
//! `README.md` beside this file says what a user sees of it.

mod config;
mod grpc;
mod http;
mod intake;
mod listeners;
mod serve;
mod tls;

pub use config::{Config, Grpc, Http, Protocols, Tls};
pub use listeners::Listeners;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use anyhow::Context as _;
use async_trait::async_trait;
use pipeline::{
    component::{Outlet, Receiver},
    limits::Limits,
};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::{intake::Intake, serve::Protocol};
use crate::{Context, budget::Budget};

/// Takes what OTLP senders push.
pub struct Otlp {
    id: String,
    ports: Vec<Port>,
    connections_max: usize,
    budget: Budget,
}

/// One protocol that is listened to.
struct Port {
    listener: Arc<TcpListener>,
    tls: Option<TlsAcceptor>,
    protocol: Protocol,
    limits: Limits,
}

impl Otlp {
    /// Takes the ports, so that one that is in use is known before anything runs.
    ///
    /// # Errors
    /// Where a port is in use, or a certificate cannot be read.
    pub fn new(id: &str, config: &Config, context: &Context) -> anyhow::Result<Self> {
        let Protocols { grpc, http } = &config.protocols;
        let mut ports = Vec::new();
        let mut port = |endpoint: &str, tls: &Option<Tls>, protocol, bytes_max: Option<usize>| {
            let address = config::address(endpoint).with_context(|| format!("find {endpoint}"))?;
            let bytes_max = bytes_max.unwrap_or(config.limits.inflated_bytes_max);
            let limits = Limits {
                inflated_bytes_max: bytes_max,
                body_bytes_max: config.limits.body_bytes_max.min(bytes_max + (1 << 16)),
                ..config.limits
            };
            let tls = tls.as_ref().map(tls::acceptor).transpose()?;
            let listener = context.listeners.bind(address)?;
            ports.push(Port { listener, tls, protocol, limits });
            anyhow::Ok(())
        };
        if let Some(Grpc { endpoint, tls, max_recv_msg_size_mib, .. }) = grpc {
            let streams_max = grpc.as_ref().map_or(100, |grpc| grpc.max_concurrent_streams);
            let bytes_max = max_recv_msg_size_mib.map(|mib| mib << 20);
            port(endpoint, tls, Protocol::Grpc { streams_max }, bytes_max)?;
        }
        if let Some(Http { endpoint, tls, max_request_body_size, read_header_timeout, .. }) = http {
            let protocol = Protocol::Http { header_timeout: *read_header_timeout };
            port(endpoint, tls, protocol, *max_request_body_size)?;
        }
        context.budget.fit(config.limits.body_bytes_max);
        let (connections_max, budget) = (config.connections_max, context.budget.clone());
        Ok(Self { id: id.to_owned(), ports, connections_max, budget })
    }

    /// Where it listens: gRPC before HTTP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.iter().filter_map(|port| port.listener.local_addr().ok()).collect()
    }
}

#[async_trait]
impl Receiver for Otlp {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { id, ports, connections_max, budget } = *self;
        let mut tasks = JoinSet::new();
        for Port { listener, tls, protocol, limits } in ports {
            let socket = listener.try_clone().context("share a socket")?;
            let socket = tokio::net::TcpListener::from_std(socket).context("use a socket")?;
            let intake = Intake::new(&id, limits, budget.clone(), outlet.clone());
            let server = serve::Server::new(protocol, tls, connections_max, intake);
            let stop = stop.clone();
            tasks.spawn(async move {
                server.run(socket, stop).await;
                drop(listener);
            });
        }
        drop(outlet);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}
