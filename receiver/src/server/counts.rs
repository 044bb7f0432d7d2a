//! Counts of what is pushed, for `/metrics`: what a sender was told, by receiver and reason.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use pipeline::reason::Reason;

/// Counters of all receivers that are pushed to. Cloning gives the same counters.
#[derive(Clone, Debug, Default)]
pub struct PushMetrics(Arc<Mutex<BTreeMap<String, PushCounts>>>);

/// The counts of one receiver since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushCounts {
    /// Requests whose profiles are durable, but for those that were rejected by themselves.
    pub taken: u64,
    /// Requests of which nothing was taken, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Profiles that were left out of requests that were taken.
    pub rejected_profiles: u64,
}

impl PushMetrics {
    /// The counts at this moment, by the ids of receivers; one that a reload took away keeps its
    /// counts.
    pub fn snapshot(&self) -> BTreeMap<String, PushCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A request was taken, without so many of its profiles.
    pub(super) fn taken(&self, receiver: &str, rejected_profiles: usize) {
        self.count(receiver, |counts| {
            counts.taken += 1;
            counts.rejected_profiles += rejected_profiles as u64;
        });
    }

    /// Nothing of a request was taken.
    pub(super) fn refused(&self, receiver: &str, reason: Reason) {
        self.count(receiver, |counts| *counts.refused.entry(reason).or_default() += 1);
    }

    fn count(&self, receiver: &str, change: impl FnOnce(&mut PushCounts)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(receiver) {
            Some(counts) => change(counts),
            None => change(all.entry(receiver.to_owned()).or_default()),
        }
    }
}
