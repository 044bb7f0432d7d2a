//! What profpipe tells of itself: metrics pushed by OTLP to real servers, a log as JSON, and its
//! own profiles.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    metrics::v1::{metric::Data, number_data_point::Value as Number},
};
use prost::Message;
use rustix::process::Signal;
use tonic::{Request, Response, Status};

use crate::support::{
    numbers::Numbers,
    process::{Running, eventually},
};

const SOON: Duration = Duration::from_secs(40);

/// What a server of metrics got: each push with the header `token`.
#[derive(Clone, Default)]
struct Pushes(Arc<Mutex<Vec<(String, ExportMetricsServiceRequest)>>>);

impl Pushes {
    fn keep(&self, token: Option<&str>, push: ExportMetricsServiceRequest) {
        self.0.lock().unwrap().push((token.unwrap_or_default().to_owned(), push));
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The sum of a metric in the last push; nothing before the first push that has it.
    fn last(&self, name: &str) -> Option<i64> {
        let pushes = self.0.lock().unwrap();
        let resources = &pushes.last()?.1.resource_metrics;
        let metrics = resources.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
        let metric = metrics.into_iter().find(|metric| metric.name == name)?;
        let points = match metric.data.as_ref()? {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            other => panic!("{name}: {other:?}"),
        };
        let values = points.iter().map(|point| match point.value.as_ref() {
            Some(Number::AsInt(value)) => *value,
            Some(Number::AsDouble(value)) => *value as i64,
            None => 0,
        });
        Some(values.sum())
    }

    /// Attributes of the resource in the last push, and the token that came with it.
    fn sender(&self) -> (Vec<(String, String)>, String) {
        let pushes = self.0.lock().unwrap();
        let (token, push) = pushes.last().expect("a push");
        let resource = push.resource_metrics[0].resource.as_ref().expect("a resource");
        let text = |value: &opentelemetry_proto::tonic::common::v1::KeyValue| {
            let value = value.value.as_ref().expect("a value").value.as_ref();
            match value {
                Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(v)) => {
                    v.clone()
                }
                other => format!("{other:?}"),
            }
        };
        let attributes = resource.attributes.iter().map(|a| (a.key.clone(), text(a)));
        (attributes.collect(), token.clone())
    }
}

#[tonic::async_trait]
impl MetricsService for Pushes {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let token = request.metadata().get("token").map(|token| token.to_str().unwrap().to_owned());
        self.keep(token.as_deref(), request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

async fn take(State(pushes): State<Pushes>, headers: HeaderMap, body: Bytes) {
    let push = ExportMetricsServiceRequest::decode(body).expect("protobuf of OTLP");
    let token = headers.get("token").map(|token| token.to_str().unwrap());
    pushes.keep(token, push);
}

/// Serves until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn reader(protocol: &str, address: SocketAddr, token: &str) -> String {
    let headers = format!("[{{name: token, value: {token}}}]");
    let otlp =
        format!("{{protocol: {protocol}, endpoint: 'http://{address}', headers: {headers}}}");
    format!("{{periodic: {{interval: 500, exporter: {{otlp: {otlp}}}}}}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_metrics_are_pushed_by_otlp_over_http_and_grpc() {
    let dir = tempfile::tempdir().unwrap();
    let (http, grpc) = (Pushes::default(), Pushes::default());
    let http_at = serve(Router::new().route("/v1/metrics", post(take)).with_state(http.clone()));
    let http_at = http_at.await;
    let service = MetricsServiceServer::new(grpc.clone());
    let grpc_at = serve(tonic::service::Routes::new(service).into_axum_router()).await;
    let numbers = Numbers::start(20).await;
    let base = numbers.config();
    let telemetry = |readers: &str| {
        let logs = "logs: {level: INFO, encoding: json}, resource: {team: red}";
        let telemetry = format!("telemetry: {{{logs}, metrics: {{readers: [{readers}]}}}}");
        base.replace("service: {", &format!("service: {{{telemetry}, "))
    };
    let both =
        [reader("http/protobuf", http_at, "over-http"), reader("grpc", grpc_at, "over-grpc")];
    let mut running = Running::start(dir.path(), &telemetry(&both.join(", "))).await;
    for (pushes, token) in [(&http, "over-http"), (&grpc, "over-grpc")] {
        eventually(SOON, "scrapes in a push", async || {
            assert!(!running.log().contains("ERROR"), "{}", running.log());
            let sent = pushes.last("otelcol_exporter_sent_profile_samples")?;
            (pushes.last("profpipe_scrapes")? > 3 && sent > 0).then_some(())
        })
        .await;
        let (attributes, got) = pushes.sender();
        assert_eq!(got, token);
        for (key, value) in [("service.name", "profpipe"), ("team", "red")] {
            assert!(attributes.contains(&(key.into(), value.into())), "{attributes:?}");
        }
        let account = [
            "profpipe_exporter_accepted_profiles",
            "profpipe_exporter_delivered_profiles",
            "profpipe_exporter_pending_profiles",
        ]
        .map(|name| pushes.last(name).unwrap_or_else(|| panic!("no {name}")));
        assert_eq!(account[0], account[1] + account[2], "accepted = delivered + pending");
        assert!(pushes.last("otelcol_process_memory_rss").unwrap() > 1 << 20);
        assert_eq!(pushes.last("otelcol_exporter_queue_size").unwrap(), account[2]);
        assert_eq!(pushes.last("otelcol_receiver_refused_profile_samples"), Some(0));
    }
    let started = running.log().lines().next().unwrap_or_default().to_owned();
    assert!(!running.log().contains("over-http"), "a token is never told: {started}");

    // A reader that is removed gets a last push and no more.
    std::fs::write(dir.path().join("config.yaml"), telemetry(&both[1])).unwrap();
    running.signal(Signal::HUP);
    eventually(SOON, "reload", async || running.log().contains("config reloaded").then_some(()))
        .await;
    for line in running.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON, a line each");
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (of_http, of_grpc) = (http.count(), grpc.count());
    eventually(SOON, "pushes to who is left", async || (grpc.count() > of_grpc + 1).then_some(()))
        .await;
    assert_eq!(http.count(), of_http);

    let scraped = running.account().await.scraped();
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    assert!(grpc.last("profpipe_scrapes").unwrap() >= scraped as i64, "a push at the end");
    // A profile of these targets is one sample, and at an orderly end nothing is under way.
    let last = |name: &str| grpc.last(name).unwrap_or_else(|| panic!("no {name}"));
    let accepted = last("profpipe_exporter_accepted_profiles");
    assert_eq!(last("otelcol_receiver_accepted_profile_samples"), accepted);
    assert_eq!(last("otelcol_exporter_sent_profile_samples"), accepted);
    assert_eq!(last("profpipe_exporter_delivered_profiles"), accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_profiles_are_served_and_scraped_like_any() {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let config = format!("self_telemetry: {{pprof_port: {port}, interval_seconds: 1}}\n");
    let mut running = Running::start(dir.path(), &config).await;
    eventually(SOON, "the own CPU profile", async || {
        let answer = running.get("/api/v1/profiles?service=profpipe&type=cpu:cpu").await;
        (answer.status == 200 && !answer.json()["profiles"][0].is_null()).then_some(())
    })
    .await;
    let pages = std::mem::replace(&mut running.url, format!("http://127.0.0.1:{port}"));
    let heap = running.get("/debug/pprof/heap").await;
    assert_eq!((heap.status, &heap.body[..2]), (200, &b"\x1f\x8b"[..]), "gzip pprof");
    assert_eq!(running.get("/debug/pprof/cmdline").await.status, 404, "no flags are told");
    running.url = pages;
    // It is scraped like that of any target. One piece of memory in 512 KiB is in it: an idle
    // process may show none.
    eventually(SOON, "the own heap", async || {
        let answer = running.get("/api/v1/types?service=profpipe").await;
        answer.text().contains("heap:inuse_space").then_some(())
    })
    .await;
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
}
