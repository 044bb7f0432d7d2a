//! When a profile is asked for: ticks that are pinned to wall time and spread by hash, windows back
//! to back, and the way back after failures. All of it is arithmetic on times that are handed in.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pipeline::{profile::Baseline, reason::Reason};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::target::{ProfileSettings, Schedule};

/// Configs allow no less than a second; this keeps the arithmetic whole whatever comes.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// How long a path that a target does not have is left alone.
const OFF: Duration = Duration::from_secs(600);

/// The same for a profile that a program says it does not have: until it starts anew, which may
/// not be seen.
const ABSENT: Duration = Duration::from_secs(3600);

/// The first pause after a target could not be reached, which costs it nothing.
const RECONNECT: Duration = Duration::from_secs(1);

/// The longest pause, in periods.
const PERIODS_MAX: u32 = 10;

/// The longest time that a target may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A moment on both clocks: sleeping goes by the steady one, ticks are pinned to the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// On the clock that never jumps.
    pub at: Instant,
    /// Nanoseconds since 1970.
    pub wall_ns: u64,
}

impl Moment {
    /// This moment.
    pub(super) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), wall_ns: nanos(wall) }
    }
}

/// How a scrape ended, as far as the next one is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well.
    Good,
    /// It failed, and maybe the target asked to be left alone for a while.
    Bad(Reason, Option<Duration>),
    /// The program says that it has no such profile.
    Absent,
    /// The pipeline is gone: there is nothing left to do.
    Closed,
}

impl Verdict {
    /// Whether the process may be another one after this.
    pub(super) fn may_be_restart(self) -> bool {
        use Reason::{ConnectionRefused, ConnectionReset, Dns};
        matches!(self, Self::Bad(Dns | ConnectionRefused | ConnectionReset, _))
    }
}

/// The times of one profile of one target.
#[derive(Debug)]
pub(super) struct Turn {
    /// What is asked for.
    pub settings: ProfileSettings,
    /// When it is to be asked for next.
    pub due: Instant,
    /// The last snapshot whose counters are durable: what the next is compared to.
    pub baseline: Option<Arc<Baseline>>,
    seed: u64,
    tick_ns: u64,
    failures: u32,
    off: bool,
    /// Whether the last scrape went well.
    pub was_good: bool,
}

impl Turn {
    /// The first turn comes within `spread`, at a place that `seed` decides, so that a user soon
    /// sees data and a start does not bunch; the ticks of the schedule follow.
    pub(super) fn new(settings: ProfileSettings, seed: u64, spread: Duration, now: Moment) -> Self {
        let wait = match nanos(spread) {
            0 => Duration::ZERO,
            spread_ns => Duration::from_nanos(seed % spread_ns),
        };
        Self {
            settings,
            due: now.at + wait,
            baseline: None,
            seed,
            tick_ns: 0,
            failures: 0,
            off: false,
            was_good: false,
        }
    }

    /// Sets the next turn after a scrape, and gives the number of ticks that it ran over.
    pub(super) fn finish(&mut self, verdict: Verdict, started: Moment, now: Moment) -> u64 {
        let period = self.settings.period();
        let mut skipped = 0;
        let regular = match self.settings.schedule {
            Schedule::BackToBack => now.at.max(started.at + period),
            Schedule::Every(interval) => {
                let interval_ns = nanos(interval.max(INTERVAL_MIN));
                // A timer may fire a little early by the wall clock, which must not repeat a tick;
                // a clock that was set back far must not hold the ticks up.
                let is_last = self.tick_ns < now.wall_ns.saturating_add(interval_ns);
                let last_ns = if is_last { self.tick_ns } else { 0 };
                let offset_ns = self.seed % interval_ns;
                let next = |wall_ns: u64| tick_after(wall_ns.max(last_ns), interval_ns, offset_ns);
                let first = next(started.wall_ns);
                self.tick_ns = next(now.wall_ns);
                skipped = self.tick_ns.saturating_sub(first) / interval_ns;
                now.at + Duration::from_nanos(self.tick_ns.saturating_sub(now.wall_ns))
            }
        };
        self.was_good = verdict == Verdict::Good;
        self.off = matches!(verdict, Verdict::Absent | Verdict::Bad(Reason::NotFound, _));
        self.due = match verdict {
            Verdict::Absent => now.at + ABSENT,
            Verdict::Bad(reason, after) if reason != Reason::PipelineFull => {
                self.failures += 1;
                let after = after.unwrap_or_default().min(RETRY_AFTER_MAX);
                self.retry(reason, period, regular, started, now).max(now.at + after)
            }
            _ => {
                self.failures = 0;
                regular
            }
        };
        skipped
    }

    /// The process may have started anew: what it did not have is asked for again, a period later,
    /// when it had time to come up.
    pub(super) fn restarted(&mut self, now: Instant) {
        if self.off {
            self.due = self.due.min(now + self.settings.period());
        }
    }

    /// The turn after a failure. The first failure costs one turn, each further one twice the
    /// pause; a target that nobody could reach is soon tried again, as it may be starting.
    fn retry(
        &self,
        reason: Reason,
        period: Duration,
        regular: Instant,
        started: Moment,
        now: Moment,
    ) -> Instant {
        let doubled = |base: Duration| {
            let pause = base.saturating_mul(1 << (self.failures - 1).min(16));
            let pause = pause.min(period * PERIODS_MAX);
            let noise = xxh3_64_with_seed(&now.wall_ns.to_le_bytes(), self.seed);
            pause + pause.mul_f64((noise >> 11) as f64 / (1u64 << 53) as f64 / 4.0)
        };
        match reason {
            Reason::NotFound => now.at + OFF,
            Reason::Dns | Reason::ConnectionRefused => now.at + doubled(RECONNECT),
            Reason::TargetBusy => regular.max(started.at + doubled(period)),
            _ if self.failures == 1 => regular,
            _ => regular.max(started.at + doubled(period)),
        }
    }
}

/// The first tick after a moment: the ticks are `offset_ns` and all multiples of the interval from
/// there, so they are the same after a restart.
fn tick_after(wall_ns: u64, interval_ns: u64, offset_ns: u64) -> u64 {
    let since = (wall_ns + interval_ns - offset_ns) % interval_ns;
    wall_ns + (interval_ns - since)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn turn(seconds: Option<u32>, schedule: Schedule, seed: u64, now: Moment) -> Turn {
        let settings = ProfileSettings { seconds, schedule, ..ProfileSettings::default() };
        Turn::new(settings, seed, Duration::ZERO, now)
    }

    fn later(from: Moment, ms: u64) -> Moment {
        Moment { at: from.at + Duration::from_millis(ms), wall_ns: from.wall_ns + ms * 1_000_000 }
    }

    fn start() -> Moment {
        Moment { at: Instant::now(), wall_ns: 1_000_007 * S }
    }

    #[test]
    fn ticks_are_pinned_and_strictly_later() {
        for (wall, interval, offset, want) in [
            (100, 60, 0, 120),
            (120, 60, 0, 180),
            (119, 60, 0, 120),
            (100, 60, 45, 105),
            (0, 9, 8, 8),
        ] {
            assert_eq!(tick_after(wall, interval, offset), want, "{wall} {interval} {offset}");
        }
    }

    #[test]
    fn restarts_find_the_same_ticks() {
        let every = Schedule::Every(Duration::from_secs(60));
        let mut wall_ticks = Vec::new();
        for restart_ms in [0, 7_300, 59_999] {
            let now = later(start(), restart_ms);
            let mut turn = turn(None, every, 1_234_567_890_123, now);
            turn.finish(Verdict::Good, now, later(now, 5));
            let wait = turn.due.saturating_duration_since(now.at);
            wall_ticks.push((now.wall_ns + nanos(wait)) % (60 * S));
        }
        wall_ticks.dedup();
        assert_eq!(wall_ticks, [1_234_567_890_123 % (60 * S)]);
    }

    #[test]
    fn slow_scrapes_skip_ticks_and_early_timers_do_not_repeat_one() {
        let every = Schedule::Every(Duration::from_secs(10));
        let now = start(); // 7 s into an interval
        let mut turn = turn(None, every, 0, now);
        assert_eq!(turn.finish(Verdict::Good, now, later(now, 24_000)), 3);
        assert_eq!(turn.due, later(now, 33_000).at);
        let early = Moment { wall_ns: later(now, 33_000).wall_ns - 1_000, ..later(now, 33_000) };
        assert_eq!(turn.finish(Verdict::Good, early, early), 0);
        assert_eq!(turn.due.saturating_duration_since(early.at).as_secs(), 10);
        let set_back = Moment { wall_ns: now.wall_ns - 3600 * S, ..later(now, 44_000) };
        turn.finish(Verdict::Good, set_back, set_back);
        assert!(turn.due - set_back.at <= Duration::from_secs(10));
    }

    #[test]
    fn windows_follow_each_other_and_an_early_end_is_no_hot_loop() {
        let now = start();
        let mut turn = turn(Some(10), Schedule::BackToBack, 0, now);
        let end = later(now, 10_020);
        turn.finish(Verdict::Good, now, end);
        assert_eq!(turn.due, end.at);
        turn.finish(Verdict::Good, end, later(end, 3));
        assert_eq!(turn.due, later(end, 10_000).at);
    }

    #[test]
    fn pauses_double_up_to_ten_periods_and_end_with_the_failure() {
        let now = start();
        let every = Schedule::Every(Duration::from_secs(10));
        for (reason, after, low_s, high_s) in [
            (Reason::Timeout, None, &[3.0, 20.0, 40.0, 80.0, 100.0, 100.0][..], 1.25),
            (Reason::ConnectionRefused, None, &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0], 1.25),
            (Reason::TargetBusy, None, &[10.0, 20.0, 40.0, 80.0, 100.0], 1.25),
            (Reason::NotFound, None, &[600.0, 600.0], 1.0),
            (Reason::PipelineFull, None, &[3.0, 3.0, 3.0], 1.0),
            (Reason::HttpStatus, Some(30), &[30.0, 30.0, 40.0], 1.25),
            (Reason::HttpStatus, Some(999_999), &[3600.0], 1.0),
        ] {
            let mut turn = turn(None, every, 0, now);
            for (n, low) in low_s.iter().enumerate() {
                let after = after.map(Duration::from_secs);
                turn.finish(Verdict::Bad(reason, after), now, now);
                let wait = (turn.due - now.at).as_secs_f64();
                turn.tick_ns = 0;
                assert!(wait >= *low && wait <= low * high_s, "{reason} {n}: {wait}");
            }
            turn.finish(Verdict::Good, now, now);
            assert_eq!((turn.due - now.at).as_secs(), 3, "{reason} is over");
        }
    }

    #[test]
    fn what_is_not_there_is_off_until_a_restart() {
        let now = start();
        let mut turn = turn(None, Schedule::Every(Duration::from_secs(10)), 0, now);
        for (verdict, off_s) in
            [(Verdict::Absent, 3600), (Verdict::Bad(Reason::NotFound, None), 600)]
        {
            turn.finish(verdict, now, now);
            assert_eq!(turn.due - now.at, Duration::from_secs(off_s));
            turn.restarted(now.at);
            assert_eq!(turn.due - now.at, Duration::from_secs(10));
        }
        turn.finish(Verdict::Bad(Reason::ConnectionRefused, None), now, now);
        let due = turn.due;
        turn.restarted(now.at);
        assert_eq!(turn.due, due, "only what is off has to be asked for anew");
        assert!(Verdict::Bad(Reason::ConnectionReset, None).may_be_restart());
        assert!(!Verdict::Bad(Reason::Timeout, None).may_be_restart());
    }

    #[test]
    fn first_turns_are_spread_over_the_start() {
        let now = start();
        let every = Schedule::Every(Duration::from_secs(60));
        let template = turn(None, every, 0, now).settings;
        let spread = Duration::from_secs(5);
        let waits = (0..1000u64).map(|i| {
            let seed = xxh3_64_with_seed(&i.to_le_bytes(), 0);
            (Turn::new(template.clone(), seed, spread, now).due - now.at).as_secs() as usize
        });
        let mut each_second = [0; 5];
        waits.for_each(|second| each_second[second] += 1);
        assert!(each_second.iter().all(|n| (140..=260).contains(n)), "{each_second:?}");
    }
}
