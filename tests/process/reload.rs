//! Reload with real Go processes: by signal, over HTTP and when a file changes. What a change does
//! not concern goes on, and a broken config changes nothing but what is told.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    go::Service,
    process::{Running, eventually},
};

/// For what happens within a few seconds, on a machine that does much else.
const SOON: Duration = Duration::from_secs(40);

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn monitor(name: &str, url: &str, profiles: &str) -> String {
    format!("  - {{name: {name}, endpoint: '{url}', {profiles}}}\n")
}

/// How the config is doing.
async fn config(running: &Running) -> Value {
    running.json("/api/v1/status").await["config"].clone()
}

async fn reloads(running: &Running, count: u64) {
    eventually(SOON, "reload", async || {
        let config = config(running).await;
        assert_eq!(config["ok"], true, "{config}: {}", running.log());
        (config["reloads"].as_u64()? >= count).then_some(())
    })
    .await;
}

/// Names of the jobs that have a target.
async fn jobs(running: &Running) -> Vec<String> {
    let targets = running.json("/api/v1/targets").await;
    let targets = targets["targets"].as_array().unwrap().iter();
    targets.map(|target| target["job"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_in_flight_outlive_a_reload_and_removed_keys_take_effect() {
    let Some(kept) = Service::start("go/cmd/hold", &[]).await else { return };
    let gone = Service::start("go/cmd/hold", &[]).await.unwrap();
    let new = Service::start("go/cmd/hold", &[]).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let of_kept = monitor("kept", &kept.url, "profile: {seconds: 8}, goroutine: {seconds: 1}");
    let of_gone = monitor("gone", &gone.url, "goroutine: {seconds: 1}");
    let of_new = monitor("new", &new.url, "goroutine: {seconds: 1}");
    let exporters = "exporters: {parquet: {flush_interval: 1s}, parquet/gone: , debug: , \
                     ui: {lake: parquet}}\n";
    let running =
        Running::start(dir.path(), &format!("monitors:\n{of_kept}{of_gone}{exporters}")).await;
    assert_eq!(jobs(&running).await, ["gone", "kept"]);
    // The window is under way when the snapshot beside it is there.
    eventually(SOON, "first snapshots", async || {
        let path = "/api/v1/profiles?type=goroutine:goroutine&service=kept";
        let answer = running.get(path).await;
        let listed = answer.status == 200 && !answer.json()["profiles"][0].is_null();
        listed.then_some(())
    })
    .await;

    let attempts = "profpipe_scrape_attempts_total";
    let reloaded_at = now();
    let config = format!(
        "monitors:\n{of_kept}{of_new}exporters: {{parquet: {{flush_interval: 2s}}, parquet/new: , \
         ui: {{lake: parquet, allowed_hosts: [profiles.example]}}}}\n"
    );
    fs::write(dir.path().join("config.yaml"), config).unwrap();
    running.signal(Signal::HUP);
    reloads(&running, 1).await;
    assert_eq!(jobs(&running).await, ["kept", "new"]);
    let window = eventually(SOON, "the window that was under way", async || {
        let answer = running.get("/api/v1/profiles?type=cpu:cpu&service=kept").await;
        let listed = if answer.status == 200 { answer.json() } else { Value::Null };
        listed["profiles"].as_array()?.last().cloned()
    })
    .await;
    let (time, duration) = (window["time"].as_f64().unwrap(), window["duration"].as_f64().unwrap());
    assert!(
        time < reloaded_at && time + duration > reloaded_at && duration > 7.5,
        "one whole window over the reload at {reloaded_at}: {window}"
    );

    let status = running.json("/api/v1/status").await;
    let exporters: Vec<_> = status["pipelines"][0]["exporters"].as_array().unwrap().to_vec();
    let names: Vec<_> = exporters.iter().map(|e| e["exporter"].as_str().unwrap()).collect();
    assert_eq!(names, ["parquet", "parquet/new"], "{status}");
    assert!(running.data_dir.join("lakes/new").is_dir());
    let allowed = running.get_with("/api/v1/targets", &[("host", "profiles.example")]).await;
    assert_eq!(allowed.unwrap().status, 200, "the pages have their new names");
    eventually(SOON, "profiles of the new target", async || {
        let path = "/api/v1/profiles?type=goroutine:goroutine&service=new";
        let answer = running.get(path).await;
        (answer.status == 200 && !answer.json()["profiles"][0].is_null()).then_some(())
    })
    .await;
    let account = running.account().await;
    account.check();
    assert!(account.sum(attempts, "") > 0 && account.sum("profpipe_config_ok", "") == 1);
    assert_eq!(account.sum("profpipe_scrapes_total", r#"outcome="target_busy""#), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_config_keeps_the_old_one_and_says_so() {
    let Some(hold) = Service::start("go/cmd/hold", &[]).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let good = format!("monitors:\n{}", monitor("a", &hold.url, "goroutine: {seconds: 1}"));
    let running = Running::start(dir.path(), &good).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let wrong = "monitors: [{nmae: b}]\n".to_owned();
    let busy = format!("{good}self_telemetry: {{pprof_port: {port}}}\n");
    let nowhere = format!("{good}exporters: {{parquet: {{path: /proc/nowhere}}, ui: }}\n");
    for (text, says) in [
        (&wrong, "config.yaml:1:13: monitors[0].nmae: unknown field, did you mean `name`?"),
        (&busy, "in use"),
        (&nowhere, "/proc/nowhere"),
    ] {
        fs::write(&file, text).unwrap();
        let answer = running.post("/-/reload", &[]).await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
        let config = config(&running).await;
        assert_eq!(config["ok"], false, "{config}");
        assert!(config["error"].as_str().unwrap().contains(says), "{config}");
        assert!(running.log().contains(says), "{}", running.log());
        let account = running.account().await;
        assert_eq!(account.sum("profpipe_config_ok", ""), 0);
        assert_eq!(jobs(&running).await, ["a"], "the old targets");
        let scraped = account.scraped();
        eventually(SOON, "scrapes of the old config", async || {
            (running.account().await.scraped() > scraped + 1).then_some(())
        })
        .await;
    }
    assert_eq!(running.get("/readyz").await.status, 200, "what runs is ready");

    fs::write(&file, good.replace("name: a", "name: b")).unwrap();
    // As configmap-reload asks.
    assert_eq!(running.post("/reload", &[]).await.status, 200);
    assert_eq!(
        (config(&running).await["ok"].clone(), jobs(&running).await),
        (true.into(), vec!["b".into()])
    );
    let account = running.account().await;
    assert!(account.sum("profpipe_config_reloads_total", r#"outcome="failed""#) >= 3);

    let host = running.url.trim_start_matches("http://").to_owned();
    for (headers, status) in [
        (&[("origin", "http://evil.example")][..], 403),
        (&[("origin", "http://evil.example"), ("host", "evil.example")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("origin", running.url.as_str()), ("host", host.as_str())], 200),
    ] {
        assert_eq!(running.post("/-/reload", headers).await.status, status, "{headers:?}");
    }
    assert_eq!(running.get("/-/reload").await.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_that_is_exchanged_is_seen_and_servers_move() {
    let Some(hold) = Service::start("go/cmd/hold", &[]).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let mounted = |name: &str| dir.path().join(name);
    let config = |job: &str, host: &str| {
        let monitor = monitor(job, &hold.url, "goroutine: {seconds: 1}");
        format!("monitors:\n{monitor}exporters: {{parquet: , ui: {{endpoint: '{host}:1'}}}}\n")
    };
    let lay = |version: &str, text: &str| {
        fs::create_dir(mounted(version)).unwrap();
        fs::write(mounted(version).join("config.yaml"), text).unwrap();
        symlink(version, mounted("..data_tmp")).unwrap();
        fs::rename(mounted("..data_tmp"), mounted("..data")).unwrap();
    };
    lay("..1", &config("one", "127.0.0.1"));
    let file = mounted("config.yaml");
    symlink(Path::new("..data/config.yaml"), &file).unwrap();
    let mut running = Running::start_with(dir.path(), &file).await;
    assert_eq!(jobs(&running).await, ["one"]);

    lay("..2", &config("two", "127.0.0.1"));
    reloads(&running, 1).await;
    assert_eq!(jobs(&running).await, ["two"]);

    // Another address: the new server answers, and the old one is gone.
    lay("..3", &config("three", "localhost"));
    let old = running.url.clone();
    running.url = eventually(SOON, "new address", async || {
        let log = running.log();
        let url = log.rsplit_once("pages moved url=").map(|(_, rest)| rest.to_owned())?;
        Some(url.lines().next().unwrap().trim_matches('"').to_owned())
    })
    .await;
    assert_ne!(running.url, old);
    assert_eq!(jobs(&running).await, ["three"]);
    let port = old.rsplit_once(':').unwrap().1;
    eventually(SOON, "end of the old server", async || {
        let address = format!("127.0.0.1:{port}");
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    let (status, _) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
}
