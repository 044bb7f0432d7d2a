//! Connections: accepted up to a number, served until they end or the receiver stops.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    time,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{grpc, http, intake::Intake};

/// Bytes of the head of a request.
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// Time for a handshake of TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether it is still there, and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for answers under way when the receiver stops.
const STOP_GRACE: Duration = Duration::from_millis(800);
/// Wait after a connection could not be accepted, which files that are all in use may cause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on a port.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    /// OTLP over gRPC.
    Grpc { streams_max: u32 },
    /// OTLP over HTTP.
    Http { header_timeout: Duration },
}

/// One port.
pub(super) struct Server {
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    connections: Arc<Semaphore>,
    intake: Arc<Intake>,
    builder: Builder<TokioExecutor>,
}

impl Server {
    pub(super) fn new(
        protocol: Protocol,
        tls: Option<TlsAcceptor>,
        connections_max: usize,
        intake: Intake,
    ) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        let (streams_max, header_timeout) = match protocol {
            Protocol::Grpc { streams_max } => (streams_max, Duration::from_secs(10)),
            Protocol::Http { header_timeout } => (100, header_timeout),
        };
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(HEAD_BYTES_MAX as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(streams_max)
            .max_header_list_size(HEAD_BYTES_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        if let Protocol::Grpc { .. } = protocol {
            builder = builder.http2_only();
        }
        let connections = Arc::new(Semaphore::new(connections_max));
        Self { protocol, tls, connections, intake: Arc::new(intake), builder }
    }

    /// Accepts until `stop`, then lets requests under way end for a moment.
    pub(super) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let server = Arc::new(self);
        let graceful = Arc::new(GracefulShutdown::new());
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = server.accept(&listener) => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            let (server, stop) = (Arc::clone(&server), stop.clone());
            let watcher = graceful.watcher();
            tasks.spawn(async move {
                match &server.tls {
                    None => server.connection(stream, peer, watcher).await,
                    Some(tls) => {
                        let shaken = time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
                        let shaken = stop.run_until_cancelled(shaken).await;
                        match shaken {
                            Some(Ok(Ok(stream))) => server.connection(stream, peer, watcher).await,
                            Some(Ok(Err(error))) => {
                                tracing::debug!(%peer, %error, "no TLS came about");
                            }
                            Some(Err(_)) | None => {}
                        }
                    }
                }
                drop(permit);
            });
        }
        drop(listener);
        if let Some(graceful) = Arc::into_inner(graceful) {
            let _ = time::timeout(STOP_GRACE, graceful.shutdown()).await;
        }
        tasks.shutdown().await;
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true); // An answer is small; it may as well be slow.
                Some((stream, peer, permit))
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    async fn connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let (protocol, intake) = (self.protocol, Arc::clone(&self.intake));
        let service = service_fn(move |request: Request<Incoming>| {
            let intake = Arc::clone(&intake);
            async move {
                Ok::<_, Infallible>(match protocol {
                    Protocol::Grpc { .. } => grpc::answer(request, peer, &intake).await,
                    Protocol::Http { .. } => http::answer(request, peer, &intake).await,
                })
            }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(%peer, %error, "a connection ended");
        }
    }
}
