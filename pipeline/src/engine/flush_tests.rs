//! When an exporter pushes: soon while it is young, then once in an interval, or as soon as a push
//! is full. Time is virtual, so that seconds pass at once.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Pipeline, Sink,
    tests::{profile, spool_config},
};
use crate::{
    component::{Batching, Content, Export, ExportError, Exporter, Outlet, Receiver, Taken},
    settings::Settings,
    spool::Spool,
    storage::Disk,
};

const FULL: usize = 40;

/// Sends a profile a second for so long, then more than `FULL` at once, then one by one again.
struct Steady {
    seconds: i64,
}

#[async_trait]
impl Receiver for Steady {
    async fn run(self: Box<Self>, outlet: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        for second in 0..2 * self.seconds {
            let count = if second == self.seconds { FULL * 3 / 2 } else { 1 };
            let profiles = (0..count).map(|_| profile(second)).collect();
            let settled = outlet.send_of(Content::Profiles(profiles), None).await?;
            drop(settled.await);
            sleep(Duration::from_secs(1)).await;
        }
        stop.cancelled().await;
        Ok(())
    }
}

/// When pushes came since the start, and how many profiles each had.
#[derive(Clone)]
struct Pushes(Instant, Arc<Mutex<Vec<(f64, usize)>>>);

#[async_trait]
impl Exporter for Pushes {
    async fn export(&mut self, export: &Export) -> Result<Taken, ExportError> {
        let push = (self.0.elapsed().as_secs_f64(), export.profiles.len());
        self.1.lock().expect("whole").push(push);
        Ok(Taken::default())
    }

    fn batching(&self) -> Batching {
        Batching {
            profiles_max: FULL,
            wait: Duration::from_secs(10),
            first_wait: Duration::from_secs(2),
            ..Batching::default()
        }
    }
}

/// Nothing comes from it.
struct Silent;

#[async_trait]
impl Receiver for Silent {
    async fn run(self: Box<Self>, _: Outlet, stop: CancellationToken) -> anyhow::Result<()> {
        stop.cancelled().await;
        Ok(())
    }
}

/// When it tidied up.
#[derive(Clone)]
struct Tidy(Instant, Arc<Mutex<Vec<u64>>>);

#[async_trait]
impl Exporter for Tidy {
    async fn export(&mut self, _: &Export) -> Result<Taken, ExportError> {
        Ok(Taken::default())
    }

    fn tidy(&mut self) -> Option<Duration> {
        self.1.lock().expect("whole").push(self.0.elapsed().as_secs());
        Some(Duration::from_secs(60))
    }
}

fn pipeline(dir: &Path, receiver: Box<dyn Receiver>, exporter: Box<dyn Exporter>) -> Pipeline {
    let settings = Settings::default();
    Pipeline {
        name: "profiles".into(),
        receivers: vec![("one".into(), receiver)],
        processors: Vec::new(),
        exporters: vec![Sink { id: "one".into(), exporter, settings }],
        spool: Spool::open(Arc::new(Disk), dir, spool_config()).expect("opens"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_exporter_tidies_up_though_nothing_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let tidy = Tidy(Instant::now(), Arc::default());
    let pipeline = pipeline(dir.path(), Box::new(Silent), Box::new(tidy.clone()));
    let running = pipeline.start().expect("starts");
    sleep(Duration::from_secs(200)).await;
    running.shutdown(Duration::from_secs(5)).await.expect("ends in time");
    assert_eq!(*tidy.1.lock().expect("whole"), [0, 60, 120, 180]);
}

#[tokio::test(start_paused = true)]
async fn pushes_come_after_2_seconds_then_each_10_or_when_they_are_full() {
    let dir = tempfile::tempdir().expect("a directory");
    let pushes = Pushes(Instant::now(), Arc::default());
    let steady = Box::new(Steady { seconds: 55 });
    let pipeline = pipeline(dir.path(), steady, Box::new(pushes.clone()));
    let running = pipeline.start().expect("starts");
    sleep(Duration::from_secs(115)).await;
    let all = pushes.1.lock().expect("whole").clone();
    running.shutdown(Duration::from_secs(5)).await.expect("ends in time");

    let (first, _) = all[0];
    assert!((2.0..3.0).contains(&first), "{all:?}");
    let gaps = all.windows(2).map(|pair| (pair[1].0, pair[1].0 - pair[0].0, pair[1].1));
    for (at, gap, count) in gaps {
        // From a first profile, up to a second after a push, to the next push.
        match (at, count) {
            (_, FULL) => assert!((55.0..61.0).contains(&at), "full at {at}: {all:?}"),
            // The last one that was begun while it was young.
            (..23.0, _) => assert!((2.0..4.0).contains(&gap) && count <= 4, "{at}: {all:?}"),
            // The push that was full was before its time.
            (61.0..72.0, _) => {}
            _ => assert!((9.5..12.0).contains(&gap) && (8..=12).contains(&count), "{at}: {all:?}"),
        }
    }
    assert_eq!(all.iter().filter(|(_, count)| *count == FULL).count(), 1, "{all:?}");
    let pushed: usize = all.iter().map(|(_, count)| count).sum();
    assert!(pushed >= 109 + FULL * 3 / 2 - 12, "{all:?}");
}
