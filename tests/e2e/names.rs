//! Metrics that a Collector has too are named as it names them: its dashboards are to work.

use std::collections::BTreeSet;

use crate::support::{
    collector::{self, Collector},
    free_ports,
    numbers::Numbers,
    process::Running,
};

/// Names and types of the metrics with this prefix.
fn metrics(text: &str, prefix: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_collector_has_too_has_its_name() {
    if !collector::is_there().await {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let [port, _] = free_ports();
    let config = collector::config(free_ports(), &[("debug", "{}".into())]);
    // All as it is by default, but the port.
    let reader = format!(
        "{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}, \
        without_scope_info: true, without_type_suffix: true, without_units: true}}}}}}}}"
    );
    let config = config.replace("{level: none}", &format!("{{readers: [{reader}]}}"));
    let _collector = Collector::start(dir.path(), &config).await;
    let url = format!("http://127.0.0.1:{port}/metrics");
    let theirs = reqwest::get(url).await.unwrap().text().await.unwrap();
    let theirs = metrics(&theirs, "otelcol_process_");

    let running = Running::start(dir.path(), &Numbers::start(1).await.config()).await;
    let ours = running.get("/metrics").await.text();
    let of_process = metrics(&ours, "otelcol_process_");
    assert_eq!(of_process.len(), 3, "{ours}");
    assert!(of_process.is_subset(&theirs), "{of_process:?} and {theirs:?}");
    // Those of data come only with data: their names have no suffix either.
    let shared = metrics(&ours, "otelcol_");
    assert!(shared.len() > 3 && shared.iter().all(|name| !name.contains("_total")), "{shared:?}");
    assert!(!metrics(&ours, "profpipe_scrapes_total").is_empty(), "{ours}");
}
