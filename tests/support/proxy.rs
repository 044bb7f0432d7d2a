//! What stands before a server of OTLP and misbehaves on purpose: it answers what a tired server
//! would, breaks connections, or is silent. Of the numbered profiles (`numbers`) in each request it
//! knows how often the server behind it has got them, and how often the sender was told so.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use pipeline::{
    codec::otlp::{Decoder, answer::Status},
    limits::Limits,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::sleep,
};

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// Passes on and back.
    Pass,
    /// Passes on after a while.
    Slow(Duration),
    /// UNAVAILABLE, or 503.
    Unavailable,
    /// RESOURCE_EXHAUSTED with RetryInfo, or 429 with Retry-After.
    Exhausted,
    /// Takes a request and never answers it.
    Hang,
    /// Takes a request and breaks the connection.
    Cut,
    /// Passes on, and breaks the connection in place of the answer.
    LoseAnswer,
    /// Passes on and never answers.
    Forget,
}

/// What became of a profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests with it that went on to the server.
    pub passed: i64,
    /// Of these, those whose sender was told that it was taken.
    pub told: i64,
}

/// A proxy; it ends when this is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _accepts: JoinSet<()>,
}

struct Shared {
    /// Where the server is: gRPC and HTTP.
    servers: [String; 2],
    mood: Mutex<Mood>,
    seen: Mutex<BTreeMap<u64, Seen>>,
    clients: [reqwest::Client; 2],
}

impl Proxy {
    /// Starts before a server on these ports of gRPC and HTTP.
    pub async fn start(server: [u16; 2]) -> Self {
        let client = || reqwest::Client::builder().no_proxy();
        let shared = Arc::new(Shared {
            servers: server.map(|port| format!("http://127.0.0.1:{port}")),
            mood: Mutex::new(Mood::Pass),
            seen: Mutex::default(),
            clients: [client().http2_prior_knowledge(), client()].map(|b| b.build().unwrap()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepts = JoinSet::new();
        accepts.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _accepts: accepts }
    }

    /// Behaves so from now on.
    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// What became of the profiles so far, by number.
    pub fn seen(&self) -> BTreeMap<u64, Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // What is dropped is reset and not closed in an orderly way.
    stream.set_zero_linger().unwrap();
    let broken = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (shared, broken) = (Arc::clone(&shared), Arc::clone(&broken));
        async move { Ok::<_, std::convert::Infallible>(shared.answer(request, &broken).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = broken.notified() => {}
    }
}

type Answer = Response<BoxBody<Bytes, std::convert::Infallible>>;

impl Shared {
    async fn answer(&self, request: Request<Incoming>, broken: &Notify) -> Answer {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return std::future::pending().await };
        let body = body.to_bytes();
        let text = |name: HeaderName| head.headers.get(name).and_then(|v| v.to_str().ok());
        let is_grpc = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/grpc"));
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Unavailable => return refusal(is_grpc, false),
            Mood::Exhausted => return refusal(is_grpc, true),
            Mood::Hang => return std::future::pending().await,
            Mood::Slow(time) => sleep(time).await,
            Mood::Cut => {
                broken.notify_one();
                return std::future::pending().await;
            }
            Mood::Pass | Mood::LoseAnswer | Mood::Forget => {}
        }
        let numbers = numbers(if is_grpc { &body[5..] } else { &body });
        let passed = self.pass(is_grpc, head, body, &numbers).await;
        match (mood, passed) {
            (Mood::Forget, _) => std::future::pending().await,
            (Mood::LoseAnswer, _) | (_, None) => {
                broken.notify_one();
                std::future::pending().await
            }
            (_, Some((answer, taken))) => {
                if taken {
                    self.count(&numbers, |seen| seen.told += 1);
                }
                answer
            }
        }
    }

    fn count(&self, numbers: &[u64], count: impl Fn(&mut Seen)) {
        let mut seen = self.seen.lock().unwrap();
        numbers.iter().for_each(|number| count(seen.entry(*number).or_default()));
    }

    /// Passes a request on: the answer, and whether it says that all was taken. `None` where the
    /// server did not answer.
    async fn pass(
        &self,
        is_grpc: bool,
        head: hyper::http::request::Parts,
        body: Bytes,
        numbers: &[u64],
    ) -> Option<(Answer, bool)> {
        let at = usize::from(!is_grpc);
        let mut headers = head.headers;
        [HOST, CONTENT_LENGTH].iter().for_each(|name| drop(headers.remove(name)));
        let url = format!("{}{}", self.servers[at], head.uri.path());
        self.count(numbers, |seen| seen.passed += 1);
        let sent = self.clients[at].post(url).headers(headers).body(body).send().await;
        if sent.as_ref().is_err_and(reqwest::Error::is_connect) {
            self.count(numbers, |seen| seen.passed -= 1);
        }
        let response: Response<reqwest::Body> = sent.ok()?.into();
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.ok()?;
        let trailers = body.trailers().cloned();
        let code = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
        let taken = match is_grpc {
            true => code.is_some_and(|code| code == "0"),
            false => head.status == StatusCode::OK,
        };
        [CONTENT_LENGTH, TRANSFER_ENCODING].iter().for_each(|name| {
            head.headers.remove(name);
        });
        let body = Full::new(body.to_bytes());
        let body = match trailers {
            Some(trailers) => body.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed(),
            None => body.boxed(),
        };
        Some((Response::from_parts(head, body), taken))
    }
}

/// A refusal that says that the same may be sent again; where `in_time`, with the time to wait.
fn refusal(is_grpc: bool, in_time: bool) -> Answer {
    let retry_after = in_time.then_some(Duration::from_secs(1));
    let code = if in_time { 8 } else { 14 };
    let status = Status { code, message: "not now".into(), retry_after };
    let mut headers = HeaderMap::new();
    let mut head = |name, value| headers.insert(HeaderName::from_static(name), value);
    if is_grpc {
        use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
        let details = BASE64_STANDARD_NO_PAD.encode(status.encode());
        head("content-type", HeaderValue::from_static("application/grpc"));
        head("grpc-status", HeaderValue::from(code));
        head("grpc-status-details-bin", HeaderValue::from_str(&details).unwrap());
        return answer(StatusCode::OK, headers, vec![]);
    }
    head("content-type", HeaderValue::from_static("application/x-protobuf"));
    if in_time {
        head("retry-after", HeaderValue::from_static("1"));
    }
    let http = if in_time { 429 } else { 503 };
    answer(StatusCode::from_u16(http).unwrap(), headers, status.encode())
}

fn answer(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)).boxed());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// The numbers of the profiles in a request.
fn numbers(request: &[u8]) -> Vec<u64> {
    let decoded = Decoder::default().decode(request, &Limits::default()).unwrap();
    let profiles = decoded.profiles.iter();
    let functions = profiles.flat_map(|p| p.functions().iter().map(|f| p.text(f.name)));
    functions.filter_map(|name| name.strip_prefix('f')?.parse().ok()).collect()
}
