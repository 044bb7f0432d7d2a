//! `diff`: two selections, two files, and the gate.

use super::{Made, two_versions};
use crate::support::cli::profpipe;

const SLOW: &str = "main.slow,,60000000,60000000,40000000,40000000\n";

#[test]
fn selections_are_compared_by_time_and_by_labels() {
    let made = two_versions();
    let minute = ["--from", "2026-03-01T00:01:00Z", "--to", "2026-03-01T00:02:00Z"];
    let all = ["--all", "-l", r#"service_version="2""#];
    for args in [
        // The minute before.
        [&minute[..], &[]].concat(),
        [&minute[..], &["--base-from", "2026-03-01T00:00:00Z"]].concat(),
        [&minute[..], &["--base-to", "2026-03-01T00:01:00Z"]].concat(),
        [&all[..], &["--base-l", r#"service_version="1""#]].concat(),
    ] {
        let ran = made.ask(&["diff", "--type", "cpu", "--format", "csv"], &args);
        let csv = ran.ok();
        assert!(csv.contains(SLOW), "{args:?}: {csv}");
        assert!(csv.contains("main.fast,,10000000,10000000,10000000,10000000\n"));
    }
    let csv = made.ask(&["diff", "--type", "cpu", "--format", "csv"], &minute).ok();
    assert!(csv.find("main.slow") < csv.find("main.fast"), "what changed most comes first: {csv}");
    let none = made.ask(&["diff", "--type", "cpu"], &["--all"]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("name --base-from and --base-to, or --base-l"), "{none:?}");
}

#[test]
fn files_are_compared_and_drawn() {
    let made = two_versions();
    let [one, two] = ["1.pb.gz", "2.pb.gz"].map(|name| made.dir.path().join(name));
    let [one, two] = [one.to_str().unwrap(), two.to_str().unwrap()];
    let diff = |args: &[&str]| profpipe([&["diff", one, two], args].concat());
    assert!(diff(&["--format", "csv"]).ok().contains(SLOW));
    let folded = "main.main;main.fast 10000000 10000000\nmain.main;main.slow 40000000 60000000\n";
    assert_eq!(diff(&["--format", "folded"]).ok(), folded);
    assert_eq!(diff(&["--format", "folded", "--ignore", "fast"]).ok().lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&diff(&["--format", "json"]).ok()).unwrap();
    assert_eq!((&json["total"], &json["total_b"]), (&70_000_000.into(), &50_000_000.into()));
    let table = diff(&[]).ok();
    assert!(table.starts_with("2.pb.gz cpu:cpu against 1.pb.gz\n"), "{table}");
    assert!(table.contains("     +20ms      +20ms       60ms 85.71% 85.71%"), "{table}");
    for (name, begin) in [("d.svg", "<svg"), ("d.html", "<!DOCTYPE html>"), ("d.csv", "function,")]
    {
        let path = made.dir.path().join(name);
        assert_eq!(diff(&["-o", path.to_str().unwrap()]).ok(), "");
        let drawn = std::fs::read_to_string(path).unwrap();
        assert!(drawn.starts_with(begin), "{drawn}");
    }
    let one_only = profpipe(["diff", one]);
    assert_eq!(one_only.code, Some(2));
}

#[test]
fn a_gate_fails_where_the_total_went_too_far() {
    let made = Made::new();
    let files = [("a", 100), ("b", 105), ("c", 106)];
    let [a, b, c] =
        files.map(|(name, ms)| made.cpu(name, 0, &[("main.main", ms * 1_000_000), ("main.x", 0)]));
    for (base, new, gate, want) in [
        (&a, &b, "+5%", None),
        (&a, &c, "+5%", Some("cpu:cpu went from 100ms to 106ms (+6.00%), which is beyond +5%")),
        (&c, &a, "+5%", None),
        (&c, &a, "-5%", Some("cpu:cpu went from 106ms to 100ms (-5.66%), which is beyond -5%")),
        (&c, &a, "-6%", None),
    ] {
        let files = [base, new].map(|file| file.to_str().unwrap());
        let ran = profpipe(["diff", files[0], files[1], "--fail-on", gate]);
        assert!(ran.stdout.contains("main.main"), "the table is there in any case: {ran:?}");
        let (code, said) = (ran.code, ran.stderr.trim_end());
        match want {
            None => assert_eq!((code, said), (Some(0), "")),
            Some(want) => assert_eq!((code, said), (Some(1), &*format!("profpipe: {want}"))),
        }
    }
    let ran = profpipe(["diff", "a", "b", "--fail-on", "5"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("write it as +5% or -5%"), "{}", ran.stderr);
}
