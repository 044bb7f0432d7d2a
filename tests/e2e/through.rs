//! A Go service is scraped, sent to a Collector, and comes back from it over gRPC and over HTTP: at
//! all ends the numbers, labels and attributes are the same.

use std::{collections::BTreeMap, path::Path, time::Duration};

use crate::support::{
    cli::{self, profpipe},
    collector::{self, Collector},
    free_ports,
    go::Service,
    output,
    process::{Running, eventually},
    python,
};

/// From the start to profiles of every type, and until all has arrived.
const SOON: Duration = Duration::from_secs(60);

/// Sample types of `hold`, each with a function that has some of it.
const TYPES: [(&str, &str); 8] = [
    ("cpu:cpu", "main.inner"),
    ("cpu:samples", "main.inner"),
    ("heap:inuse_space", "main.allocate"),
    ("heap:alloc_space", "main.allocate"),
    ("heap:alloc_objects", "main.allocate"),
    ("mutex:delay", "main.contend.func1"),
    ("block:contentions", "main.contend.func1"),
    ("goroutine:goroutine", "main.work"),
];

/// What sends: its lake is what the others are compared to.
fn sender(target: &str, collector: u16) -> String {
    let target = target.trim_start_matches("http://");
    format!(
        "receivers:
  pprof:
    interval: 2s
    profiles: {{cpu: {{seconds: 1}}, heap: {{}}, mutex: {{}}, block: {{}}, goroutine: {{}}}}
    static_configs:
      - {{targets: ['{target}'], labels: {{service.name: hold, team: red, service.version: v1.2}}}}
exporters:
  parquet: {{flush_interval: 1s, first_flush: 1s}}
  otlp_grpc: {{endpoint: '127.0.0.1:{collector}', tls: {{insecure: true}}}}
  ui: {{lake: parquet}}
service: {{pipelines: {{profiles: {{receivers: [pprof], exporters: [parquet, otlp_grpc, ui]}}}}}}
"
    )
}

/// What gets all of it twice, into a lake for each protocol.
fn receiver([grpc, http]: [u16; 2]) -> String {
    format!(
        "receivers:
  otlp/grpc: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{grpc}'}}}}}}
  otlp/http: {{protocols: {{http: {{endpoint: '127.0.0.1:{http}'}}}}}}
exporters:
  parquet/grpc: {{flush_interval: 1s, first_flush: 1s}}
  parquet/http: {{flush_interval: 1s, first_flush: 1s}}
  ui: {{lake: parquet/grpc}}
service:
  pipelines:
    profiles/grpc: {{receivers: [otlp/grpc], exporters: [parquet/grpc, ui]}}
    profiles/http: {{receivers: [otlp/http], exporters: [parquet/http]}}
"
    )
}

/// Functions by sample type; of gauges the last snapshot, as means are rounded stack by stack.
fn tops(lake: &Path) -> BTreeMap<&'static str, cli::Top> {
    let lake = lake.to_str().unwrap();
    let top =
        |kind| cli::top(&["--lake", lake, "--all", "-s", "hold", "--gauge", "last", "-t", kind]);
    TYPES.iter().map(|(kind, _)| (*kind, top(kind))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_through_a_collector_comes_out_as_it_went_in() {
    let Some(python) = python::python() else { return };
    if !collector::is_there().await {
        return;
    }
    let Some(hold) = Service::start("go/cmd/hold", &[]).await else { return };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [sends, passes, gets] = dirs.each_ref().map(|dir| dir.path());
    let ([grpc, http], ports) = (free_ports(), free_ports());
    let mut last = Running::start(gets, &receiver([grpc, http])).await;
    let file = |name: &str| passes.join(name).display().to_string();
    let exporters = [
        ("otlp_grpc", collector::forward(&format!("127.0.0.1:{grpc}"))),
        ("otlp_http", collector::forward(&format!("http://127.0.0.1:{http}"))),
        ("file/json", format!("{{path: '{}', flush_interval: 100ms}}", file("out.json"))),
        ("file/proto", format!("{{path: '{}', format: proto}}", file("out.pb"))),
        ("debug", "{verbosity: detailed}".into()),
    ];
    let collector = Collector::start(passes, &collector::config(ports, &exporters)).await;
    let mut first = Running::start(sends, &sender(&hold.url, ports[0])).await;
    let lake = first.data_dir.join("lake");
    eventually(SOON, "profiles of every type", async || {
        let account = first.account().await;
        account.check();
        let all = account.delivered() >= 60
            && TYPES.iter().all(|(kind, function)| {
                let args = ["top", "--all", "-s", "hold", "-n", "0", "-t", kind, "--lake"];
                let top = profpipe(args.iter().map(AsRef::as_ref).chain([lake.as_os_str()]));
                top.stdout.contains(function)
            });
        all.then_some(())
    })
    .await;
    drop(hold); // Nothing new comes from here on.
    for running in [&first, &last] {
        let account = eventually(SOON, "end of what waits", async || {
            let account = running.account().await;
            (account.pending() == 0).then_some(account)
        });
        let account = account.await;
        account.check();
        assert!(account.lost() == 0 && account.delivered() > 10, "{account:#?}");
    }
    for running in [&mut first, &mut last] {
        let (status, _) = running.stop().await;
        let log = running.log();
        assert!(status.success() && !log.contains("ERROR"), "{log}");
    }
    collector.stop().await;

    let want = tops(&lake);
    for (kind, function) in TYPES {
        assert!(want[kind].rows[function].1 > 0, "{kind}: {:?}", want[kind]);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/equal.py");
    for protocol in ["grpc", "http"] {
        let arrived = last.data_dir.join("lakes").join(protocol);
        for (kind, top) in tops(&arrived) {
            assert_eq!(top, want[kind], "{kind} by {protocol}");
        }
        let counts = output(python, [script.as_ref(), lake.as_os_str(), arrived.as_os_str()]);
        let counts: BTreeMap<String, u64> = serde_json::from_str(&counts).unwrap();
        assert!(counts.values().all(|count| *count >= 5), "{protocol}: {counts:?}");
    }
    super::files::agree(passes, &want["cpu:cpu"], &want["heap:alloc_space"]);
}
