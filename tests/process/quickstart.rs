//! What a new user sees: `make run` starts the demo shop and profpipe with
//! `configs/quickstart.yaml`, and within 20 seconds there are flame graphs of both; without Go
//! there is the one of profpipe.

use std::{os::unix::fs::symlink, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    process::Command,
    time::{Instant, timeout_at},
};

use crate::support::{
    free_ports,
    go::Service,
    process::{Running, eventually},
};

/// From the start of profpipe to both flame graphs; docs promise it.
const SHOWN_MAX: Duration = Duration::from_secs(20);
/// What stands in the example, and in `tests/demo/run.sh`.
const DEMO_URL: &str = "http://127.0.0.1:6060";
/// One of 499 a second.
const OWN_SAMPLE_NS: i64 = 1_000_000_000 / 499;
const OWN_PORT: &str = "pprof_port: 7000";

/// The example with ports that are free here, and else as it is.
fn config(demo: &Service) -> String {
    let example = include_str!("../../configs/quickstart.yaml");
    let script = include_str!("../demo/run.sh");
    assert!(script.contains("--config configs/quickstart.yaml"), "`make run` runs something else");
    assert!(script.contains("-listen 127.0.0.1:6060"), "the demo listens elsewhere");
    for part in [DEMO_URL, OWN_PORT] {
        assert_eq!(example.matches(part).count(), 1, "{part} in the example");
    }
    let [port] = free_ports();
    example.replace(DEMO_URL, &demo.url).replace(OWN_PORT, &format!("pprof_port: {port}"))
}

/// The picture of a service's CPU time, once it has a tree with these functions.
async fn flame(running: &Running, service: &str, functions: &[&str]) -> Option<Value> {
    let path = format!("/api/v1/flame?service={service}&type=cpu:cpu");
    let answer = running.get(&path).await;
    let flame = (answer.status == 200).then(|| answer.json())?;
    let names = flame["names"].as_array()?;
    let drawn = |function: &&str| names.iter().any(|name| name == *function);
    let deep = flame["level"].as_array()?.iter().filter_map(Value::as_i64).max()? >= 3;
    (deep && functions.iter().all(drawn)).then_some(flame)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_sees_flame_graphs_within_20_seconds() {
    let Some(demo) = Service::start("demo", &["-listen", "127.0.0.1:0", "-stdin"]).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = config(&demo);
    let end = Instant::now() + SHOWN_MAX;
    let both = async {
        let running = Running::start(dir.path(), &config).await;
        // Where a request starts in the shop, and what it does.
        let shop = ["net/http.(*conn).serve", "demo/internal/orders.(*Orders).Create"];
        let demo = eventually(SHOWN_MAX, "flame graph of the demo", async || {
            flame(&running, "demo", &shop).await
        });
        let own = eventually(SHOWN_MAX, "flame graph of profpipe", async || {
            flame(&running, "profpipe", &[]).await
        });
        let (demo, own) = tokio::join!(demo, own);
        (running, demo, own)
    };
    let (running, demo, own) = timeout_at(end, both).await.expect("both within 20 s");
    for (flame, service, sample_ns) in
        [(demo, "demo", 10_000_000), (own, "profpipe", OWN_SAMPLE_NS)]
    {
        assert_eq!(flame["unit"], "nanoseconds", "{service}");
        assert!(flame["total"][0].as_i64() >= Some(sample_ns), "{service}: a sample at least");
    }
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}

/// `make run` after its build, on a machine that has what the script needs and nothing else; all
/// that it starts ends with it.
fn script_without_go(dir: &Path) -> Command {
    let made = |path: &str| {
        let path = dir.join(path);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let tools = made("tools");
    let path = std::env::var_os("PATH").unwrap();
    for tool in ["bash", "cat", "dirname", "env", "realpath", "sleep"] {
        let found = std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|at| at.is_file());
        symlink(found.expect(tool), tools.join(tool)).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_profpipe"), made("release").join("profpipe")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--pid", "--fork", "--kill-child", "env", "-i"]);
    command.arg(format!("PATH={}", tools.display()));
    command.arg(format!("CARGO_TARGET_DIR={}", dir.display()));
    command.arg(format!("DATA_DIR={}", dir.join("data").display()));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/demo/run.sh")).args(["-p", "0"]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_go_profpipe_shows_itself_within_20_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let end = Instant::now() + SHOWN_MAX;
    let shown = async {
        let data_dir = dir.path().join("data");
        let running = Running::spawn(script_without_go(dir.path()), data_dir).await;
        let flame = eventually(SHOWN_MAX, "flame graph of profpipe", async || {
            flame(&running, "profpipe", &[]).await
        });
        (flame.await, running)
    };
    let (flame, _running) = timeout_at(end, shown).await.expect("within 20 s");
    assert!(flame["total"][0].as_i64() >= Some(OWN_SAMPLE_NS), "{flame}");
}
