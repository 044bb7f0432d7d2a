//! The spool against a reference model, on a disk that loses power at any operation, fails to
//! sync, fills up, and is started again: thousands of seeded cases.
//!
//! A failing case prints its seed; `SPOOL_CRASH_CASES=n` runs n cases for each test.

mod case;
mod model;

use pipeline::spool::FullPolicy;
use pipeline::testing::Lies;

use case::Case;

const CASES: u64 = 800;
const STEPS: usize = 40;

fn run(seed: u64, full: FullPolicy, lies: Lies) -> anyhow::Result<()> {
    let mut case = Case::start(seed, full, lies)?;
    for _ in 0..STEPS {
        case.step()?;
    }
    case.finish()
}

fn run_all(full: FullPolicy) {
    let cases = std::env::var("SPOOL_CRASH_CASES").ok().and_then(|cases| cases.parse().ok());
    for seed in 0..cases.unwrap_or(CASES) {
        if let Err(error) = run(seed, full, Lies::default()) {
            panic!("seed {seed}, {full:?}: {error:?}");
        }
    }
}

#[test]
fn nothing_is_lost_when_a_full_spool_refuses() {
    run_all(FullPolicy::Block);
}

#[test]
fn every_loss_is_counted_when_the_oldest_make_room() {
    run_all(FullPolicy::DropOldest);
}

#[test]
fn every_loss_is_counted_when_the_newest_are_dropped() {
    run_all(FullPolicy::DropNewest);
}

/// How many of 100 cases notice that the disk lies.
fn noticed(lies: Lies) -> usize {
    (0..100).filter(|seed| run(*seed, FullPolicy::Block, lies).is_err()).count()
}

#[test]
fn the_model_notices_names_that_were_not_synced() {
    let lies = Lies { dir_sync: true, ..Lies::default() };
    assert!(noticed(lies) > 50);
}

#[test]
fn the_model_notices_bytes_that_were_not_synced() {
    let lies = Lies { file_sync: true, ..Lies::default() };
    assert!(noticed(lies) > 50);
}
