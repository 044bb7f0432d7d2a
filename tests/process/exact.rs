//! Deltas are exact: a Go program counts its own allocations, and the lake's sums over a run are
//! what it counted between its first and its last profile, with scrapes missed in between and
//! with a restart of profpipe, which costs the window around it and no more.

use std::time::Duration;

use serde::Deserialize;

use crate::support::{
    cli::{self, Rows},
    go::Service,
    process::{Running, eventually},
};

/// Calls of the functions that allocate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Counts {
    node: i64,
    small: i64,
    large: i64,
}

/// Functions, and the bytes that each of their objects has.
const FUNCTIONS: [(&str, i64); 3] =
    [("main.newNode", 48), ("main.newSmall", 512), ("main.newLarge", 64 << 10)];

impl Counts {
    fn since(self, before: Self) -> [i64; 3] {
        [self.node - before.node, self.small - before.small, self.large - before.large]
    }
}

async fn ask(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

async fn snapshots(count: &Service) -> Vec<Counts> {
    let text = ask(&format!("{}/snapshots", count.url)).await;
    serde_json::from_str::<Option<_>>(&text).unwrap().unwrap_or_default()
}

/// Waits until there are so many profiles.
async fn taken(count: &Service, least: usize) {
    eventually(Duration::from_secs(60), "profiles", async || {
        (snapshots(count).await.len() >= least).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allocations_of_a_go_program_are_counted_exactly() {
    let Some(count) = Service::start("go/cmd/count", &[]).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let config =
        format!("monitors: [{{name: count, endpoint: {}, heap: {{seconds: 1}}}}]", count.url);
    let mut want = [0; 3];
    for life in 1..=2 {
        ask(&format!("{}/go", count.url)).await;
        let before = snapshots(&count).await.len();
        let mut running = Running::start(dir.path(), &config).await;
        taken(&count, before + 6).await;
        ask(&format!("{}/stop", count.url)).await;
        // The last ones are equal, so it does not matter which of them was the last to be kept.
        let after = snapshots(&count).await.len();
        taken(&count, after + 3).await;
        let (status, _) = running.stop().await;
        assert_eq!(status.code(), Some(0), "{}", running.log());
        let taken = snapshots(&count).await;
        let grown = taken.last().unwrap().since(taken[before]);
        assert!(grown.iter().all(|n| *n > 100), "it worked: {grown:?}");
        want.iter_mut().zip(grown).for_each(|(sum, n)| *sum += n);
        for (kind, size) in [("heap:alloc_objects", false), ("heap:alloc_space", true)] {
            let rows = top(&running, kind);
            for ((function, bytes), objects) in FUNCTIONS.iter().zip(want) {
                let want = if size { objects * bytes } else { objects };
                let got = rows.get(*function).map(|(_, cum)| *cum);
                assert_eq!(got, Some(want), "life {life}, {kind} of {function}");
            }
        }
    }
    let all = snapshots(&count).await;
    let whole = all.last().unwrap().since(all[0]);
    assert!(whole.iter().zip(want).all(|(whole, want)| *whole > want), "{whole:?}, {want:?}");
}

fn top(running: &Running, kind: &str) -> Rows {
    let data_dir = running.data_dir.to_str().unwrap();
    cli::top(&["--data-dir", data_dir, "--service", "count", "--type", kind, "--all"]).rows
}
