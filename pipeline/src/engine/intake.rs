//! Between receivers and spool: batches are gathered for a moment, written as one segment, and
//! answered when it is durable.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

use super::{blocking, stats::IntakeStats};
use crate::{
    codec::record,
    component::Batch,
    receipt::{Outcome, Receipt},
    spool::{Spool, SpoolError},
};

/// How long a batch waits for others, so that they share an fsync.
const GATHER: Duration = Duration::from_millis(50);
/// Bytes of profiles after which a group waits no longer.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Runs until all outlets are gone, then says by `drained` that nothing more comes.
pub async fn run(
    mut intake: mpsc::Receiver<Batch>,
    spool: Arc<Spool>,
    stats: Arc<IntakeStats>,
    drained: CancellationToken,
) -> anyhow::Result<()> {
    let _drained = drained.drop_guard();
    while let Some(first) = intake.recv().await {
        let group = gather(first, &mut intake).await;
        let (spool, stats) = (Arc::clone(&spool), Arc::clone(&stats));
        blocking(move || store(group, &spool, &stats)).await?;
    }
    Ok(())
}

async fn gather(first: Batch, intake: &mut mpsc::Receiver<Batch>) -> Vec<Batch> {
    let bytes_of = |batch: &Batch| batch.profiles.iter().map(|p| p.bytes()).sum::<usize>();
    let mut bytes = bytes_of(&first);
    let mut group = vec![first];
    let deadline = time::Instant::now() + GATHER;
    while bytes < GROUP_BYTES_MAX {
        match time::timeout_at(deadline, intake.recv()).await {
            Ok(Some(batch)) => {
                bytes += bytes_of(&batch);
                group.push(batch);
            }
            Ok(None) | Err(_) => break,
        }
    }
    group
}

/// Makes a group durable and settles its receipts.
fn store(group: Vec<Batch>, spool: &Spool, stats: &IntakeStats) {
    let encoded: Vec<(Vec<Bytes>, Receipt)> = group
        .into_iter()
        .map(|batch| {
            let records = batch.profiles.iter().map(|profile| record::encode(profile).into());
            (records.collect(), batch.receipt)
        })
        .collect();
    let all: Vec<Bytes> = encoded.iter().flat_map(|(records, _)| records.clone()).collect();
    match spool.append(&all) {
        Ok(_) => {
            stats.accepted(all.len());
            encoded.into_iter().for_each(|(_, receipt)| receipt.settle(Outcome::Delivered));
        }
        // One batch may be what is too large: each is tried by itself.
        Err(SpoolError::TooLarge { .. }) if encoded.len() > 1 => {
            for (records, receipt) in encoded {
                settle(spool.append(&records).map(|_| ()), records.len(), receipt, stats);
            }
        }
        Err(error) => {
            let outcome = refusal(&error, all.len(), stats);
            encoded.into_iter().for_each(|(_, receipt)| receipt.settle(outcome));
        }
    }
}

fn settle(result: Result<(), SpoolError>, records: usize, receipt: Receipt, stats: &IntakeStats) {
    receipt.settle(match result {
        Ok(()) => {
            stats.accepted(records);
            Outcome::Delivered
        }
        Err(error) => refusal(&error, records, stats),
    });
}

fn refusal(error: &SpoolError, records: usize, stats: &IntakeStats) -> Outcome {
    stats.refused(records);
    tracing::warn!(%error, records, "profiles were refused");
    match error {
        SpoolError::TooLarge { .. } => Outcome::Rejected,
        _ => Outcome::Lost,
    }
}
