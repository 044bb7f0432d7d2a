//! How long connections to the receiver live, and questions whether the other end is still there.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use exporter::otlp::{Config, Keepalive, Otlp};
use http_body_util::Empty;
use hyper::{Request, Response, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pipeline::{component::Exporter, receipt::Outcome};
use receiver::server::ServerParameters;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Peer, export};

/// The time until a connection on which nothing is said is closed by the other end.
async fn closed_after(address: std::net::SocketAddr, say: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(say).await.unwrap();
    let start = Instant::now();
    let mut sink = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut sink)).await;
    let _ = end.expect("is closed");
    start.elapsed()
}

/// How a client of HTTP/2 begins: the preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn idle_and_old_connections_end_and_busy_ones_do_not() {
    let Some(export) = export(1) else { return };
    let server = ServerParameters {
        max_connection_idle: Duration::from_millis(300),
        ..ServerParameters::default()
    };
    let mut peer = Peer::start(|grpc, http| {
        grpc.keepalive.server_parameters = server.clone();
        http.idle_timeout = Duration::from_millis(300);
    });
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (address, say) in [(peer.addresses[0], PREFACE), (peer.addresses[1], request)] {
        let took = closed_after(address, say).await;
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(5), "{took:?}");
    }
    // An answer that takes longer than a connection may be idle.
    for is_grpc in [true, false] {
        let mut exporter = Otlp::new(&peer.exporter(is_grpc), is_grpc).unwrap();
        let slow = async {
            let batch = peer.batches.recv().await.unwrap();
            tokio::time::sleep(Duration::from_millis(900)).await;
            batch.receipt.settle(Outcome::Delivered);
        };
        let (sent, ()) = tokio::join!(exporter.export(&export), slow);
        sent.unwrap();
        // And the next one, when its connection is gone, takes another.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let (sent, _) = tokio::join!(exporter.export(&export), peer.next(Outcome::Delivered));
        sent.unwrap();
    }
    peer.end().await;

    let server = ServerParameters {
        max_connection_age: Duration::from_millis(400),
        max_connection_age_grace: Duration::from_millis(100),
        ..ServerParameters::default()
    };
    let peer = Peer::start(|grpc, _| grpc.keepalive.server_parameters = server);
    let took = closed_after(peer.addresses[0], PREFACE).await;
    assert!(took >= Duration::from_millis(350) && took < Duration::from_secs(5), "{took:?}");
    peer.end().await;
}

#[tokio::test]
async fn connections_that_say_nothing_end_and_leave_room() {
    let Some(export) = export(1) else { return };
    let mut peer = Peer::start(|_, _| {});
    // As many as there may be at the same time, on both ports.
    let mut silent = JoinSet::new();
    for address in [peer.addresses[0], peer.addresses[1]] {
        for say in [b"", b"", &PREFACE[..20], &PREFACE[..20]] {
            silent.spawn(closed_after(address, say));
        }
    }
    for took in silent.join_all().await {
        assert!(took >= Duration::from_secs(9) && took < Duration::from_secs(15), "{took:?}");
    }
    for is_grpc in [true, false] {
        let mut exporter = Otlp::new(&peer.exporter(is_grpc), is_grpc).unwrap();
        let (sent, _) = tokio::join!(exporter.export(&export), peer.next(Outcome::Delivered));
        sent.unwrap();
    }
    peer.end().await;
}

#[tokio::test]
async fn an_end_that_is_silent_is_found_out_before_the_timeout() {
    let Some(export) = export(1) else { return };
    // Takes connections and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            streams.push(stream);
        }
    });
    let (time, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    let keepalive = Keepalive { time, timeout, permit_without_stream: true };
    let timeout = Some(Duration::from_secs(60));
    let config = Config { endpoint, keepalive, timeout, ..Config::default() };
    assert_eq!(config.check(true), []);
    let mut exporter = Otlp::new(&config, true).unwrap();
    let start = Instant::now();
    assert!(exporter.export(&export).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    silent.abort();
}

#[tokio::test]
async fn answers_carry_the_headers_of_the_config() {
    let peer = Peer::start(|_, http| {
        http.response_headers = [("x-served-by".to_owned(), "profpipe".to_owned())].into();
    });
    let url = format!("{}/v1development/profiles", peer.http());
    let post = reqwest::Client::new().post(url).header("content-type", "application/x-protobuf");
    let answer = post.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-served-by"]),
        (200, &"profpipe".parse().unwrap())
    );
    peer.end().await;
}

#[tokio::test]
async fn requests_of_grpc_name_the_authority() {
    let Some(export) = export(1) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = service_fn(move |request: Request<Incoming>| {
            seen.send(request.uri().authority().map(|name| name.to_string())).unwrap();
            let answer = Response::builder().header("content-type", "application/grpc");
            let answer = answer.header("grpc-status", "0").body(Empty::<Bytes>::new());
            async move { answer }
        });
        let stream = TokioIo::new(stream);
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer).await
    });
    let config = Config {
        endpoint: format!("http://{address}"),
        authority: "profiles.example".into(),
        ..Config::default()
    };
    assert_eq!(config.check(true), []);
    Otlp::new(&config, true).unwrap().export(&export).await.unwrap();
    assert_eq!(asked.recv().await.unwrap().as_deref(), Some("profiles.example"));
    server.abort();
}
