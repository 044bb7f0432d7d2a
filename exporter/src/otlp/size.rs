//! How large requests are: smaller where the other end says that they are too large, and as large
//! as before once in a while, because it may take more by then, or may have meant something else.

use std::time::{Duration, Instant};

/// A request is not made smaller than this because the other end says that it is too large.
const BYTES_MIN: usize = 16 << 10;
/// After this time a request is tried that is as large as the config has it.
const FORGET: Duration = Duration::from_secs(3600);

/// The size of requests.
#[derive(Debug)]
pub(super) struct Size {
    bytes_max: usize,
    /// What the other end takes, and since when that is known.
    learnt: Option<(usize, Instant)>,
}

impl Size {
    /// What a config says.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, learnt: None }
    }

    /// Bytes of a request at most.
    pub(super) fn bytes_max(&self, now: Instant) -> usize {
        let learnt = self.learnt.filter(|(_, at)| now.duration_since(*at) < FORGET);
        learnt.map_or(self.bytes_max, |(bytes, _)| bytes)
    }

    /// A request of so many bytes was too large. Says whether smaller ones are worth a try.
    pub(super) fn refused(&mut self, bytes: usize, now: Instant) -> bool {
        if bytes <= BYTES_MIN {
            return false;
        }
        self.learnt = Some(((bytes / 2).max(BYTES_MIN), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_down_to_a_limit_and_grows_again() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut size = Size::new(1 << 20);
        assert!(size.refused(900_000, at(0)));
        assert_eq!(size.bytes_max(at(0)), 450_000);
        assert!(size.refused(20_000, at(1)));
        assert_eq!(size.bytes_max(at(3_600)), BYTES_MIN);
        assert!(!size.refused(BYTES_MIN, at(2)), "it is not for its size");
        assert_eq!(size.bytes_max(at(3_601)), 1 << 20);
    }
}
