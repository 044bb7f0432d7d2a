//! The real agents of Go: a program pushes its profiles with pyroscope-go while it is scraped, and
//! both ways give the same numbers.

use std::{collections::BTreeMap, time::Duration};

use pipeline::{codec::pprof, limits::Limits};
use serde_json::Value;

use super::{PROTOBUF, PUSH, request};
use crate::support::{
    free_ports,
    go::Service,
    process::{Running, eventually},
};

/// From work to what is seen of it.
const SEEN_MAX: Duration = Duration::from_secs(60);
/// Calls of the function that allocates one object each.
const CALLS: i64 = 20_000;

async fn ask(url: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.bytes().await.unwrap().to_vec()
}

/// Flat values by function; nothing where there are none yet.
async fn flat(running: &Running, service: &str, kind: &str) -> BTreeMap<String, i64> {
    let top = running.get(&format!("/api/v1/top?service={service}&type={kind}&n=0")).await;
    let rows = if top.status == 200 { top.json()["rows"].clone() } else { Value::Null };
    let row =
        |row: &Value| (row["function"].as_str().unwrap().to_owned(), row["flat"].as_i64().unwrap());
    rows.as_array().into_iter().flatten().map(row).collect()
}

/// Waits until a function has this value, and fails where it has more.
async fn reaches(running: &Running, service: &str, kind: &str, function: &str, want: i64) {
    eventually(SEEN_MAX, &format!("{want} of {kind} of {service}"), async || {
        let got = flat(running, service, kind).await.get(function).copied().unwrap_or(0);
        assert!(got <= want, "{service} {kind} {function}: {got}, not {want}");
        (got == want).then_some(())
    })
    .await;
}

/// Waits until a function has at least this value, and the same by both ways.
async fn agree(running: &Running, kind: &str, function: &str, least: i64) -> i64 {
    let mut seen = [0; 2];
    let end = tokio::time::Instant::now() + SEEN_MAX;
    while seen[0] < least || seen[0] != seen[1] {
        assert!(tokio::time::Instant::now() < end, "{kind} of {function}: {seen:?} of {least}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        for (seen, service) in seen.iter_mut().zip(["scraped", "pushed"]) {
            *seen = flat(running, service, kind).await.get(function).copied().unwrap_or(0);
        }
    }
    seen[0]
}

/// The values of a function in a profile as the program gives it.
fn own(bytes: &[u8], kind: &str, function: &str) -> i64 {
    let profile = pprof::decode(bytes, &Limits::default()).unwrap();
    let types = &profile.meta.sample_types;
    let column = types.iter().position(|t| profile.text(t.kind) == kind).unwrap();
    let samples = profile.samples();
    let rows = samples.stacks.iter().enumerate().filter(|(_, stack)| {
        let leaf = profile.stacks().get(**stack)[0];
        let line = profile.lines().get(leaf)[0];
        profile.text(profile.functions()[line.function as usize].name) == function
    });
    rows.map(|(row, _)| samples.values[row * types.len() + column]).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_pushes_is_what_a_scrape_finds() {
    let [port] = free_ports::<1>();
    let server = format!("http://127.0.0.1:{port}");
    let Some(agent) = Service::start("go/cmd/agent", &[&server]).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "receivers:
  pyroscope: {{endpoint: '127.0.0.1:{port}'}}
  pprof:
    interval: 1s
    profiles: {{heap: {{}}, mutex: {{}}, goroutine: {{}}}}
    static_configs: [{{targets: ['{}'], labels: {{service.name: scraped}}}}]
exporters: {{parquet: {{flush_interval: 1s}}, ui: {{}}}}
service: {{pipelines: {{profiles: {{receivers: [pprof, pyroscope], exporters: [parquet, ui]}}}}}}
",
        agent.url.trim_start_matches("http://")
    );
    let running = Running::start(dir.path(), &config).await;
    // A snapshot of both profiles is there, so that the work is what happens after it.
    eventually(SEEN_MAX, "a first scrape", async || {
        let seen = flat(&running, "scraped", "heap:inuse_space").await;
        let pushed = flat(&running, "pushed", "goroutine:goroutine").await;
        (!seen.is_empty() && !pushed.is_empty()).then_some(())
    })
    .await;
    ask(&format!("{}/work?n={CALLS}", agent.url)).await;
    ask(&format!("{}/flush", agent.url)).await;
    for (function, objects, bytes) in
        [("main.newNode", CALLS, 48), ("main.newLarge", CALLS / 10, 64 << 10)]
    {
        // What the runtime allocates for itself while it allocates for a function is counted for
        // that function: that is a percent at most.
        for (kind, least) in [("alloc_objects", objects), ("alloc_space", objects * bytes)] {
            let seen = agree(&running, &format!("heap:{kind}"), function, least).await;
            assert!(seen <= least + least / 100, "{kind} of {function}: {seen} of {least}");
        }
    }
    // The program's own lock: what waited for others before the first scrape was only pushed.
    let own = "mutex:contentions&focus=main.holdLock";
    agree(&running, own, "sync.(*Mutex).Unlock", 10).await;
    assert!(!flat(&running, "pushed", "block:delay").await.is_empty(), "block is told from mutex");
    // What is in use is a gauge: the same at any moment, however often it is looked at. What the
    // runtime took for itself in `main.keep` may stay in use as well.
    for (kind, function, want) in [
        ("heap:inuse_space&gauge=last", "main.keep", 8 << 20),
        ("heap:inuse_objects&gauge=last", "main.keep", 1024),
        ("goroutine:goroutine&gauge=last&focus=main.park", "runtime.gopark", 7),
    ] {
        let seen = agree(&running, kind, function, want).await;
        assert!(seen <= want + want / 100, "{kind} of {function}: {seen} of {want}");
    }
    let burnt = String::from_utf8(ask(&format!("{}/sent", agent.url)).await).unwrap();
    let burnt: i64 = burnt.parse().unwrap();
    assert!(burnt > 100_000_000, "{burnt} ns of two seconds were seen");
    reaches(&running, "pushed", "cpu:cpu", "main.burn", burnt).await;
    let labels = running.json("/api/v1/labels?service=pushed&type=cpu:cpu").await;
    assert!(labels.to_string().contains("<b>eu</b>"), "{labels}");
    assert!(!running.log().contains("refused"), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deltas_of_godeltaprof_by_way_of_alloy_are_added() {
    let [port] = free_ports::<1>();
    let Some(agent) = Service::start("go/cmd/agent", &[]).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "receivers: {{pyroscope: {{endpoint: '127.0.0.1:{port}'}}}}
exporters: {{parquet: {{flush_interval: 1s}}, ui: {{}}}}
service: {{pipelines: {{profiles: {{receivers: [pyroscope], exporters: [parquet, ui]}}}}}}
"
    );
    let running = Running::start(dir.path(), &config).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..2 {
        ask(&format!("{}/work?n={CALLS}", agent.url)).await;
        let delta = ask(&format!("{}/debug/pprof/delta_heap", agent.url)).await;
        let labels = [("__name__", "memory"), ("__delta__", "false"), ("service_name", "alloy")];
        let sent = client
            .post(format!("http://127.0.0.1:{port}{PUSH}"))
            .header(PROTOBUF.0, PROTOBUF.1)
            .header("connect-protocol-version", "1")
            .body(request(&labels, &[&delta]));
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }
    let total = ask(&format!("{}/debug/pprof/heap", agent.url)).await;
    for function in ["main.newNode", "main.newLarge"] {
        for kind in ["alloc_objects", "alloc_space"] {
            let want = own(&total, kind, function);
            assert!(want >= CALLS / 10 * 2);
            reaches(&running, "alloy", &format!("heap:{kind}"), function, want).await;
        }
    }
}
