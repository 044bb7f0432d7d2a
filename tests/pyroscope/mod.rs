//! What agents of Pyroscope push: the requests that Alloy makes, what a stranger is answered, and
//! the real agents of Go.

mod access;
mod agents;
mod refusals;

use std::{net::SocketAddr, time::Duration};

use pipeline::{
    codec::pprof,
    component::{Batch, Outlet, Receiver},
    limits::Limits,
    profile::{Builder, Meta, Profile, SampleType, Temporality},
    receipt::Outcome,
};
use receiver::pyroscope::{Config, Pyroscope};
use reqwest::Client;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PUSH: &str = "/push.v1.PusherService/Push";
const PROTOBUF: (&str, &str) = ("content-type", "application/proto");
const JSON: (&str, &str) = ("content-type", "application/json");
const NOW_NS: i64 = 1_800_000_000_000_000_000;

/// A receiver that runs, and what comes out of it.
struct Peer {
    address: SocketAddr,
    batches: mpsc::Receiver<Batch>,
    context: receiver::Context,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

/// What a sender is answered.
struct Answer {
    status: u16,
    retry_after: Option<String>,
    challenge: Option<String>,
    grpc_status: Option<String>,
    body: String,
}

impl Peer {
    fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { endpoint: "127.0.0.1:0".into(), ..Config::default() };
        change(&mut config);
        assert_eq!(config.check(), []);
        let context = receiver::Context::default();
        let receiver = Pyroscope::new("pyroscope", &config, &context).unwrap();
        let address = receiver.address().unwrap();
        let (outlet, batches) = Outlet::new(8);
        let stop = CancellationToken::new();
        let running = tokio::spawn(Box::new(receiver).run(outlet, stop.clone()));
        Self { address, batches, context, stop, running }
    }

    /// The answer to a request, which is made while others are.
    fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let is_grpc = headers.iter().any(|(_, value)| value.starts_with("application/grpc"));
        let client = Client::builder().no_proxy();
        let client = if is_grpc { client.http2_prior_knowledge() } else { client };
        let url = format!("http://{}{path}", self.address);
        let mut request = client.build().unwrap().post(url).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move {
            let answer = request.send().await.unwrap();
            let text = |name| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
            let (retry_after, grpc_status) = (text("retry-after"), text("grpc-status"));
            let challenge = text("www-authenticate");
            let status = answer.status().as_u16();
            let body = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
            Answer { status, retry_after, challenge, grpc_status, body }
        }
    }

    /// The profiles of the next request, which is answered so.
    async fn next(&mut self, outcome: Outcome) -> Vec<Profile> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.batches.recv()).await;
        let Batch { content, receipt, .. } = next.expect("soon").expect("the receiver runs");
        receipt.settle(outcome);
        content.profiles().unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(2), self.running).await;
        ended.expect("within its grace").unwrap().unwrap();
        assert_eq!(self.context.budget.used(), 0, "nothing is held for requests that are over");
    }
}

/// A heap profile of one row.
fn heap() -> Vec<u8> {
    let mut builder = Builder::new(&Limits::default());
    let types = ["alloc_space", "inuse_space"].map(|name| builder.string(name).unwrap());
    let sample_types =
        types.map(|kind| SampleType { kind, unit: 0, temporality: Temporality::Delta }).to_vec();
    [5, 7].into_iter().for_each(|value| builder.value(value));
    builder.sample(&[]).unwrap();
    let meta = Meta { time_ns: NOW_NS, sample_types, ..Meta::default() };
    pprof::encode(&builder.finish(meta).unwrap())
}

/// A field of bytes in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3) | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    [out, bytes.to_vec()].concat()
}

/// A request as Alloy makes it: one series of labels with profiles.
fn request(labels: &[(&str, &str)], profiles: &[&[u8]]) -> Vec<u8> {
    let label = |(name, value): &(&str, &str)| {
        field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
    };
    let profile = |bytes: &&[u8]| field(2, &[field(1, bytes), field(2, b"an-id")].concat());
    let series: Vec<u8> =
        labels.iter().map(label).chain(profiles.iter().map(profile)).flatten().collect();
    field(1, &series)
}

/// Labels as Alloy gives them to a heap profile of which it made the delta.
const ALLOY: [(&str, &str); 7] = [
    ("__name__", "memory"),
    ("__delta__", "false"),
    ("__session_id__", "0a"),
    ("instance", "10.0.0.1:6060"),
    ("job", "<script>"),
    ("namespace", "shop"),
    ("service_name", "orders"),
];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut out, bytes).unwrap();
    out.finish().unwrap()
}

#[tokio::test]
async fn requests_of_alloy_are_taken_in_every_form() {
    let mut peer = Peer::start(|_| {});
    let body = request(&ALLOY, &[&heap()]);
    let framed = [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat();
    let raw = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, heap());
    let labels: Vec<Value> =
        ALLOY.iter().map(|(n, v)| serde_json::json!({"name": n, "value": v})).collect();
    let json =
        serde_json::json!({"series": [{"labels": labels, "samples": [{"rawProfile": raw}]}]});
    let packed = ("content-encoding", "gzip");
    for (what, headers, body, answered) in [
        ("protobuf", vec![PROTOBUF], body.clone(), ""),
        ("gzip", vec![PROTOBUF, packed], gzip(&body), ""),
        ("JSON", vec![JSON], json.to_string().into_bytes(), "{}"),
        ("gRPC", vec![("content-type", "application/grpc+proto")], framed, "\0\0\0\0\0"),
    ] {
        let sending = tokio::spawn(peer.post(PUSH, &headers, body));
        let profiles = peer.next(Outcome::Delivered).await;
        let answer = sending.await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, answered), "{what}");
        let [profile] = &profiles[..] else { panic!("{what}: {profiles:?}") };
        let meta = &profile.meta;
        assert_eq!((meta.name.as_str(), meta.time_ns), ("heap", NOW_NS));
        let types: Vec<_> = meta.sample_types.iter().map(|t| t.temporality).collect();
        assert_eq!(types, [Temporality::Delta, Temporality::Instant]);
        let resource: Vec<_> = meta.resource.iter().collect();
        let want = [
            ("job", "<script>"),
            ("k8s.namespace.name", "shop"),
            ("service.instance.id", "10.0.0.1:6060"),
            ("service.name", "orders"),
        ];
        assert_eq!(resource, want);
        assert_eq!(meta.origin.receiver, "pyroscope");
    }
    peer.end().await;
}

#[tokio::test]
async fn success_is_said_only_when_profiles_are_durable() {
    let mut peer = Peer::start(|_| {});
    let body = request(&ALLOY, &[&heap()]);
    let grpc = ("content-type", "application/grpc");
    let framed = [&[0][..], &(body.len() as u32).to_be_bytes(), &body].concat();
    for (path, headers, body) in [
        (PUSH, vec![PROTOBUF], body),
        (PUSH, vec![grpc], framed),
        ("/ingest?name=a", vec![], heap()),
    ] {
        let is_grpc = headers.contains(&grpc);
        for (outcome, status, code) in [
            (Outcome::Lost, 503, Some("14")),
            (Outcome::Rejected, 413, Some("8")),
            (Outcome::Delivered, 200, None),
        ] {
            let mut sending = tokio::spawn(peer.post(path, &headers, body.clone()));
            let Batch { receipt, .. } = peer.batches.recv().await.unwrap();
            let early = tokio::time::timeout(Duration::from_millis(50), &mut sending).await;
            assert!(early.is_err(), "nothing is said before it is known");
            receipt.settle(outcome);
            let answer = sending.await.unwrap();
            if is_grpc {
                assert_eq!((answer.status, answer.grpc_status.as_deref()), (200, code));
                continue;
            }
            assert_eq!(answer.status, status, "{path} {}", answer.body);
            let told: Option<Value> = serde_json::from_str(&answer.body).ok();
            let code = told.as_ref().and_then(|told| told["code"].as_str());
            match status {
                503 => {
                    assert_eq!(answer.retry_after.as_deref(), Some("1"));
                    assert_eq!(code, Some("unavailable"));
                }
                413 => assert_eq!((code, answer.retry_after), (Some("invalid_argument"), None)),
                _ => assert_eq!(code, None),
            }
        }
    }
    peer.end().await;
}
