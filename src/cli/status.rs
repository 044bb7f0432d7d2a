//! `status`: how a running process is doing, from its HTTP API, as its pages show it.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context;
use clap::Args as ClapArgs;
use pipeline::picture::{unit, visible};
use serde_json::{Value, json};

use super::{Failure, view};

/// How long the process may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: some hundred thousand targets.
const BODY_BYTES_MAX: usize = 256 << 20;

/// Arguments of `status`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Where the web app of the process is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8989")]
    url: reqwest::Url,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How the status is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// The answers of /api/v1/status and /api/v1/targets in one object
    Json,
}

/// `profpipe status`. Ends with exit code 1 where the process does not answer.
pub fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    let (status, targets) = runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().context("set up HTTP")?;
        let status = get(&client, &args.url, "api/v1/status").await?;
        anyhow::Ok((status, get(&client, &args.url, "api/v1/targets").await?))
    })?;
    let text = match args.format {
        Format::Table => table(&status, &targets),
        Format::Json => {
            let targets = &targets["targets"];
            format!("{}\n", json!({"status": status, "targets": targets}))
        }
    };
    view::write("-".as_ref(), text.as_bytes())
}

async fn get(client: &reqwest::Client, base: &reqwest::Url, path: &str) -> anyhow::Result<Value> {
    let url = base.join(path).with_context(|| format!("join {base} and {path}"))?;
    let asked = || format!("ask {url}: is profpipe running there? --url says where");
    let mut response = client.get(url.clone()).send().await.with_context(asked)?;
    anyhow::ensure!(response.status().is_success(), "{url}: {}", response.status());
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.with_context(|| format!("read {url}"))? {
        anyhow::ensure!(body.len() + part.len() <= BODY_BYTES_MAX, "{url}: the answer is too long");
        body.extend_from_slice(&part);
    }
    serde_json::from_slice(&body).with_context(|| format!("{url}: the answer is not profpipe's"))
}

fn text(value: &Value) -> String {
    visible(value.as_str().unwrap_or_default()).into_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How long ago a time was: `12s ago`; nothing for what never was.
fn ago(now: &Value, then: &Value) -> Option<String> {
    let (now, then) = (now.as_f64()?, then.as_f64().filter(|then| *then > 0.0)?);
    let seconds = (now - then).max(0.0) as i64;
    Some(match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h{}m ago", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d ago", seconds / 86_400),
    })
}

/// Config, pipelines and targets; what is wrong comes with its reason.
fn table(status: &Value, targets: &Value) -> String {
    let mut out = String::new();
    let (now, config) = (&status["now"], &status["config"]);
    let loaded = ago(now, &config["loaded_at"]).unwrap_or_default();
    let _ = writeln!(out, "profpipe {}, config loaded {loaded}", text(&status["version"]));
    if let Some(error) = config["error"].as_str() {
        let when = ago(now, &config["failed_at"]).unwrap_or_default();
        let _ = writeln!(out, "  an older config runs: the last reload failed {when}");
        for line in error.lines() {
            let _ = writeln!(out, "    {}", visible(line));
        }
    }
    for pipeline in list(&status["pipelines"]) {
        write_pipeline(pipeline, &mut out);
    }
    write_targets(targets, &mut out);
    out
}

fn write_pipeline(pipeline: &Value, out: &mut String) {
    let filtered = pipeline["filtered"].as_object().into_iter().flat_map(|map| map.values());
    let _ = writeln!(
        out,
        "\npipeline {}: {} profiles accepted, {} refused, {} filtered since the start",
        text(&pipeline["name"]),
        number(&pipeline["accepted"]),
        number(&pipeline["refused"]),
        filtered.map(number).sum::<u64>(),
    );
    let spool = &pipeline["spool"];
    let bytes = unit::human(number(&spool["bytes"]) as i64, "bytes");
    let mut line = format!("  spool: {bytes} in {} segments", number(&spool["segments"]));
    if let Some(age) = spool["oldest_age_s"].as_f64() {
        let _ = write!(line, ", the oldest waits for {age:.0}s");
    }
    match number(&spool["corrupt_files"]) {
        0 => {}
        files => drop(write!(line, ", {files} files set aside as corrupt")),
    }
    let _ = writeln!(out, "{line}");
    if spool["writable"] == false {
        let why = spool["error"].as_str().map(visible).unwrap_or("the disk takes nothing".into());
        let _ = writeln!(out, "    CANNOT BE WRITTEN, so nothing is accepted: {why}");
    }
    for exporter in list(&pipeline["exporters"]) {
        let dropped = exporter["dropped"].as_object().into_iter().flatten();
        let dropped = dropped.filter(|(_, count)| number(count) > 0);
        let dropped: Vec<String> =
            dropped.map(|(why, count)| format!("{} {why}", number(count))).collect();
        let dropped = if dropped.is_empty() { "0".to_owned() } else { dropped.join(", ") };
        let _ = writeln!(
            out,
            "  {}: {} delivered, {} waiting, {} dead letters, {dropped} dropped",
            text(&exporter["exporter"]),
            number(&exporter["delivered"]),
            number(&exporter["pending"]),
            number(&exporter["dead_lettered"]),
        );
        if let Some(error) = exporter["last_error"].as_str() {
            let _ = writeln!(out, "    failing: {}", visible(error));
        }
    }
}

fn write_targets(targets: &Value, out: &mut String) {
    let (now, targets) = (&targets["now"], list(&targets["targets"]));
    let up = targets.iter().filter(|target| target["health"] == "up").count();
    let _ = writeln!(out, "\n{} targets, {up} up", targets.len());
    let width = |key: &str| {
        let widths = targets.iter().map(|target| text(&target[key]).chars().count());
        widths.max().unwrap_or(0)
    };
    let (job, endpoint) = (width("job"), width("endpoint"));
    for target in targets {
        let types: Vec<String> = list(&target["types"]).iter().map(text).collect();
        let last = ago(now, &target["last_scrape"]).unwrap_or_else(|| "never".to_owned());
        let line = format!(
            "  {:<8}  {:<job$}  {:<endpoint$}  {last:<10}  {}",
            text(&target["health"]),
            text(&target["job"]),
            text(&target["endpoint"]),
            types.join(" "),
        );
        let _ = writeln!(out, "{}", line.trim_end());
        errors(now, target, out);
    }
}

/// Why types of a target fail; what is over, where none does.
fn errors(now: &Value, target: &Value, out: &mut String) {
    let mut say = |reason: &Value, at: &Value, error: String| {
        let when = ago(now, at).unwrap_or_default();
        let _ = writeln!(out, "            {}, {when}: {}", text(reason), visible(&error));
    };
    let failing = list(&target["errors"]);
    for error in failing {
        let of_type = format!("{}: {}", text(&error["type"]), text(&error["error"]));
        say(&error["reason"], &error["at"], of_type);
    }
    if let Some(error) = target["last_error"].as_str().filter(|_| failing.is_empty()) {
        say(&target["last_error_reason"], &target["last_error_at"], error.to_owned());
    }
    let mut hints: Vec<String> = failing.iter().map(|error| text(&error["hint"])).collect();
    hints.retain(|hint| !hint.is_empty());
    hints.dedup();
    for hint in hints {
        let _ = writeln!(out, "            {}", visible(&hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_with_its_reason() {
        let status = json!({
            "now": 1000.0, "version": "0.1.0",
            "config": {"loaded_at": 870.0, "error": "a.yaml:1:1: no\nb", "failed_at": 990.0},
            "pipelines": [{
                "name": "profiles", "accepted": 9, "refused": 1, "filtered": {"filter": 2},
                "spool": {"bytes": 2048, "segments": 1, "oldest_age_s": 4.2, "writable": false,
                          "error": "no space left", "corrupt_files": 0},
                "exporters": [{"exporter": "parquet", "delivered": 7, "pending": 2,
                    "dead_lettered": 0, "dropped": {"expired": 3, "disk_full": 0},
                    "last_error": "disk is full"}],
            }],
        });
        let targets = json!({"now": 1000.0, "targets": [
            {"job": "shop", "endpoint": "http://a:1", "health": "up", "types": ["cpu", "heap"],
             "last_scrape": 995.0},
            {"job": "b", "endpoint": "http://b\u{1b}[2J", "health": "down", "types": [],
             "last_scrape": 0.0, "last_error": "heap: refused", "last_error_at": 940.0,
             "last_error_reason": "connection_refused", "hint": "is it running?",
             "errors": [
                {"type": "cpu", "error": "no answer", "reason": "timeout", "at": 930.0},
                {"type": "heap", "error": "refused", "reason": "connection_refused", "at": 940.0,
                 "hint": "is it running?"},
                {"type": "mutex", "error": "refused", "reason": "connection_refused", "at": 939.0,
                 "hint": "is it running?"}]},
            {"job": "c", "endpoint": "http://c", "health": "up", "types": ["cpu"], "errors": [],
             "last_scrape": 995.0, "last_error": "cpu: late", "last_error_at": 900.0,
             "last_error_reason": "timeout"},
        ]});
        let want = "\
profpipe 0.1.0, config loaded 2m ago
  an older config runs: the last reload failed 10s ago
    a.yaml:1:1: no
    b

pipeline profiles: 9 profiles accepted, 1 refused, 2 filtered since the start
  spool: 2kB in 1 segments, the oldest waits for 4s
    CANNOT BE WRITTEN, so nothing is accepted: no space left
  parquet: 7 delivered, 2 waiting, 0 dead letters, 3 expired dropped
    failing: disk is full

3 targets, 2 up
  up        shop  http://a:1    5s ago      cpu heap
  down      b     http://b\u{fffd}[2J  never
            timeout, 1m ago: cpu: no answer
            connection_refused, 1m ago: heap: refused
            connection_refused, 1m ago: mutex: refused
            is it running?
  up        c     http://c      5s ago      cpu
            timeout, 1m ago: cpu: late
";
        assert_eq!(table(&status, &targets), want);
    }

    #[test]
    fn times_are_told_roughly() {
        for (then, want) in [
            (0.0, None),
            (999_999.0, Some("1s ago")),
            (999_000.0, Some("16m ago")),
            (990_000.0, Some("2h46m ago")),
            (700_000.0, Some("3d ago")),
            (1_000_009.0, Some("0s ago")),
        ] {
            assert_eq!(ago(&json!(1_000_000.0), &json!(then)).as_deref(), want);
        }
    }
}
