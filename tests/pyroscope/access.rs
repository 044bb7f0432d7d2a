//! Who may push: certificates of both sides, and credentials as agents send them.

use std::path::PathBuf;

use pipeline::{
    extension::{self, Auth},
    receipt::Outcome,
};
use receiver::server::Tls;
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};

use super::{ALLOY, PROTOBUF, PUSH, Peer, heap, request};
use crate::support::authority::Authority;

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// A push as Alloy makes it, in protobuf or in a message of gRPC.
fn push(is_grpc: bool) -> (Vec<(&'static str, &'static str)>, Vec<u8>) {
    let body = request(&ALLOY, &[&heap()]);
    match is_grpc {
        true => (vec![GRPC], [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat()),
        false => (vec![PROTOBUF], body),
    }
}

/// A client that trusts an authority and may show a certificate of its own.
fn client(ca: PathBuf, shown: Option<&(PathBuf, PathBuf)>, is_grpc: bool) -> Client {
    let ca = Certificate::from_pem(&std::fs::read(ca).unwrap()).unwrap();
    let mut client = Client::builder().no_proxy().tls_certs_only([ca]);
    if let Some((cert, key)) = shown {
        let pem = [std::fs::read(cert).unwrap(), std::fs::read(key).unwrap()].concat();
        client = client.identity(Identity::from_pem(&pem).unwrap());
    }
    let client = if is_grpc { client.http2_prior_knowledge() } else { client.http1_only() };
    client.build().unwrap()
}

#[tokio::test]
async fn both_sides_show_who_they_are() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (cert_file, key_file) = authority.sign("server");
    let client_ca_file = Some(authority.ca());
    let tls = Tls { cert_file, key_file, client_ca_file, ..Tls::default() };
    let mut peer = Peer::start(|config| config.tls = Some(tls));
    let url = format!("https://localhost:{}{PUSH}", peer.address.port());
    let (known, other) = (authority.sign("client"), stranger.sign("client"));
    for is_grpc in [false, true] {
        let (headers, body) = push(is_grpc);
        let send = |client: Client| {
            let post = client.post(&url).header(headers[0].0, headers[0].1);
            post.body(body.clone()).send()
        };
        for (what, refused) in [
            ("no certificate", client(authority.ca(), None, is_grpc)),
            ("one of a stranger", client(authority.ca(), Some(&other), is_grpc)),
            ("a server that is not trusted", client(stranger.ca(), Some(&known), is_grpc)),
        ] {
            assert!(send(refused).await.is_err(), "{what}, gRPC {is_grpc}");
        }
        let plain = peer.address;
        let plain = reqwest::get(format!("http://{plain}{PUSH}")).await;
        assert!(plain.is_err(), "plain text where TLS is spoken");
        assert!(peer.batches.try_recv().is_err());
        let good = send(client(authority.ca(), Some(&known), is_grpc));
        let (answer, got) = tokio::join!(good, peer.next(Outcome::Delivered));
        assert_eq!((answer.unwrap().status().as_u16(), got.len()), (200, 1));
    }
    peer.end().await;
}

/// An `auth` as a config resolves it.
fn auth(kind: &str, config: Value) -> Option<Auth> {
    let extension = extension::Config::parse(kind, config).unwrap();
    Some(Auth { authenticator: kind.into(), extension: Some(extension) })
}

#[tokio::test]
async fn strangers_are_told_how_to_come_in() {
    let names = json!({"htpasswd": {"inline": "ada:secret"}});
    // `printf ada:secret | base64`, and so on.
    let (basic, guessed) = ("Basic YWRhOnNlY3JldA==", "Basic YWRhOmd1ZXNz");
    for (auth, challenge, good, bad) in [
        (auth("basicauth", names), "Basic realm=\"profpipe\"", basic, guessed),
        (auth("bearertokenauth", json!({"token": "one"})), "Bearer", "Bearer one", "Bearer two"),
    ] {
        let mut peer = Peer::start(|config| config.auth = auth);
        for (path, (headers, body)) in [
            (PUSH, push(false)),
            (PUSH, push(true)),
            ("/ingest?name=a", (vec![], heap())),
            ("/nosuch", (vec![], vec![])),
        ] {
            for (sent, why) in
                [(None, "no credentials were sent"), (Some(bad), "the credentials are wrong")]
            {
                let sent = sent.map(|sent| ("authorization", sent));
                let headers: Vec<_> = headers.iter().copied().chain(sent).collect();
                let answer = peer.post(path, &headers, body.clone()).await;
                if headers.contains(&GRPC) {
                    let told = (answer.status, answer.grpc_status.as_deref());
                    assert_eq!(told, (200, Some("16")), "{sent:?}");
                    continue;
                }
                let told: Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!((answer.status, &told["code"]), (401, &json!("unauthenticated")));
                assert_eq!(told["message"], why, "{path}");
                assert_eq!(answer.challenge.as_deref(), Some(challenge), "{path}");
            }
            assert!(peer.batches.try_recv().is_err(), "{path}: nothing of a stranger is taken");
            if path == "/nosuch" {
                continue;
            }
            let headers: Vec<_> =
                headers.iter().copied().chain([("authorization", good)]).collect();
            let sending = peer.post(path, &headers, body);
            let (answer, got) = tokio::join!(sending, peer.next(Outcome::Delivered));
            assert_eq!((answer.status, got.len()), (200, 1), "{path}");
        }
        peer.end().await;
    }
}
