//! What configs mean as targets, and what is wrong with them.

use serde_json::{Value, json};

use super::*;

fn parse(value: Value) -> Config {
    serde_json::from_value(value).unwrap()
}

#[test]
fn example_of_the_reference() {
    let config = parse(json!({
        "interval": "60s",
        "profiles": {"cpu": {"seconds": 10}, "heap": {}, "mutex": {"interval": "5m"},
            "widgets": {"path": "/w?x=1", "seconds": 3, "timeout": "20s"}, "goroutine": null},
        "static_configs": [
            {"targets": ["10.0.0.1:6060"], "labels": {"service.name": "orders"}},
            {"targets": ["https://a/base/", "[::1]:1"]}],
    }));
    assert_eq!(config.check(), []);
    let targets = config.scrape_targets("pprof");
    let addresses: Vec<_> = targets.iter().map(|t| t.target.address.as_str()).collect();
    assert_eq!(addresses, ["http://10.0.0.1:6060", "https://a/base", "http://[::1]:1"]);
    assert_eq!(targets[0].target.attributes.service(), "orders");
    let asked = |name: &str| {
        let settings = targets[1].profiles.iter().find(|p| p.name == name).unwrap();
        let url = settings.url("https://a/base").unwrap().to_string();
        (url, settings.period().as_secs(), settings.timeout.as_secs())
    };
    let path = "https://a/base/debug/pprof";
    assert_eq!(asked("cpu"), (format!("{path}/profile?seconds=10"), 60, 10));
    assert_eq!(asked("mutex"), (format!("{path}/mutex"), 300, 10));
    assert_eq!(asked("widgets"), ("https://a/base/w?x=1&seconds=3".into(), 60, 20));
    assert_eq!(targets[1].profiles.len(), 5);
}

#[test]
fn defaults_are_back_to_back() {
    let config = parse(json!({"static_configs": [{"targets": ["h:1"]}]}));
    let profiles = config.scrape_targets("pprof").remove(0).profiles;
    assert!(profiles.iter().all(|p| p.schedule == Schedule::BackToBack));
    let periods: Vec<_> =
        profiles.iter().map(|p| (p.name.as_str(), p.period().as_secs())).collect();
    let minute = ["goroutine", "heap", "mutex"].map(|name| (name, 60));
    assert_eq!(periods[..2], [("block", 60), ("cpu", 10)]);
    assert_eq!(periods[2..], minute);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let one = |profiles: Value| json!({"interval": "60s", "profiles": profiles});
    let at = |address: &str| json!({"static_configs": [{"targets": ["ok:1", address]}]});
    for (value, path, message) in [
        (json!({"interval": "0"}), "interval", "1s or more"),
        (json!({"timeout": "0"}), "timeout", "1s or more"),
        (one(json!({"cpu": {"seconds": 0}})), "profiles.cpu.seconds", "1 to 3600"),
        (one(json!({"cpu": {"seconds": 3601}})), "profiles.cpu.seconds", "and is 3601"),
        (one(json!({"cpu": {"seconds": 60}})), "profiles.cpu.seconds", "does not fit"),
        (one(json!({"heap": {"seconds": 5}})), "profiles.heap.seconds", "use `interval`"),
        (one(json!({"heap": {"interval": "0"}})), "profiles.heap.interval", "1s or more"),
        (one(json!({"heap": {"timeout": "0"}})), "profiles.heap.timeout", "1s or more"),
        (one(json!({"heap": {"path": "heap"}})), "profiles.heap", "not a path"),
        (one(json!({"heaps": {}})), "profiles.heaps", "needs a path"),
        (one(json!({"a/b": {"path": "/x"}})), "profiles.a/b", "letters"),
        (one(json!({"cpu": {}, "profile": {}})), "profiles.profile", "the same profile"),
        (at("ok:1"), "static_configs[0].targets[1]", "twice"),
        (at("ftp://h"), "static_configs[0].targets[1]", "only http"),
        (at("h:99999"), "static_configs[0].targets[1]", "port"),
        (at("h:0"), "static_configs[0].targets[1]", "port 0"),
        (at("u:p@h:1"), "static_configs[0].targets[1]", "credentials"),
        (at("h:1/?a=b"), "static_configs[0].targets[1]", "query"),
        (at("a b:1"), "static_configs[0].targets[1]", "blank"),
        (at(""), "static_configs[0].targets[1]", "empty host"),
    ] {
        let problems = parse(value.clone()).check();
        assert_eq!(problems.len(), 1, "{value}: {problems:?}");
        assert_eq!(problems[0].0, path, "{value}");
        assert!(problems[0].1.contains(message), "{value}: {}", problems[0].1);
    }
    for key in ["oauth2", "proxy_url", "relabel_configs", "kubernetes_sd_configs"] {
        let error = serde_json::from_value::<Config>(json!({key: {}})).unwrap_err();
        assert!(error.to_string().contains("is not supported yet"), "{key}: {error}");
    }
    for value in [json!({"intervall": "1s"}), json!({"interval": 5}), one(json!({"cpu": 5}))] {
        assert!(serde_json::from_value::<Config>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn a_profile_has_the_settings_of_the_receiver_but_for_its_own() {
    let config = parse(json!({
        "scheme": "https",
        "params": {"tenant": "a", "debug": ["0", "1"]},
        "authorization": {"credentials": "all"},
        "http_headers": {"X-A": "1", "X-B": "1"},
        "tls_config": {"insecure_skip_verify": true},
        "limits": {"body_bytes_max": "1MiB"},
        "profiles": {
            "cpu": {},
            "heap": {"scheme": "http", "params": {"tenant": "b"}, "tls_config": {},
                "basic_auth": {"username": "u", "password": "p"}, "http_headers": {"X-B": "2"},
                "follow_redirects": true, "keep_sample_type": ["inuse_space"]}},
        "static_configs": [{"targets": ["h:1"]}],
    }));
    assert_eq!((config.check(), config.limits.body_bytes_max), (vec![], 1 << 20));
    let target = config.scrape_targets("job").remove(0);
    let [cpu, heap] = &target.profiles[..] else { panic!("two profiles") };
    let url = |settings: &ProfileSettings| settings.url("https://h:1").unwrap().to_string();
    let query = "debug=0&debug=1&tenant";
    assert_eq!(url(cpu), format!("https://h:1/debug/pprof/profile?{query}=a&seconds=10"));
    assert_eq!(url(heap), format!("http://h:1/debug/pprof/heap?{query}=b"));
    assert!(matches!(&cpu.http.credentials, Credentials::Token(_)));
    assert!(matches!(&heap.http.credentials, Credentials::Basic(_)));
    let headers = |settings: &ProfileSettings| {
        let pairs = settings.http.headers.iter();
        pairs.map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>()
    };
    assert_eq!(
        (headers(cpu), headers(heap)),
        (vec!["X-A=1".to_owned(), "X-B=1".into()], vec!["X-A=1".to_owned(), "X-B=2".into()],)
    );
    let flags = |settings: &ProfileSettings| {
        let http = &settings.http;
        (http.tls.insecure_skip_verify, http.follow_redirects, settings.keep_sample_types.len())
    };
    assert_eq!((flags(cpu), flags(heap)), ((true, false, 0), (false, true, 1)));
    let shown = format!("{config:?}");
    assert!(!shown.contains("\"all\"") && !shown.contains("\"p\""), "{shown}");
}

#[test]
fn heap_and_allocs_are_one_and_monitors_mean_what_they_did() {
    let keys = [("allocs", 60), ("profile", 120), ("heap", 30), ("goroutine", 5)];
    let settings = keys.map(|(key, s)| ProfileSettings::monitor(key, Some(s), None).unwrap());
    let target = Target { job: "m".into(), address: "http://h:1".into(), ..target() };
    let target = ScrapeTarget::new(target, settings);
    let got: Vec<_> = target
        .profiles
        .iter()
        .map(|p| (p.name.as_str(), p.seconds, p.period().as_secs()))
        .collect();
    assert_eq!(got, [("heap", None, 30), ("cpu", Some(120), 120), ("goroutine", None, 5)]);
    assert!(ProfileSettings::monitor("trace", Some(1), None).is_err());
    assert!(ProfileSettings::monitor("heap", Some(0), None).is_err());
    let custom = ProfileSettings::monitor("widgets", Some(9), Some("/w")).unwrap();
    assert_eq!((custom.seconds, custom.period().as_secs()), (None, 9));
}

fn target() -> Target {
    Target { job: String::new(), address: String::new(), attributes: Default::default() }
}
