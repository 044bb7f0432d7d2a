//! Commands about configs: all mistakes at once, the config as it counts without its secrets, and
//! what there is to configure.

use std::fs;

use crate::support::cli::profpipe;

#[test]
fn validate_names_all_mistakes_and_print_config_hides_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let good = file(
        "good.yaml",
        "monitors: [{name: a, endpoint: 'http://h', heap: {seconds: 5}}]
exporters: {ui: {endpoint: '127.0.0.1:${env:PROFPIPE_TEST_PORT:-8990}'}, debug: }
service: {telemetry: {metrics: {readers: [{periodic: {exporter: {otlp:
  {endpoint: 'http://h:4318', headers: [{name: a, value: hunter2}]}}}}]}}}
",
    );
    let over = file("over.yaml", "exporters: {ui: {allowed_hosts: [profiles.example]}}\n");
    let bad = file("bad.yaml", "monitors: [{nmae: a}]\nexporters: {parket: }\n");

    let ran = profpipe(["validate", "-c", &good, "--config", &over]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "the config is valid\n"));
    let ran = profpipe(["validate", "-c", &bad, "--set", "exporters::ui::endpoint=nowhere"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines[0].starts_with("--set exporters::ui::endpoint: "), "{lines:?}");
    let wanted = format!("{bad}:1:13: monitors[0].nmae: unknown field, did you mean `name`?");
    assert!(lines.contains(&wanted.as_str()), "{lines:#?}");
    let wanted = "2:13: exporters.parket: unknown exporter type `parket`, did you mean `parquet`?";
    assert!(lines.iter().any(|line| line.ends_with(wanted)), "{lines:#?}");

    // What has no lines is not given any.
    let absent = dir.path().join("absent.yaml").display().to_string();
    let ran = profpipe(["validate", "-c", &absent, "--set", "foo", "--set", "exporters::ui=["]);
    let mut lines: Vec<_> = ran.stderr.lines().collect();
    lines.sort_unstable();
    let [set, of_key, unread] = lines[..] else { panic!("{lines:#?}") };
    assert_eq!(set, "--set exporters::ui: unclosed bracket '['");
    assert_eq!(of_key, "--set: `foo` is not of the form a::b=value");
    assert!(unread.starts_with(&format!("{absent}: cannot read the file: ")), "{unread}");

    let set = ["--set", "exporters::ui::endpoint=127.0.0.1:1"];
    let print = ["print-config", "-c", &good, "-c", &over];
    let printed = profpipe(print).ok();
    assert!(printed.contains("endpoint: 127.0.0.1:8990\n"), "{printed}");
    assert!(printed.contains("profiles.example") && printed.contains("[REDACTED]"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    let again = file("again.yaml", &profpipe(print.iter().chain(&set)).ok());
    assert_eq!(profpipe(["validate", "-c", &again]).code, Some(0));
    let twice = profpipe(["print-config", "-c", &again]).ok();
    assert_eq!(twice, fs::read_to_string(&again).unwrap(), "what is printed loads to the same");
    let whole = profpipe(print.iter().chain(&["--mode", "unredacted"])).ok();
    assert!(whole.contains("hunter2"), "{whole}");
    assert_eq!(profpipe(["print-config", "-c", &bad]).code, Some(2));
}

#[test]
fn components_are_listed_with_their_defaults() {
    let listed = profpipe(["components"]).ok();
    for line in ["receivers:", "  pprof:", "exporters:", "  parquet:", "      flush_interval: 10s"]
    {
        assert!(listed.lines().any(|found| found == line), "{line}: {listed}");
    }
}
