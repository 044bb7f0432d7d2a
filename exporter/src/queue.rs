//! `sending_queue` of the Collector, of which the durable spool does most.

use std::time::Duration;

use pipeline::{quantity, settings::Queue, spool::FullPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `sending_queue`. The queue is the spool, so that much of the Collector's has no effect here.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SendingQueue {
    /// Bytes of spool that may wait, of those that the exporters of a pipeline say the largest;
    /// beyond them `overflow` says what happens. A number of requests, as the Collector has it by
    /// default, has no effect.
    #[serde(with = "quantity::bytes")]
    #[schemars(with = "quantity::BytesText")]
    pub queue_size: u64,
    /// What `queue_size` counts: `requests`, `items` or `bytes`.
    pub sizer: Option<String>,
    /// Age at which a profile that still waits is dropped and counted.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub max_age: Duration,
    /// Accepted; the spool is always there.
    pub enabled: bool,
    /// Accepted; requests go one after the other.
    pub num_consumers: Option<usize>,
    /// What gives way when no more may wait: `block` refuses what is new, so that its sender tries
    /// again; `drop_oldest` and `drop_newest` drop it and count it. By default what is scraped
    /// makes the oldest go, and what is pushed is refused, as is all that shares a pipeline with
    /// it. Where exporters of a pipeline differ, the first in this order holds.
    pub overflow: Option<FullPolicy>,
    /// `true` is `overflow: block`.
    pub block_on_overflow: bool,
    /// Accepted without effect.
    pub wait_for_result: bool,
    /// Accepted; the spool is the storage.
    pub storage: Option<String>,
    /// Accepted without effect: requests are as large as the other end takes.
    pub batch: Option<Batch>,
}

/// `sending_queue.batch`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Accepted without effect.
    #[serde(with = "quantity::duration")]
    #[schemars(with = "quantity::DurationText")]
    pub flush_timeout: Duration,
    /// Accepted without effect.
    pub min_size: u64,
    /// Accepted without effect.
    pub max_size: u64,
    /// Accepted without effect.
    pub sizer: Option<String>,
    /// Accepted without effect.
    pub partition: Option<Partition>,
}

/// `sending_queue.batch.partition`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Partition {
    /// Accepted without effect.
    pub metadata_keys: Vec<String>,
}

impl Default for SendingQueue {
    fn default() -> Self {
        let Queue { bytes_max, max_age, overflow } = Queue::default();
        Self {
            queue_size: bytes_max,
            sizer: None,
            max_age,
            overflow,
            enabled: true,
            num_consumers: None,
            block_on_overflow: false,
            wait_for_result: false,
            storage: None,
            batch: None,
        }
    }
}

/// Below this, `queue_size` is a number of requests where nothing says otherwise.
const QUEUE_BYTES_MIN: u64 = 1 << 20;

impl SendingQueue {
    /// What the engine is told.
    pub(crate) fn queue(&self) -> Queue {
        let counts_bytes = match self.sizer.as_deref() {
            Some("bytes") => true,
            Some(_) => false,
            None => self.queue_size >= QUEUE_BYTES_MIN || self.queue_size == 0,
        };
        let bytes_max = if counts_bytes { self.queue_size } else { Queue::default().bytes_max };
        let block = self.block_on_overflow.then_some(FullPolicy::Block);
        Queue { bytes_max, max_age: self.max_age, overflow: self.overflow.or(block) }
    }

    /// What cannot work, as pairs of a field and a message.
    pub(crate) fn check(&self) -> Option<(String, String)> {
        let known = matches!(self.sizer.as_deref(), None | Some("requests" | "items" | "bytes"));
        let message = "must be requests, items or bytes";
        (!known).then(|| ("sending_queue.sizer".into(), message.into()))
    }
}
