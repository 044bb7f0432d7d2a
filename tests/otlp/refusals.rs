//! What a stranger is answered who does not speak as we do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use exporter::otlp::{Config, Otlp};
use pipeline::{
    codec::otlp::{self, answer},
    component::{ExportError, Exporter, Taken},
    receipt::Outcome,
};
use reqwest::{Client, Method};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Peer, export};

const PROTOBUF: &str = "application/x-protobuf";

/// Posts a body and gives status and answer.
async fn post(url: String, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Vec<u8>) {
    let mut request = Client::new().post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn http_says_what_is_wrong() {
    let peer = Peer::start(|_, http| http.max_request_body_size = Some(1 << 20));
    let path = "/v1development/profiles";
    let (kind, gzip) = (("content-type", PROTOBUF), ("content-encoding", "gzip"));
    let old = [&[0x0a, 0x0a, 0x12, 0x08, 0x12, 0x06, 0x12, 0x04, 0x1a, 0x02, 1, 2][..]].concat();
    let bomb = zstd_of(&vec![0x12; 4 << 20]);
    for (what, path, headers, body, status, says) in [
        ("no body", path, vec![kind], vec![], 200, ""),
        ("path", "/v1/profiles", vec![kind], vec![], 404, "/v1development/profiles"),
        ("type", path, vec![("content-type", "text/plain")], vec![], 415, "content type"),
        ("encoding", path, vec![kind, ("content-encoding", "br")], vec![], 415, "br is not known"),
        ("cut", path, vec![kind], vec![0x0a, 9, 1], 400, "truncated"),
        ("cut gzip", path, vec![kind, gzip], vec![0x1f, 0x8b, 8], 400, "truncated"),
        ("large", path, vec![kind], vec![0; 2 << 20], 413, "size_limit"),
        ("bomb", path, vec![kind, ("content-encoding", "zstd")], bomb, 413, "size_limit"),
        ("old", path, vec![kind], old, 400, "Collector 0.148 or later"),
        (
            "JSON",
            path,
            vec![("content-type", "application/json")],
            b"{\"resourceProfiles\":[1]}".to_vec(),
            400,
            "not the message in JSON",
        ),
        (
            "no number",
            path,
            vec![("content-type", "application/json")],
            b"{\"resourceProfiles\":[{\"schemaUrl\":NaN}]}".to_vec(),
            400,
            "JSON",
        ),
    ] {
        let (got, answer) = post(format!("{}{path}", peer.http()), &headers, body).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(got == status && answer.contains(says), "{what}: {got} {answer}");
    }
    for method in [Method::GET, Method::OPTIONS, Method::HEAD, Method::PUT] {
        for kind in [PROTOBUF, "application/json", ""] {
            let asked = Client::new().request(method.clone(), format!("{}{path}", peer.http()));
            let asked = asked.header("content-type", kind).send().await.unwrap();
            let allow = asked.headers()["allow"].to_str().unwrap();
            assert_eq!((asked.status().as_u16(), allow), (405, "POST"), "{method}, {kind}");
        }
    }
    peer.end().await;
}

#[tokio::test]
async fn names_in_any_case_are_known_and_parameters_are_not_read() {
    let Some(export) = export(1) else { return };
    let mut peer = Peer::start(|_, _| {});
    let proto = otlp::encode([&*export.profiles[0].profile]);
    let url = format!("{}/v1development/profiles", peer.http());
    for (kind, encoding, body) in [
        ("Application/X-Protobuf", "ZSTD", zstd_of(&proto)),
        ("APPLICATION/JSON; charset=UTF-8; v=\"a;b\"", "Identity", otlp::json::request(&proto)),
    ] {
        let headers = [("content-type", kind), ("content-encoding", encoding)];
        let posted = post(url.clone(), &headers, body);
        let ((status, _), taken) = tokio::join!(posted, peer.next(Outcome::Delivered));
        assert_eq!((status, taken.len()), (200, 1), "{kind}");
    }
    peer.end().await;
}

#[tokio::test]
async fn json_says_when_to_come_again_and_is_not_read_deeper_than_it_can_be() {
    let Some(export) = export(1) else { return };
    let mut peer = Peer::start(|_, _| {});
    let json = otlp::json::request(&otlp::encode([&*export.profiles[0].profile]));
    let url = format!("{}/v1development/profiles", peer.http());
    let kind = [("content-type", "application/json")];
    let posted = post(url.clone(), &kind, json);
    let ((status, answer), _) = tokio::join!(posted, peer.next(Outcome::Lost));
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let detail = &answer["details"][0];
    assert_eq!((status, &detail["retryDelay"]), (503, &"1s".into()), "{answer}");
    assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.RetryInfo");
    let unknown = format!("{{\"a\":{}{}}}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let (open, close) = (r#"{"arrayValue":{"values":["#, "]}}");
    let value = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let attributes = format!(r#"[{{"key":"a","value":{value}}}]"#);
    let known = format!(r#"{{"resourceProfiles":[{{"resource":{{"attributes":{attributes}}}}}]}}"#);
    for (deep, want) in [(unknown, 200), (known, 400)] {
        let (status, answer) = post(url.clone(), &kind, deep.into_bytes()).await;
        assert_eq!(status, want, "{}", String::from_utf8_lossy(&answer));
    }
    peer.end().await;
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

#[tokio::test]
async fn a_part_that_is_broken_is_counted_and_the_rest_is_taken() {
    let Some(export) = export(1) else { return };
    let mut peer = Peer::start(|_, _| {});
    let mut request = otlp::encode([&*export.profiles[0].profile]);
    // A second resource, whose only profile has a sample on a stack that is not there.
    let sample = [0x12, 0x06, 0x08, 0x7f, 0x22, 0x02, 0x01, 0x02];
    request.extend([0x0a, 12, 0x12, 10, 0x12, 8]);
    request.extend(sample);
    let kind = [("content-type", PROTOBUF)];
    let posted = post(format!("{}/v1development/profiles", peer.http()), &kind, request);
    let ((status, answer), taken) = tokio::join!(posted, peer.next(Outcome::Delivered));
    let (rejected, reason) = answer::read_response(&answer);
    assert_eq!((status, taken.len(), rejected), (200, 1, 1));
    assert!(reason.starts_with("bad_reference"), "{reason}");
    peer.end().await;
}

#[tokio::test]
async fn nobody_there_and_not_grpc_may_come_later_or_never() {
    let Some(export) = export(1) else { return };
    let peer = Peer::start(|_, _| {});
    let nobody = peer.exporter(true);
    // The port of HTTP speaks gRPC's version of HTTP, but not gRPC.
    let wrong = exporter::otlp::Config { endpoint: peer.http(), ..peer.exporter(true) };
    let error = Otlp::new(&wrong, true).unwrap().export(&export).await.unwrap_err();
    assert!(matches!(error, ExportError::Permanent(_)), "{error}");
    peer.end().await;
    let error = Otlp::new(&nobody, true).unwrap().export(&export).await.unwrap_err();
    assert!(matches!(error, ExportError::Retryable { .. }), "{error}");
}

#[tokio::test]
async fn what_is_rejected_is_counted_in_profiles_and_not_sent_again() {
    let Some(mut export) = export(40) else { return };
    export.profiles.retain(|stored| stored.profile.meta.sample_types.len() == 2);
    let count = export.profiles.len();
    assert!(count > 3);
    for (said, rejected) in [(0, 0), (4, 2), (3, 2), (1 << 40, count)] {
        let answered = Arc::new(AtomicUsize::new(0));
        let requests = Arc::clone(&answered);
        let answer = move || {
            requests.fetch_add(1, Relaxed);
            std::future::ready(answer::response(said, "too old"))
        };
        let app = axum::Router::new().fallback(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let config = Config { endpoint, ..Config::default() };
        let taken = Otlp::new(&config, false).unwrap().export(&export).await.unwrap();
        let reason = if said == 0 { "" } else { "too old" };
        assert_eq!(taken, Taken { rejected, reason: reason.into(), ..Taken::default() });
        assert_eq!(answered.load(Relaxed), 1);
        server.abort();
    }
}

#[tokio::test]
async fn a_port_of_the_other_protocol_is_told() {
    let Some(export) = export(1) else { return };
    let peer = Peer::start(|_, _| {});
    for (is_grpc, other) in [(false, "there is `otlp_grpc`"), (true, "there is `otlp_http`")] {
        let config =
            Config { endpoint: peer.exporter(!is_grpc).endpoint, ..peer.exporter(is_grpc) };
        let mut exporter = Otlp::new(&config, is_grpc).unwrap();
        let error = exporter.export(&export).await.expect_err("nothing can be taken").to_string();
        assert!(error.contains(other), "{error}");
    }
    peer.end().await;
}

#[tokio::test]
async fn a_body_that_falls_silent_is_refused_and_leaves_room() {
    let Some(export) = export(1) else { return };
    let mut peer = Peer::start(|_, _| {});
    let mut stream = TcpStream::connect(peer.addresses[1]).await.unwrap();
    let head = "POST /v1development/profiles HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\
                Content-Type: application/x-protobuf\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[0x0a; 10]).await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_exact(&mut answer)).await;
    read.expect("is answered").unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    let mut exporter = Otlp::new(&peer.exporter(false), false).unwrap();
    let (sent, _) = tokio::join!(exporter.export(&export), peer.next(Outcome::Delivered));
    sent.unwrap();
    peer.end().await;
}
