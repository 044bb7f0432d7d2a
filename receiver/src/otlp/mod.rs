//! The receiver `otlp`: profiles by OTLP over gRPC and HTTP, from whoever speaks version 1.10 of
//! the protocol. A sender is told of success when its profiles are durable.
//! `README.md` beside this file says what a user sees of it.

mod config;
pub(crate) mod grpc;
pub(crate) mod http;
mod limits;

pub use config::{Config, Grpc, Http, Protocols};

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use pipeline::{
    component::{Outlet, Receiver},
    extension,
    limits::Limits,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    budget::Budget,
    server::{
        Lifetime, Listener, Place, PushMetrics,
        intake::Intake,
        port::place,
        serve::{Protocol, Server, Setup},
        tls,
    },
};

/// Takes what OTLP senders push.
pub struct Otlp {
    id: String,
    ports: Vec<Port>,
    budget: Budget,
    metrics: PushMetrics,
}

/// One protocol that is listened to.
struct Port {
    listener: Arc<Listener>,
    setup: Setup,
    limits: Limits,
}

impl Otlp {
    /// Takes the ports, so that one that is in use is known before anything runs.
    ///
    /// # Errors
    /// Where a port is in use, or a certificate or a file of secrets cannot be read.
    pub fn new(id: &str, config: &Config, context: &Context) -> anyhow::Result<Self> {
        let Protocols { grpc, http } = &config.protocols;
        let mut ports = Vec::new();
        if let Some(grpc) = grpc {
            let lifetime = Lifetime::new(&grpc.keepalive.server_parameters);
            let setup = Setup {
                protocol: Protocol::Grpc { streams_max: grpc.max_concurrent_streams },
                tls: grpc.tls.as_ref().map(tls::Acceptor::new).transpose()?,
                connections_max: config.connections_max,
                lifetime,
                auth: grpc.auth.as_ref().map(extension::Server::new).transpose()?,
                headers: HeaderMap::new(),
            };
            let bytes_max = grpc.max_recv_msg_size_mib.map(|mib| mib << 20);
            let place = place(&grpc.endpoint, grpc.transport.as_deref())?;
            ports.push(Port::bind(place, setup, bytes_max, config, context)?);
        }
        if let Some(http) = http {
            let (header_timeout, keep_alive) = (http.read_header_timeout, http.keep_alives_enabled);
            let headers = http.response_headers.iter().map(|(name, value)| {
                Ok((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
            });
            let setup = Setup {
                protocol: Protocol::Http { header_timeout, keep_alive },
                tls: http.tls.as_ref().map(tls::Acceptor::new).transpose()?,
                connections_max: config.connections_max,
                lifetime: Lifetime::idle(http.idle_timeout),
                auth: http.auth.as_ref().map(extension::Server::new).transpose()?,
                headers: headers.collect::<anyhow::Result<_>>()?,
            };
            let bytes_max = http.max_request_body_size;
            let place = place(&http.endpoint, http.transport.as_deref())?;
            ports.push(Port::bind(place, setup, bytes_max, config, context)?);
        }
        context.budget.fit(config.limits.body_bytes_max);
        let (budget, metrics) = (context.budget.clone(), context.pushes.clone());
        Ok(Self { id: id.to_owned(), ports, budget, metrics })
    }

    /// Where it listens: gRPC before HTTP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.ports.iter().filter_map(|port| port.listener.address()).collect()
    }
}

impl Port {
    fn bind(
        place: Place,
        setup: Setup,
        bytes_max: Option<usize>,
        config: &Config,
        context: &Context,
    ) -> anyhow::Result<Self> {
        let bytes_max = bytes_max.unwrap_or(config.limits.inflated_bytes_max);
        let limits = Limits {
            inflated_bytes_max: bytes_max,
            body_bytes_max: config.limits.body_bytes_max.min(bytes_max + (1 << 16)),
            ..config.limits
        };
        Ok(Self { listener: context.listeners.bind(place)?, setup, limits })
    }
}

#[async_trait]
impl Receiver for Otlp {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { id, ports, budget, metrics } = *self;
        let mut tasks = JoinSet::new();
        for Port { listener, setup, limits } in ports {
            let socket = listener.accepting().context("use a socket")?;
            let intake = Intake::new(&id, limits, budget.clone(), outlet.clone(), metrics.clone());
            let server = Server::new(setup, intake);
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
