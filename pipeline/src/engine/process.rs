//! The processors of a pipeline, one after the other, and what each dropped. A reload puts others
//! in their place between two batches.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{component::Processor, profile::Profile};

/// A processor with its id and what it dropped so far.
pub(super) struct Stage {
    pub processor: Box<dyn Processor>,
    pub dropped: Arc<AtomicU64>,
}

/// All of a pipeline, in order. Cloning gives the same ones.
#[derive(Clone, Default)]
pub(super) struct Stages(Arc<Mutex<Vec<Stage>>>);

impl Stages {
    /// From the next batch on these.
    pub fn set(&self, stages: Vec<Stage>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stages;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Lets all of them work on a batch.
    pub fn process(&self, profiles: &mut Vec<Profile>) {
        let mut stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for stage in stages.iter_mut() {
            let before = profiles.len();
            stage.processor.process(profiles);
            stage.dropped.fetch_add(before.saturating_sub(profiles.len()) as u64, Relaxed);
        }
    }
}
