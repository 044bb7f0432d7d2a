//! `series` and `labels`.

use super::two_versions;

#[test]
fn values_over_time_by_label() {
    let made = two_versions();
    let series =
        |args: &[&str]| made.ask(&["series", "--all", "--type", "cpu", "--step", "1m"], args).ok();
    let table = series(&[]);
    let want = "\
cpu:cpu, nanoseconds per second, in steps of 1m
time                       value
2026-03-01T00:00:00Z         5ms
2026-03-01T00:01:00Z         7ms
";
    assert_eq!(table, want);
    let table = series(&["--by", "service_version"]);
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["time", "2", "1"]);
    assert_eq!(rows[1], ["2026-03-01T00:00:00Z", "-", "5ms"]);
    assert_eq!(rows[2], ["2026-03-01T00:01:00Z", "7ms", "-"]);
    let csv = series(&["--by", "service_version", "--format", "csv", "--ignore", "fast"]);
    let want = "\
time,service_version,value
2026-03-01T00:00:00Z,1,4000000
2026-03-01T00:01:00Z,2,6000000
";
    assert_eq!(csv, want);
    let json: serde_json::Value = serde_json::from_str(&series(&["--format", "json"])).unwrap();
    assert_eq!((&json["unit"], &json["step"]), (&"nanoseconds".into(), &60.0.into()));
    assert_eq!(json["series"][0]["v"], serde_json::json!([5e6, 7e6]));
}

#[test]
fn labels_and_their_values() {
    let made = two_versions();
    let labels = |args: &[&str]| made.ask(&["labels", "--all"], args);
    let all = labels(&[]).ok();
    assert!(all.contains("\nservice_version  1, 2\n"), "{all}");
    assert_eq!(labels(&["service.version"]).ok(), "1\n2\n");
    assert_eq!(
        labels(&["service.name", "--format", "csv"]).ok(),
        "label,value\nservice.name,orders\n"
    );
    let ran = labels(&["versions"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("there is no label `versions`; there are service, "), "{ran:?}");
    let empty = made.ask(&["labels"], &[]);
    assert!(empty.code == Some(1) && empty.stderr.contains("there are profiles of orders ("));
}
