//! Many hostile targets beside a healthy one: it misses nothing, memory stays bounded, nobody is
//! asked more than schedule and pauses allow, and each is shown with its own reason.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::{
    hostile::{self, Hostile, Target},
    process::Running,
};

const INTERVAL: Duration = Duration::from_secs(2);

/// How long they are scraped.
const TIME: Duration = Duration::from_secs(26);

const MEMORY_BYTES_MAX: u64 = 256 << 20;

fn config(targets: &[Target]) -> String {
    let address = |target: &Target| target.address.clone();
    let all: Vec<_> = targets.iter().map(address).collect();
    format!(
        "receivers:
  pprof:
    interval: {}s
    timeout: 2s
    profiles: {{heap: {{}}, cpu: {{seconds: 1}}}}
    static_configs: [{{targets: [{}], labels: {{service.name: many}}}}]
exporters:
  parquet: {{flush_interval: 1s, first_flush: 1s}}
  ui: {{}}
service: {{pipelines: {{profiles: {{receivers: [pprof], exporters: [parquet, ui]}}}}}}
",
        INTERVAL.as_secs(),
        all.join(", ")
    )
}

/// The most memory that a process had so far.
fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// What may be asked in `time` of a target that fails each time, if its pauses double up to ten
/// periods: at the start, a period later, then 2, 4, 8 and 10 periods later.
fn asked_max(manner: Option<&str>, time: Duration) -> usize {
    let periods = time.as_secs_f64() / INTERVAL.as_secs_f64();
    match manner {
        None => periods as usize + 2,
        Some("not_found") => 1,
        Some(_) => {
            let mut pauses = [1.0, 2.0, 4.0, 8.0].into_iter().chain(std::iter::repeat(10.0));
            let mut left = periods + 1.0; // The first tick may come at once.
            std::iter::from_fn(|| {
                left -= pauses.next()?;
                (left >= 0.0).then_some(())
            })
            .count()
                + 1
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_targets_harm_nobody_and_are_told_apart() {
    let mut manners = vec![hostile::healthy()];
    manners.extend(hostile::all());
    let targets = Hostile::start(manners).await;
    assert!(targets.targets.len() > 16);
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut running = Running::start(dir.path(), &config(&targets.targets)).await;
    while start.elapsed() < TIME {
        sleep(Duration::from_secs(1)).await;
        next_scrapes_are_to_come(&running.json("/api/v1/targets").await);
    }
    let shown = running.json("/api/v1/targets").await;
    let (account, log) = (running.account().await, running.log());
    let time = start.elapsed();
    for target in &targets.targets {
        check(target, &shown, &log, time);
        if let Some(reason) = target.manner.reason {
            let counted = account.sum("profpipe_scrapes_total", &format!("outcome=\"{reason}\""));
            assert!(counted > 0, "{reason} is not counted");
        }
    }
    let adjusted = account.sum("profpipe_scrape_adjusted_times_total", "");
    assert!(adjusted >= 2, "clocks of 1970 and 2100: {adjusted}");
    misses_nothing(&targets.targets[0], time);
    names_are_text(&running, &log).await;
    let peak = peak_bytes(running.pid());
    eprintln!("{} targets, peak {} MiB", targets.targets.len(), peak >> 20);
    assert!(peak <= MEMORY_BYTES_MAX, "{} MiB", peak >> 20);
    let (status, took) = running.stop().await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    assert!(took <= Duration::from_secs(5), "it took {took:?}");
    assert!(!running.log().contains("panicked"), "{}", running.log());
}

/// What is shown and logged of one target, and how often it was asked.
fn check(target: &Target, shown: &Value, log: &str, time: Duration) {
    let name = target.manner.name;
    let url = format!("http://{}", target.address);
    let all = shown["targets"].as_array().unwrap();
    let status = all.iter().find(|status| status["endpoint"] == url.as_str()).unwrap();
    let reason = status["last_error_reason"].as_str();
    assert_eq!(reason, target.manner.reason, "{name}: {status}");
    let health = if target.manner.reason.is_none() { "up" } else { "down" };
    assert_eq!(status["health"], health, "{name}: {status}");
    if let Some(reason) = target.manner.reason {
        let line = |line: &&str| line.contains(&url) && line.contains(reason);
        let lines = log.lines().filter(line).count();
        assert_eq!(lines, 1, "{name}: one line in ten minutes:\n{log}");
    }
    for path in ["/debug/pprof/heap", "/debug/pprof/profile?seconds=1"] {
        let (asked, most) = (target.asked(path).len(), asked_max(target.manner.reason, time));
        assert!(asked >= 1 && asked <= most, "{name}: asked {asked} times, {most} at most");
    }
    assert!(target.most_at_once() <= 2, "{name}: one window and one snapshot");
}

/// Each tick is there, and no profile failed.
fn misses_nothing(healthy: &Target, time: Duration) {
    for path in ["/debug/pprof/heap", "/debug/pprof/profile?seconds=1"] {
        let asked = healthy.asked(path);
        let gaps = asked.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = gaps.max().unwrap();
        assert!(longest < INTERVAL * 19 / 10, "{path}: nothing for {longest:?}");
        let least = (time.as_secs_f64() / INTERVAL.as_secs_f64()) as usize - 2;
        assert!(asked.len() >= least, "{path}: {} of {least}", asked.len());
    }
}

fn next_scrapes_are_to_come(shown: &Value) {
    let now = shown["now"].as_f64().unwrap();
    for status in shown["targets"].as_array().unwrap() {
        let next = status["next_scrape"].as_f64().unwrap();
        assert!(next == 0.0 || next >= now - 0.5, "{}: {next} at {now}", status["endpoint"]);
    }
}

/// A function's name is what it was, and no line of the log is broken by it.
async fn names_are_text(running: &Running, log: &str) {
    let answer = running.get("/api/v1/top?service=many&type=heap:events&n=0").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains('\u{7}') && !answer.text().contains('\u{1b}'), "escaped");
    let rows = answer.json()["rows"].as_array().unwrap().clone();
    // In a stack `;` is what stands between two names.
    let name = hostile::EVIL.replace(';', ":");
    let evil = rows.iter().any(|row| row["function"] == name.as_str());
    assert!(evil, "{rows:?}");
    assert!(log.lines().all(|line| !line.contains('\u{7}')), "{log}");
}
