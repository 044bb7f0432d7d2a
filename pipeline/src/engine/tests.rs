//! What the engine promises, with a spool on a real disk: everything arrives once, a dead exporter
//! delays nobody, and what is not delivered is there after a restart.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Pipeline, PipelineStats, Sink};
use crate::{
    codec::{otlp, record},
    component::{
        Batching, Content, Export, ExportError, Exporter, Outlet, Processor, Receiver, Refusals,
        Taken,
    },
    limits::Limits,
    profile::{Builder, Label, LabelValue, Meta, Profile, SampleType, Temporality},
    receipt::Outcome,
    settings::Settings,
    spool::{DropReason, FreeFloor, FullPolicy, Spool, SpoolConfig},
    storage::Disk,
};

pub(super) fn profile(number: i64) -> Profile {
    let mut builder = Builder::new(&Limits::default());
    let kind = builder.string("cpu").expect("fits");
    builder.value(number);
    builder.sample(&[]).expect("fits");
    let temporality = Temporality::Delta;
    let sample_types = vec![SampleType { kind, unit: 0, temporality }];
    builder.finish(Meta { sample_types, time_ns: number, ..Meta::default() }).expect("is whole")
}

/// A request of the profiles of these numbers, none of which is zero.
fn request(numbers: Range<i64>) -> Content {
    request_of(&numbers.map(profile).collect::<Vec<_>>())
}

fn request_of(profiles: &[Profile]) -> Content {
    let request = otlp::encode(profiles).into();
    let decoded = otlp::Decoder::default().keep(&request, &Limits::default());
    Content::Request(decoded.expect("is whole").kept.expect("is ordinary"))
}

/// Sends profiles `0..count`, then waits for the stop. Of ten numbers three come in one request
/// where the pipeline takes it, and one in a request of its own.
struct Numbers(i64);

#[async_trait]
impl Receiver for Numbers {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        for number in 0..self.0 {
            let content = match number % 10 {
                2 if outlet.takes_requests() => request(number..number + 3),
                3 | 4 if outlet.takes_requests() => continue,
                6 => request(number..number + 1), // As on the way while processors came.
                _ => Content::Profiles(vec![profile(number)]),
            };
            let settled = outlet.send_of(content, None).await?;
            if number % 10 == 9 {
                assert_eq!(settled.await, Ok(Outcome::Delivered));
            }
        }
        stop.cancelled().await;
        Ok(())
    }
}

/// What an exporter does with a push.
#[derive(Clone, Copy)]
enum Answer {
    Take,
    /// Takes all but two of each push.
    Reject,
    /// Takes all but the second of each push.
    Part,
    Refuse,
    Fail,
    Hang,
}

/// Keeps the numbers that it got, with the range of their push.
#[derive(Clone)]
struct Memory(Arc<Mutex<Vec<(u64, i64)>>>, Answer);

impl Memory {
    fn new(answer: Answer) -> Self {
        Self(Arc::default(), answer)
    }

    fn numbers(&self) -> Vec<i64> {
        self.0.lock().expect("whole").iter().map(|(_, number)| *number).collect()
    }
}

#[async_trait]
impl Exporter for Memory {
    async fn export(&mut self, export: &Export) -> Result<Taken, ExportError> {
        match self.1 {
            Answer::Take | Answer::Reject | Answer::Part => {}
            Answer::Refuse => return Err(ExportError::Permanent(anyhow::anyhow!("no"))),
            Answer::Fail => {
                let source = anyhow::anyhow!("later");
                return Err(ExportError::Retryable { source, after: None });
            }
            Answer::Hang => std::future::pending().await,
        }
        assert!(export.first <= export.last);
        let numbers = export.profiles.iter().map(|p| (export.first, p.profile.meta.time_ns));
        self.0.lock().expect("whole").extend(numbers);
        let rejected = if matches!(self.1, Answer::Reject) { 2 } else { 0 };
        let mut refused = Refusals::default();
        if matches!(self.1, Answer::Part) && export.profiles.len() > 1 {
            refused = Refusals { places: [1].into(), reason: "never".into() };
        }
        Ok(Taken { rejected, reason: "no".into(), refused })
    }

    /// So few that a push ends in the middle of a request.
    fn batching(&self) -> Batching {
        Batching { profiles_max: 4, ..Batching::default() }
    }
}

/// What takes everything may take its time.
fn settings(answer: Answer) -> Settings {
    let timeout = match answer {
        Answer::Take | Answer::Reject | Answer::Part => Duration::ZERO,
        Answer::Refuse | Answer::Fail | Answer::Hang => Duration::from_millis(50),
    };
    let mut settings = Settings { timeout, ..Settings::default() };
    settings.retry.initial_interval = Duration::from_millis(5);
    settings
}

/// Of a spool that takes no part of the disk for itself, however full that is.
pub(super) fn spool_config() -> SpoolConfig {
    let free_floor = FreeFloor { percent: 0, bytes: 0 };
    SpoolConfig { ballast_bytes: 0, free_floor, ..SpoolConfig::default() }
}

/// A pipeline of these, that is not running yet.
fn pipeline(
    spool: Arc<Spool>,
    receiver: impl Receiver + 'static,
    sinks: &[(&str, &Memory)],
) -> Pipeline {
    let exporters = sinks.iter().map(|(id, memory)| Sink {
        id: (*id).into(),
        exporter: Box::new((*memory).clone()),
        settings: settings(memory.1),
    });
    Pipeline {
        name: "profiles".into(),
        receivers: vec![("numbers".into(), Box::new(receiver))],
        processors: Vec::new(),
        exporters: exporters.collect(),
        spool,
    }
}

/// Runs a pipeline until all live exporters have an account for everything, or for a second.
async fn run(dir: &Path, count: i64, sinks: &[(&str, &Memory)]) -> PipelineStats {
    let config = spool_config();
    let spool = Spool::open(Arc::new(Disk), dir, config).expect("opens");
    let running = pipeline(spool, Numbers(count), sinks).start().expect("starts");
    let stats = running.stats();
    tokio::time::sleep(Duration::from_millis(700)).await;
    running.shutdown(Duration::from_secs(5)).await.expect("ends in time");
    for (id, totals) in stats.spool().exporters {
        let dropped: u64 = totals.dropped.values().sum();
        let sum = totals.delivered + totals.pending + totals.dead_lettered + dropped;
        assert_eq!(totals.accepted, sum, "{id}: {totals:?}");
    }
    stats
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let (one, two) = (Memory::new(Answer::Take), Memory::new(Answer::Take));
    let stats = run(dir.path(), 50, &[("one", &one), ("two/x", &two)]).await;
    assert_eq!(one.numbers(), (0..50).collect::<Vec<_>>());
    assert_eq!(two.numbers(), one.numbers());
    assert_eq!((stats.intake_counts(), stats.spool().exporters["one"].delivered), ((50, 0), 50));
    let sources = stats.sources();
    assert_eq!((sources[0].0.as_str(), sources[0].1.samples()), ("numbers", (50, 0)));
    assert!(stats.exporters().iter().all(|(_, exporter)| exporter.samples() == (50, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_exporter_delays_nobody_and_loses_nothing() {
    for answer in [Answer::Fail, Answer::Hang] {
        let dir = tempfile::tempdir().expect("a directory");
        let (live, dead) = (Memory::new(Answer::Take), Memory::new(answer));
        let stats = run(dir.path(), 20, &[("live", &live), ("dead", &dead)]).await;
        assert_eq!(live.numbers().len(), 20);
        assert_eq!(stats.spool().exporters["dead"].pending, 20);
        let failed =
            stats.exporters().iter().any(|(id, stats)| id == "dead" && stats.failures() > 1);
        assert!(failed, "it was tried again");
        let mended = Memory::new(Answer::Take);
        let stats = run(dir.path(), 0, &[("live", &live), ("dead", &mended)]).await;
        assert_eq!(mended.numbers(), (0..20).collect::<Vec<_>>());
        assert_eq!((live.numbers().len(), stats.spool().exporters["dead"].delivered), (20, 20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_of_a_push_is_not_delivered() {
    let dir = tempfile::tempdir().expect("a directory");
    let choosy = Memory::new(Answer::Reject);
    let stats = run(dir.path(), 40, &[("choosy", &choosy)]).await;
    let mut pushes: Vec<_> = choosy.0.lock().expect("whole").iter().map(|p| p.0).collect();
    let each = pushes.chunk_by(|a, b| a == b).map(|push| push.len().min(2) as u64);
    let rejected = each.sum::<u64>();
    pushes.dedup();
    let totals = &stats.spool().exporters["choosy"];
    assert_eq!(totals.dropped[&DropReason::Rejected], rejected);
    assert_eq!((totals.delivered, totals.dead_lettered), (40 - rejected, 0));
    let pushed =
        stats.exporters().iter().map(|(_, stats)| (stats.pushes(), stats.samples())).next();
    assert_eq!(pushed, Some((pushes.len() as u64, (40 - rejected, rejected))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_kept_as_a_dead_letter() {
    let dir = tempfile::tempdir().expect("a directory");
    let stats = run(dir.path(), 5, &[("fussy", &Memory::new(Answer::Refuse))]).await;
    assert_eq!(stats.spool().exporters["fussy"].dead_lettered, 5);
    assert_eq!(letters(&dir.path().join("dead/fussy")), [0, 1, 2, 3, 4]);
}

/// The numbers of the profiles that are dead letters.
fn letters(dir: &Path) -> Vec<i64> {
    let letters = std::fs::read_dir(dir).expect("is there");
    let number = |letter: std::io::Result<std::fs::DirEntry>| {
        let bytes = std::fs::read(letter.expect("is there").path()).expect("can be read");
        record::decode(&bytes, &Limits::default()).expect("is one profile").meta.time_ns
    };
    let mut numbers: Vec<_> = letters.map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_of_a_push_is_kept_and_the_rest_is_delivered() {
    let dir = tempfile::tempdir().expect("a directory");
    let fussy = Memory::new(Answer::Part);
    let stats = run(dir.path(), 40, &[("fussy", &fussy)]).await;
    let pushed = fussy.0.lock().expect("whole").clone();
    let pushes = pushed.chunk_by(|a, b| a.0 == b.0);
    let refused: Vec<i64> = pushes.filter_map(|push| push.get(1)).map(|(_, n)| *n).collect();
    assert!(!refused.is_empty(), "{pushed:?}");
    assert_eq!(letters(&dir.path().join("dead/fussy")), refused);
    let (totals, dead) = (&stats.spool().exporters["fussy"], refused.len() as u64);
    assert_eq!((totals.delivered, totals.dead_lettered, totals.pending), (40 - dead, dead, 0));
    let samples = stats.exporters().iter().map(|(_, stats)| stats.samples()).next();
    assert_eq!(samples, Some((40 - dead, dead)));
}

/// Sends one request.
struct Once(Content);

#[async_trait]
impl Receiver for Once {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        assert_eq!(outlet.send_of(self.0, None).await?.await, Ok(Outcome::Delivered));
        stop.cancelled().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_for_a_record_is_taken_by_profiles() {
    // Each has its own text, which does not become much smaller.
    let noisy = |number: i64| {
        let mut builder = Builder::new(&Limits::default());
        let kind = builder.string("cpu").expect("fits");
        let noise =
            (number * 1_000..number * 1_000 + 500).map(|n: i64| n.wrapping_mul(n << 40 | n));
        let noise: String = noise.map(|n| format!("{n:x}")).collect();
        let value = LabelValue::Text(builder.string(&noise).expect("fits"));
        builder.label(Label { key: kind, value }).expect("fits");
        builder.value(number);
        builder.sample(&[]).expect("fits");
        let mut meta = profile(number).meta;
        meta.sample_types[0].kind = kind;
        builder.finish(meta).expect("is whole")
    };
    let dir = tempfile::tempdir().expect("a directory");
    let content = request_of(&(1..4).map(noisy).collect::<Vec<_>>());
    let record_bytes_max = content.bytes() as u64 - 1;
    let config = SpoolConfig { record_bytes_max, ..spool_config() };
    let spool = Spool::open(Arc::new(Disk), dir.path(), config).expect("opens");
    let memory = Memory::new(Answer::Take);
    let running = pipeline(spool, Once(content), &[("one", &memory)]).start().expect("starts");
    tokio::time::sleep(Duration::from_millis(500)).await;
    running.shutdown(Duration::from_secs(5)).await.expect("ends in time");
    assert_eq!(memory.numbers(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_exporter_fills_the_spool_and_the_others_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = FullPolicy::DropOldest;
    let config = SpoolConfig { bytes_max: 4 << 10, full, ..spool_config() };
    let spool = Spool::open(Arc::new(Disk), dir.path(), config).expect("opens");
    let (live, dead) = (Memory::new(Answer::Take), Memory::new(Answer::Hang));
    let sinks = [("live", &live), ("dead", &dead)];
    let running = pipeline(spool, Numbers(400), &sinks).start().expect("starts");
    let stats = running.stats();
    let all = async {
        while live.numbers().len() < 400 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all of them arrive");
    running.shutdown(Duration::from_secs(5)).await.expect("ends in time");
    assert_eq!(live.numbers(), (0..400).collect::<Vec<_>>());
    let dead = &stats.spool().exporters["dead"];
    let dropped = dead.dropped.values().sum::<u64>();
    assert!(dropped > 200 && dead.pending > 0, "{dead:?}");
    assert_eq!((dead.accepted, dead.delivered), (dropped + dead.pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn exporters_and_receivers_change_while_a_pipeline_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = spool_config();
    let spool = Spool::open(Arc::new(Disk), dir.path(), config).expect("opens");
    let sink = |id: &str, memory: &Memory| Sink {
        id: id.into(),
        exporter: Box::new(memory.clone()),
        settings: settings(memory.1),
    };
    let (kept, dead) = (Memory::new(Answer::Take), Memory::new(Answer::Hang));
    let pipeline = Pipeline {
        name: "profiles".into(),
        receivers: vec![("first".into(), Box::new(Numbers(20)))],
        processors: Vec::new(),
        exporters: vec![sink("kept", &kept), sink("changed", &dead), sink("gone", &dead)],
        spool,
    };
    let mut running = pipeline.start().expect("starts");
    let pause = || tokio::time::sleep(Duration::from_millis(300));
    let grace = Duration::from_secs(5);
    pause().await;
    let failures = |running: &super::Running| {
        let exporters = running.stats().exporters();
        exporters.iter().find(|(id, _)| id == "changed").map_or(0, |(_, stats)| stats.failures())
    };
    let failed = failures(&running);
    assert!(failed > 0, "the push hangs");

    running.end_exporters(&["changed".into(), "gone".into()], grace).await;
    let (mended, new) = (Memory::new(Answer::Take), Memory::new(Answer::Take));
    let sinks = vec![sink("changed", &mended), sink("new", &new)];
    running.add_exporters(sinks).await.expect("the spool takes them");
    running.end_receiver("first", grace).await;
    running.add_receiver("second".into(), Box::new(Numbers(10)));
    pause().await;

    let spool = running.stats().spool();
    let numbers = |count| (0..count).collect::<Vec<i64>>();
    assert_eq!(kept.numbers(), [numbers(20), numbers(10)].concat(), "nobody disturbs it");
    assert_eq!(mended.numbers(), kept.numbers(), "it goes on where the one before was");
    assert_eq!(new.numbers(), numbers(10), "it starts at the tail");
    assert_eq!(spool.exporters["gone"].dropped.values().sum::<u64>(), 20);
    assert!(failures(&running) >= failed, "a counter never falls");
    let ended = tokio::time::timeout(Duration::from_millis(50), running.ended()).await;
    assert!(ended.is_err(), "an end that was asked for is no failure: {ended:?}");
    running.shutdown(grace).await.expect("ends in time");
}

/// Drops all numbers but the multiples of some number.
struct Multiples(i64);

impl Processor for Multiples {
    fn process(&mut self, profiles: &mut Vec<Profile>) {
        profiles.retain(|profile| profile.meta.time_ns % self.0 == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processors_drop_and_are_changed_while_a_pipeline_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = spool_config();
    let memory = Memory::new(Answer::Take);
    let only = |id: &str, n: i64| -> (String, Box<dyn Processor>) {
        (id.to_owned(), Box::new(Multiples(n)))
    };
    let pipeline = Pipeline {
        name: "profiles".into(),
        receivers: vec![("first".into(), Box::new(Numbers(30)))],
        processors: vec![only("two", 2), only("three", 3)],
        exporters: vec![Sink {
            id: "one".into(),
            exporter: Box::new(memory.clone()),
            settings: settings(Answer::Take),
        }],
        spool: Spool::open(Arc::new(Disk), dir.path(), config).expect("opens"),
    };
    let mut running = pipeline.start().expect("starts");
    let pause = || tokio::time::sleep(Duration::from_millis(300));
    pause().await;
    let stats = running.stats();
    assert_eq!(stats.processors(), [("three".to_owned(), 10), ("two".to_owned(), 15)]);
    assert_eq!(stats.intake_counts(), (5, 0), "with what was dropped these are all");
    running.set_processors(vec![only("two", 100), only("none", 1)]);
    running.add_receiver("second".into(), Box::new(Numbers(10)));
    pause().await;
    assert_eq!(stats.processors(), [("none".to_owned(), 0), ("two".to_owned(), 24)]);
    assert_eq!(memory.numbers(), [0, 6, 12, 18, 24, 0]);
    running.shutdown(Duration::from_secs(5)).await.expect("ends in time");
}

/// Ends at once, as no receiver may.
struct Short;

#[async_trait]
impl Receiver for Short {
    async fn run(self: Box<Self>, _: Outlet, _: CancellationToken) -> anyhow::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_ends_by_itself_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = spool_config();
    let pipeline = Pipeline {
        name: "profiles".into(),
        receivers: vec![("short".into(), Box::new(Short))],
        processors: Vec::new(),
        exporters: Vec::new(),
        spool: Spool::open(Arc::new(Disk), dir.path(), config).expect("opens"),
    };
    let mut running = pipeline.start().expect("starts");
    assert_eq!(running.ended().await.to_string(), "receiver short ended by itself");
}
