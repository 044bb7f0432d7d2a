//! Connections: accepted up to a number, served until they end or the receiver stops.

use std::{
    convert::Infallible,
    fmt::Display,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{HeaderMap, Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use pipeline::extension;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Instant},
};
use tokio_util::{either::Either, sync::CancellationToken};

use super::{
    Accepting, Lifetime, Peer,
    grpc::{self, Answer},
    hello::Hello,
    intake::Intake,
    tls,
};
use crate::{otlp, pyroscope};

/// Bytes of the head of a request.
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// Time for a handshake of TLS, and for the first bytes of HTTP after it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for answers under way when the receiver stops.
const STOP_GRACE: Duration = Duration::from_millis(800);
/// Time for the farewell to a client that is idle; one that does not answer is gone.
const IDLE_GRACE: Duration = Duration::from_secs(3);
/// Wait after a connection could not be accepted, which files that are all in use may cause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken on a port.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    /// OTLP over gRPC.
    Grpc { streams_max: u32 },
    /// OTLP over HTTP.
    Http { header_timeout: Duration, keep_alive: bool },
    /// What agents of Pyroscope push.
    Push { header_timeout: Duration },
}

/// What a port is made of.
pub(crate) struct Setup {
    /// What is spoken.
    pub protocol: Protocol,
    /// TLS; plain text without it.
    pub tls: Option<tls::Acceptor>,
    /// Connections at the same time.
    pub connections_max: usize,
    /// When connections end.
    pub lifetime: Lifetime,
    /// Who may send; everybody without it.
    pub auth: Option<extension::Server>,
    /// Header fields of every answer.
    pub headers: HeaderMap,
}

/// One port.
pub(crate) struct Server {
    setup: Setup,
    connections: Arc<Semaphore>,
    intake: Arc<Intake>,
    builder: Builder<TokioExecutor>,
}

/// Requests of a connection that are under way, and when the last one ended.
struct Busy(Mutex<(usize, Instant)>);

impl Server {
    pub(crate) fn new(setup: Setup, intake: Intake) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        let (streams_max, header_timeout, keep_alive) = match setup.protocol {
            Protocol::Grpc { streams_max } => (streams_max, Duration::from_secs(10), true),
            Protocol::Http { header_timeout, keep_alive } => (100, header_timeout, keep_alive),
            Protocol::Push { header_timeout } => (100, header_timeout, true),
        };
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .keep_alive(keep_alive)
            .max_buf_size(HEAD_BYTES_MAX as usize);
        let (interval, timeout) = setup.lifetime.ping.unzip();
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(streams_max)
            .max_header_list_size(HEAD_BYTES_MAX)
            .keep_alive_interval(interval)
            .keep_alive_timeout(timeout.unwrap_or_default());
        if let Protocol::Grpc { .. } = setup.protocol {
            builder = builder.http2_only();
        }
        let connections = Arc::new(Semaphore::new(setup.connections_max));
        Self { setup, connections, intake: Arc::new(intake), builder }
    }

    /// Accepts until `stop`, then lets requests under way end for a moment.
    pub(crate) async fn run(self, listener: Accepting, stop: CancellationToken) {
        let server = Arc::new(self);
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = server.accept(&listener) => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            let (server, stop) = (Arc::clone(&server), stop.clone());
            tasks.spawn(async move {
                match &server.setup.tls {
                    None => server.connection(stream, peer, &stop).await,
                    Some(tls) => {
                        let shaken = async { tls.get().await.accept(stream).await };
                        let shaken = time::timeout(HANDSHAKE_TIMEOUT, shaken);
                        let shaken = stop.run_until_cancelled(shaken).await;
                        match shaken {
                            Some(Ok(Ok(stream))) => server.connection(stream, peer, &stop).await,
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
        let ended = async { while tasks.join_next().await.is_some() {} };
        let _ = time::timeout(STOP_GRACE, ended).await;
        tasks.shutdown().await;
    }

    async fn accept(
        &self,
        listener: &Accepting,
    ) -> Option<(Either<TcpStream, UnixStream>, Peer, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, permit)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    async fn connection(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        stop: &CancellationToken,
    ) {
        let busy = Arc::new(Busy(Mutex::new((0, Instant::now()))));
        let service = service_fn({
            let (server, busy) = (Arc::clone(self), Arc::clone(&busy));
            move |request: Request<Incoming>| {
                let (server, under_way) = (Arc::clone(&server), busy.begin());
                async move {
                    let answer = server.answer(request, peer).await;
                    drop(under_way);
                    Ok::<_, Infallible>(answer)
                }
            }
        });
        let hello = Hello::default();
        let stream = TokioIo::new(hello.watch(stream));
        let connection = self.builder.serve_connection(stream, service);
        let mut connection = pin!(connection.into_owned());
        let lifetime = self.setup.lifetime;
        let grace = tokio::select! {
            ended = connection.as_mut() => return log_end(peer, ended),
            () = hello.missing_after(HANDSHAKE_TIMEOUT) => {
                return tracing::debug!(%peer, "a connection said nothing");
            }
            () = stop.cancelled() => None,
            () = busy.idle_for(lifetime.idle) => Some(IDLE_GRACE),
            () = after(lifetime.age) => lifetime.grace,
        };
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => log_end(peer, ended),
            () = after(grace) => tracing::debug!(%peer, "an old connection was closed"),
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let Setup { protocol, auth, headers, .. } = &self.setup;
        if let Some(auth) = auth {
            let sent = request.headers().get(auth.header()).and_then(|value| value.to_str().ok());
            if let Err(denied) = auth.check(sent).await {
                self.intake.denied(denied, peer);
                return match protocol {
                    Protocol::Grpc { .. } => grpc::denied(denied),
                    Protocol::Http { .. } => {
                        otlp::http::denied(&request, denied, &auth.challenge())
                    }
                    Protocol::Push { .. } => {
                        pyroscope::http::denied(&request, denied, &auth.challenge())
                    }
                };
            }
        }
        let mut answer = match protocol {
            Protocol::Grpc { .. } => otlp::grpc::answer(request, peer, &self.intake).await,
            Protocol::Http { .. } => otlp::http::answer(request, peer, &self.intake).await,
            Protocol::Push { .. } => pyroscope::http::answer(request, peer, &self.intake).await,
        };
        answer.headers_mut().extend(headers.clone());
        answer
    }
}

fn log_end<E: Display>(peer: Peer, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

/// Resolves after a time, or never.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => time::sleep(time).await,
        None => std::future::pending().await,
    }
}

impl Busy {
    fn lock(&self) -> MutexGuard<'_, (usize, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins; it ends with what this returns.
    fn begin(self: &Arc<Self>) -> UnderWay {
        self.lock().0 += 1;
        UnderWay(Arc::clone(self))
    }

    /// Resolves when there was no request for such a time.
    async fn idle_for(&self, idle: Option<Duration>) {
        let Some(idle) = idle else { return std::future::pending().await };
        loop {
            let (requests, since) = *self.lock();
            let left = idle.saturating_sub(since.elapsed());
            if requests == 0 && left.is_zero() {
                return;
            }
            time::sleep(if requests == 0 { left } else { idle }).await;
        }
    }
}

/// A request of a connection.
struct UnderWay(Arc<Busy>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut busy = self.0.lock();
        *busy = (busy.0 - 1, Instant::now());
    }
}
