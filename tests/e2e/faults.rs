//! What happens between us and a Collector, or to it: whatever it is, nothing is lost, nothing is
//! there twice beyond what was under way, and the account holds at every moment.

use std::time::Duration;

use tokio::time::sleep;

use super::chain::Chain;
use crate::support::{http::Account, proxy::Mood};

const TARGETS: usize = 20;
/// How long a fault lasts: longer than the two seconds that a request may take.
const FAULT: Duration = Duration::from_secs(4);

/// Whether all faults are wanted, as `make test-long` has it; else one is enough.
fn all() -> bool {
    let all = std::env::var("PROFPIPE_FAULTS").is_ok_and(|value| value == "all");
    if !all {
        eprintln!("only with PROFPIPE_FAULTS=all, as `make test-long` runs it");
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_killed_and_answers_that_get_lost_cost_nothing() {
    let Some(mut chain) = Chain::start(TARGETS, true).await else { return };
    chain.collector.kill().await;
    sleep(Duration::from_secs(2)).await;
    chain.collector.restart().await;
    chain.moves(Duration::ZERO).await;
    chain.proxy.set(Mood::LoseAnswer);
    sleep(Duration::from_secs(1)).await;
    chain.proxy.set(Mood::Pass);
    chain.moves(Duration::ZERO).await;
    let (_, twice) = chain.end().await;
    assert!(twice > 0, "without an answer it was sent again");
}

/// Every fault, one after the other, each until it is over and profiles arrive again.
async fn every_fault(targets: usize, is_grpc: bool) {
    let Some(mut chain) = Chain::start(targets, is_grpc).await else { return };
    for mood in [
        Mood::Unavailable,
        Mood::Exhausted,
        Mood::Slow(Duration::from_millis(1500)),
        Mood::Slow(Duration::from_millis(2500)),
        Mood::Hang,
        Mood::Cut,
        Mood::LoseAnswer,
        Mood::Forget,
    ] {
        chain.proxy.set(mood);
        sleep(FAULT).await;
        chain.proxy.set(Mood::Pass);
        chain.moves(Duration::ZERO).await;
        eprintln!("{mood:?} is over");
    }
    for _ in 0..3 {
        chain.collector.kill().await;
        sleep(FAULT / 2).await;
        chain.collector.restart().await;
        chain.moves(FAULT / 4).await;
    }
    // Who comes after the Collector is gone, of which the Collector tells: 503, and UNAVAILABLE.
    chain.restart_last(FAULT).await;
    chain.moves(Duration::ZERO).await;
    let (account, twice) = chain.end().await;
    eprintln!("{} profiles, {twice} of them arrived more than once", account.scraped());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_grpc_costs_nothing() {
    if all() {
        every_fault(TARGETS, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_http_costs_nothing() {
    if all() {
        every_fault(TARGETS, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_under_load_costs_nothing() {
    if all() {
        every_fault(20 * TARGETS, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exporter_that_is_stuck_does_not_hold_up_another() {
    // Connections to it come about, and nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap();
    let chain = Chain::with(TARGETS, |address| {
        let settings = "tls: {insecure: true}, timeout: 60s";
        format!(
            "otlp_grpc/live: {{endpoint: '{address}', {settings}}}\n\
             otlp_grpc/dead: {{endpoint: '{nobody}', {settings}}}"
        )
    });
    let Some(mut chain) = chain.await else { return };
    let of = |account: &Account, what: &str, exporter: &str| {
        account.sum(&format!("profpipe_exporter_{what}_profiles"), exporter)
    };
    let before = chain.first.account().await;
    for _ in 0..12 {
        sleep(Duration::from_millis(500)).await;
        let account = chain.first.account().await;
        account.check();
        assert_eq!(of(&account, "delivered", "otlp_grpc/dead"), 0);
        // Three rounds of the targets: one is being gathered, one is under way.
        let waits = of(&account, "pending", "otlp_grpc/live");
        assert!(waits <= 3 * TARGETS as u64, "{account:#?}");
    }
    let after = chain.first.account().await;
    for exporter in ["otlp_grpc/live", "parquet"] {
        let grown = of(&after, "delivered", exporter) - of(&before, "delivered", exporter);
        assert!(grown >= 4 * TARGETS as u64, "{exporter} has {grown} more in six seconds");
    }
    let waits = of(&after, "pending", "otlp_grpc/dead");
    assert_eq!(waits, of(&after, "accepted", "otlp_grpc/dead"), "all of it waits");
    let (status, took) = chain.first.stop().await;
    assert!(status.success() && took < Duration::from_secs(5), "{took:?}: {}", chain.first.log());
}
