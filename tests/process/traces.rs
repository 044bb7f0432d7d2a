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
use prost::Message;
use rustix::process::Signal;

use crate::support::{
    numbers::Numbers,
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
