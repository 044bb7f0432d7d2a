//! Several pipelines in one process: what they share, and that nothing of one takes the place of
//! what the other has.

use std::time::Duration;

use crate::support::{
    cli, free_ports,
    process::{Running, eventually},
};

/// A stack of folded text of a fixed time, so that both pipelines number and date it alike.
async fn push(port: u16, service: &str) {
    let url =
        format!("http://127.0.0.1:{port}/ingest?name={service}&from=1700000000&until=1700000010");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).body("main;work 7\n").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_of_two_pipelines_has_what_both_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let ports: [u16; 2] = free_ports();
    let config = format!(
        "receivers:
  pyroscope/a: {{endpoint: '127.0.0.1:{}'}}
  pyroscope/b: {{endpoint: '127.0.0.1:{}'}}
exporters:
  parquet: {{flush_interval: 1s, first_flush: 1s, retention: {{max_age: 100000h}}}}
  ui: {{}}
service:
  pipelines:
    profiles/a: {{receivers: [pyroscope/a], exporters: [parquet, ui]}}
    profiles/b: {{receivers: [pyroscope/b], exporters: [parquet]}}
",
        ports[0], ports[1]
    );
    let mut running = Running::start(dir.path(), &config).await;
    push(ports[0], "first").await;
    push(ports[1], "second").await;
    eventually(Duration::from_secs(20), "both in the lake", async || {
        let account = running.account().await;
        account.check();
        (account.delivered() == 2).then_some(())
    })
    .await;
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    let data_dir = running.data_dir.to_str().unwrap();
    for service in ["first", "second"] {
        let top = cli::top(&["--data-dir", data_dir, "--service", service, "--all"]);
        assert_eq!(top.rows["work"].0, top.total, "{service}");
        assert!(top.total > 0);
    }
}
