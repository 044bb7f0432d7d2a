//! Connections: accepted up to a number, each served until it ends, falls silent or the server
//! stops.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::body::Body;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Pages;

/// Connections at the same time; more wait until one of these ends.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may take over the head of a request, the first bytes and the wait between
/// requests included. No round number of a scrape interval, which would meet the end each time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long answers under way may take when the process stops.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Wait after a connection could not be accepted, which files that are all in use may cause.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that has its port but does not answer yet.
pub struct Server {
    listener: TcpListener,
    pages: Pages,
    connections: Arc<Semaphore>,
    head_timeout: Duration,
}

impl Server {
    /// Serves these pages, which may change while it does.
    pub fn new(listener: TcpListener, pages: Pages) -> Self {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Self { listener, pages, connections, head_timeout: HEAD_TIMEOUT }
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.listener.local_addr().context("read the address of a server")
    }

    /// Answers until `stop`, then lets answers under way finish for a moment.
    pub async fn serve(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.head_timeout);
        let (router, graceful) = (self.pages.router(), GracefulShutdown::new());
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            let Some((stream, permit)) = accepted else { continue };
            let router = router.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                router.clone().oneshot(request.map(Body::new))
            });
            let connection = builder.serve_connection(TokioIo::new(stream), answer);
            let connection = graceful.watch(connection);
            tasks.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        // What is left then ends with `tasks`.
        let _ = time::timeout(STOP_GRACE, graceful.shutdown()).await;
        Ok(())
    }

    async fn accept(&self) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, _)) => Some((stream, permit)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HELLO: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

    async fn start(connections_max: usize) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pages = Pages::new(Router::new().route("/", get(async || "hello")));
        let mut server = Server::new(listener, pages);
        server.connections = Arc::new(Semaphore::new(connections_max));
        server.head_timeout = Duration::from_millis(300);
        let (address, stop) = (server.address().unwrap(), CancellationToken::new());
        tokio::spawn(server.serve(stop.clone()));
        (address, stop)
    }

    #[tokio::test]
    async fn a_connection_that_is_silent_ends_and_leaves_its_place() {
        let (address, _stop) = start(3).await;
        let mut silent = Vec::new();
        for said in [&b""[..], b"GET / HT", HELLO] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            silent.push(stream);
        }
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(HELLO).await.unwrap();
        let mut answer = [0; 15];
        let early = time::timeout(Duration::from_millis(100), next.read_exact(&mut answer)).await;
        assert!(early.is_err(), "three of three places are taken");
        let answered = time::timeout(Duration::from_secs(10), next.read_exact(&mut answer)).await;
        answered.expect("places of the silent are free again").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        for mut stream in silent {
            let mut rest = Vec::new();
            let ended = time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
            let _ = ended.await.expect("it ends");
        }
    }

    #[tokio::test]
    async fn a_stop_ends_connections_that_wait() {
        let (address, stop) = start(3).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(HELLO).await.unwrap();
        stream.read_exact(&mut [0; 15]).await.unwrap();
        stop.cancel();
        let mut rest = Vec::new();
        let ended = time::timeout(Duration::from_millis(250), stream.read_to_end(&mut rest));
        ended.await.expect("before its time is over").unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
