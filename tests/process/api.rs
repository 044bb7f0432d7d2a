//! The API as docs/http.md has it: shapes of the answers, errors that name their parameter, and
//! what keeps strangers out.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{http::Answer, numbers::Numbers, process::Running};

/// Names of the members of an object.
fn keys(value: &Value) -> String {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys.join(" ")
}

/// Every endpoint answers in its shape; `running` has profiles of the service `hold`.
pub async fn shapes(running: &Running) {
    let cpu = "service=hold&type=cpu:cpu";
    let columns = "files level name names path scale self total unit";
    for (path, at, want) in [
        ("services".into(), "", "now services"),
        ("services".into(), "/services/0", "first last service types"),
        ("services".into(), "/services/0/types/0", "temporality type unit"),
        ("types?service=hold".into(), "/types/0", "default temporality type unit"),
        ("labels".into(), "/labels/0", "more name values"),
        (format!("series?{cpu}"), "", "series step t temporality unit"),
        (format!("series?{cpu}&by=instance"), "/series/0", "labels mean v"),
        (format!("series?{cpu}&by=instance"), "/series/0/labels", "instance"),
        (format!("flame?{cpu}"), "", columns),
        (format!("flame?{cpu}&q=main.inner"), "", &format!("matched {columns}")),
        (format!("top?{cpu}"), "", "rows total unit"),
        (format!("top?{cpu}"), "/rows/0", "cum file flat function"),
        (format!("diff?{cpu}"), "/top", "rows total total_b unit"),
        (format!("diff?{cpu}"), "/top/rows/0", "cum cum_b file flat flat_b function"),
        ("profiles".into(), "", "more profiles"),
        (
            "profiles".into(),
            "/profiles/0",
            "duration id instance profile samples service time types",
        ),
        ("profiles".into(), "/profiles/0/types/0", "total type unit"),
        ("targets".into(), "", "now targets"),
        (
            "targets".into(),
            "/targets/0",
            "endpoint errors health interval_s job labels last_duration_s last_scrape next_scrape \
             types",
        ),
    ] {
        let answer = running.json(&format!("/api/v1/{path}")).await;
        let part = answer.pointer(at).unwrap_or_else(|| panic!("{path}: no {at} in {answer}"));
        let mut want: Vec<_> = want.split(' ').collect();
        want.sort_unstable();
        assert_eq!(keys(part), want.join(" "), "{path} {at}");
    }
    let diff = running.json(&format!("/api/v1/diff?{cpu}")).await;
    assert_eq!(keys(&diff), "files level name names path scale self self_b top total total_b unit");
    let targets = running.json("/api/v1/targets").await;
    assert_eq!(targets["targets"][0]["health"], "up");
    let profiles = running.json("/api/v1/profiles?type=cpu&n=1").await;
    let id = profiles["profiles"][0]["id"].as_str().unwrap();
    for path in [format!("pprof?{cpu}"), format!("pprof?id={id}")] {
        let answer = running.get(&format!("/api/v1/{path}")).await;
        assert_eq!((answer.status, &answer.body[..2]), (200, &b"\x1f\x8b"[..]), "{path}");
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        assert!(answer.header("content-disposition").starts_with("attachment"));
    }
}

/// A process that scrapes nothing that there is, and so has an empty lake.
async fn idle(dir: &tempfile::TempDir) -> Running {
    let config = Numbers::start(1).await.config();
    Running::start(dir.path(), &config).await
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let running = idle(&dir).await;
    let long = "a".repeat(1_001);
    for (path, field) in [
        ("top?type=cpu:cpu&from=yesterday", "from"),
        ("top?type=cpu:cpu&to=1e99", "to"),
        ("top?type=cpu:cpu&from=now&to=now-1h", "from"),
        ("top?type=cpu:cpu&from=0", "from"),
        ("top?type=cpu:cpu&from=-1e300&to=1e300", "from"),
        ("top?type=cpu:cpu&from=NaN", "from"),
        ("top?type=cpu:cpu&from=inf", "from"),
        ("top?type=%20", "type"),
        ("top?type=cpu:cpu&n=-1", "n"),
        ("top?type=cpu:cpu&n=99999999999999999999", "n"),
        ("top?type=cpu:cpu&sort=name", "sort"),
        ("top?type=cpu:cpu&gauge=median", "gauge"),
        ("top?type=cpu:cpu&focus=(", "focus"),
        ("top?type=cpu:cpu&ignore=[", "ignore"),
        ("top?type=cpu:cpu&hide=*", "hide"),
        ("top?type=cpu:cpu&show=(%3F<", "show"),
        (&format!("top?type=cpu:cpu&focus={long}"), "focus"),
        ("top?type=cpu:cpu&focus=(((a{99}){99}){99}){99}", "focus"),
        ("top?type=cpu:cpu&l=a%3D%3D%22b%22", "l"),
        ("top?type=cpu:cpu&l=pod%3D~%22(%22", "l"),
        ("top?type=cpu:cpu&type=heap", "type"),
        ("top?type=cpu:cpu&widht=5", "widht"),
        ("flame?type=cpu:cpu&width=0", "width"),
        ("flame?type=cpu:cpu&width=16385", "width"),
        ("flame?type=cpu:cpu&root=xyz", "root"),
        ("flame?type=cpu:cpu&q=(", "q"),
        ("series?type=cpu:cpu&step=86401", "step"),
        ("series?type=cpu:cpu&step=fast", "step"),
        ("diff?type=cpu:cpu&base_from=x", "base_from"),
        ("diff?type=cpu:cpu&base_to=x", "base_to"),
        ("diff?type=cpu:cpu&base_l=x", "base_l"),
        ("profiles?n=0", "n"),
        ("profiles?n=1001", "n"),
        ("profiles?before=x", "before"),
        ("pprof?id=..%2F..%2Fetc%2Fpasswd", "id"),
        ("pprof?id=12", "id"),
        ("services?from=x", "from"),
        ("targets?x=1", "x"),
    ] {
        let answer = running.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.json()["field"], field, "{path}: {}", answer.text());
        assert_eq!(keys(&answer.json()), "error field", "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let running = idle(&dir).await;
    for path in [
        "/api/v1/nothing",
        "/api/v1/..%2f..%2fetc%2fpasswd",
        "/api/v2/services",
        "/assets/nothing.js",
        "/assets/..%2f..%2fCargo.toml",
        "/api/v1/top?service=nobody&type=cpu:cpu",
        "/api/v1/pprof?id=00000000000000000000000000000000",
    ] {
        let answer = running.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        if path.starts_with("/api/v1/") {
            assert_eq!(keys(&answer.json()), "error", "{path}");
        }
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for method in [reqwest::Method::POST, reqwest::Method::DELETE, reqwest::Method::PUT] {
        let url = format!("{}/api/v1/top", running.url);
        let status = client.request(method, url).send().await.unwrap().status();
        assert_eq!(status, 405, "everything reads only");
    }
}

#[tokio::test]
async fn strangers_are_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let running = idle(&dir).await;
    let get = async |path: &str, headers: &[(&'static str, &str)]| -> Answer {
        running.get_with(path, headers).await.unwrap()
    };
    let guarded = ["/", "/targets", "/theme.js", "/api/v1/services", "/api/v1/targets"];
    for (host, status) in [
        ("localhost:8989", 200),
        ("127.0.0.1", 200),
        ("[::1]:1", 200),
        ("evil.example", 421),
        ("evil.example:8989", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
    ] {
        for path in guarded {
            assert_eq!(get(path, &[("host", host)]).await.status, status, "{host} {path}");
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(get(path, &[("host", host)]).await.status, 200, "{host} {path}");
        }
    }
    for (headers, says) in [
        ([("host", "evil.example"), ("accept", "*/*")], "this name is not served here"),
        ([("host", "localhost"), ("sec-fetch-site", "cross-site")], "requests of other sites"),
    ] {
        let answer = get("/api/v1/services", &headers).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(says), "{error}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    for (site, mode, status) in [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("cross-site", "navigate", 200), // A link to a picture, from a ticket.
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ] {
        for path in guarded {
            let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            assert_eq!(get(path, &headers).await.status, status, "{site} {mode} {path}");
        }
    }
    for path in ["/", "/api/v1/services", "/api/v1/nothing", "/assets/none.js", "/metrics"] {
        let answer = get(path, &[("origin", "https://evil.example")]).await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("script-src") && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_questions_at_once_are_told_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let running = idle(&dir).await;
    let mut statuses = BTreeMap::<u16, usize>::new();
    for _ in 0..10 {
        let asked = (0..300).map(|_| running.try_get("/api/v1/services"));
        for answer in join_all(asked).await.into_iter().flatten() {
            *statuses.entry(answer.status).or_default() += 1;
            if answer.status == 429 {
                assert_eq!(answer.header("retry-after"), "1");
                assert_eq!(keys(&answer.json()), "error");
            }
        }
        if statuses.contains_key(&429) {
            break;
        }
    }
    assert!(statuses[&200] > 0 && statuses.contains_key(&429), "{statuses:?}");
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    assert_eq!(running.get("/api/v1/services").await.status, 200, "and then it is over");
    assert_eq!(running.get("/livez").await.status, 200);
}
