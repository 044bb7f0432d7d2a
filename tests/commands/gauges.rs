//! Gauges in a lake of real files, by the commands and the API that people use.

use serde_json::Value;

use super::Made;
use crate::support::{
    made::{MINUTE_NS, START_NS, pprof},
    process::Running,
};

const HEAP: (&str, &str) = ("inuse_space", "bytes");
const MB: i64 = 1_000_000;
/// Minutes before the rollout, and behind it: no multiple of the step, which is two and a half.
const MINUTES: [i64; 2] = [76, 74];

/// A snapshot a minute of each instance, 100 MB each: three of them, then five others. Every other
/// snapshot of the first has a stack of 40 MB more.
fn rollout() -> Made {
    let made = Made::new();
    for (generation, instances, minutes) in
        [(0, 3, 0..MINUTES[0]), (1, 5, MINUTES[0]..MINUTES[0] + MINUTES[1])]
    {
        for instance in 0..instances {
            let name = format!("{generation}-{instance}");
            let mut files = Vec::new();
            for minute in minutes.clone() {
                let path = made.dir.path().join(format!("{name}-{minute}.pb.gz"));
                // Instances are not asked at the same moment.
                let at_ns = START_NS + minute * MINUTE_NS + instance * 7_000_000_000;
                let cache = ("main.main;main.cache", 40 * MB);
                let stacks = [("main.main;main.load", 100 * MB), cache];
                let whole = instance == 0 && minute % 2 == 0;
                pprof(&path, HEAP, (at_ns, 0), &stacks[..if whole { 2 } else { 1 }]);
                files.push(path);
            }
            let mut args = vec!["--service", "orders"];
            let label = format!("service.instance.id={name}");
            args.extend(["--label", &label]);
            args.extend(files[1..].iter().map(|file| file.to_str().unwrap()));
            made.import(&files[0], &args);
        }
    }
    made
}

fn value(top: &Value, function: &str) -> f64 {
    let rows = top["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["function"] == function);
    row.map_or(0.0, |row| row["flat"].as_f64().unwrap() / MB as f64)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_rollout_from_three_to_five_instances_shows_no_bump() {
    let made = rollout();
    let top = |args: &[&str]| {
        let words = ["top", "--format", "json", "--all", "--type", "heap:inuse_space"];
        json(&made.ask(&words, args).ok())
    };
    let [before, after] = MINUTES.map(|minutes| minutes as f64);
    let mean = (300.0 * before + 500.0 * after) / (before + after);
    let shown = value(&top(&[]), "main.load");
    assert!((shown - mean).abs() < 10.0, "the mean of the range is {mean}, shown is {shown}");
    let cache = value(&top(&[]), "main.cache");
    assert!((cache - 20.0).abs() < 1.0, "a stack that is not there counts 0: {cache}");
    assert_eq!(value(&top(&["--gauge", "last"]), "main.load"), 500.0);
    let max = value(&top(&["--gauge", "max"]), "main.load");
    assert!((max - 500.0).abs() < 1e-3, "{max}");

    let series = ["series", "--all", "--type", "heap:inuse_space", "--focus", "main.load"];
    let whole = ["series", "--all", "--type", "heap:inuse_space", "--ignore", "main.cache"];
    for (words, steps) in [(&series, &[][..]), (&whole, &[]), (&series, &["--step", "7m"])] {
        let answer = made.ask(&words[..], &[steps, &["--format", "json"]].concat()).ok();
        let values: Vec<f64> = json(&answer)["series"][0]["v"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap() / MB as f64)
            .collect();
        assert!(values.len() > 20, "{values:?}");
        let level = |value: &f64| (300.0 - 1e-6..=500.0 + 1e-6).contains(value);
        assert!(values.iter().all(level), "a bump: {values:?}");
        assert!(values.is_sorted_by(|a, b| *a <= b + 1e-6), "up once, and never down: {values:?}");
        let between = values.iter().filter(|v| (300.1..499.9).contains(*v)).count();
        assert!(between <= 1, "one step has both: {values:?}");
    }

    let config = format!(
        "receivers: {{pprof: {{}}}}\n\
         exporters: {{parquet: {{path: {}}}, ui: {{}}}}\n\
         service: {{pipelines: {{profiles: {{receivers: [pprof], exporters: [parquet, ui]}}}}}}\n",
        made.lake().display()
    );
    let mut running = Running::start(made.dir.path(), &config).await;
    let api = "/api/v1/top?from=0&to=now&type=heap:inuse_space";
    let api = api.replace("from=0", "from=2026-03-01T00:00:00Z");
    for (gauge, args) in
        [("", &[][..]), ("&gauge=last", &["--gauge", "last"]), ("&gauge=max", &["--gauge", "max"])]
    {
        let answer = running.json(&format!("{api}{gauge}")).await;
        assert_eq!(answer["rows"], top(args)["rows"], "the API agrees with the command: {gauge}");
        assert_eq!(answer["notes"], Value::Null);
    }
    let bad = running.get(&format!("{api}&gauge=min")).await;
    assert_eq!((bad.status, bad.json()["field"].clone()), (400, "gauge".into()));
    let none = running.json(&format!("{api}&l=instance%3D%22x%22")).await;
    assert_eq!(none["total"], 0);
    let note = none["notes"][0].as_str().unwrap();
    assert!(note.starts_with(r#"nothing matches `instance="x"`; `instance` is `0-0`, `0-1`"#));
    assert!(running.stop().await.0.success());
}
