//! The loader on whole files: the examples of `configs/`, the mistakes of `configs/bad/`, both
//! shapes and mixes of them, files over files, and arbitrary bytes.

use std::{fs, path::PathBuf, time::Duration};

use proptest::prelude::*;
use receiver::pprof::{Schedule, ScrapeTarget};

use super::*;

fn variables(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "9000",
        "STRUCTURE" => "[a, {b: c}]",
        _ => return None,
    };
    Some(value.to_owned())
}

fn load_files(files: &[&[u8]], sets: &[&str]) -> Result<Resolved, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let write = |(index, bytes): (usize, &&[u8])| {
        let path = dir.path().join(format!("{index}.yaml"));
        fs::write(&path, bytes).unwrap();
        path
    };
    let options = Options {
        files: files.iter().enumerate().map(write).collect(),
        sets: sets.iter().map(|set| set.to_string()).collect(),
        data_dir: "data".into(),
        ..Options::default()
    };
    load_with(&options, &variables)
}

fn load_text(text: &str) -> Result<Resolved, Problems> {
    load_files(&[text.as_bytes()], &[])
}

/// Problems without the directory of the file.
fn errors(result: Result<Resolved, Problems>) -> Vec<String> {
    let problems = result.expect_err("must not load");
    problems
        .iter()
        .map(|problem| {
            let text = problem.to_string();
            text.rsplit_once(".yaml:").map_or(text.clone(), |(_, rest)| rest.to_owned())
        })
        .collect()
}

fn targets(spec: &PipelineSpec) -> Vec<ScrapeTarget> {
    let targets = spec.receivers.iter().flat_map(|(id, config)| match config {
        receiver::Config::Pprof(config) => config.scrape_targets(&id.to_string()),
        receiver::Config::Otlp(_) | receiver::Config::Pyroscope(_) => Vec::new(),
    });
    targets.collect()
}

fn configs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("configs")
}

fn exporters(spec: &PipelineSpec) -> Vec<String> {
    spec.exporters.iter().map(|(id, _)| id.to_string()).collect()
}

#[test]
fn every_mistake_gets_its_message() {
    let mut files: Vec<_> = fs::read_dir(configs().join("bad")).unwrap().collect();
    files.sort_by_key(|entry| entry.as_ref().unwrap().path());
    assert!(files.len() >= 30);
    let mut failures = String::new();
    for entry in files {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let want: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# error: ")).collect();
        let options = Options { files: vec![path.clone()], ..Options::default() };
        let got = errors(load_with(&options, &|_| None));
        if got != want {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            failures += &format!("{name}\n");
            got.iter().for_each(|line| failures += &format!("# error: {line}\n"));
        }
    }
    assert!(failures.is_empty(), "these give other errors:\n{failures}");
}

#[test]
fn examples_load() {
    let load_example = |name: &str| {
        let files = vec![configs().join(name)];
        load_with(&Options { files, data_dir: "data".into(), ..Options::default() }, &|_| None)
            .unwrap_or_else(|problems| panic!("{problems}"))
    };
    let quickstart = load_example("quickstart.yaml");
    assert_eq!(quickstart.warnings, [""; 0]);
    assert_eq!(quickstart.ui[0].lake_path, PathBuf::from("data/lake"));

    let seed = load_example("seed.yaml");
    let [pipeline] = &seed.pipelines[..] else { panic!("{seed:?}") };
    assert_eq!((pipeline.name.as_str(), exporters(pipeline)), ("profiles", vec!["parquet".into()]));
    assert_eq!(pipeline.receivers[0].0.to_string(), "pprof/monitors");
    let own =
        SelfProfile { listen: "127.0.0.1:7000".parse().unwrap(), window: Duration::from_secs(5) };
    assert_eq!(seed.self_telemetry, Some(own));
    let targets = targets(pipeline);
    let [test, own] = &targets[..] else { panic!("{targets:?}") };
    assert_eq!(test.target.address, "http://localhost:6060");
    assert_eq!(test.target.attributes.get("service.name"), Some("test"));
    let names: Vec<_> = test.profiles.iter().map(|p| (p.name.as_str(), p.seconds)).collect();
    assert_eq!(names, [("heap", None), ("cpu", Some(5))]);
    assert_eq!(test.profiles[0].schedule, Schedule::Every(Duration::from_secs(5)));
    assert_eq!(own.target.attributes.get("service.name"), Some("profpipe"));
    assert_eq!(own.profiles[0].window(), Duration::from_secs(5));

    let collector = load_example("collector.yaml");
    assert_eq!(collector.warnings, [""; 0]);
    let [pipeline] = &collector.pipelines[..] else { panic!("{collector:?}") };
    assert_eq!(exporters(pipeline), ["parquet", "parquet/short", "debug"]);
    assert_eq!(collector.ui[0].lake.to_string(), "parquet");
    let exporter::Config::Parquet(short) = &pipeline.exporters[1].1 else { panic!() };
    assert_eq!(short.path, Some("data/lakes/short".into()));
    assert_eq!(short.retention.max_age, Duration::from_secs(3600));
    assert_eq!(self::targets(pipeline).len(), 2);

    let foreign = load_example("collector-otlp.yaml");
    let about = |warning: &String| warning.split(": ").nth(1).map(str::to_owned);
    let about: Vec<_> = foreign.warnings.iter().filter_map(about).collect();
    assert_eq!(
        about,
        [
            "service.pipelines.traces",
            "service.pipelines.metrics",
            "extensions.health_check.check_collector_pipeline",
            "receivers.otlp.protocols.http.cors",
            "receivers.otlp.protocols.http.auth.request_params",
            "exporters.otlp.tls.cipher_suites",
            "exporters.otlp.tls.curve_preferences",
            "exporters.otlphttp.compression_params",
            "exporters.otlphttp.cookies",
            "service.pipelines.profiles/http",
        ]
    );
    assert_eq!(foreign.pipelines.len(), 1);
    assert_eq!(exporters(&foreign.pipelines[0]), ["debug", "otlp", "otlphttp"]);

    for entry in fs::read_dir(configs()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            let text = fs::read_to_string(configs().join(&name)).unwrap();
            assert!(text.starts_with("# "), "{name} says what it shows");
            load_example(&name);
        }
    }
}

#[test]
fn what_is_of_other_signals_is_no_mistake() {
    let rest = "receivers: {otlp: , kafka: }\nexporters: {debug: , prometheus: }\n";
    let load =
        |pipelines: &str| load_text(&format!("{rest}service:\n  pipelines:\n    {pipelines}\n"));
    let traces = "traces/x: {receivers: [otlp, kafka], exporters: [prometheus]}";
    let ours = "profiles: {receivers: [otlp], exporters: [debug]}";
    let resolved = load(&format!("{traces}\n    {ours}")).unwrap();
    let warning = resolved.warnings[0].rsplit_once(".yaml:").unwrap().1;
    assert_eq!(
        warning,
        "5:5: service.pipelines.traces/x: is not run, nor is what it alone names: there are only \
         profiles here"
    );
    assert_eq!((resolved.warnings.len(), resolved.pipelines.len()), (1, 1));
    // What profiles need must be there, and something must be left to run.
    let needed = "profiles: {receivers: [kafka], exporters: [debug]}";
    let connected = "profiles: {receivers: [otlp], exporters: [route]}";
    let config = format!(
        "connectors: {{route: }}\nreceivers: {{otlp: }}\n\
         service:\n  pipelines:\n    {traces}\n    {connected}\n"
    );
    let problems = errors(load_text(&config));
    assert!(problems[0].starts_with("1:1: connectors: unknown field"), "{problems:?}");
    let unknown = "1:21: receivers.kafka: unknown receiver type `kafka`";
    let problems = errors(load(&format!("{traces}\n    {needed}")));
    assert!(problems[0].starts_with(unknown), "{problems:?}");
    assert!(errors(load(traces)).len() > 2);
}

#[test]
fn keys_without_effect_have_a_limit() {
    let exporters: String = (0..101)
        .map(|n| format!("  otlp_http/{n}: {{endpoint: 'http://c', cookies: {{a: b}}}}\n"))
        .collect();
    let text = format!("exporters:\n{exporters}");
    assert_eq!(errors(load_text(&text)), ["1:1: there are too many keys without effect"]);
}

#[test]
fn nothing_means_the_built_in_config() {
    let resolved = load_with(&Options::default(), &|_| None).unwrap();
    assert_eq!(resolved.self_telemetry.unwrap().listen.port(), 7000);
    assert_eq!(resolved.ui[0].config.endpoint, "127.0.0.1:8989");
    assert_eq!(resolved.ui[0].lake_path, PathBuf::from("profpipe-data/lake"));
    let exporter::Config::Parquet(lake) = &resolved.pipelines[0].exporters[0].1 else { panic!() };
    assert_eq!(lake.retention, exporter::parquet::Retention::default());
    assert_eq!(targets(&resolved.pipelines[0]).len(), 1);
}

#[test]
fn labels_of_monitors_become_attributes() {
    let resolved = load_text(
        "monitors:
          - name: a
            endpoint: localhost:6060/base/
            labels: {__k8s_name: svc, __k8s_namespace: ns, team: 7, version: 1.10}
            sampling: {goroutine: {seconds: 120}, trace: {seconds: 1}}
            wall: {path: /debug/fgprof, seconds: 9}
          - {name: b, endpoint: https://h, labels: {service.name: own, __k8s_name: svc}}
          - {name: c, endpoint: https://h, cpu: {seconds: 1}}
          - {name: d, endpoint: https://h, profile: }",
    )
    .unwrap();
    let targets = targets(&resolved.pipelines[0]);
    let attributes: Vec<_> = targets[0].target.attributes.iter().collect();
    let want = [
        ("k8s.namespace.name", "ns"),
        ("service.name", "svc"),
        ("service.namespace", "ns"),
        ("team", "7"),
        ("version", "1.10"),
    ];
    assert_eq!(attributes, want);
    assert_eq!(targets[0].target.address, "http://localhost:6060/base");
    assert_eq!(targets[0].profiles.len(), 2);
    assert_eq!(targets[1].target.attributes.get("service.name"), Some("own"));
    let warnings: Vec<_> =
        resolved.warnings.iter().map(|warning| warning.split_once(".yaml:").unwrap().1).collect();
    assert_eq!(
        warnings,
        [
            "5:51: monitors[0].sampling.trace: execution traces are not profiles and are not \
             scraped",
            "7:13: monitors[1]: names no profile type such as `profile: {seconds: 10}`, so \
             nothing is scraped",
            "9:33: monitors[3].endpoint: `c` takes CPU profiles there too, but a Go process \
             gives one at a time",
        ]
    );
}

#[test]
fn shapes_mix() {
    let monitors = "monitors: [{name: a, endpoint: 'http://h', heap: {seconds: 5}}]\n";
    let pprof = "receivers: {pprof: {static_configs: [{targets: ['h:1']}]}}\n";
    for (text, want) in [
        // Monitors join the only pipeline.
        (
            "exporters: {debug: }
service: {pipelines: {profiles/x: {receivers: [pprof], exporters: [debug]}}}",
            "profiles/x [pprof pprof/monitors] [debug] []",
        ),
        // Or the one that names them.
        (
            "exporters: {debug: , parquet/b: }
service:
  pipelines:
    profiles: {receivers: [pprof], exporters: [debug]}
    profiles/b: {receivers: [pprof/monitors], exporters: [parquet/b]}",
            "profiles [pprof] [debug], profiles/b [pprof/monitors] [parquet/b] []",
        ),
        // Pages alone bring a small lake.
        (
            "exporters: {ui: {endpoint: '127.0.0.1:1'}}",
            "profiles [pprof pprof/monitors] [parquet] [ui shows parquet]",
        ),
        ("exporters: {debug: }", "profiles [pprof pprof/monitors] [debug] []"),
        ("", "profiles [pprof pprof/monitors] [parquet] [ui shows parquet]"),
    ] {
        let resolved = load_text(&format!("{monitors}{pprof}{text}")).unwrap();
        let ids = |spec: &PipelineSpec| {
            let receivers: Vec<_> = spec.receivers.iter().map(|(id, _)| id.to_string()).collect();
            format!("{} [{}] [{}]", spec.name, receivers.join(" "), exporters(spec).join(" "))
        };
        let mut got = resolved.pipelines.iter().map(ids).collect::<Vec<_>>().join(", ");
        let pages = resolved.ui.iter().map(|ui| format!("{} shows {}", ui.id, ui.lake));
        got += &format!(" [{}]", pages.collect::<String>());
        assert_eq!(got, want, "{text}");
    }
}

#[test]
fn pages_alone_keep_little() {
    let text = "self_telemetry: {pprof_port: 1}\nexporters: {ui: }";
    let resolved = load_text(text).unwrap();
    let exporter::Config::Parquet(lake) = &resolved.pipelines[0].exporters[0].1 else { panic!() };
    assert_eq!(lake.retention, exporter::parquet::Retention::implied());
    assert_eq!(lake.path, Some("data/lake".into()));
}

#[test]
fn later_files_and_arguments_win() {
    let first = "monitors: [{name: a, endpoint: 'http://h', heap: {seconds: 5}}]
exporters: {parquet: {flush_interval: 20s, retention: {max_age: 1d}}, ui: }
service: {telemetry: {logs: {level: debug}}}";
    let second = "exporters: {parquet: {retention: {max_bytes: 5GiB}}}
monitors: [{name: b, endpoint: 'http://h', heap: {seconds: 5}}]";
    let sets =
        ["exporters::ui::endpoint=127.0.0.1:${env:PORT}", "exporters::ui::allowed_hosts=[x]"];
    let files = [first.as_bytes(), second.as_bytes()];
    let resolved = load_files(&files, &sets).unwrap();
    let exporter::Config::Parquet(lake) = &resolved.pipelines[0].exporters[0].1 else { panic!() };
    assert_eq!(lake.flush_interval, Duration::from_secs(20));
    assert_eq!(lake.retention.max_age, Duration::from_secs(86_400));
    assert_eq!(lake.retention.max_bytes, 5 << 30);
    assert_eq!(resolved.telemetry.logs.level, LogLevel::Debug);
    assert_eq!(resolved.ui[0].config.endpoint, "127.0.0.1:9000");
    assert_eq!(resolved.ui[0].config.allowed_hosts, ["x"]);
    let jobs: Vec<_> =
        targets(&resolved.pipelines[0]).into_iter().map(|target| target.target.job).collect();
    assert_eq!(jobs, ["b"], "lists replace");

    let broken = "\nexporters: {parquet: {flush_interval: 1}}";
    let files = [first.as_bytes(), broken.as_bytes()];
    let problems = load_files(&files, &["exporters::ui::lake=nope", "x"]).unwrap_err();
    assert_eq!(problems.to_string(), "--set: `x` is not of the form a::b=value");
    let problems = load_files(&files, &["exporters::ui::lake=nope"]).unwrap_err();
    let texts: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(
        texts[0],
        "--set exporters::ui::lake: exporters.ui.lake: there is no lake `nope` in a \
         pipeline, expected `parquet`"
    );
    assert!(
        texts[1].ends_with(
            "1.yaml:2:39: exporters.parquet.flush_interval: `1` is not a duration such as 30s, \
             1m30s or 15d"
        ),
        "{}",
        texts[1]
    );
}

#[test]
fn flags_win() {
    let options = Options {
        web_host: Some("::".into()),
        web_port: Some(0),
        log_level: Some(LogLevel::Warn),
        ..Options::default()
    };
    let resolved = load_with(&options, &|_| None).unwrap();
    assert_eq!(resolved.ui[0].config.endpoint, "[::]:0");
    assert_eq!(resolved.telemetry.logs.level, LogLevel::Warn);
    assert_eq!(
        resolved.warnings,
        ["built-in config:1:1: exporters.ui.endpoint: `[::]:0` is open to the network, and \
          nobody is asked for a password"]
    );
}

#[test]
fn variables_are_never_structure() {
    let text = "monitors: [{name: '${env:STRUCTURE}', endpoint: 'http://h', labels: {a: $$x},
heap: {seconds: '${env:PORT}'}}]";
    let resolved = load_text(text).unwrap();
    let target = &targets(&resolved.pipelines[0])[0];
    assert_eq!(target.target.job, "[a, {b: c}]");
    assert_eq!(target.target.attributes.get("a"), Some("$x"));
    assert_eq!(target.profiles[0].schedule, Schedule::Every(Duration::from_secs(9000)));
}

#[test]
fn limits_hold() {
    let long = format!("# {}", "x".repeat(1 << 20));
    assert_eq!(errors(load_text(&long)), [" file is larger than 1 MiB"]);
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "x")] {
        let deep = format!("{}{}", open.repeat(33), close.repeat(33));
        let found = errors(load_text(&deep)).join("\n");
        assert!(found.ends_with(": nested too deeply"), "{found}");
    }
    let many = format!("monitors: [{}]", "{x: 1}, ".repeat(30_000));
    let found = errors(load_text(&many)).join("\n");
    assert!(found.ends_with(": file holds too much"), "{found}");
    let wrong = format!("monitors: [{}]", "{name: [], heap: 5}, ".repeat(1_000));
    assert_eq!(errors(load_text(&wrong)).len(), 100, "errors have a limit");
    let not_text = load_files(&[b"a: b\n\xc3\xa4: \xff"], &[]);
    assert_eq!(errors(not_text), ["2:4: file is not UTF-8"]);
    let missing = Options { files: vec!["does-not-exist.yaml".into()], ..Options::default() };
    let problems = load_with(&missing, &|_| None).unwrap_err().to_string();
    assert!(problems.starts_with("does-not-exist.yaml: cannot read the file: "), "{problems}");
}

/// YAML-like text that gets past the first character more often than bytes do.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "monitors",
        "exporters",
        "receivers",
        "service",
        "pipelines",
        "profiles",
        "parquet",
        "ui",
        "pprof",
        "name",
        "endpoint",
        "heap",
        "seconds",
        "labels",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "5",
        "-1",
        "'",
        "\"",
        "&a ",
        "*a",
        "<<: ",
        "${env:",
        "}",
        "$",
        "|\n",
        "---\n",
        "!x ",
        "\t",
        "~",
        ".nan",
        "1e999",
        "0xB",
        "ä",
        "http://h",
    ]);
    prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

fn ends_well(text: &[u8]) -> Result<(), TestCaseError> {
    if let Err(problems) = load_files(&[text], &[]) {
        prop_assert!(problems.iter().count() > 0);
        for problem in problems.iter() {
            let (file, line, column) = problem.place();
            prop_assert!(file.ends_with("0.yaml") && line > 0 && column > 0, "{problem}");
            prop_assert!(!problem.message.is_empty());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..<_>::default() })]

    #[test]
    fn any_bytes_end_well(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        ends_well(&bytes)?;
    }

    #[test]
    fn any_text_ends_well(text in scraps()) {
        ends_well(text.as_bytes())?;
    }

    #[test]
    fn a_changed_example_ends_well(at in 0..1_000_usize, new in ".{0,3}", cut in 0..9_usize) {
        let text = include_str!("../../configs/collector.yaml");
        let chars: Vec<_> = text.chars().collect();
        let at = at * chars.len() / 1_000;
        let end = (at + cut).min(chars.len());
        let (before, after): (String, String) =
            (chars[..at].iter().collect(), chars[end..].iter().collect());
        let text = format!("{before}{new}{after}");
        ends_well(text.as_bytes())?;
    }
}
