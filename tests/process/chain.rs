//! The main job on real input: a Go process is scraped, and soon its functions are in the
//! pictures, the downloads and the lake, with the numbers that `go tool pprof` gives.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::Value;
use tokio::process::Command;

use super::{api, openapi};
use crate::support::{
    go::{self, Service},
    process::{Running, eventually, output},
};

/// From the start of profpipe to the first picture of each type.
const SHOWN_MAX: Duration = Duration::from_secs(60);

/// Where the functions of `hold` are to be seen.
const SHOWN: [(&str, &str); 6] = [
    ("cpu:cpu", "main.inner"),
    ("heap:inuse_space", "main.allocate"),
    ("heap:alloc_space", "main.allocate"),
    ("mutex:delay", "main.contend.func1"),
    ("block:delay", "main.contend.func1"),
    ("goroutine:goroutine", "main.work"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_process_becomes_pictures_and_pprof_again() {
    let Some(hold) = Service::start("go/cmd/hold", &[]).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "monitors:
  - name: hold
    endpoint: {}
    labels: {{team: red, service.version: v1.2}}
    profile: {{seconds: 2}}
    heap: {{seconds: 2}}
    goroutine: {{seconds: 2}}
    mutex: {{seconds: 2}}
    block: {{seconds: 2}}
",
        hold.url
    );
    let running = Running::start(dir.path(), &config).await;
    eventually(SHOWN_MAX, "picture of every type", async || {
        running.account().await.check();
        for (kind, function) in SHOWN {
            let top = running.get(&format!("/api/v1/top?service=hold&type={kind}&n=0")).await;
            let found = top.status == 200 && rows(&top.json()).contains_key(function);
            found.then_some(())?;
        }
        Some(())
    })
    .await;
    // Shares are of samples: 300 of them tell a share to 0.1 by four standard deviations.
    eventually(SHOWN_MAX, "three seconds of main.burn", async || {
        let top = running.json("/api/v1/top?service=hold&type=cpu:cpu&n=0").await;
        (rows(&top)["main.burn"].1 >= 3_000_000_000).then_some(())
    })
    .await;
    // Up to the start of the newest window, which the pictures have: nothing earlier can follow.
    let newest = running.json("/api/v1/profiles?type=cpu:cpu&n=1").await;
    let to = newest["profiles"][0]["time"].as_f64().unwrap() + 0.001;
    let cpu = format!("service=hold&type=cpu:cpu&from=now-1h&to={to}");
    shares(&running, &cpu).await;
    go_tool_agrees(&running, &cpu, dir.path()).await;
    memory(&running).await;
    heap_is_in_use(&running).await;
    labels_select(&running).await;
    for filter in [["focus", ""], ["focus", "hold/main.go$"], ["hide", "hold/main.go$"]] {
        commands_agree(&running, &cpu, to, filter).await;
    }
    filters_agree(&running, &cpu).await;
    api::shapes(&running).await;
    openapi::holds(&running).await;
    let account = running.account().await;
    account.check();
    assert_eq!((account.lost(), running.log().contains("ERROR")), (0, false), "{}", running.log());
}

/// Flat and cumulative value by function.
fn rows(top: &Value) -> BTreeMap<String, (i64, i64)> {
    let rows = top["rows"].as_array().expect("rows").iter();
    rows.map(|row| {
        let value = |name: &str| row[name].as_i64().expect("a number");
        (row["function"].as_str().expect("a name").to_owned(), (value("flat"), value("cum")))
    })
    .collect()
}

/// Three quarters of `main.burn` are in `main.inner`, in table and flame graph alike.
async fn shares(running: &Running, cpu: &str) {
    let top = running.json(&format!("/api/v1/top?{cpu}&n=0")).await;
    assert_eq!(top["unit"], "nanoseconds");
    let in_main = |row: &&Value| row["file"].as_str().is_some_and(|f| f.contains("hold/main.go:"));
    let placed = top["rows"].as_array().expect("rows").iter().filter(in_main).count();
    assert!(placed >= 2, "functions of the program have their file and line: {top}");
    let rows = rows(&top);
    // What a preempted loop does in the runtime belongs to it.
    let ((_, inner), (_, burn)) = (rows["main.inner"], rows["main.burn"]);
    let share = inner as f64 / burn as f64;
    assert!((share - 0.75).abs() < 0.1, "{share}: {rows:?}");
    assert!(burn > 2_000_000_000, "what was there a moment ago, but for a window: {burn} ns");

    let flame = running.json(&format!("/api/v1/flame?{cpu}")).await;
    let column = |name: &str| flame[name].as_array().expect("a column").clone();
    let (names, name, total) = (column("names"), column("name"), column("total"));
    assert_eq!(total[0], top["total"]);
    let of = |function: &str| -> i64 {
        let index = names.iter().position(|n| n == function).expect("is drawn");
        let frames = name.iter().zip(&total).filter(|(n, _)| **n == index);
        frames.map(|(_, total)| total.as_i64().expect("a number")).sum()
    };
    assert_eq!((of("main.inner"), of("main.burn")), (inner, burn));
}

/// `go tool pprof -top` of the download has the rows of our table, to the unit.
async fn go_tool_agrees(running: &Running, cpu: &str, home: &Path) {
    let top = running.json(&format!("/api/v1/top?{cpu}&n=0")).await;
    let url = format!("{}/api/v1/pprof?{cpu}", running.url);
    let mut command = Command::new("go");
    command.args(["tool", "pprof", "-top", "-unit=ns", "-nodecount=0", "-nodefraction=0"]);
    command.args(["-symbolize=none", &url]).env("PPROF_TMPDIR", home);
    let (code, stdout, stderr) = output(&mut command).await;
    assert_eq!(code, Some(0), "{stderr}");
    let table = stdout.lines().skip_while(|line| !line.trim_start().starts_with("flat")).skip(1);
    let number = |text: &str| -> i64 {
        text.strip_suffix("ns").unwrap_or(text).parse().unwrap_or_else(|_| panic!("{text}"))
    };
    let theirs: BTreeMap<String, (i64, i64)> = table
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let name = words[5..].join(" ");
            let name = name.trim_end_matches(" (inline)").to_owned();
            (name, (number(words[0]), number(words[3])))
        })
        .collect();
    assert_eq!(theirs, rows(&top), "{stdout}");
}

/// The heap holds 64 blocks of 64 KiB, as soon as it has made them and collected once, and for a
/// while more than that.
async fn memory(running: &Running) {
    let path = "/api/v1/top?service=hold&type=heap:inuse_space&gauge=last&n=0";
    eventually(SHOWN_MAX, "4 MiB in main.allocate", async || {
        let top = running.json(path).await;
        assert_eq!(top["unit"], "bytes");
        let (kept, _) = *rows(&top).get("main.allocate")?;
        assert!(kept < 16 << 20, "{kept}");
        (kept >= 4 << 20).then_some(())
    })
    .await;
}

/// As in pprof, a heap is what is in use unless something else is asked for.
async fn heap_is_in_use(running: &Running) {
    let types = running.json("/api/v1/types?service=hold").await;
    let shown_first = |t: &&Value| t["default"] == true;
    let names = types["types"].as_array().expect("types").iter().filter(shown_first);
    let names: Vec<_> = names.filter_map(|t| t["type"].as_str()).collect();
    assert!(names.contains(&"heap:inuse_space") && names.contains(&"cpu:cpu"), "{names:?}");
}

/// Labels of the monitor are resource attributes by which profiles are found.
async fn labels_select(running: &Running) {
    let labels = running.json("/api/v1/labels?service=hold").await;
    let values = |name: &str| {
        let labels = labels["labels"].as_array().unwrap();
        let label = labels.iter().find(|label| label["name"] == name);
        label.unwrap_or_else(|| panic!("no {name}: {labels:?}"))["values"].clone()
    };
    assert_eq!(values("team"), serde_json::json!(["red"]));
    assert_eq!(values("service_version"), serde_json::json!(["v1.2"]));
    // A range that no later snapshot enters: a mean over more of them may round a row away.
    let newest = running.json("/api/v1/profiles?type=goroutine&n=1").await;
    let to = newest["profiles"][0]["time"].as_f64().unwrap() + 0.001;
    let goroutines = format!("service=hold&type=goroutine&n=0&from={}&to={to}", to - 3600.0);
    let all = running.json(&format!("/api/v1/top?{goroutines}")).await;
    let all = all["rows"].as_array().unwrap().len();
    assert!(all > 0);
    for (matchers, found) in [
        (r#"team="red""#, true),
        (r#"team=~"r.*",service_version="v1.2""#, true),
        (r#"team!="red""#, false),
        (r#"team="blue""#, false),
        (r#"service_version="v1.3""#, false),
    ] {
        let encoded: String = matchers.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = running.get(&format!("/api/v1/top?{goroutines}&l={encoded}")).await;
        // Where no service has the label value at all there is nothing to choose a type from.
        let rows = match answer.status {
            200 => answer.json()["rows"].as_array().unwrap().len(),
            404 => 0,
            other => panic!("{matchers}: {other}: {}", answer.text()),
        };
        assert_eq!(rows, if found { all } else { 0 }, "{matchers}");
    }
}

/// The table without the places of the runtime's functions: Go gives some of them two files, and
/// the newest profiles are asked first, which are not the same ones a moment later.
fn placed(mut top: Value) -> Value {
    for row in top["rows"].as_array_mut().expect("rows") {
        if !row["function"].as_str().expect("a name").starts_with("main.") {
            row["file"] = Value::Null;
        }
    }
    top
}

/// `profpipe top` and `flame` say what the API says, beside the running process.
async fn commands_agree(running: &Running, cpu: &str, to: f64, filter: [&str; 2]) {
    let api = running.json(&format!("/api/v1/top?{cpu}&n=0&{}", filter.join("="))).await;
    let (from, to) = ("now-1h", to.to_string());
    let select = ["-s", "hold", "-t", "cpu:cpu", "--from", from, "--to", &to];
    let mut top = crate::support::process::profpipe();
    top.args(["top", "--format", "json", "-n", "0"]).args(select);
    top.args([&format!("--{}", filter[0]), filter[1]]);
    let (code, stdout, stderr) = output(top.arg("-d").arg(&running.data_dir)).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(placed(serde_json::from_str(&stdout).unwrap()), placed(api.clone()));
    if !filter[1].is_empty() {
        return;
    }
    let mut flame = crate::support::process::profpipe();
    flame.args(["flame", "--format", "folded"]).args(select);
    let (code, stdout, stderr) = output(flame.arg("-d").arg(&running.data_dir)).await;
    assert_eq!(code, Some(0), "{stderr}");
    let sum: i64 =
        stdout.lines().map(|l| l.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()).sum();
    assert_eq!(sum, api["total"].as_i64().unwrap());
    assert!(
        stdout.lines().any(|line| line.contains("main.work;main.burn;main.inner ")),
        "{stdout}"
    );
}

/// A filter leaves the same of a picture and of values over time, and shares in a table are of all.
async fn filters_agree(running: &Running, cpu: &str) {
    let ask = async |question: &str, filter: &str| {
        running.json(&format!("/api/v1/{question}?{cpu}&{filter}")).await
    };
    let total = async |filter: &str| ask("flame", filter).await["total"][0].as_f64().unwrap();
    // In one step, of which the mean is that of the whole range.
    let mean = async |filter: &str| {
        let series = ask("series", &format!("step=86400&{filter}")).await;
        series["series"][0]["mean"].as_f64().unwrap_or_default()
    };
    let whole = total("").await;
    for filter in ["focus=hold/main.go$", "ignore=main.inner", "hide=hold/main.go$", "show=^main"] {
        let left = total(filter).await;
        assert!(left > 0.0 && left < whole, "{filter}: {left} of {whole}");
        let shares = [left / whole, mean(filter).await / mean("").await];
        assert!((shares[0] - shares[1]).abs() < 1e-9, "{filter}: {shares:?}");
        assert_eq!(ask("top", filter).await["total"].as_f64(), Some(whole), "{filter}");
    }
}

#[tokio::test]
async fn go_programs_of_the_tests_build() {
    for folder in ["go/cmd/hold", "demo"] {
        if let Some(path) = go::build(folder) {
            assert!(path.is_file());
        }
    }
}
