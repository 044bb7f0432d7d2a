//! Retention beside a process that goes on writing: what is too old goes, what is new comes, and
//! nobody is disturbed.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use crate::support::{
    numbers::Numbers,
    process::{Running, eventually},
    profiles::below,
};

/// How long it may take until files came and went, on a machine that does much else.
const GONE_MAX: Duration = Duration::from_secs(30);

/// The files that readers of a lake see.
fn visible(lake: &std::path::Path) -> BTreeSet<PathBuf> {
    let files = if lake.is_dir() { below(lake) } else { vec![] };
    files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "parquet")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_goes_while_the_process_runs() {
    let numbers = Numbers::start(2).await;
    let short = "first_flush: 1s, retention: {max_age: 2s}}";
    let config = numbers.config().replace("first_flush: 1s}", short);
    assert!(config.contains(short));
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &config).await;
    let lake = running.data_dir.join("lake");
    let first = eventually(GONE_MAX, "files of all tables", async || {
        let files = visible(&lake);
        (files.len() >= 3).then_some(files)
    })
    .await;
    let left = eventually(GONE_MAX, "end of the first files", async || {
        let files = visible(&lake);
        (!files.is_empty() && files.is_disjoint(&first)).then_some(files)
    })
    .await;
    let account = running.account().await;
    account.check();
    // Each push had a file of each table: what is there is the last of what there was.
    assert!(account.delivered() as usize > left.len() / 3, "{left:?}");
    assert_eq!(account.lost(), 0, "{account:#?}");
    let log = running.log();
    assert!(log.contains("old profiles were removed") && !log.contains("ERROR"), "{log}");
}
