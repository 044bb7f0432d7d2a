//! kill -9 at any moment, again and again, on one data directory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use tokio::time::{Instant, sleep_until};

use super::ledger::{self, Life};
use crate::support::{
    numbers::Numbers,
    process::{Running, eventually},
};

const ROUNDS_DEFAULT: u64 = 50;
const TARGETS: usize = 20;
/// A life after it is ready, in milliseconds: some end before their first commit, some after.
const LIFE_MS: std::ops::Range<u64> = 200..1_500;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// The next of a row of numbers that look like chance (xorshift).
fn chance(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_once() {
    let rounds = setting("KILL_ROUNDS").unwrap_or(ROUNDS_DEFAULT);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut state = setting("KILL_SEED").unwrap_or(now.as_nanos() as u64) | 1;
    eprintln!("KILL_SEED={state} KILL_ROUNDS={rounds}");
    let dir = tempfile::tempdir().unwrap();
    let numbers = Numbers::start(TARGETS).await;
    let config = numbers.config();
    let (mut accepted, mut delivered, mut commits) = (0, 0, 0);
    let mut lives = Vec::new();
    for round in 0..rounds {
        let mut scraped = 0;
        let after = numbers.last();
        let mut running = Running::start(dir.path(), &config).await;
        let life = LIFE_MS.start + chance(&mut state) % (LIFE_MS.end - LIFE_MS.start);
        let end = Instant::now() + Duration::from_millis(life);
        // Asked at the start and just before the end, as a scraper would.
        for at in [Instant::now(), end] {
            sleep_until(at).await;
            let account = running.account().await;
            account.check();
            assert_eq!(account.lost(), 0, "{account:#?}");
            let before = accepted;
            accepted = account.accepted();
            assert!(accepted >= before, "round {round} forgot: {accepted} of {before}");
            scraped = account.scraped();
            commits += u64::from(account.delivered() > delivered);
            delivered = account.delivered();
        }
        running.signal(Signal::KILL);
        running.ended().await;
        lives.push(Life { after, scraped });
        let log = running.log();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "round {round}:\n{log}");
    }
    let log = numbers.end().await;
    let running = Running::start(dir.path(), &config).await;
    let account = eventually(Duration::from_secs(20), "end of what waits", async || {
        Some(running.account().await).filter(|account| account.pending() == 0)
    })
    .await;
    ledger::check(&running.data_dir, &log, &lives, &account);
    assert!(account.accepted() >= accepted);
    let (sent, safe) = (log.begun.len(), log.acknowledged.len());
    eprintln!(
        "{rounds} kills: {sent} sent, {safe} known as taken, {accepted} accepted, {commits} commits"
    );
    assert!(commits * 10 >= rounds, "too few lives wrote to the lake: {commits} of {rounds}");
}
