//! The time that records are stamped with.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Gives the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The wall time at the call of this function, and monotonic time from there on, so that no jump
/// of the wall clock makes records expire early.
pub fn steady_clock() -> Clock {
    let started = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Arc::new(move || u64::try_from((wall + started.elapsed()).as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_at_wall_time_and_never_goes_back() {
        let clock = steady_clock();
        let (first, second) = (clock(), clock());
        assert!(first <= second && first > 1_700_000_000_000);
    }
}
