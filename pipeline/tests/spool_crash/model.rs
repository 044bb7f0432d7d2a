//! What must be true of the spool, whatever happened to the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context, ensure};
use bytes::Bytes;
use pipeline::spool::{DropReason, FullPolicy, Outcome, Record, Spool, Totals};

/// Every fifth record is one that its destination refuses.
pub fn outcome_of(seq: u64) -> Outcome {
    if seq.is_multiple_of(5) { Outcome::DeadLettered } else { Outcome::Delivered }
}

/// What the test knows of one exporter.
#[derive(Debug, Default)]
pub struct ExporterModel {
    /// The position when progress was last saved for certain: it never goes back behind.
    pub saved_position: u64,
    /// The last plan that was written down for certain.
    pub plan: Option<Range<u64>>,
    /// Plans since then whose writing failed: one may be on disk, or none.
    pub maybe_plans: Vec<Range<u64>>,
}

/// What the test knows of the records.
#[derive(Debug, Default)]
pub struct Model {
    /// Records that were acknowledged or seen, by number: they never change.
    pub known: BTreeMap<u64, (Bytes, u32)>,
    /// Records whose append failed: each may turn up once, or never.
    pub unanswered: BTreeSet<(Bytes, u32)>,
    /// Most records that were ever dropped on arrival.
    pub dropped_on_arrival: u64,
    pub exporters: BTreeMap<&'static str, ExporterModel>,
}

impl Model {
    /// Checks records that a reader gave, and remembers those that are new.
    pub fn see(&mut self, batch: &[Record]) -> anyhow::Result<()> {
        for Record { seq, payload, part, .. } in batch {
            let record = (payload.clone(), *part);
            match self.known.get(seq) {
                Some(known) => ensure!(*known == record, "record {seq} has changed"),
                None => {
                    ensure!(self.unanswered.remove(&record), "record {seq} was never appended");
                    self.known.insert(*seq, record);
                }
            }
        }
        Ok(())
    }

    /// The law of conservation, and that no loss is counted that did not happen.
    pub fn check_account(&self, spool: &Spool, full: FullPolicy) -> anyhow::Result<()> {
        let stats = spool.stats();
        let acknowledged = self.known.last_key_value().map_or(0, |(last, _)| last + 1);
        ensure!(stats.head >= acknowledged, "head {} below {acknowledged}", stats.head);
        for (name, totals) in &stats.exporters {
            let dropped: u64 = totals.dropped.values().sum();
            let settled = totals.delivered + totals.dead_lettered + dropped;
            ensure!(totals.accepted == settled + totals.pending, "{name}: {totals:?}");
            let full_drops = totals.dropped[&DropReason::SpoolFull];
            ensure!(dropped == full_drops, "{name} counts what did not happen: {totals:?}");
            match full {
                FullPolicy::Block => ensure!(dropped == 0, "{name}: {totals:?}"),
                FullPolicy::DropNewest => {
                    ensure!(full_drops <= self.dropped_on_arrival, "{name}: {totals:?}");
                }
                FullPolicy::DropOldest => {}
            }
            self.check_outcomes(name, stats.head, totals, full)?;
        }
        Ok(())
    }

    fn check_outcomes(
        &self,
        name: &str,
        head: u64,
        totals: &Totals,
        full: FullPolicy,
    ) -> anyhow::Result<()> {
        let passed = 0..head - totals.pending;
        let refused = passed.clone().filter(|seq| outcome_of(*seq) == Outcome::DeadLettered);
        let refused = refused.count() as u64;
        if full == FullPolicy::DropOldest {
            ensure!(totals.dead_lettered <= refused, "{name}: {totals:?}");
        } else {
            ensure!(totals.dead_lettered == refused, "{name}: {totals:?}, {refused} refused");
            ensure!(totals.delivered == passed.end - refused, "{name}: {totals:?}");
        }
        Ok(())
    }

    /// Checks an exporter after a start: `records` is all that it can read.
    pub fn check_start(
        &mut self,
        name: &str,
        spool: &Spool,
        plan: Option<Range<u64>>,
        records: &[Record],
    ) -> anyhow::Result<()> {
        self.see(records)?;
        let stats = spool.stats();
        let position = stats.head - stats.exporters[name].pending;
        let read: Vec<u64> = records.iter().map(|record| record.seq).collect();
        let expected: Vec<u64> = (position..stats.head).collect();
        ensure!(read == expected, "{name} reads {read:?}, not {expected:?}");
        let exporter = self.exporters.get_mut(name).context("the exporter is known")?;
        ensure!(position >= exporter.saved_position, "{name} went back to {position}");
        let certain = exporter.plan.clone().filter(|plan| position < plan.end);
        let maybe = plan.as_ref().is_some_and(|plan| exporter.maybe_plans.contains(plan));
        let allowed = plan == certain || (certain.is_none() && maybe);
        ensure!(allowed, "{name} at {position} has plan {plan:?}, not {exporter:?}");
        // What a start has shown is certain from then on.
        exporter.saved_position = position;
        exporter.plan = plan;
        exporter.maybe_plans.clear();
        Ok(())
    }
}
