//! Counters of a target that goes on, starts anew, fails and comes back, as they arrive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use pipeline::{
    profile::{Profile, Temporality},
    reason::Reason,
    receipt::Outcome,
};

use super::{
    fake::{Act, Fake, answer, counted},
    running::{Running, eventually, every, target},
};

fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// The sum of all deltas, each of which must be one.
fn sum(profiles: &[Profile]) -> i64 {
    let values = profiles.iter().flat_map(|profile| {
        assert_eq!(profile.meta.sample_types[0].temporality, Temporality::Delta);
        assert!(profile.meta.duration_ns > 0);
        profile.samples().values.clone()
    });
    values.inspect(|value| assert!(*value > 0, "no negative spikes")).sum()
}

/// A target that has counted one more each time that it is asked, and what it counted last. Each
/// third answer is what `odd` makes of it.
async fn counting(odd: fn(i64) -> Act) -> (Fake, Arc<AtomicI64>) {
    let count = Arc::new(AtomicI64::new(1_000_000));
    let (counted_here, asked) = (Arc::clone(&count), AtomicUsize::new(0));
    let fake = Fake::start(move |_| {
        let value = counted_here.fetch_add(1, Relaxed) + 1;
        match asked.fetch_add(1, Relaxed) % 3 {
            2 => odd(value),
            _ => answer(0, "200 OK", counted("delay", value, now_ns())),
        }
    });
    (fake.await, count)
}

fn mutex(fake: &Fake) -> Vec<crate::pprof::ScrapeTarget> {
    vec![target("demo", &fake.address, &[every("mutex", 50)])]
}

#[tokio::test]
async fn missed_and_refused_snapshots_are_part_of_the_next_delta() {
    for (what, odd, lost) in [
        ("scrape that failed", (|_| answer(0, "503 No", "")) as fn(i64) -> Act, false),
        ("answer that is none", |_| answer(0, "200 OK", "<html>"), false),
        ("refused delta", |value| answer(0, "200 OK", counted("delay", value, now_ns())), true),
    ] {
        let (fake, count) = counting(odd).await;
        let outcome = move |number: usize| match lost && number % 3 == 1 {
            true => Outcome::Lost,
            false => Outcome::Delivered,
        };
        let running = Running::settling(mutex(&fake), outcome);
        let successes = || running.context.scrapes.snapshot().successes;
        eventually(what, || successes() >= 6).await;
        let sent = Arc::clone(&running.sent);
        let failures = running.context.scrapes.snapshot().failures;
        running.stop().await;
        let (sent, now) = (sent.lock().unwrap(), count.load(Relaxed));
        // The first answer is the baseline. The last ones may not have arrived.
        let counted = sum(&sent);
        let missing = now - 1_000_001 - counted;
        assert!((0..=3).contains(&missing), "{what}: {counted} of {now}");
        assert!(counted > sent.len() as i64, "{what}: some delta has two");
        assert!(failures.values().sum::<u64>() >= 1, "{what}: {failures:?}");
        assert_eq!(failures.contains_key(&Reason::PipelineFull), lost, "{what}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_is_counted() {
    let earlier = |value| {
        // Within what is believed, and before all others.
        answer(0, "200 OK", counted("delay", value, now_ns() - 60_000_000_000))
    };
    let (fake, _) = counting(earlier).await;
    let running = Running::start(mutex(&fake), Outcome::Delivered);
    eventually("a clock back", || running.context.scrapes.snapshot().clocks_back > 0).await;
    eventually("deltas after it", || running.sent.lock().unwrap().len() >= 3).await;
    assert_eq!(running.context.scrapes.snapshot().restarts, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_restart_is_a_new_baseline_and_other_types_too() {
    for (what, odd, restarts) in [
        (
            "counter that fell",
            (|value| answer(0, "200 OK", counted("delay", value - 1_000_000, now_ns())))
                as fn(i64) -> Act,
            true,
        ),
        ("other type", |value| answer(0, "200 OK", counted("contentions", value, now_ns())), false),
    ] {
        let (fake, _) = counting(odd).await;
        let running = Running::start(mutex(&fake), Outcome::Delivered);
        eventually(what, || running.sent.lock().unwrap().len() >= 4).await;
        let counts = running.context.scrapes.snapshot();
        assert_eq!(counts.restarts > 0, restarts, "{what}: {counts:?}");
        let sent = Arc::clone(&running.sent);
        running.stop().await;
        let sent = sent.lock().unwrap();
        let values = sent.iter().flat_map(|profile| profile.samples().values.clone());
        let steps: Vec<_> = values.collect();
        // A counter that fell and rose again has one huge step, as nobody can tell it from work.
        let plausible = |step: &&i64| **step == 1;
        assert!(steps.iter().filter(plausible).count() >= 2, "{what}: {steps:?}");
        assert!(steps.iter().all(|step| *step > 0), "{what}: {steps:?}");
    }
}

#[tokio::test]
async fn a_type_that_was_not_there_is_asked_for_again_after_a_restart() {
    let asked = AtomicI64::new(0);
    let fake = Fake::start(move |path| {
        let absent = "404 Not Found\r\nX-Go-Pprof: 1";
        match path {
            "/debug/pprof/block" => answer(0, absent, "Unknown profile"),
            _ => {
                let n = asked.fetch_add(1, Relaxed);
                let value = if n < 10 { 1000 + n } else { n - 9 };
                answer(0, "200 OK", counted("delay", value, now_ns()))
            }
        }
    })
    .await;
    let profiles = [every("block", 60), every("mutex", 60)];
    let running =
        Running::start(vec![target("demo", &fake.address, &profiles)], Outcome::Delivered);
    let restarts = || running.context.scrapes.snapshot().restarts;
    eventually("some snapshots", || fake.asked("/debug/pprof/mutex") >= 8).await;
    assert_eq!((restarts(), fake.asked("/debug/pprof/block")), (0, 1), "it is off");
    let status = running.context.board.snapshot().pop().unwrap();
    assert_eq!(status.types, ["mutex"]);
    assert!(status.next_scrape < now_ns() as f64 / 1e9 + 1.0, "of what is on");
    eventually("a restart", || restarts() == 1).await;
    eventually("another try", || fake.asked("/debug/pprof/block") == 2).await;
    running.stop().await;
}
