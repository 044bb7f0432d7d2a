//! From when to when instances were there, as far as snapshots tell: what keeps a rollout from
//! showing a bump that was not there.
//!
//! Between its last snapshot and the next that did not come, an instance went; between the one
//! before its first and that, it came. Half an interval is the best guess at either. Where one of a
//! service went and another came soon after, the one took the place of the other: they share the
//! time in between, so that they count as one together, whatever the phases of their snapshots.

use std::collections::{BTreeMap, HashMap};

use super::snapshots::Name;

/// When an instance came or went, if it did so within what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// It was there before, or is there still.
    Open,
    /// Nobody's place was taken.
    Alone,
    /// Another one's last or first snapshot, whose place was taken or who took it.
    Shared(i64),
}

/// The time of one instance.
#[derive(Clone, Copy, Debug)]
struct Life {
    first_us: i64,
    last_us: i64,
    came: Edge,
    went: Edge,
}

/// The times of all instances.
#[derive(Debug)]
pub(super) struct Lives {
    all: HashMap<u32, Life>,
    first_us: i64,
    last_us: i64,
    interval_us: i64,
}

impl Lives {
    /// From the first and last snapshot of each instance, how far snapshots are apart, and the
    /// names of the instances.
    pub fn new(spans: HashMap<u32, (i64, i64)>, interval_us: i64, names: &[Name]) -> Self {
        let first_us = spans.values().map(|span| span.0).min().unwrap_or(0);
        let last_us = spans.values().map(|span| span.1).max().unwrap_or(0);
        // Who comes within an interval of the first snapshot of all was there before, and who is
        // seen within one of the last is there still. Scrapes are off by a part of the interval.
        let near_us = interval_us.saturating_add(interval_us / 4);
        let edge = |inner: bool| if inner { Edge::Alone } else { Edge::Open };
        let life = |(first, last): (i64, i64)| Life {
            first_us: first,
            last_us: last,
            came: edge(first.saturating_sub(first_us) >= near_us),
            went: edge(last_us.saturating_sub(last) >= near_us),
        };
        let all = spans.into_iter().map(|(instance, span)| (instance, life(span))).collect();
        let mut lives = Self { all, first_us, last_us, interval_us };
        lives.pair(names);
        lives
    }

    /// Finds who took whose place: of each service the first that came after one went, within two
    /// intervals of its last snapshot.
    fn pair(&mut self, names: &[Name]) {
        // Of each service who went and who came: when, name and id.
        type Changes<'n> = [Vec<(i64, &'n str, u32)>; 2];
        let mut services: BTreeMap<&[String], Changes<'_>> = BTreeMap::new();
        for (&id, life) in &self.all {
            let name = &names[id as usize];
            let (service, instance) = (&name[..2], name[2].as_str());
            let [went, came] = services.entry(service).or_default();
            if life.went == Edge::Alone {
                went.push((life.last_us, instance, id));
            }
            if life.came == Edge::Alone {
                came.push((life.first_us, instance, id));
            }
        }
        for [mut went, mut came] in services.into_values() {
            went.sort_unstable();
            came.sort_unstable();
            let mut went = went.into_iter().peekable();
            for (first_us, _, new) in came {
                let soon = |last_us: i64| {
                    first_us.saturating_sub(last_us) < self.interval_us.saturating_mul(2)
                };
                while went.next_if(|(last_us, ..)| *last_us < first_us && !soon(*last_us)).is_some()
                {
                }
                if let Some((last_us, _, old)) = went.next_if(|(last_us, ..)| *last_us < first_us) {
                    self.all.entry(new).and_modify(|life| life.came = Edge::Shared(last_us));
                    self.all.entry(old).and_modify(|life| life.went = Edge::Shared(first_us));
                }
            }
        }
    }

    /// Whether an instance was there from the first snapshot of all on.
    pub fn was_there_first(&self, instance: u32) -> bool {
        self.all.get(&instance).is_some_and(|life| life.came == Edge::Open)
    }

    /// Whether an instance was there until the last snapshot of all.
    pub fn is_there_last(&self, instance: u32) -> bool {
        self.all.get(&instance).is_some_and(|life| life.went == Edge::Open)
    }

    /// The first snapshot of who took the place of an instance that went.
    pub fn taken_us(&self, instance: u32) -> Option<i64> {
        match self.all.get(&instance)?.went {
            Edge::Shared(first_us) => Some(first_us),
            Edge::Open | Edge::Alone => None,
        }
    }

    /// The part of a step in which an instance was there that has a snapshot in it. It is the whole
    /// step, whatever snapshots were missed, but where the instance came or went in it.
    pub fn presence(&self, instance: u32, start_us: i64, step_us: i64) -> f64 {
        let Some(life) = self.all.get(&instance).filter(|_| self.interval_us > 0) else {
            return 1.0;
        };
        let end_us = start_us.saturating_add(step_us);
        let holds = |time_us: i64| (start_us..end_us).contains(&time_us);
        let half_us = self.interval_us / 2;
        let from_us = match life.came {
            Edge::Alone if holds(life.first_us) => life.first_us.saturating_sub(half_us),
            Edge::Shared(last_us) if holds(life.first_us) && holds(last_us) => {
                last_us.midpoint(life.first_us)
            }
            // In a step that has no snapshot of the other one, this one stands for both.
            _ => i64::MIN,
        };
        let to_us = match life.went {
            Edge::Alone if holds(life.last_us) => life.last_us.saturating_add(half_us),
            Edge::Shared(first_us) if holds(life.last_us) && holds(first_us) => {
                life.last_us.midpoint(first_us)
            }
            _ => i64::MAX,
        };
        // At the edges of what there is, a step counts as far as there is something.
        let end_us = end_us.min(self.last_us.saturating_add(self.interval_us));
        let known = (start_us.max(self.first_us), end_us);
        let there_us = to_us.min(known.1).saturating_sub(from_us.max(known.0));
        let whole_us = known.1.saturating_sub(known.0);
        (there_us.max(1) as f64 / whole_us.max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60;

    /// Presences of all instances by step, from their snapshots.
    fn counts(snapshots: &[Vec<i64>], step: i64) -> Vec<f64> {
        let spans = snapshots.iter().map(|times| (times[0], times[times.len() - 1]));
        let name = |i| ["orders".to_owned(), String::new(), format!("{i:02}")];
        let names: Vec<Name> = (0..snapshots.len()).map(name).collect();
        let lives = Lives::new((0..).zip(spans).collect(), MINUTE, &names);
        let last = snapshots.iter().flatten().max().unwrap() / step;
        let of_step = |n: i64| {
            let seen = |i: &usize| snapshots[*i].iter().any(|time| time / step == n);
            let there = (0..snapshots.len()).filter(seen);
            there.map(|i| lives.presence(i as u32, n * step, step)).sum()
        };
        (0..=last).map(of_step).collect()
    }

    /// A snapshot a minute from one time to another, at a phase of its own.
    fn seen(from: i64, to: i64, phase: i64) -> Vec<i64> {
        let first = from + (phase - from).rem_euclid(MINUTE);
        (first..to).step_by(MINUTE as usize).collect()
    }

    #[test]
    fn one_that_comes_or_goes_alone_counts_for_its_part() {
        let all = [seen(0, 1200, 0), seen(0, 480, 0), seen(840, 1200, 0)];
        // 480 - 30 of the first step of 600 s, and the rest from 840 - 30 on.
        let want = [1.0 + 450.0 / 600.0, 1.0 + 390.0 / 600.0];
        assert_eq!(counts(&all, 600), want);
        assert_eq!(counts(&[seen(0, 1200, 7), seen(0, 1200, 31)], 60), [2.0; 20]);
    }

    proptest! {
        /// Each of `old` is replaced by one at the same moment, and more come then.
        #[test]
        fn a_rollout_is_between_what_was_before_and_after(
            at in 900i64..2700,
            phases in prop::collection::vec(0i64..60, 1..8),
            old in 1usize..4,
            step in prop::sample::select(vec![60i64, 90, 150, 240, 600]),
        ) {
            let old = old.min(phases.len());
            let before = (0..old).map(|i| seen(0, at, phases[(i * 5) % phases.len()]));
            let after = phases.iter().map(|phase| seen(at, 3600, *phase));
            let (low, high) = (old as f64, phases.len() as f64);
            let all: Vec<_> = before.chain(after).collect();
            for (n, count) in (0..).zip(counts(&all, step)) {
                let seen = all.iter().filter(|one| one.iter().any(|time| time / step == n));
                // Nearly two intervals may lie between the snapshots of one and of who took its
                // place: a shorter step may have none of either, or one of both.
                let least = match step >= 2 * MINUTE {
                    true => low,
                    false => low.min(seen.count() as f64 / 2.0),
                };
                // A guess is at most half an interval off, of those that came beside.
                let off = (high - low) * 0.5 * 60.0 / step as f64;
                prop_assert!(count >= least - off - 1e-9, "step {n}: {count} below {least}");
                prop_assert!(count <= high + 1e-9, "step {n}: {count} above {high}");
            }
        }
    }
}
