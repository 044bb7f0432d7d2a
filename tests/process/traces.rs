//! Own traces, pushed to a real server of OTLP: the way of a profile from its scrape to the lake.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span,
};
use pipeline::{
    codec::{otlp, pprof},
    limits::Limits,
};
use prost::Message;
use rustix::process::Signal;

use crate::support::{
    free_ports,
    numbers::{Numbers, pprof as numbered},
    process::{Running, eventually},
};

const SOON: Duration = Duration::from_secs(40);

/// What the server got, and how it answers.
#[derive(Clone, Default)]
struct Sink {
    spans: Arc<Mutex<Vec<Span>>>,
    resource: Arc<Mutex<BTreeSet<String>>>,
    refuses: Arc<Mutex<usize>>,
}

impl Sink {
    /// Starts it and gives its address.
    async fn start(&self, fails: bool) -> String {
        let sink = self.clone();
        let take = move |State(sink): State<Self>, body: Bytes| async move {
            if fails {
                *sink.refuses.lock().unwrap() += 1;
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            for of in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                let attributes = of.resource.unwrap_or_default().attributes;
                sink.resource.lock().unwrap().extend(attributes.into_iter().map(|pair| pair.key));
                let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
                sink.spans.lock().unwrap().extend(spans);
            }
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", post(take)).with_state(sink);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        address
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

/// A config with spans that go there.
fn config(numbers: &Numbers, endpoint: &str, sampler: &str) -> String {
    let batch =
        format!("batch: {{schedule_delay: 200, exporter: {{otlp: {{endpoint: '{endpoint}'}}}}}}");
    let traces = format!("telemetry: {{traces: {{processors: [{batch}]{sampler}}}}}");
    numbers.config().replace("service: {", &format!("service: {{{traces}, "))
}

/// The ids of the spans that one follows: its parent and its links, each with its trace.
fn before(span: &Span) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let parent = (span.trace_id.clone(), span.parent_span_id.clone());
    let links = span.links.iter().map(|link| (link.trace_id.clone(), link.span_id.clone()));
    links.chain([parent]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_a_profile_is_spans_that_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (numbers, sink) = (Numbers::start(3).await, Sink::default());
    let endpoint = sink.start(false).await;
    let mut running = Running::start(dir.path(), &config(&numbers, &endpoint, "")).await;
    let linked = eventually(SOON, "an export with what came before it", async || {
        let spans = sink.spans();
        let by_id: BTreeMap<_, _> = spans
            .iter()
            .map(|span| ((span.trace_id.clone(), span.span_id.clone()), span))
            .collect();
        let export = spans.iter().find(|span| span.name == "export")?;
        let seals: Vec<&Span> =
            before(export).iter().filter_map(|id| by_id.get(id).copied()).collect();
        let scrapes = seals.iter().flat_map(|seal| before(seal));
        let scrapes: Vec<Span> =
            scrapes.filter_map(|id| by_id.get(&id).map(|s| (*s).clone())).collect();
        let seals_fit = !seals.is_empty() && seals.iter().all(|seal| seal.name == "seal");
        (seals_fit && !scrapes.is_empty()).then_some((export.clone(), scrapes))
    })
    .await;
    let (export, scrapes) = linked;
    let keys = |span: &Span| -> BTreeSet<String> {
        span.attributes.iter().map(|pair| pair.key.clone()).collect()
    };
    assert!(keys(&export).contains("profpipe.exporter"), "{export:?}");
    for scrape in &scrapes {
        assert_eq!((scrape.name.as_str(), scrape.parent_span_id.len()), ("scrape", 0));
        assert!(
            keys(scrape)
                .is_superset(&["profpipe.target", "profpipe.profile"].map(Into::into).into())
        );
        assert!(scrape.start_time_unix_nano < export.end_time_unix_nano);
    }
    assert!(sink.resource.lock().unwrap().contains("service.name"));

    // Nothing is sampled after a reload that says so.
    let none = ", sampler: {trace_id_ratio_based: {ratio: 0}}";
    std::fs::write(dir.path().join("config.yaml"), config(&numbers, &endpoint, none)).unwrap();
    running.signal(Signal::HUP);
    eventually(SOON, "reload", async || running.log().contains("config reloaded").then_some(()))
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spans = sink.spans().len();
    let scraped = running.account().await.scraped();
    eventually(SOON, "more scrapes", async || {
        (running.account().await.scraped() > scraped + 5).then_some(())
    })
    .await;
    assert_eq!(sink.spans().len(), spans);
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_traces_that_fails_disturbs_no_profile() {
    let dir = tempfile::tempdir().unwrap();
    let (numbers, sink) = (Numbers::start(3).await, Sink::default());
    let endpoint = sink.start(true).await;
    let mut running = Running::start(dir.path(), &config(&numbers, &endpoint, "")).await;
    eventually(SOON, "profiles in the lake", async || {
        let account = running.account().await;
        account.check();
        (account.delivered() > 10 && *sink.refuses.lock().unwrap() > 3).then_some(())
    })
    .await;
    assert_eq!(running.account().await.lost(), 0);
    let (status, took) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// Posts a body to a receiver of this process, and gives the status.
async fn push(url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pushed_is_spans_and_counts() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), Sink::default());
    let endpoint = sink.start(false).await;
    let [otlp, pyroscope] = free_ports();
    let config = format!(
        "extensions: {{bearertokenauth: {{token: secret}}}}
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}
  pyroscope: {{endpoint: '127.0.0.1:{pyroscope}', auth: {{authenticator: bearertokenauth}}}}
exporters: {{parquet: {{flush_interval: 1s, first_flush: 1s}}, ui: {{}}}}
service:
  extensions: [bearertokenauth]
  telemetry:
    traces:
      processors:
        - batch: {{schedule_delay: 200, exporter: {{otlp: {{endpoint: '{endpoint}'}}}}}}
  pipelines: {{profiles: {{receivers: [otlp, pyroscope], exporters: [parquet, ui]}}}}
"
    );
    let mut running = Running::start(dir.path(), &config).await;
    let profile = pprof::Decoder::default().decode(&numbered(1), &Limits::default()).unwrap();
    let request = otlp::encode([&profile]);
    let url = format!("http://127.0.0.1:{otlp}/v1development/profiles");
    let protobuf = ("content-type", "application/x-protobuf");
    assert_eq!(push(&url, &[protobuf], request).await, 200);
    assert_eq!(push(&url, &[protobuf], vec![0x0a, 9, 1]).await, 400);
    let url = format!("http://127.0.0.1:{pyroscope}/ingest?name=a");
    let known = ("authorization", "Bearer secret");
    assert_eq!(push(&url, &[known], numbered(2)).await, 200);
    assert_eq!(push(&url, &[], numbered(3)).await, 401);

    // Each of the two that were taken goes on through a segment to an export.
    eventually(SOON, "spans of what was pushed", async || {
        let spans = sink.spans();
        let of = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
        let id = |span: &Span| (span.trace_id.clone(), span.span_id.clone());
        let follows = |span: &Span, names: &[&Span]| {
            names.iter().any(|after| before(after).contains(&id(span))).then_some(())
        };
        let (received, sealed, exported) = (of("receive"), of("seal"), of("export"));
        let (failed, taken): (Vec<&Span>, Vec<&Span>) =
            received.iter().partition(|span| span.status.as_ref().is_some_and(|s| s.code == 2));
        (taken.len() == 2 && failed.len() == 1).then_some(())?;
        for receive in &taken {
            let text = |key: &str| {
                let pair = receive.attributes.iter().find(|pair| pair.key == key);
                format!("{:?}", pair.and_then(|pair| pair.value.clone()))
            };
            assert!(text("profpipe.receiver").contains('o'), "{receive:?}");
            assert!(text("network.peer.address").contains("127.0.0.1"), "{receive:?}");
            follows(receive, &sealed)?;
        }
        assert!(format!("{:?}", failed[0].status).contains("truncated"), "{failed:?}");
        sealed.iter().try_for_each(|seal| follows(seal, &exported))
    })
    .await;
    let account = running.account().await;
    let requests = |receiver: &str, outcome: &str| {
        let labels = format!("outcome=\"{outcome}\",receiver=\"{receiver}\"");
        account.sum("profpipe_receiver_requests_total", &labels)
    };
    assert_eq!((requests("otlp", "ok"), requests("otlp", "truncated")), (1, 1));
    assert_eq!((requests("pyroscope", "ok"), requests("pyroscope", "unauthorized")), (1, 1));
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
}
