//! A real Go process as the target.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use pipeline::{profile::Profile, receipt::Outcome, target::Target};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::running::{Running, eventually};
use crate::pprof::{ProfileSettings, ScrapeTarget};

/// Builds the program that the tests share and starts it; it ends when its input closes. `None`
/// where Go or the program is missing.
fn start(folder: &Path) -> Option<tokio::process::Child> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/go");
    let program = folder.join("hold");
    let mut build = Command::new("go");
    build.current_dir(sources).args(["build", "-o"]).arg(&program).arg("./cmd/hold");
    let built = build.output().ok()?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut hold = tokio::process::Command::new(program);
    hold.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    Some(hold.spawn().unwrap())
}

fn has_function(profile: &Profile, name: &str) -> bool {
    profile.functions().iter().any(|function| profile.text(function.name) == name)
}

#[tokio::test]
async fn every_type_of_a_go_process_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut hold) = start(folder.path()) else {
        eprintln!("skipped: needs Go and tests/go");
        return;
    };
    let mut lines = BufReader::new(hold.stdout.take().unwrap()).lines();
    let address = format!("http://{}", lines.next_line().await.unwrap().unwrap());
    let keys = ["allocs", "block", "goroutine", "heap", "mutex", "profile", "threadcreate"];
    let settings = keys.map(|key| ProfileSettings::monitor(key, Some(2), None).unwrap());
    let attributes = [("service.name", "hold")].into_iter().collect();
    let target = Target { job: "hold".into(), address, attributes };
    let running = Running::start(vec![ScrapeTarget::new(target, settings)], Outcome::Delivered);
    for (name, function) in [
        ("cpu", "main.inner"),
        ("heap", "main.allocate"),
        ("mutex", "main.contend.func1"),
        ("block", "main.contend.func1"),
        ("goroutine", "main.work"),
        ("threadcreate", ""),
    ] {
        eventually(name, || {
            let sent = running.sent.lock().unwrap();
            let mut of_name = sent.iter().filter(|profile| profile.meta.name == name);
            of_name.any(|profile| function.is_empty() || has_function(profile, function))
        })
        .await;
    }
    let names: Vec<_> =
        running.sent.lock().unwrap().iter().map(|profile| profile.meta.name.clone()).collect();
    assert!(!names.contains(&"allocs".to_owned()), "{names:?}");
    assert_eq!(running.context.scrapes.snapshot().failures.len(), 0);
    running.stop().await;
    drop(hold.stdin.take());
    let ended = tokio::time::timeout(Duration::from_secs(5), hold.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}
