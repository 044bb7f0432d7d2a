//! What a stranger is answered who does not speak as agents do, and that others notice nothing.

use std::time::Duration;

use pipeline::{reason::Reason, receipt::Outcome};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ALLOY, JSON, PROTOBUF, PUSH, Peer, heap, request};

/// What no request may take, after inflation.
const LIMIT: usize = 1 << 20;

fn small(config: &mut receiver::pyroscope::Config) {
    config.limits.inflated_bytes_max = LIMIT;
    config.limits.body_bytes_max = LIMIT;
    config.limits.profiles_max = 3;
}

#[tokio::test]
async fn every_refusal_says_why() {
    let peer = Peer::start(small);
    let form = ("content-type", "multipart/form-data; boundary=B");
    let bomb = zstd::encode_all(&vec![0; 4 * LIMIT][..], 1).unwrap();
    let heap = heap();
    let bombs = request(&ALLOY, &[&bomb, &bomb, &bomb]);
    let many = request(&ALLOY, &[&heap[..]; 4]);
    let labels = vec![("a", "b"); 65];
    let cut = b"--B\r\nContent-Disposition: form-data; name=\"profile\"\r\n\r\nxyz".to_vec();
    for (path, headers, body, status, says) in [
        ("/", vec![], vec![], 404, "only /ingest and"),
        (PUSH, vec![("content-type", "text/plain")], vec![], 415, "the content type must be"),
        (PUSH, vec![PROTOBUF, ("content-encoding", "br")], vec![], 415, "br is not known"),
        (PUSH, vec![PROTOBUF], vec![], 400, "empty_profile"),
        (PUSH, vec![PROTOBUF], vec![0x0a, 9, 1], 400, "truncated"),
        (PUSH, vec![PROTOBUF], b"<html>".to_vec(), 400, "malformed"),
        (PUSH, vec![PROTOBUF], request(&ALLOY, &[b"\x0a\x09x"]), 400, "truncated"),
        (PUSH, vec![PROTOBUF], request(&labels, &[&heap]), 400, "count_limit"),
        (PUSH, vec![PROTOBUF], many, 400, "count_limit"),
        (PUSH, vec![PROTOBUF], bomb.clone(), 413, "size_limit"),
        (PUSH, vec![PROTOBUF], bombs, 413, "size_limit"),
        (PUSH, vec![PROTOBUF], vec![0; LIMIT + 1], 413, "size_limit"),
        (PUSH, vec![JSON], b"{\"series\": 1}".to_vec(), 400, "malformed"),
        ("/ingest", vec![], b"a 1".to_vec(), 400, "the name of the application is empty"),
        ("/ingest?name=a&format=jfr", vec![], vec![], 415, "a Java flight recording is not taken"),
        ("/ingest?name=a&format=tree", vec![], vec![], 415, "the format `tree`"),
        ("/ingest?name=a&from=x&until=1", vec![], vec![], 400, "the parameter from is `x`"),
        ("/ingest?name=a", vec![form], cut, 400, "truncated"),
        ("/ingest?name=a", vec![form], bomb, 413, "size_limit"),
        ("/ingest?name=a", vec![], b"<b> <b>".to_vec(), 400, "not a stack and a count"),
        ("/pyroscope/ingest?name=a&format=pprof", vec![], b"<b>".to_vec(), 415, "markup"),
    ] {
        let answer = peer.post(path, &headers, body).await;
        assert!(
            answer.status == status && answer.body.contains(says),
            "{path}: {} {}, not {status} {says}",
            answer.status,
            answer.body
        );
        let told: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(told["code"].is_string() && told["message"].is_string(), "{told}");
    }
    peer.end().await;
}

#[tokio::test]
async fn others_are_taken_while_somebody_misbehaves() {
    let mut peer = Peer::start(small);
    let mut silent = Vec::new();
    for head in [
        format!("POST {PUSH} HTTP/1.1\r\nhost: x\r\n{}: {}\r\n", PROTOBUF.0, PROTOBUF.1),
        "POST /ingest?name=a HTTP/1.1\r\nhost: x\r\n".into(),
    ] {
        let mut stream = TcpStream::connect(peer.address).await.unwrap();
        let text = format!("{head}content-length: 1000000\r\n\r\nhalf of it");
        stream.write_all(text.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let bomb = zstd::encode_all(&vec![0; 4 * LIMIT][..], 1).unwrap();
    let bombs: Vec<_> = (0..8)
        .map(|_| tokio::spawn(peer.post(PUSH, &[PROTOBUF], request(&ALLOY, &[&bomb]))))
        .collect();
    let good = [&heap()[..], b"\x0a\x09x", &heap()];
    let sending = tokio::spawn(peer.post(PUSH, &[PROTOBUF], request(&ALLOY, &good)));
    assert_eq!(peer.next(Outcome::Delivered).await.len(), 2, "but for the one that is broken");
    assert_eq!(sending.await.unwrap().status, 200);
    for bomb in bombs {
        assert_eq!(bomb.await.unwrap().status, 413);
    }
    let counts = &peer.context.pushes.snapshot()["pyroscope"];
    assert_eq!((counts.taken, counts.rejected_profiles), (1, 1));
    assert_eq!(counts.refused[&Reason::SizeLimit], 8);
    for mut stream in silent {
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer));
        let _closed_or_answered = read.await.expect("a request that broke off ends");
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
    peer.end().await;
}
