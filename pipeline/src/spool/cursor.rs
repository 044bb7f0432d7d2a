//! How far one exporter is, and the account of every record that was ever its business.
//!
//! The account follows from sequence numbers, so that it is exact whenever it is looked at:
//! `accepted = head - start`, `pending = head - position`, and each record below the position was
//! counted once, as delivered, dead-lettered or dropped. Position and counts are saved together.

use std::collections::BTreeMap;
use std::ops::Range;

use super::SEQ_END;
use super::wire::Fields;

/// Why a record was dropped, the closed list behind `dropped{reason}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// The spool was full and its policy gave the record up.
    SpoolFull,
    /// It was older than the maximal age when its turn came.
    Expired,
    /// The exporter was removed from the config while the record waited for it.
    ExporterRemoved,
    /// Its segment was damaged or lost.
    Corrupt,
    /// The exporter cannot send anything of that size.
    TooLarge,
    /// The destination took the push, but said that it will never take this one of it.
    Rejected,
}

impl DropReason {
    /// All reasons, in the order in which they are stored.
    pub const ALL: [Self; 6] = [
        Self::SpoolFull,
        Self::Expired,
        Self::ExporterRemoved,
        Self::Corrupt,
        Self::TooLarge,
        Self::Rejected,
    ];

    /// The value of the metric label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::Expired => "expired",
            Self::ExporterRemoved => "exporter_removed",
            Self::Corrupt => "corrupt",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Delivered,
    /// The destination will never take it; it is in the exporter's dead letters.
    DeadLettered,
    /// It is gone, for this reason.
    Dropped(DropReason),
}

/// The account of one exporter. At every moment, across restarts and crashes,
/// `accepted = delivered + pending + dead_lettered + Σ dropped`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records since the exporter was declared.
    pub accepted: u64,
    /// Records that the destination has.
    pub delivered: u64,
    /// Records whose outcome is open.
    pub pending: u64,
    /// Records that the destination refused for good.
    pub dead_lettered: u64,
    /// Records given up, by reason; every reason is present.
    pub dropped: BTreeMap<DropReason, u64>,
}

/// What is saved of a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The head when the exporter was declared.
    pub(super) start: u64,
    /// All records below have an outcome.
    pub(super) position: u64,
    /// What the exporter is about to make durable as one piece.
    pub(super) plan: Option<Range<u64>>,
    delivered: u64,
    dead_lettered: u64,
    dropped: [u64; DropReason::ALL.len()],
    /// Records that were dropped on arrival and have no number; part of `dropped{spool_full}`.
    never_stored: u64,
}

impl Progress {
    pub(super) fn starting_at(head: u64) -> Self {
        Self { start: head, position: head, ..Self::default() }
    }

    pub(super) fn totals(&self, head: u64) -> Totals {
        Totals {
            accepted: head - self.start + self.never_stored,
            delivered: self.delivered,
            pending: head - self.position,
            dead_lettered: self.dead_lettered,
            dropped: DropReason::ALL.into_iter().zip(self.dropped).collect(),
        }
    }

    /// All numbers below were given to records, as far as this cursor knows.
    pub(super) fn known_end(&self) -> u64 {
        self.plan.as_ref().map_or(0, |plan| plan.end).max(self.position)
    }

    pub(super) fn drop_on_arrival(&mut self, records: u64) {
        self.never_stored += records;
        self.dropped[DropReason::SpoolFull as usize] += records;
    }

    fn count(&mut self, records: u64, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => self.delivered += records,
            Outcome::DeadLettered => self.dead_lettered += records,
            Outcome::Dropped(reason) => self.dropped[reason as usize] += records,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let plan = self.plan.clone().unwrap_or_default();
        let fields = [self.start, self.position, plan.start, plan.end];
        let counts = [self.delivered, self.dead_lettered, self.never_stored];
        let all = fields.into_iter().chain(counts).chain(self.dropped);
        all.flat_map(u64::to_le_bytes).collect()
    }

    /// `None` where the fields are too few, too high, or the account does not add up.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let (start, position) = (fields.u64()?, fields.u64()?);
        let plan = fields.u64()?..fields.u64()?;
        let (delivered, dead_lettered) = (fields.u64()?, fields.u64()?);
        let never_stored = fields.u64()?;
        let mut dropped = [0; DropReason::ALL.len()];
        for count in &mut dropped {
            // A cursor that was saved before there was a reason has no count of it.
            *count = fields.u64().unwrap_or_default();
        }
        let settled = dropped.iter().chain([&delivered, &dead_lettered]).map(|n| u128::from(*n));
        let passed = u128::from(position.checked_sub(start)?) + u128::from(never_stored);
        if settled.sum::<u128>() != passed {
            return None;
        }
        let plan = (!plan.is_empty()).then_some(plan);
        let found = Self { start, position, plan, delivered, dead_lettered, dropped, never_stored };
        (found.known_end() <= SEQ_END && never_stored <= SEQ_END).then_some(found)
    }
}

/// A cursor in memory.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub(super) progress: Progress,
    /// The position that is on disk; segments below it may go.
    pub(super) durable_position: u64,
    /// What the reader gets next.
    pub(super) read: u64,
    /// Which reader holds the cursor.
    pub(super) reader: Option<u64>,
    /// Outcomes beyond the position, which wait for those before them.
    settled: BTreeMap<u64, (u64, Outcome)>,
}

impl Cursor {
    pub(super) fn new(progress: Progress) -> Self {
        let position = progress.position;
        Self { progress, durable_position: position, read: position, ..Self::default() }
    }

    /// Notes the outcome of those records of `range` that have none yet.
    pub(super) fn settle(&mut self, range: Range<u64>, outcome: Outcome) {
        let mut at = range.start.max(self.progress.position);
        while at < range.end {
            if let Some(end) = self.settled_until(at) {
                at = end;
                continue;
            }
            let next = self.settled.range(at..).next().map_or(range.end, |(start, _)| *start);
            let stop = next.min(range.end);
            match self.settled.range_mut(..at).next_back() {
                // Neighbours with one outcome share an entry, so that runs stay small.
                Some((_, (end, same))) if *end == at && *same == outcome => *end = stop,
                _ => drop(self.settled.insert(at, (stop, outcome))),
            }
            at = stop;
        }
        self.fold();
    }

    /// Where the run of records with an outcome ends that `seq` is part of.
    pub(super) fn settled_until(&self, seq: u64) -> Option<u64> {
        let (_, (end, _)) = self.settled.range(..=seq).next_back()?;
        (*end > seq).then_some(*end)
    }

    /// Where the next outcome after `seq` begins.
    pub(super) fn settled_after(&self, seq: u64) -> Option<u64> {
        self.settled.range(seq..).next().map(|(start, _)| *start)
    }

    /// Moves the position over every outcome that now adjoins it.
    fn fold(&mut self) {
        while let Some((start, (end, outcome))) = self.settled.pop_first() {
            if start > self.progress.position {
                self.settled.insert(start, (end, outcome));
                break;
            }
            self.progress.count(end - self.progress.position, outcome);
            self.progress.position = end;
        }
        if self.progress.plan.as_ref().is_some_and(|plan| plan.end <= self.progress.position) {
            self.progress.plan = None;
        }
        self.read = self.read.max(self.progress.position);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: Outcome = Outcome::Dropped(DropReason::SpoolFull);

    fn sum(totals: &Totals) -> u64 {
        let dropped: u64 = totals.dropped.values().sum();
        totals.delivered + totals.pending + totals.dead_lettered + dropped
    }

    #[test]
    fn outcomes_wait_for_those_before_them_and_count_once() {
        let mut cursor = Cursor::new(Progress::starting_at(10));
        cursor.settle(15..20, Outcome::Delivered);
        assert_eq!((cursor.progress.position, cursor.settled_until(15)), (10, Some(20)));
        cursor.settle(10..18, FULL);
        assert_eq!(cursor.progress.position, 20);
        cursor.settle(10..20, Outcome::DeadLettered);
        let totals = cursor.progress.totals(25);
        assert_eq!((totals.delivered, totals.dead_lettered, totals.pending), (5, 0, 5));
        assert_eq!((totals.dropped[&DropReason::SpoolFull], totals.accepted), (5, 15));
    }

    #[test]
    fn a_plan_ends_when_the_position_passes_it() {
        let mut cursor = Cursor::new(Progress::starting_at(0));
        cursor.progress.plan = Some(0..5);
        cursor.settle(0..4, FULL);
        assert_eq!(cursor.progress.plan, Some(0..5), "the plan keeps its name when records go");
        cursor.settle(4..6, Outcome::Delivered);
        assert_eq!(cursor.progress.plan, None);
    }

    #[test]
    fn an_account_that_does_not_add_up_is_refused() {
        let mut progress = Progress::starting_at(3);
        progress.drop_on_arrival(2);
        let mut body = progress.encode();
        assert_eq!(Progress::decode(&body), Some(progress.clone()));
        let before_rejected = &body[..body.len() - 8];
        assert_eq!(Progress::decode(before_rejected), Some(progress));
        assert_eq!(Progress::decode(&body[1..]), None);
        body[8] += 1;
        assert_eq!(Progress::decode(&body), None);
        // These add up, but no spool could go on from there.
        let new = Progress::starting_at(0);
        for hostile in [
            Progress { position: u64::MAX, delivered: u64::MAX, ..new.clone() },
            Progress { plan: Some(0..u64::MAX), ..new.clone() },
            Progress { never_stored: u64::MAX, delivered: u64::MAX, ..new },
        ] {
            assert_eq!(Progress::decode(&hostile.encode()), None, "{hostile:?}");
        }
    }

    proptest! {
        #[test]
        fn the_account_is_exact_after_any_outcomes(
            steps in prop::collection::vec((0..100_u64, 1..20_u64, 0..3_u8), 1..60)
        ) {
            let mut cursor = Cursor::new(Progress::starting_at(0));
            let mut expected = [None; 120];
            for (start, len, outcome) in steps {
                let outcome = [Outcome::Delivered, Outcome::DeadLettered, FULL][outcome as usize];
                cursor.settle(start..start + len, outcome);
                for seq in start..start + len {
                    expected[seq as usize].get_or_insert(outcome);
                }
                let passed = expected.iter().take_while(|outcome| outcome.is_some()).count();
                prop_assert_eq!(cursor.progress.position, passed as u64);
                let totals = cursor.progress.totals(120);
                prop_assert_eq!(sum(&totals), totals.accepted);
                let delivered =
                    expected[..passed].iter().filter(|o| **o == Some(Outcome::Delivered));
                prop_assert_eq!(totals.delivered, delivered.count() as u64);
                let saved = Progress::decode(&cursor.progress.encode());
                prop_assert_eq!(saved, Some(cursor.progress.clone()));
            }
        }
    }
}
