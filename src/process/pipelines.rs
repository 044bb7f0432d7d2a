//! Pipelines out of their specs, and from one spec to another while they run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use lake::WriterId;
use pipeline::{
    component::{Processor, Receiver},
    engine::{Pipeline, Running, Sink},
    limits::Limits,
    processor,
    spool::{FullPolicy, Spool, SpoolConfig},
    storage::Disk,
    trace::Tracing,
};

use crate::{
    config::{ComponentId, PipelineSpec},
    data_dir::DataDir,
};

/// How long a component may take to end when a reload replaces it.
const REPLACE_GRACE: Duration = Duration::from_secs(5);

/// What components are made with.
pub struct Workshop {
    /// Where spools are.
    pub data_dir: DataDir,
    /// What receivers share.
    pub context: receiver::Context,
    /// Where spans go.
    pub tracing: Tracing,
}

/// A receiver that was made and does not run yet.
type Made = (String, Box<dyn Receiver>, receiver::Handle);

/// A pipeline that is not running yet.
pub struct Prepared {
    spec: PipelineSpec,
    pipeline: Pipeline,
    handles: BTreeMap<String, receiver::Handle>,
    tracing: Tracing,
}

/// A pipeline that runs, and what it was made of.
pub struct Live {
    spec: PipelineSpec,
    running: Running,
    handles: BTreeMap<String, receiver::Handle>,
}

/// What a running pipeline needs to go over to another spec: all that can fail is done.
pub struct Change {
    spec: PipelineSpec,
    receivers: Vec<Made>,
    processors: Processors,
    exporters: Vec<Sink>,
}

/// Processors in order, each with its id.
type Processors = Vec<(String, Box<dyn Processor>)>;

impl Workshop {
    /// Opens the spool and makes all components.
    pub fn prepare(&self, spec: &PipelineSpec) -> anyhow::Result<Prepared> {
        let dir = self.data_dir.spool(&spec.name);
        let spool = Spool::open(Arc::new(Disk), &dir, spool_config(spec))
            .with_context(|| format!("open the spool {}", dir.display()))?;
        let (mut receivers, mut handles) = (Vec::new(), BTreeMap::new());
        for (id, config) in &spec.receivers {
            let (id, receiver, handle) = self.receiver(id, config)?;
            receivers.push((id.clone(), receiver));
            handles.insert(id, handle);
        }
        let sink = |(id, config): &_| self.sink(&spec.name, id, config);
        let exporters = spec.exporters.iter().map(sink);
        let exporters = exporters.collect::<anyhow::Result<_>>()?;
        let (name, processors) = (spec.name.clone(), processors(spec)?);
        let pipeline = Pipeline { name, receivers, processors, exporters, spool };
        let tracing = self.tracing.clone();
        Ok(Prepared { spec: spec.clone(), pipeline, handles, tracing })
    }

    /// Makes what a running pipeline lacks for another spec, and changes nothing. An exporter that
    /// is to be replaced is made later, when the old one has let go of its directory.
    pub fn change(&self, live: &Live, spec: &PipelineSpec) -> anyhow::Result<Change> {
        let lacks = |(id, config): &&(ComponentId, receiver::Config)| {
            !live.handles.get(&id.to_string()).is_some_and(|handle| handle.can_follow(config))
        };
        let receivers = spec.receivers.iter().filter(lacks);
        let receivers = receivers.map(|(id, config)| self.receiver(id, config));
        let known = |id: &ComponentId| live.spec.exporters.iter().any(|(old, _)| old == id);
        let exporters = spec.exporters.iter().filter(|(id, _)| !known(id));
        let exporters = exporters.map(|(id, config)| self.sink(&spec.name, id, config));
        Ok(Change {
            spec: spec.clone(),
            receivers: receivers.collect::<anyhow::Result<_>>()?,
            processors: processors(spec)?,
            exporters: exporters.collect::<anyhow::Result<_>>()?,
        })
    }

    fn receiver(&self, id: &ComponentId, config: &receiver::Config) -> anyhow::Result<Made> {
        let id = id.to_string();
        let (receiver, handle) = receiver::build(&id, config, &self.context)?;
        Ok((id, receiver, handle))
    }

    /// Makes an exporter. Each pipeline has its own of an id that several of them name, and as its
    /// own writer in a lake.
    fn sink(
        &self,
        pipeline: &str,
        id: &ComponentId,
        config: &exporter::Config,
    ) -> anyhow::Result<Sink> {
        let id = id.to_string();
        let settings = config.settings().unwrap_or_default();
        let writer = WriterId::of_spool(&Disk, &self.data_dir.spool(pipeline));
        let exporter = exporter::build(&id, config, &writer.context("read the writer id")?)?;
        Ok(Sink { id, exporter, settings })
    }
}

impl Prepared {
    /// Starts it.
    pub fn start(self) -> anyhow::Result<Live> {
        let Self { spec, pipeline, handles, tracing } = self;
        Ok(Live { spec, running: pipeline.start_traced(tracing)?, handles })
    }

    /// The name of the pipeline.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its spool.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.pipeline.spool
    }
}

impl Change {
    /// The name of the pipeline.
    pub fn name(&self) -> &str {
        &self.spec.name
    }
}

impl Live {
    /// The pipeline itself.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Resolves when a component ends on its own.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.running.ended().await
    }

    /// Whether it runs what the spec says.
    pub fn is(&self, spec: &PipelineSpec) -> bool {
        self.spec == *spec
    }

    /// Goes over to another spec. Components that are in both as they are go on undisturbed, and
    /// so do unchanged targets of receivers that can follow.
    ///
    /// # Errors
    /// Where an exporter cannot be made again, or the spool fails. The exporter goes on as it was.
    pub async fn apply(&mut self, workshop: &Workshop, change: Change) -> anyhow::Result<()> {
        let Change { spec, receivers, processors, exporters } = change;
        self.running.spool().set_limits(&spool_config(&spec));
        self.running.set_processors(processors);
        self.change_receivers(&spec, receivers).await;
        let result = self.change_exporters(workshop, &spec, exporters).await;
        self.spec = spec;
        result
    }

    async fn change_receivers(&mut self, spec: &PipelineSpec, made: Vec<Made>) {
        let stays = |id: &str| {
            let named = spec.receivers.iter().any(|(new, _)| new.to_string() == id);
            named && !made.iter().any(|(new, ..)| new == id)
        };
        let gone: Vec<_> = self.handles.keys().filter(|id| !stays(id)).cloned().collect();
        for id in gone {
            self.handles.remove(&id);
            self.running.end_receiver(&id, REPLACE_GRACE).await;
        }
        for (id, config) in &spec.receivers {
            if let Some(handle) = self.handles.get_mut(&id.to_string()) {
                handle.follow(config);
            }
        }
        for (id, receiver, handle) in made {
            self.running.add_receiver(id.clone(), receiver);
            self.handles.insert(id, handle);
        }
    }

    async fn change_exporters(
        &mut self,
        workshop: &Workshop,
        spec: &PipelineSpec,
        mut sinks: Vec<Sink>,
    ) -> anyhow::Result<()> {
        let is_new = |id: &ComponentId| !self.spec.exporters.iter().any(|(old, _)| old == id);
        let kept = |old: &&(ComponentId, exporter::Config)| spec.exporters.contains(old);
        let gone: Vec<_> = self.spec.exporters.iter().filter(|old| !kept(old)).collect();
        if gone.is_empty() && sinks.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = gone.iter().map(|(id, _)| id.to_string()).collect();
        self.running.end_exporters(&ids, REPLACE_GRACE).await;
        let mut result = Ok(());
        for (id, config) in spec.exporters.iter().filter(|(id, _)| !is_new(id)) {
            let Some((_, old)) = gone.iter().find(|(old, _)| old == id) else { continue };
            let sink = match workshop.sink(&spec.name, id, config) {
                Ok(sink) => sink,
                Err(error) => {
                    result = Err(error);
                    workshop.sink(&spec.name, id, old)?
                }
            };
            sinks.push(sink);
        }
        self.running.add_exporters(sinks).await?;
        result
    }

    /// Ends it; what it accepted stays in its spool.
    pub async fn stop(self, grace: Duration) -> anyhow::Result<()> {
        self.running.shutdown(grace).await
    }
}

/// What a receiver took must get through the processors.
fn limits(spec: &PipelineSpec) -> Limits {
    let receivers = spec.receivers.iter();
    receivers.fold(Limits::default(), |limits, (_, config)| limits.or(&config.limits()))
}

/// Makes the processors of a pipeline. They hold nothing but their config, so a reload makes all of
/// them anew.
fn processors(spec: &PipelineSpec) -> anyhow::Result<Processors> {
    let limits = limits(spec);
    let made = spec.processors.iter().map(|(id, config)| {
        let id = id.to_string();
        let processor = processor::build(&id, config, limits)?;
        Ok((id, processor))
    });
    made.collect()
}

/// One spool serves all exporters of a pipeline, so it holds what the most patient of them asks
/// for. When it is full, one that is dead must not keep fresh profiles from the others; but who
/// pushes can keep them and try again.
fn spool_config(spec: &PipelineSpec) -> SpoolConfig {
    let settings = || spec.exporters.iter().filter_map(|(_, config)| config.settings());
    let default = SpoolConfig::default();
    let by_source = match spec.receivers.iter().any(|(_, config)| config.is_pushed_to()) {
        true => FullPolicy::Block,
        false => FullPolicy::DropOldest,
    };
    SpoolConfig {
        full: settings().filter_map(|s| s.queue.overflow).min().unwrap_or(by_source),
        bytes_max: said(settings().map(|s| s.queue.bytes_max), default.bytes_max),
        max_age: said(settings().map(|s| s.queue.max_age), default.max_age),
        ..default
    }
}

/// The largest that a config says, where it says one.
fn said<T: Ord>(all: impl Iterator<Item = T>, default: T) -> T {
    all.filter(|value| *value != default).max().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Options};

    /// The pipeline of a scraping and a listening receiver with these settings.
    fn spec(settings: &[&str]) -> PipelineSpec {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, "receivers: {}\n").expect("is writable");
        let always = [
            "receivers::pprof::static_configs=[{targets: ['localhost:6060']}]",
            "service::pipelines::profiles::receivers=[pprof, otlp]",
            "service::pipelines::profiles::exporters=[debug, parquet]",
            "receivers::otlp::protocols::grpc::endpoint=127.0.0.1:0",
            "exporters::debug={}",
            "exporters::parquet={}",
        ];
        let sets = always.iter().chain(settings).map(ToString::to_string).collect();
        let options = Options { files: vec![file], sets, ..Options::default() };
        let resolved = config::load(&options).unwrap_or_else(|problems| panic!("{problems}"));
        resolved.pipelines[0].clone()
    }

    #[test]
    fn what_is_full_refuses_pushes_and_makes_room_for_scrapes() {
        let full = |settings: &[&str]| spool_config(&spec(settings)).full;
        let scraped = "service::pipelines::profiles::receivers=[pprof]";
        let debug = |overflow| format!("exporters::debug::sending_queue::overflow={overflow}");
        let newest = "exporters::parquet::sending_queue::overflow=drop_newest";
        let blocks = "exporters::debug::sending_queue::block_on_overflow=true";
        assert_eq!(full(&[]), FullPolicy::Block);
        assert_eq!(full(&[scraped]), FullPolicy::DropOldest);
        assert_eq!(full(&[scraped, newest]), FullPolicy::DropNewest);
        assert_eq!(full(&[newest, &debug("drop_oldest")]), FullPolicy::DropOldest);
        assert_eq!(full(&[scraped, newest, &debug("block")]), FullPolicy::Block);
        assert_eq!(full(&[scraped, blocks]), FullPolicy::Block);
    }

    #[test]
    fn a_queue_that_is_said_counts_beside_one_that_is_not() {
        let config = |settings: &[&str]| spool_config(&spec(settings));
        let debug = |size| format!("exporters::debug::sending_queue::queue_size={size}");
        let parquet = "exporters::parquet::sending_queue::queue_size=3MiB";
        assert_eq!(config(&[]).bytes_max, 1 << 30);
        assert_eq!(config(&[&debug("2MiB")]).bytes_max, 2 << 20);
        assert_eq!(config(&[&debug("2MiB"), parquet]).bytes_max, 3 << 20);
        assert_eq!(config(&[&debug("2GiB"), parquet]).bytes_max, 2 << 30);
        let age = config(&["exporters::debug::sending_queue::max_age=1h"]).max_age;
        assert_eq!(age, Duration::from_secs(3600));
    }

    #[test]
    fn limits_cover_those_of_all_receivers() {
        let of_pipeline = limits(&spec(&[
            "receivers::pprof::limits::samples_max=7000000",
            "receivers::otlp::limits::decoded_bytes_max=500MiB",
        ]));
        assert_eq!(of_pipeline.samples_max, 7_000_000);
        assert_eq!(of_pipeline.decoded_bytes_max, 500 << 20);
    }
}
