//! How the process ends, and with which exit code.

use std::{fs, time::Duration};

use tokio::time::Instant;

use super::ledger::{self, Life};
use crate::support::{
    numbers::Numbers,
    process::{Running, output, profpipe},
};

const NOTHING: &str = "self_telemetry: {pprof_port: 0, interval_seconds: 5}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_ends_in_time_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let numbers = Numbers::start(50).await;
    let config = numbers.config();
    let mut lives = Vec::new();
    // At several moments of the rhythm of scrapes and commits.
    for life_ms in [100, 700, 1_300, 2_500] {
        let after = numbers.last();
        let mut running = Running::start(dir.path(), &config).await;
        let end = Instant::now() + Duration::from_millis(life_ms);
        while Instant::now() < end {
            running.account().await.check();
        }
        lives.push(Life { after, scraped: running.account().await.scraped() });
        let (status, took) = running.stop().await;
        assert_eq!(status.code(), Some(0), "{}", running.log());
        assert!(took <= Duration::from_secs(5), "it took {took:?}");
    }
    let log = numbers.end().await;
    // With nothing to scrape, the next process tells what the last ones left.
    let running = Running::start(dir.path(), &config).await;
    let account = running.account().await;
    assert_eq!(account.pending(), 0, "an orderly end delivers what it has");
    ledger::check(&running.data_dir, &log, &lives, &account);
}

#[tokio::test]
async fn a_data_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &Numbers::start(1).await.config()).await;
    let mut second = profpipe();
    second.args(["run", "--web-port", "0", "--data-dir"]).arg(&running.data_dir);
    let (code, stdout, stderr) = output(&mut second).await;
    assert_eq!((code, stdout.as_str()), (Some(4), ""), "{stderr}");
    let data_dir = running.data_dir.display();
    let pid = running.pid();
    assert_eq!(
        stderr.lines().last().unwrap(),
        format!("profpipe: the data directory {data_dir} is in use by process {pid}")
    );
    // Who only reads needs no lock.
    fs::create_dir_all(running.data_dir.join("lake")).unwrap();
    let mut ls = profpipe();
    ls.args(["lake", "ls", "--data-dir"]).arg(&running.data_dir);
    assert_eq!(output(&mut ls).await.0, Some(0));
    assert_eq!(running.get("/livez").await.status, 200);
}

#[tokio::test]
async fn exit_codes_tell_what_was_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let taken = file("a-file", "");
    let typo = file("typo.yaml", "monitors:\n  - name: a\n    endpoit: http://127.0.0.1:1\n");
    let unclosed = file("unclosed.yaml", "monitors: [\n");
    let (below, lost) = (format!("{taken}/data"), dir.path().join("lost.yaml"));
    let data = dir.path().join("data").display().to_string();
    let lost = lost.display().to_string();
    for (args, code, said) in [
        (vec!["run", "--data-dir", &taken], 3, format!("{taken} cannot be used")),
        (vec!["run", "--data-dir", &below], 3, format!("{below} cannot be used")),
        (vec!["run", "-d", &data, "-c", &typo], 2, format!("{typo}:3:5: ")),
        (vec!["run", "-d", &data, "-c", &unclosed], 2, format!("{unclosed}:")),
        (vec!["run", "-d", &data, "-c", &lost], 2, lost.clone()),
        (vec!["run", "--colour", "red"], 2, "--colour".into()),
        (vec!["run", "--web-port", "70000"], 2, "70000".into()),
        (vec!["runn"], 2, "'run'".into()),
        (vec![], 2, "Usage".into()),
        (vec!["top", "--lake", &lost], 2, format!("no lake at {lost}")),
        (vec!["top", "--from", "tomorrow-ish"], 2, "tomorrow-ish".into()),
        (vec!["top", &lost], 1, lost.clone()),
        (vec!["top", &lost, "--service", "a"], 2, "cannot be used with".into()),
        (vec!["import", "-s", "a", "--lake", "/proc/lake", &typo], 3, "/proc/lake".into()),
        (vec!["import", "-s", "", &typo], 2, "must not be empty".into()),
        (vec!["import", "-s", "a\nb", &typo], 2, "must be one line".into()),
        (vec!["import", "-s", "a", "--profile", "a:b", &typo], 2, "must not contain".into()),
        (vec!["import", "-s", "a", "--label", "service.name=b", &typo], 2, "is --service".into()),
        (
            vec!["import", "-s", "a", "--label", "b=1", "--label", "b=2", &typo],
            2,
            "--label: `b` is there twice".into(),
        ),
        (vec!["--version"], 0, String::new()),
        (vec!["run", "--help"], 0, String::new()),
    ] {
        let mut command = profpipe();
        let (got, _, stderr) = output(command.args(&args).current_dir(dir.path())).await;
        assert_eq!(got, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(&said), "{args:?}: {stderr}");
        assert_eq!(stderr.is_empty(), code == 0, "{args:?}: {stderr}");
    }
    // A bad config touches nothing.
    assert!(!fs::exists(&data).unwrap());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let config = dir.path().join("config.yaml");
    fs::write(&config, NOTHING.replace("pprof_port: 0", "pprof_port: 1")).unwrap();
    let mut command = profpipe();
    command.args(["run", "--web-port", &port, "--data-dir"]).arg(dir.path().join("data"));
    command.arg("--config").arg(&config);
    let (code, stdout, stderr) = output(&mut command).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains(&port) && stderr.contains("in use"), "{stderr}");
    let left = fs::read_dir(dir.path().join("data")).unwrap().map(|entry| entry.unwrap());
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"], "neither spool nor lake");
}
