//! The receiver at work: what it sends, when it asks, and how it starts and stops loops.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pipeline::{
    component::{Outlet, Receiver},
    limits::Limits,
    profile::{Profile, Temporality},
    reason::Reason,
    receipt::Outcome,
    target::{Health, Target},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::fake::{Act, Fake, answer, pprof};
use crate::{
    Context,
    pprof::{Pprof, ProfileSettings, Schedule, ScrapeTarget},
};

/// A receiver that runs, with all that it sent.
pub(super) struct Running {
    pub context: Context,
    pub sent: Arc<Mutex<Vec<Profile>>>,
    pub targets: watch::Sender<Arc<[ScrapeTarget]>>,
    stop: CancellationToken,
    task: AbortOnDropHandle<anyhow::Result<()>>,
}

impl Running {
    pub(super) fn start(targets: Vec<ScrapeTarget>, outcome: Outcome) -> Self {
        Self::settling(targets, move |_| outcome)
    }

    /// The same, with an outcome for each batch by its number; what is lost is not `sent`.
    pub(super) fn settling(
        targets: Vec<ScrapeTarget>,
        outcome: impl Fn(usize) -> Outcome + Send + 'static,
    ) -> Self {
        let context = Context::default();
        let (targets, list) = watch::channel(targets.into());
        let receiver = Pprof::following(list, &Limits::default(), &context).unwrap();
        let (outlet, mut intake) = Outlet::new(1);
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (taken, stop) = (Arc::clone(&sent), CancellationToken::new());
        let run = Box::new(receiver).run(outlet, stop.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(run));
        tokio::spawn(async move {
            let mut number = 0;
            while let Some(batch) = intake.recv().await {
                number += 1;
                if outcome(number) == Outcome::Delivered {
                    taken.lock().unwrap().extend(batch.content.profiles().unwrap());
                }
                batch.receipt.settle(outcome(number));
            }
        });
        Self { context, sent, targets, stop, task }
    }

    /// Ends the receiver, which must take less than a second.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(1), self.task).await.unwrap().unwrap().unwrap();
    }

    pub(super) fn failures(&self, reason: Reason) -> u64 {
        self.context.scrapes.snapshot().failures.get(&reason).copied().unwrap_or(0)
    }
}

/// Waits until something is so, half a minute at most.
pub(super) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(30), "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn target(job: &str, address: &str, profiles: &[ProfileSettings]) -> ScrapeTarget {
    let attributes = [("service.name", "orders")].into_iter().collect();
    let target = Target { job: job.into(), address: address.into(), attributes };
    ScrapeTarget::new(target, profiles.iter().cloned())
}

fn cpu(seconds: u32) -> ProfileSettings {
    ProfileSettings::monitor("cpu", Some(seconds), None).unwrap()
}

/// A snapshot now, and the next one a minute later.
fn once(key: &str) -> ProfileSettings {
    ProfileSettings::monitor(key, None, None).unwrap()
}

pub(super) fn every(key: &str, ms: u64) -> ProfileSettings {
    let settings = ProfileSettings::monitor(key, None, None).unwrap();
    ProfileSettings { schedule: Schedule::Every(Duration::from_millis(ms)), ..settings }
}

const CPU: &str = "/debug/pprof/profile";
const HEAP: &str = "/debug/pprof/heap";

/// A Go process, more or less: a window takes its time.
fn go_like(path: &str) -> Act {
    match path.split_once('?').map_or((path, ""), |(path, query)| (path, query)) {
        (CPU, "seconds=1") => answer(1000, "200 OK", pprof("cpu")),
        (CPU, "seconds=60") => answer(60_000, "200 OK", pprof("cpu")),
        (HEAP, "") => answer(0, "200 OK", pprof("inuse_space")),
        ("/debug/pprof/mutex", "") => answer(0, "404 Not Found\r\nX-Go-Pprof: 1", "none"),
        ("/debug/pprof/block", "") => answer(0, "200 OK", "<html>login</html>"),
        _ => answer(0, "400 Bad Request", "unexpected"),
    }
}

#[tokio::test]
async fn profiles_come_with_name_time_and_attributes() {
    let fake = Fake::start(go_like).await;
    let profiles = [cpu(1), every("heap", 100), every("mutex", 50), once("block")];
    let running =
        Running::start(vec![target("demo", &fake.address, &profiles)], Outcome::Delivered);
    let sent = Arc::clone(&running.sent);
    let has = |name: &str| sent.lock().unwrap().iter().any(|p| p.meta.name == name);
    eventually("cpu and heap", || has("cpu") && has("heap")).await;
    {
        let sent = sent.lock().unwrap();
        let cpu = sent.iter().find(|p| p.meta.name == "cpu").unwrap();
        assert_eq!(cpu.meta.duration_ns, 1_000_000_000);
        assert!(cpu.meta.time_ns > 1_500_000_000_000_000_000, "{}", cpu.meta.time_ns);
        assert_eq!(cpu.meta.resource.service(), "orders");
        let instance = fake.address.trim_start_matches("http://");
        assert_eq!(cpu.meta.resource.get("service.instance.id"), Some(instance));
        assert_eq!(cpu.meta.origin.receiver, "pprof");
        assert_eq!(cpu.meta.origin.peer, format!("{}{CPU}?seconds=1", fake.address));
        let heap = sent.iter().find(|p| p.meta.name == "heap").unwrap();
        assert_eq!(heap.meta.sample_types[0].temporality, Temporality::Instant);
    }
    eventually("heap is asked again", || fake.asked(HEAP) >= 5).await;
    assert_eq!(fake.asked("/debug/pprof/mutex"), 1, "switched off after a 404");
    assert_eq!((running.failures(Reason::NotFound), running.failures(Reason::NotPprof)), (1, 1));
    let status = running.context.board.snapshot().pop().unwrap();
    assert_eq!((status.health, status.types.len()), (Health::Degraded, 3), "{status:?}");
    assert!(fake.seen.lock().unwrap().connections <= 3, "connections are used again");
    let counts = || running.context.scrapes.snapshot();
    eventually("successes are counted", || counts().successes >= 6).await;
    assert!(counts().body_bytes > 0 && counts().attempts >= counts().successes + 2);
    running.stop().await;
}

#[tokio::test]
async fn stops_at_once_in_the_middle_of_a_window() {
    let fake = Fake::start(go_like).await;
    let running =
        Running::start(vec![target("demo", &fake.address, &[cpu(60)])], Outcome::Delivered);
    eventually("the window starts", || fake.asked("/debug/pprof/profile?seconds=60") == 1).await;
    let board = running.context.board.clone();
    running.stop().await;
    assert!(board.snapshot().is_empty());
}

#[tokio::test]
async fn early_and_bad_answers_make_no_hot_loop() {
    let html = |_: &str| answer(0, "200 OK", "<html>");
    let fake = Fake::start(html).await;
    let running =
        Running::start(vec![target("demo", &fake.address, &[cpu(1)])], Outcome::Delivered);
    sleep(Duration::from_millis(2500)).await;
    let asked = fake.asked("/debug/pprof/profile?seconds=1");
    assert!((1..=3).contains(&asked), "asked {asked} times in 2.5 s");
    assert_eq!(running.failures(Reason::NotPprof), asked as u64);
    running.stop().await;
}

#[tokio::test]
async fn what_the_pipeline_loses_is_counted_and_not_asked_again_in_its_tick() {
    let fake = Fake::start(go_like).await;
    let running =
        Running::start(vec![target("demo", &fake.address, &[once("heap")])], Outcome::Lost);
    eventually("it is counted", || running.failures(Reason::PipelineFull) == 1).await;
    sleep(Duration::from_millis(300)).await;
    let shown = running.context.board.snapshot().pop().unwrap().last_error.unwrap();
    assert_eq!((fake.asked(HEAP), shown.reason), (1, Reason::PipelineFull));
    running.stop().await;
}

#[tokio::test]
async fn unchanged_targets_keep_their_window_and_gone_ones_stop() {
    let (kept, gone, new) =
        (Fake::start(go_like).await, Fake::start(go_like).await, Fake::start(go_like).await);
    let window = "/debug/pprof/profile?seconds=60";
    let of = |fake: &Fake| target("demo", &fake.address, &[cpu(60)]);
    let running = Running::start(vec![of(&kept), of(&gone), of(&kept)], Outcome::Delivered);
    eventually("both start", || kept.asked(window) + gone.asked(window) == 2).await;
    running.targets.send(vec![of(&new), of(&kept)].into()).unwrap();
    eventually("the new one starts", || new.asked(window) == 1).await;
    let endpoints: Vec<_> =
        running.context.board.snapshot().into_iter().map(|status| status.endpoint).collect();
    assert_eq!(endpoints.len(), 2);
    assert!(!endpoints.contains(&gone.address));
    let changed = target("demo", &kept.address, &[cpu(1)]);
    running.targets.send(vec![changed].into()).unwrap();
    eventually("settings change", || kept.asked("/debug/pprof/profile?seconds=1") == 1).await;
    assert_eq!(kept.asked(window), 1, "its window went on while others changed");
    running.stop().await;
}

#[tokio::test]
async fn one_process_is_asked_for_one_window_and_one_snapshot_at_a_time() {
    let slow = |path: &str| match path.split('?').next() {
        Some(CPU) => answer(300, "200 OK", pprof("cpu")),
        _ => answer(50, "200 OK", pprof("inuse_space")),
    };
    let fake = Fake::start(slow).await;
    let profiles = [cpu(1), every("heap", 60)];
    let two = ["one", "other"].map(|job| target(job, &fake.address, &profiles));
    let running = Running::start(two.into(), Outcome::Delivered);
    eventually("windows and snapshots", || {
        fake.asked("/debug/pprof/profile?seconds=1") >= 3 && fake.asked(HEAP) >= 10
    })
    .await;
    {
        let seen = fake.seen.lock().unwrap();
        assert_eq!((seen.under_way[CPU].1, seen.under_way[HEAP].1), (1, 1));
    }
    assert!(running.context.scrapes.snapshot().skipped_ticks > 0, "two share what one could take");
    running.stop().await;
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_no_scrape() {
    // Says that it keeps the connection, and closes it.
    let closing = |_: &str| {
        let body = pprof("inuse_space");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Act::Raw([head.as_bytes(), &body].concat())
    };
    let fake = Fake::start(closing).await;
    let profiles = [every("heap", 20), every("mutex", 20), cpu(1)];
    let running =
        Running::start(vec![target("demo", &fake.address, &profiles)], Outcome::Delivered);
    eventually("many scrapes", || running.context.scrapes.snapshot().successes > 100).await;
    assert_eq!(running.failures(Reason::ConnectionReset), 0);
    running.stop().await;
    let gone = Fake::start(|_| Act::Raw(Vec::new())).await;
    let running =
        Running::start(vec![target("demo", &gone.address, &[once("heap")])], Outcome::Delivered);
    eventually("a failure", || running.failures(Reason::ConnectionReset) == 1).await;
    assert_eq!(gone.asked(HEAP), 1, "who never answered is not asked twice");
    running.stop().await;
}
