//! Who may send, and as whom we go: the authenticators on both sides, and in a whole process.

use std::{path::Path, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::get,
};
use exporter::otlp::{Config, Otlp};
use pipeline::{
    component::{ExportError, Exporter},
    extension::{self, Auth},
    receipt::Outcome,
};
use serde_json::{Value, json};

use super::{Peer, export};
use crate::support::{
    numbers,
    process::{Running, eventually},
};

/// An `auth` as a config resolves it.
fn auth(kind: &str, config: Value) -> Option<Auth> {
    let extension = extension::Config::parse(kind, config).unwrap();
    assert_eq!(extension.check(), []);
    Some(Auth { authenticator: kind.into(), extension: Some(extension) })
}

/// A receiver that lets those in who say so.
fn peer(auth: &Option<Auth>) -> Peer {
    Peer::start(|grpc, http| (grpc.auth, http.auth) = (auth.clone(), auth.clone()))
}

#[tokio::test]
async fn strangers_are_refused_by_both_protocols() {
    let Some(export) = export(1) else { return };
    let names = "ada:secret\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let basic = auth("basicauth", json!({"htpasswd": {"inline": names}}));
    let bearer = auth("bearertokenauth", json!({"tokens": ["one", "two"]}));
    let as_name = |name: &str, password: &str| {
        let client = json!({"client_auth": {"username": name, "password": password}});
        auth("basicauth", client)
    };
    let with = |token: &str| auth("bearertokenauth", json!({"token": token}));
    for (server, client, good) in [
        (&basic, as_name("ada", "secret"), true),
        (&basic, as_name("bob", "secret"), true),
        (&basic, as_name("ada", "guess"), false),
        (&basic, with("secret"), false),
        (&basic, None, false),
        (&bearer, with("two"), true),
        (&bearer, with("three"), false),
        (&bearer, as_name("ada", "one"), false),
        (&bearer, None, false),
    ] {
        let mut peer = peer(server);
        for is_grpc in [true, false] {
            let config = Config { auth: client.clone(), ..peer.exporter(is_grpc) };
            let mut exporter = Otlp::new(&config, is_grpc).unwrap();
            if good {
                let (sent, got) =
                    tokio::join!(exporter.export(&export), peer.next(Outcome::Delivered));
                sent.unwrap();
                assert_eq!(got.len(), 1);
                continue;
            }
            let Err(ExportError::Permanent(error)) = exporter.export(&export).await else {
                panic!("a stranger must not come in, {client:?}, gRPC {is_grpc}");
            };
            let error = error.to_string();
            let says = if is_grpc { "UNAUTHENTICATED: " } else { "HTTP status 401 Unauthorized: " };
            let why = if client.is_none() { "no credentials were sent" } else { "are wrong" };
            assert!(error.starts_with(says) && error.ends_with(why), "{error}");
            assert!(peer.batches.try_recv().is_err());
        }
        peer.end().await;
    }
}

#[tokio::test]
async fn a_stranger_is_told_how_to_say_who_he_is() {
    let peer = peer(&auth("basicauth", json!({"htpasswd": {"inline": "a:b"}})));
    let url = format!("{}/v1development/profiles", peer.http());
    for (content_type, says) in [
        ("application/json", r#"{"code":16,"message":"no credentials were sent"}"#),
        ("application/x-protobuf", "\u{8}\u{10}\u{12}\u{18}no credentials were sent"),
    ] {
        let post = reqwest::Client::new().post(&url).header("content-type", content_type);
        let answer = post.body("{}").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"profpipe\"");
        assert_eq!(answer.text().await.unwrap(), says);
    }
    peer.end().await;
}

/// A target that answers who has the token in this file.
async fn target(file: &Path) -> String {
    let file = file.to_owned();
    let answer = move |headers: HeaderMap| async move {
        let token = std::fs::read_to_string(&file).unwrap();
        let good =
            headers.get("authorization").is_some_and(|sent| *sent == format!("Bearer {token}"));
        match good {
            true => numbers::pprof(1).into_response(),
            false => StatusCode::UNAUTHORIZED.into_response(),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, Router::new().route("/", get(answer))).into_future());
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_scrapes_and_sends_as_its_extensions_say() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (ours, theirs) = (file("token"), file("token-of-target"));
    std::fs::write(&ours, "first").unwrap();
    std::fs::write(&theirs, "first").unwrap();
    let address = target(&theirs).await;
    let names = json!({"htpasswd": {"inline": "ada:secret\neve:other"}});
    let mut peer = peer(&auth("basicauth", names));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let health = free.local_addr().unwrap();
    drop(free);
    let config = format!(
        "extensions:
  health_check: {{endpoint: '{health}', path: /health}}
  bearertokenauth: {{filename: {ours}}}
  basicauth/client: {{client_auth: {{username: ada, password: secret}}}}
receivers:
  pprof:
    interval: 1s
    auth: {{authenticator: bearertokenauth}}
    profiles: {{numbers: {{path: /}}}}
    static_configs: [{{targets: ['{address}'], labels: {{service.name: numbers}}}}]
exporters:
  otlp_grpc:
    endpoint: '{grpc}'
    tls: {{insecure: true}}
    auth: {{authenticator: basicauth/client}}
  ui: {{}}
service:
  extensions: [health_check, bearertokenauth, basicauth/client]
  pipelines: {{profiles: {{receivers: [pprof], exporters: [otlp_grpc, ui]}}}}
",
        ours = ours.display(),
        grpc = peer.addresses[0],
    );
    let mut running = Running::start(dir.path(), &config).await;
    assert!(!peer.next(Outcome::Delivered).await.is_empty());
    let asked = reqwest::get(format!("http://{health}/health")).await.unwrap();
    assert_eq!(asked.status().as_u16(), 200);
    assert!(asked.text().await.unwrap().contains("Server available"));

    // Both sides change the token; nobody tells profpipe.
    std::fs::write(&theirs, "second").unwrap();
    std::fs::write(&ours, "second\n").unwrap();
    let since = running.account().await.scraped();
    eventually(Duration::from_secs(20), "scrapes with the new token", async || {
        while peer.batches.try_recv().map(|batch| batch.receipt.settle(Outcome::Delivered)).is_ok()
        {
        }
        (running.account().await.scraped() > since + 2).then_some(())
    })
    .await;

    // A reload that changes an extension alone reaches who uses it.
    let changed =
        config.replace("username: ada, password: secret", "username: eve, password: hunter2");
    std::fs::write(file("config.yaml"), changed.replace("path: /health", "path: /")).unwrap();
    running.signal(rustix::process::Signal::HUP);
    eventually(Duration::from_secs(20), "a refusal", async || {
        while peer.batches.try_recv().map(|batch| batch.receipt.settle(Outcome::Delivered)).is_ok()
        {
        }
        running.log().contains("UNAUTHENTICATED: the credentials are wrong").then_some(())
    })
    .await;
    let status = async |path: &str| {
        reqwest::get(format!("http://{health}{path}")).await.unwrap().status().as_u16()
    };
    assert_eq!((status("/").await, status("/health").await), (200, 404));
    assert!(!running.log().contains("hunter2"), "{}", running.log());
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    peer.end().await;
}
