//! Between receivers and spool: batches are gathered for a moment, given to the processors, written
//! as one segment, and answered when it is durable.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

use super::{blocking, process::Stages, stats::IntakeStats};
use crate::{
    codec::record,
    component::{Batch, Content, Source},
    receipt::{Outcome, Receipt},
    spool::{Payload, Spool, SpoolError},
    trace::Trail,
};

/// How long a batch waits for others, so that they share an fsync.
const GATHER: Duration = Duration::from_millis(50);
/// Bytes of profiles after which a group waits no longer.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// What a group of batches goes through. Cloning gives the same.
#[derive(Clone)]
pub struct Store {
    /// The processors.
    pub stages: Stages,
    /// Where profiles become durable.
    pub spool: Arc<Spool>,
    /// What is counted.
    pub stats: Arc<IntakeStats>,
    /// Where spans go.
    pub trail: Trail,
}

impl Store {
    fn keep(&self, group: Vec<Batch>) {
        let traces: Vec<_> = group.iter().filter_map(|batch| batch.trace.clone()).collect();
        let mut span = self.trail.tracing.follow("seal", &traces);
        span.set("profpipe.batches", || group.len() as i64);
        match keep(group, &self.stages, &self.spool, &self.stats) {
            Some(records) => self.trail.sealed(records, &span),
            None => span.fail(|| "not kept".into()),
        }
    }
}

/// Runs until all outlets are gone, then says by `drained` that nothing more comes.
pub async fn run(
    mut intake: mpsc::Receiver<Batch>,
    store: Store,
    drained: CancellationToken,
) -> anyhow::Result<()> {
    let _drained = drained.drop_guard();
    while let Some(first) = intake.recv().await {
        let group = gather(first, &mut intake).await;
        let store = store.clone();
        blocking(move || store.keep(group)).await?;
    }
    Ok(())
}

async fn gather(first: Batch, intake: &mut mpsc::Receiver<Batch>) -> Vec<Batch> {
    let mut bytes = first.content.bytes();
    let mut group = vec![first];
    let deadline = time::Instant::now() + GATHER;
    while bytes < GROUP_BYTES_MAX {
        match time::timeout_at(deadline, intake.recv()).await {
            Ok(Some(batch)) => {
                bytes += batch.content.bytes();
                group.push(batch);
            }
            Ok(None) | Err(_) => break,
        }
    }
    group
}

/// A batch as records.
struct Encoded {
    payloads: Vec<Payload>,
    records: usize,
    samples: u64,
    source: Arc<Source>,
    receipt: Receipt,
}

impl Encoded {
    /// Lets the processors work on a batch first. Samples are counted as the receiver gave them.
    /// `None` where it cannot be read, which its receipt is told.
    fn of(batch: Batch, stages: &Stages, record_bytes_max: u64) -> Option<Self> {
        let Batch { content, receipt, source, trace: _ } = batch;
        let samples = content.samples();
        let payloads = match content {
            // Where it does not fit into one record, each of its profiles may.
            Content::Request(request)
                if stages.is_empty() && request.bytes() as u64 <= record_bytes_max =>
            {
                vec![request.encode()]
            }
            content => {
                let mut profiles = match content.profiles() {
                    Ok(profiles) => profiles,
                    Err(refused) => {
                        tracing::error!(%refused, "a request that was found good cannot be read");
                        source.count(false, samples);
                        receipt.settle(Outcome::Lost);
                        return None;
                    }
                };
                stages.process(&mut profiles);
                let one = |profile| Payload::from(Bytes::from(record::encode(profile)));
                profiles.iter().map(one).collect()
            }
        };
        let records = payloads.iter().map(|payload| payload.records as usize).sum();
        Some(Self { payloads, records, samples, source, receipt })
    }

    /// Says what became of it, and counts it.
    fn settle(self, outcome: Outcome, stats: &IntakeStats) {
        let accepted = outcome == Outcome::Delivered;
        stats.count(accepted, self.records);
        self.source.count(accepted, self.samples);
        self.receipt.settle(outcome);
    }
}

/// Makes a group durable and settles its receipts. What a processor dropped is as good as
/// delivered to who sent it. Gives the numbers of the records, where all of them were taken.
fn keep(
    group: Vec<Batch>,
    stages: &Stages,
    spool: &Spool,
    stats: &IntakeStats,
) -> Option<Range<u64>> {
    let encode = |batch| Encoded::of(batch, stages, spool.record_bytes_max());
    let encoded = group.into_iter().filter_map(encode);
    let (empty, group): (Vec<_>, Vec<_>) = encoded.partition(|batch| batch.records == 0);
    empty.into_iter().for_each(|batch| batch.settle(Outcome::Delivered, stats));
    if group.is_empty() {
        return Some(0..0);
    }
    let all: Vec<_> = group.iter().flat_map(|batch| batch.payloads.clone()).collect();
    match spool.append(&all) {
        // One batch may be what is too large: each is tried by itself.
        Err(SpoolError::TooLarge { .. }) if group.len() > 1 => {
            for batch in group {
                let outcome = outcome(spool.append(&batch.payloads), batch.records);
                batch.settle(outcome, stats);
            }
            None
        }
        result => {
            let records = result.as_ref().ok().cloned();
            let outcome = outcome(result, group.iter().map(|batch| batch.records).sum());
            group.into_iter().for_each(|batch| batch.settle(outcome, stats));
            records
        }
    }
}

fn outcome<T>(appended: Result<T, SpoolError>, records: usize) -> Outcome {
    let Err(error) = appended else { return Outcome::Delivered };
    // Who sent them says so, and not for each of them.
    tracing::debug!(%error, records, "profiles were refused");
    match error {
        SpoolError::TooLarge { .. } => Outcome::Rejected,
        _ => Outcome::Lost,
    }
}
