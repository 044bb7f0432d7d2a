//! What a server may answer that is not ours: too much, and to each request something else.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use exporter::otlp::{Compression, Config, Otlp};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use pipeline::{
    codec::otlp::{self, answer},
    component::{Export, ExportError, Exporter, Refusals},
    limits::Limits,
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::export;

/// A status, of gRPC or HTTP, and how many zeros the body has.
#[derive(Clone, Copy)]
struct Said(u16, u64);

/// A message, zeros, and in gRPC the status behind them.
struct Body {
    message: Bytes,
    zeros: u64,
    status: Option<u16>,
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const ZEROS: &[u8] = &[0; 64 << 10];
        if !self.message.is_empty() {
            let message = std::mem::take(&mut self.message);
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if self.zeros > 0 {
            let now = self.zeros.min(ZEROS.len() as u64);
            self.zeros -= now;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..now as usize])))));
        }
        Poll::Ready(self.status.take().map(|status| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.to_string().parse().unwrap());
            Ok(Frame::trailers(trailers))
        }))
    }
}

/// A server that answers what a function says of the number of a request and its body.
struct Server {
    endpoint: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(
        is_grpc: bool,
        say: impl Fn(usize, Bytes) -> Said + Send + Sync + 'static,
    ) -> Self {
        Self::with(is_grpc, Bytes::new(), say).await
    }

    /// One whose answers have this message, too.
    async fn with(
        is_grpc: bool,
        message: Bytes,
        say: impl Fn(usize, Bytes) -> Said + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (say, number) = (Arc::new(say), Arc::new(Mutex::new(0)));
        let answer = move |request: Request<Incoming>| {
            let (say, number, message) = (Arc::clone(&say), Arc::clone(&number), message.clone());
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let Said(status, zeros) = {
                    let mut number = number.lock().unwrap();
                    *number += 1;
                    say(*number, body)
                };
                let answer = Response::builder().status(if is_grpc { 200 } else { status });
                let body = Body { message, zeros, status: is_grpc.then_some(status) };
                Ok::<_, Infallible>(answer.body(body).unwrap())
            }
        };
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Relaxed);
                let (builder, answer) = (Builder::new(TokioExecutor::new()), answer.clone());
                tokio::spawn(async move {
                    builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await
                });
            }
        });
        Self { endpoint, connections, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_read_for_its_status_only() {
    let Some(export) = export(1) else { return };
    let (long, endless) = (8 << 20, u64::MAX);
    for (is_grpc, said, want) in [
        (false, Said(200, long), "taken"),
        (false, Said(400, long), "never"),
        (false, Said(400, endless), "never"),
        (false, Said(503, endless), "later"),
        (true, Said(0, long), "taken"),
        (true, Said(3, long), "never"),
        (true, Said(14, long), "later"),
        // What it would say behind that is not waited for.
        (true, Said(0, endless), "never"),
    ] {
        let server = Server::start(is_grpc, move |_, _| said).await;
        let config = Config { endpoint: server.endpoint.clone(), ..Config::default() };
        let answer = Otlp::new(&config, is_grpc).unwrap().export(&export).await;
        let got = match &answer {
            Ok(_) => "taken",
            Err(ExportError::Permanent(_)) => "never",
            Err(ExportError::Retryable { .. }) => "later",
        };
        assert_eq!(got, want, "gRPC {is_grpc}, {} with {} bytes: {answer:?}", said.0, said.1);
    }
}

/// The numbers of profiles in a request over HTTP.
fn numbers(export: &Export, request: &[u8]) -> BTreeSet<usize> {
    let decoded = otlp::Decoder::default().decode(request, &Limits::default()).unwrap();
    let place = |profile: &pipeline::profile::Profile| {
        let same = |stored: &pipeline::component::Stored| {
            stored.profile.meta.resource == profile.meta.resource
        };
        export.profiles.iter().position(same).unwrap()
    };
    decoded.profiles.iter().map(place).collect()
}

#[tokio::test]
async fn of_a_push_of_many_requests_only_those_that_are_refused_are_given_up() {
    let Some(export) = export(60) else { return };
    let export = Arc::new(export);
    let (taken, refused) = (Arc::<Mutex<BTreeSet<usize>>>::default(), Arc::default());
    let server = Server::start(false, {
        let (export, taken) = (Arc::clone(&export), Arc::clone(&taken));
        let refused: Arc<Mutex<BTreeSet<usize>>> = Arc::clone(&refused);
        move |number, body| {
            let (code, list) = match number {
                2 | 5 => (400, &refused),
                3 => return Said(503, 0),
                _ => (200, &taken),
            };
            list.lock().unwrap().extend(numbers(&export, &body));
            Said(code, 0)
        }
    })
    .await;
    let config = Config {
        endpoint: server.endpoint.clone(),
        compression: Compression::None,
        request_bytes_max: 16 << 10,
        ..Config::default()
    };
    let mut exporter = Otlp::new(&config, false).unwrap();
    let later = exporter.export(&export).await;
    assert!(matches!(later, Err(ExportError::Retryable { .. })), "{later:?}");
    // What was refused before is not forgotten, nor is anything sent again.
    let answer = exporter.export(&export).await.unwrap();
    let (taken, refused) = (taken.lock().unwrap(), refused.lock().unwrap());
    assert_eq!(answer.refused.places, *refused);
    assert!(answer.refused.reason.contains("400"), "{answer:?}");
    assert!(refused.len() > 1 && refused.len() + 3 < export.profiles.len(), "{refused:?}");
    let all: BTreeSet<_> = taken.union(&refused).copied().collect();
    assert_eq!(all, (0..export.profiles.len()).collect());
}

#[tokio::test]
async fn connections_are_made_anew_now_and_then() {
    let Some(export) = export(1) else { return };
    for is_grpc in [true, false] {
        let server =
            Server::start(is_grpc, move |_, _| Said(if is_grpc { 0 } else { 200 }, 0)).await;
        let config = Config {
            endpoint: server.endpoint.clone(),
            reconnect_interval: Duration::from_secs(1),
            ..Config::default()
        };
        assert_eq!(config.check(is_grpc), []);
        let mut exporter = Otlp::new(&config, is_grpc).unwrap();
        for (pause, connections) in [(0, 1), (0, 1), (1100, 2), (0, 2)] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            exporter.export(&export).await.unwrap();
            assert_eq!(server.connections.load(Relaxed), connections, "gRPC {is_grpc}");
        }
    }
}

#[tokio::test]
async fn what_grpc_takes_in_part_is_not_sent_again() {
    let Some(export) = export(1) else { return };
    let partial = answer::response(1, "too old");
    let frame = [&[0][..], &(partial.len() as u32).to_be_bytes(), &partial].concat();
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Server::with(true, frame.into(), {
        let requests = Arc::clone(&requests);
        move |number, _| {
            requests.store(number, Relaxed);
            Said(0, 0)
        }
    })
    .await;
    let config = Config { endpoint: server.endpoint.clone(), ..Config::default() };
    let taken = Otlp::new(&config, true).unwrap().export(&export).await.unwrap();
    assert_eq!((taken.rejected, taken.reason.as_str()), (1, "too old"));
    assert_eq!((taken.refused, requests.load(Relaxed)), (Refusals::default(), 1));
}
