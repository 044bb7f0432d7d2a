//! profpipe beside one process, without a config: what it scrapes arrives by OTLP, named as the
//! environment says.

use std::{process::Stdio, time::Duration};

use pipeline::receipt::Outcome;
use tokio::time::timeout;

use super::Peer;
use crate::support::{
    numbers::Numbers,
    process::{output, profpipe},
};

#[tokio::test]
async fn flags_and_environment_are_enough() {
    for protocol in ["grpc", "http/protobuf", "http/json"] {
        let mut peer = Peer::start(|_, _| {});
        let numbers = Numbers::start(2).await;
        let dir = tempfile::tempdir().unwrap();
        let endpoint = match protocol {
            "grpc" => format!("http://{}", peer.addresses[0]),
            _ => peer.http(),
        };
        let mut command = profpipe();
        command.args(["run", "--otlp-endpoint", &endpoint, "--data-dir"]).arg(dir.path());
        for address in numbers.addresses() {
            command.args(["--scrape", &format!("http://{address}")]);
        }
        // The targets of these tests have one profile, under a name of their own.
        command.args(["--set", "receivers::pprof::profiles={numbers: {path: /}}"]);
        command.args(["--set", "receivers::pprof::interval=1s"]);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"); // The flag wins.
        command.env("OTEL_SERVICE_NAME", "shop");
        command.env("OTEL_RESOURCE_ATTRIBUTES", "team=red,k8s.pod.name=shop-1");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let profiles = peer.next(Outcome::Delivered).await;
        let attributes: Vec<_> = profiles[0].meta.resource.iter().collect();
        for pair in [("k8s.pod.name", "shop-1"), ("service.name", "shop"), ("team", "red")] {
            assert!(attributes.contains(&pair), "{protocol}: {attributes:?}");
        }
        child.kill().await.unwrap();
        let _ = timeout(Duration::from_secs(5), child.wait()).await;
        peer.end().await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let ask = |args: &[&str], name: &str, value: &str| {
        let mut command = profpipe();
        command.arg("run").args(args).env(name, value);
        async move { output(&mut command).await }
    };
    let scrape = ["--scrape", "http://localhost:1"];
    let (code, _, error) = ask(&scrape, "OTEL_EXPORTER_OTLP_TIMEOUT", "soon").await;
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("OTEL_EXPORTER_OTLP_TIMEOUT:1:1: must be a number of"), "{error}");
    let own = "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT";
    let (code, _, error) = ask(&scrape, own, "collector:4318").await;
    assert!(code == Some(2) && error.contains("must start with http://"), "{error}");
    let (code, _, error) = ask(&["--otlp-endpoint", "http://localhost:1"], "A", "").await;
    assert!(code == Some(2) && error.contains("--scrape"), "{error}");
    let both = ["--otlp-endpoint", "http://localhost:1", "--config", "x.yaml"];
    let (code, _, error) = ask(&both, "A", "").await;
    assert!(code == Some(2) && error.contains("cannot be used with"), "{error}");
    let file = ["--scrape", "http://localhost:1", "--config", "x.yaml"];
    let (code, _, error) = ask(&file, "A", "").await;
    assert!(code == Some(2) && error.contains("cannot be used with"), "{error}");
}
