//! Sockets in the file system, in place of ports.

use std::path::Path;

use exporter::otlp::{Config, Otlp};
use pipeline::{component::Exporter, receipt::Outcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{Peer, export};

#[tokio::test]
async fn profiles_go_through_sockets_of_both_protocols() {
    let Some(export) = export(1) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (of_grpc, of_http) = (path("grpc.sock"), path("http.sock"));
    let mut peer = Peer::start(|grpc, http| {
        (grpc.endpoint, grpc.transport) = (of_grpc.clone(), Some("unix".into()));
        (http.endpoint, http.transport) = (of_http.clone(), Some("unix".into()));
    });
    assert_eq!(peer.addresses, []);

    let mut config = Config { endpoint: format!("unix://{of_grpc}"), ..Config::default() };
    config.tls.insecure = true;
    assert_eq!(config.check(true), []);
    let mut exporter = Otlp::new(&config, true).unwrap();
    let (sent, _) = tokio::join!(exporter.export(&export), peer.next(Outcome::Delivered));
    sent.unwrap();

    let mut stream = UnixStream::connect(&of_http).await.unwrap();
    let head = "POST /v1development/profiles HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\
                content-type: application/json\r\nconnection: close\r\n\r\n{}";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    peer.end().await;
    for path in [of_grpc, of_http] {
        assert!(!Path::new(&path).try_exists().unwrap(), "its file goes with it");
    }
    let failed = exporter.export(&export).await.unwrap_err();
    assert!(format!("{failed:?}").contains("send to /"), "{failed:?}");
}
