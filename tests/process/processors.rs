//! Processors in the real binary: what they drop is in no picture, and every profile is accounted
//! for.

use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use serde_json::Value;

use crate::support::{
    cli::profpipe,
    http::Account,
    made,
    process::{Running, eventually},
};

/// A process with a heap and a goroutine profile; samples have labels that name a user.
async fn target(dir: std::path::PathBuf) -> String {
    let answer = move |Path(name): Path<String>| {
        let file = dir.join(format!("{name}.pb.gz"));
        let kind = match name.as_str() {
            "heap" => ("inuse_space", "bytes"),
            _ => ("goroutine", "count"),
        };
        let labels = [("user_id", "7"), ("request_id", "x"), ("endpoint", "/pay")];
        made::labelled(&file, kind, (0, 0), &[("main.main;main.pay", 1_000)], &labels);
        async move { std::fs::read(file).unwrap() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/debug/pprof/{name}", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address.to_string()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

fn config(target: &str, extra: &str) -> String {
    format!(
        "receivers:
  pprof:
    interval: 1s
    profiles: {{heap: {{}}, goroutine: {{}}}}
    static_configs: [{{targets: ['{target}'], labels: {{service.name: shop, mail: a@b.c}}}}]
processors:
  filter/goroutines: {{drop: ['profile=\"goroutine\"']}}
  filter: {{drop_sample_labels: [request_id]{extra}}}
  attributes:
    actions:
      - {{key: team, from_attribute: mail, action: insert}}
      - {{key: mail, action: delete}}
      - {{key: user_id, action: hash, on: samples}}
exporters: {{parquet: {{flush_interval: 1s}}, ui: }}
service:
  pipelines:
    profiles:
      receivers: [pprof]
      processors: [filter/goroutines, filter, attributes]
      exporters: [parquet, ui]
"
    )
}

/// Profiles that a processor dropped.
fn dropped(account: &Account, processor: &str) -> u64 {
    let label = format!("processor=\"{processor}\"");
    account.sum("profpipe_processor_dropped_profiles_total", &label)
}

/// What is stored has the labels and types that the processors left.
async fn only_what_was_left_is_there(running: &Running) {
    let labels = running.json("/api/v1/labels").await;
    let found = names(&labels["labels"], "name");
    assert!(found.contains(&"team".into()) && found.contains(&"endpoint".into()), "{found:?}");
    assert!(!found.contains(&"mail".into()) && !found.contains(&"request_id".into()), "{found:?}");
    let user = labels["labels"].as_array().unwrap().iter().find(|l| l["name"] == "user_id");
    let hash = "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451";
    assert_eq!(user.unwrap()["values"], serde_json::json!([hash]));
    let types = running.json("/api/v1/types").await;
    assert_eq!(names(&types["types"], "type"), ["heap:inuse_space"]);
}

/// Accepted, filtered and refused are all that was scraped; `status` tells the same.
async fn everything_is_accounted_for(running: &Running, target: &str) -> u64 {
    let account = running.account().await;
    account.check();
    let of = |outcome: &str| {
        account.sum("profpipe_intake_profiles_total", &format!("outcome=\"{outcome}\""))
    };
    let goroutines = dropped(&account, "filter/goroutines");
    assert!(goroutines > 0 && of("filtered") == goroutines, "{account:?}");
    // What is under way is scraped and not taken in yet.
    let taken = of("accepted") + of("filtered") + of("refused");
    assert!((taken..=taken + 2).contains(&account.scraped()), "{taken}: {account:?}");
    let told = profpipe(["status", "--url", &running.url]).ok();
    assert!(told.contains("pipeline profiles: ") && told.contains("\n1 targets, 1 up\n"), "{told}");
    assert!(told.contains(&format!("  up        pprof  http://{target}  ")), "{told}");
    let status = running.json("/api/v1/status").await;
    let filtered = &status["pipelines"][0]["filtered"]["filter/goroutines"];
    assert!(filtered.as_u64().unwrap() >= goroutines);
    goroutines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_processors_drop_is_nowhere_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path().to_owned()).await;
    let mut running = Running::start(dir.path(), &config(&target, "")).await;
    let within = Duration::from_secs(60);
    eventually(within, "labels of samples", async || {
        let labels = running.json("/api/v1/labels").await;
        names(&labels["labels"], "name").contains(&"user_id".to_owned()).then_some(())
    })
    .await;
    only_what_was_left_is_there(&running).await;
    let goroutines = everything_is_accounted_for(&running, &target).await;

    // A reload puts other processors in their place; the counts go on.
    let all = config(&target, ", drop: ['service=\"shop\"']");
    std::fs::write(dir.path().join("config.yaml"), all).unwrap();
    running.signal(rustix::process::Signal::HUP);
    eventually(within, "a filter that drops everything", async || {
        let account = running.account().await;
        account.check();
        (dropped(&account, "filter") >= 2).then_some(())
    })
    .await;
    let accepted = running.account().await.accepted();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let account = running.account().await;
    assert_eq!(account.accepted(), accepted, "nothing passes any more");
    assert!(dropped(&account, "filter/goroutines") >= goroutines);
    assert!(running.stop().await.0.success());
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}
