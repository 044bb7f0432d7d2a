//! What a pipeline counts, for metrics and pages.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    component::Source,
    spool::{Spool, SpoolStats},
};

/// What one exporter's worker counts beside the account that the spool keeps.
#[derive(Debug, Default)]
pub struct ExporterStats {
    pushes: AtomicU64,
    failures: AtomicU64,
    sent_samples: AtomicU64,
    failed_samples: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl ExporterStats {
    /// Pushes that succeeded.
    pub fn pushes(&self) -> u64 {
        self.pushes.load(Relaxed)
    }

    /// Attempts that failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// What the last attempt failed with; none after a success.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Samples that the destination took, and those that it will not get.
    pub fn samples(&self) -> (u64, u64) {
        (self.sent_samples.load(Relaxed), self.failed_samples.load(Relaxed))
    }

    pub(super) fn gave_up(&self, samples: u64) {
        self.failed_samples.fetch_add(samples, Relaxed);
    }

    pub(super) fn succeeded(&self, samples: u64) {
        self.pushes.fetch_add(1, Relaxed);
        self.sent_samples.fetch_add(samples, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn failed(&self, error: String) {
        self.failures.fetch_add(1, Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// What the intake counts.
#[derive(Debug, Default)]
pub(super) struct IntakeStats {
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl IntakeStats {
    pub(super) fn count(&self, accepted: bool, profiles: usize) {
        let counter = if accepted { &self.accepted } else { &self.refused };
        counter.fetch_add(profiles as u64, Relaxed);
    }
}

/// The counts of one pipeline.
#[derive(Clone)]
pub struct PipelineStats {
    name: String,
    spool: Arc<Spool>,
    intake: Arc<IntakeStats>,
    /// A reload changes what is in here and in `exporters`.
    sources: Arc<Mutex<BTreeMap<String, Arc<Source>>>>,
    exporters: Arc<Mutex<BTreeMap<String, Arc<ExporterStats>>>>,
    /// Profiles that processors dropped, by their ids; changes with a reload, too.
    processors: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
}

impl PipelineStats {
    pub(super) fn new(name: String, spool: Arc<Spool>) -> Self {
        Self {
            name,
            spool,
            intake: Arc::default(),
            sources: Arc::default(),
            exporters: Arc::default(),
            processors: Arc::default(),
        }
    }

    /// The counts of a receiver, which go on where one of this id was there before.
    pub(super) fn source(&self, id: &str) -> Arc<Source> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sources.entry(id.to_owned()).or_default())
    }

    /// The receivers, by id; one that a reload took away keeps its counts.
    pub fn sources(&self) -> Vec<(String, Arc<Source>)> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().map(|(id, source)| (id.clone(), Arc::clone(source))).collect()
    }

    /// The counts of an exporter, which go on where one of this id was there before.
    pub(super) fn exporter(&self, id: &str) -> Arc<ExporterStats> {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(exporters.entry(id.to_owned()).or_default())
    }

    /// Forgets exporters that are gone.
    pub(super) fn keep_exporters(&self, keep: impl Fn(&str) -> bool) {
        let mut exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        exporters.retain(|id, _| keep(id));
    }

    /// The count of a processor, which goes on where one of this id was there before.
    pub(super) fn processor(&self, id: &str) -> Arc<AtomicU64> {
        let mut processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(processors.entry(id.to_owned()).or_default())
    }

    /// Forgets processors that are gone.
    pub(super) fn keep_processors(&self, keep: impl Fn(&str) -> bool) {
        let mut processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        processors.retain(|id, _| keep(id));
    }

    pub(super) fn intake(&self) -> Arc<IntakeStats> {
        Arc::clone(&self.intake)
    }

    /// The name of the pipeline.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account of the spool: the conservation law of each exporter.
    pub fn spool(&self) -> SpoolStats {
        self.spool.stats()
    }

    /// The processors, by id, with the profiles that each dropped since the start.
    pub fn processors(&self) -> Vec<(String, u64)> {
        let processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        processors.iter().map(|(id, dropped)| (id.clone(), dropped.load(Relaxed))).collect()
    }

    /// Profiles that this process accepted, and those that it refused. With those that processors
    /// dropped they are all that receivers gave.
    pub fn intake_counts(&self) -> (u64, u64) {
        (self.intake.accepted.load(Relaxed), self.intake.refused.load(Relaxed))
    }

    /// The exporters, by id.
    pub fn exporters(&self) -> Vec<(String, Arc<ExporterStats>)> {
        let exporters = self.exporters.lock().unwrap_or_else(PoisonError::into_inner);
        exporters.iter().map(|(id, stats)| (id.clone(), Arc::clone(stats))).collect()
    }
}

/// The pipelines that run, for those who look at them; a reload changes the list. Cloning gives
/// the same one.
#[derive(Clone, Default)]
pub struct Pipelines(Arc<Mutex<Vec<PipelineStats>>>);

impl Pipelines {
    /// From now on these run.
    pub fn set(&self, pipelines: Vec<PipelineStats>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pipelines;
    }

    /// Those that run at the moment.
    pub fn snapshot(&self) -> Vec<PipelineStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
