//! What a lake holds of the numbered profiles, set against what their targets know.
//!
//! What can be proven, whatever happened in between and however often the process was killed:
//! - nothing acknowledged is lost: an answer after which its target was asked again is there, and
//!   of each life at least as many are there as it had counted as scraped shortly before its end;
//! - nothing is there twice, and nothing that was never sent;
//! - what the process says of itself is true: it accepted and delivered what is there;
//! - no file that readers see is torn.
//!
//! What cannot: an answer that was under way when the process ended may be there or not. And as
//! the page cache outlives a killed process, this is no proof of fsync: the crash model of the
//! spool and the lake stands for that.

use std::{collections::BTreeMap, path::Path};

use lake::{Allowance, Gauge, Lake, ProfileEntry, Selection, time::TimeRange};
use pipeline::picture::{self, Sort, Tree};

use crate::support::{http::Account, numbers::Log};

/// A process from its start to its end.
pub struct Life {
    /// Its numbers are above this one.
    pub after: u64,
    /// Scrapes that it had counted as successful before it ended.
    pub scraped: u64,
}

/// What is in a lake, by number: how often it is there, which is once. And the lake's profiles.
pub fn found(lake: &Path) -> (BTreeMap<u64, i64>, Vec<ProfileEntry>) {
    let lake = Lake::open(lake.to_owned());
    let selection = Selection::new(TimeRange::ALL);
    let allowance = Allowance::default();
    let flame = lake.flame(&selection, Gauge::default(), &allowance).unwrap();
    let (profiles, more, notes) = lake.profiles(&selection, usize::MAX, &allowance).unwrap();
    let skipped = (flame.notes.skipped, notes.skipped);
    assert_eq!(skipped, (vec![], vec![]), "torn files");
    assert!(!more, "all profiles are listed");
    let tree = Tree::new(&flame.trie, &flame.kind.unit, flame.own);
    let top = picture::top(&tree, Sort::Flat, 0);
    let numbers = top.rows.iter().map(|row| (row.function[1..].parse().expect("f<N>"), row.flat));
    (numbers.collect(), profiles)
}

/// Checks a lake that has all there is: the targets have ended, and nothing is pending.
pub fn check(data_dir: &Path, log: &Log, lives: &[Life], account: &Account) {
    let (found, profiles) = found(&data_dir.join("lake"));
    let twice: Vec<_> = found.iter().filter(|(_, value)| **value != 1).collect();
    assert!(twice.is_empty(), "not once: {twice:?}");
    let lost: Vec<_> = log.acknowledged.iter().filter(|n| !found.contains_key(n)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    for (index, Life { after, scraped }) in lives.iter().enumerate() {
        let end = lives.get(index + 1).map_or(u64::MAX, |next| next.after);
        let there = found.range(after + 1..=end).count() as u64;
        assert!(there >= *scraped, "life {index}: {there} of {scraped} successes are there");
    }
    let invented: Vec<_> = found.keys().filter(|n| !log.begun.contains(n)).collect();
    assert!(invented.is_empty(), "never sent: {invented:?}");

    let stored: Vec<_> = profiles.iter().filter(|p| p.samples == 1 && p.types.len() == 1).collect();
    assert_eq!(stored.len(), found.len(), "profiles and their samples go together");
    assert_eq!(profiles.len(), found.len(), "no profile without its sample, none twice");
    account.check();
    let (accepted, delivered) = (account.accepted(), account.delivered());
    assert_eq!((accepted, delivered), (found.len() as u64, found.len() as u64), "{account:?}");
    assert!(!log.acknowledged.is_empty(), "the test proves something");
}
