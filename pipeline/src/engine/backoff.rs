//! How long to wait before the next attempt: ever longer, and never in step with others.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::settings::Retry;

/// The shortest wait: a backend that fails must not be asked without end.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// Waiting times of one push.
pub struct Backoff<'a> {
    retry: &'a Retry,
    next: Duration,
    waited: Duration,
}

impl<'a> Backoff<'a> {
    /// Starts with the initial interval.
    pub fn new(retry: &'a Retry) -> Self {
        Self { retry, next: retry.initial_interval, waited: Duration::ZERO }
    }

    /// The next wait, at least as long as the other end asked for; `None` when it is time to give
    /// up.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let Retry { enabled, max_interval, multiplier, max_elapsed_time, .. } = *self.retry;
        if !enabled || (!max_elapsed_time.is_zero() && self.waited >= max_elapsed_time) {
            return None;
        }
        let wait = self.jittered().max(asked.unwrap_or_default()).max(WAIT_MIN);
        self.next = self.next.mul_f64(multiplier).min(max_interval);
        self.waited += wait;
        Some(wait)
    }

    /// The next wait, longer or shorter at random. A hasher's seed is random enough for that.
    fn jittered(&self) -> Duration {
        let random = RandomState::new().hash_one(self.waited) as f64 / u64::MAX as f64;
        let factor = 1.0 + self.retry.randomization_factor * (2.0 * random - 1.0);
        self.next.mul_f64(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_and_end() {
        let retry = Retry {
            randomization_factor: 0.0,
            multiplier: 2.0,
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(5),
            max_elapsed_time: Duration::from_secs(20),
            ..Retry::default()
        };
        let mut backoff = Backoff::new(&retry);
        let waits: Vec<_> =
            std::iter::from_fn(|| backoff.next(None)).map(|w| w.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5, 5]);
        assert_eq!(
            Backoff::new(&retry).next(Some(Duration::from_secs(9))).map(|w| w.as_secs()),
            Some(9)
        );
        let at_once = Retry { initial_interval: Duration::ZERO, multiplier: 0.0, ..retry.clone() };
        let mut at_once = Backoff::new(&at_once);
        assert_eq!([at_once.next(None), at_once.next(None)], [Some(WAIT_MIN); 2]);
        let never = Retry { enabled: false, ..retry.clone() };
        assert_eq!(Backoff::new(&never).next(None), None);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let retry = Retry::default();
        for _ in 0..200 {
            let wait = Backoff::new(&retry).next(None).expect("retries for ever").as_secs_f64();
            assert!((2.5..=7.5).contains(&wait), "{wait}");
        }
    }
}
