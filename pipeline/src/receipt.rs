//! Tracks what became of a batch, from the receiver that made it to the last holder of it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// How a batch ended, from best to worst; of several holders the worst outcome counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Durable: in a spool segment that is fsynced, with its directory.
    Delivered,
    /// Refused for good: the same batch will be refused again.
    Rejected,
    /// Not kept, through no fault of its own: the sender may try again.
    Lost,
}

/// Resolves once every holder of the batch has settled or dropped it.
pub type Settled = oneshot::Receiver<Outcome>;

/// One holder's share of a batch. Dropping it without `settle` means [`Outcome::Lost`], so that a
/// forgotten path shows.
#[derive(Debug)]
pub struct Receipt {
    shared: Arc<Shared>,
    settled: bool,
}

#[derive(Debug)]
struct Shared {
    worst: Mutex<Outcome>,
    notify: Option<oneshot::Sender<Outcome>>,
}

impl Receipt {
    /// A receipt, and what resolves when it and all its clones are settled.
    pub fn new() -> (Self, Settled) {
        let (notify, settled) = oneshot::channel();
        let shared = Shared { worst: Mutex::new(Outcome::Delivered), notify: Some(notify) };
        (Self { shared: Arc::new(shared), settled: false }, settled)
    }

    /// Says how this holder's share ended.
    pub fn settle(mut self, outcome: Outcome) {
        self.record(outcome);
    }

    fn record(&mut self, outcome: Outcome) {
        let mut worst = self.shared.worst.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = (*worst).max(outcome);
        self.settled = true;
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), settled: false }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.settled {
            self.record(Outcome::Lost);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let worst = *self.worst.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = self.notify.take() {
            let _ = notify.send(worst); // The receiver may not care.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_outcome_wins_and_silence_is_lost() {
        use Outcome::{Delivered, Lost, Rejected};
        for (outcomes, want) in [
            (vec![Some(Delivered)], Delivered),
            (vec![Some(Delivered), Some(Rejected)], Rejected),
            (vec![Some(Delivered), None], Lost),
            (vec![None, Some(Rejected)], Lost),
        ] {
            let (receipt, mut settled) = Receipt::new();
            let shares: Vec<_> = outcomes.iter().map(|_| receipt.clone()).collect();
            receipt.settle(Delivered);
            for (share, outcome) in shares.into_iter().zip(&outcomes) {
                assert!(settled.try_recv().is_err(), "resolved before all had settled");
                match outcome {
                    Some(outcome) => share.settle(*outcome),
                    None => drop(share),
                }
            }
            assert_eq!(settled.try_recv(), Ok(want), "{outcomes:?}");
        }
    }
}
