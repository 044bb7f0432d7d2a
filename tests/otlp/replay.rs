//! `profpipe export`: a lake by OTLP to our receiver, broken off and gone on with.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

use pipeline::{codec::pprof, limits::Limits, profile::Profile, receipt::Outcome};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::Command, time::timeout};

use super::Peer;
use crate::support::{
    cli, made,
    process::{output, profpipe},
    profiles,
};

/// Profiles of the lake; three batches and a rest.
const PROFILES: i64 = 200;

/// A lake of profiles with a function and a value each of its own.
fn lake(dir: &Path) -> std::path::PathBuf {
    let (lake, now) = (dir.join("lake"), SystemTime::now());
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64;
    let file = |n: i64| {
        let path = dir.join(format!("{n}.pb.gz"));
        // Pairs of them start at the same time.
        let window = (now - (1 + n / 2) * 1_000_000_000, 1_000_000_000);
        made::pprof(&path, ("cpu", "nanoseconds"), window, &[(&format!("main;f{n}"), n + 1)]);
        path
    };
    let files: Vec<_> = (0..PROFILES).map(file).collect();
    cli::import(&lake, "shop", &files).ok();
    lake
}

fn export(lake: &Path, to: &str, cursor: &Path, more: &[&str]) -> Command {
    let mut command = profpipe();
    command.args(["export", "--otlp", to, "--cursor"]).arg(cursor).arg("--lake").arg(lake);
    command.args(more);
    command
}

/// Adds the values of profiles by their leaf functions.
fn add(profiles: &[Profile], sums: &mut BTreeMap<String, i64>) {
    for profile in profiles {
        let meta = &profile.meta;
        assert_eq!((meta.name.as_str(), meta.resource.service()), ("cpu", "shop"));
        assert_eq!(meta.duration_ns, 1_000_000_000);
        let samples = profile.samples();
        for (stack, value) in samples.stacks.iter().zip(&samples.values) {
            let leaf = profile.stacks().get(*stack)[0];
            let line = profile.lines().get(leaf)[0];
            let name = profile.text(profile.functions()[line.function as usize].name);
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
}

#[tokio::test]
async fn what_was_broken_off_goes_on_and_nothing_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, cursor) = (lake(dir.path()), dir.path().join("cursor"));
    for (protocol, port) in [("grpc", 0), ("http/protobuf", 1)] {
        let mut peer = Peer::start(|_, _| {});
        let to = format!("http://{}", peer.addresses[port]);
        let mut sums = BTreeMap::new();
        let mut command = export(&lake, &to, &cursor, &[]);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let mut first = command.stderr(Stdio::null()).spawn().unwrap();
        add(&peer.next(Outcome::Delivered).await, &mut sums);
        // No room: the same batch comes again when the receiver said.
        let start = tokio::time::Instant::now();
        let refused = peer.next(Outcome::Lost).await.len();
        let again = peer.next(Outcome::Delivered).await;
        assert!(start.elapsed() >= Duration::from_millis(950), "{:?}", start.elapsed());
        assert_eq!(again.len(), refused);
        add(&again, &mut sums);
        // The third is in flight when the process is killed.
        let in_flight = peer.batches.recv().await.unwrap();
        first.kill().await.unwrap();
        drop(in_flight);
        assert!(cursor.is_file() && sums.len() == 128, "{}", sums.len());

        let mut command = export(&lake, &to, &cursor, &[]);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let second = tokio::spawn(async move { output(&mut command).await });
        while sums.len() < PROFILES as usize {
            add(&peer.next(Outcome::Delivered).await, &mut sums);
        }
        let (code, out, error) = second.await.unwrap();
        assert_eq!((code, out.as_str()), (Some(0), "200 profiles sent\n"), "{error}");
        assert!(error.contains("goes on after 128 profiles"), "{error}");
        assert!(!cursor.is_file(), "the next run is a new one");
        let want: BTreeMap<_, _> = (0..PROFILES).map(|n| (format!("f{n}"), n + 1)).collect();
        assert_eq!(sums, want, "each once, {protocol}");
        let more = timeout(Duration::from_millis(300), peer.batches.recv()).await;
        assert!(more.is_err(), "nothing more comes");
        peer.end().await;
    }
}

#[tokio::test]
async fn a_signal_lets_the_batch_in_flight_end() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, cursor) = (lake(dir.path()), dir.path().join("cursor"));
    let mut peer = Peer::start(|_, _| {});
    let run = |peer: &Peer| {
        let mut command = export(&lake, &peer.http(), &cursor, &[]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    };
    let mut sums = BTreeMap::new();
    for (signal, outcome, says) in [
        (Signal::TERM, Outcome::Delivered, "stopped after 64 profiles; the same command"),
        (Signal::INT, Outcome::Delivered, "stopped after 128 profiles; the same command"),
        // What would be tried again is left to the next run.
        (Signal::TERM, Outcome::Lost, "stopped after 128 profiles; the same command"),
    ] {
        let child = run(&peer);
        let batch = timeout(Duration::from_secs(20), peer.batches.recv()).await.unwrap().unwrap();
        let pid = Pid::from_raw(child.id().unwrap() as i32).unwrap();
        kill_process(pid, signal).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        if outcome == Outcome::Delivered {
            add(&batch.content.profiles().unwrap(), &mut sums);
        }
        batch.receipt.settle(outcome);
        let ended = timeout(Duration::from_secs(5), child.wait_with_output()).await;
        let ended = ended.expect("ends soon").unwrap();
        let error = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(1) && error.contains(says), "{error}");
        assert!(error.contains("it was asked to stop"), "{error}");
    }
    let rest = tokio::spawn(run(&peer).wait_with_output());
    while sums.len() < PROFILES as usize {
        add(&peer.next(Outcome::Delivered).await, &mut sums);
    }
    assert!(rest.await.unwrap().unwrap().status.success() && !cursor.is_file());
    let want: BTreeMap<_, _> = (0..PROFILES).map(|n| (format!("f{n}"), n + 1)).collect();
    assert_eq!(sums, want, "each once");
    peer.end().await;
}

#[tokio::test]
async fn what_cannot_be_is_told_and_leaves_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let (lake, cursor) = (lake(dir.path()), dir.path().join("cursor"));
    let mut peer = Peer::start(|_, _| {});
    let to = peer.http();
    // A selection: half of a service, and none of another.
    let select = ["--service", "other"];
    let (code, _, error) = output(&mut export(&lake, &to, &cursor, &select)).await;
    assert!(code == Some(1) && error.contains("has no profiles"), "{error}");
    // Refused for good: it stops, and would go on.
    let mut command = export(&lake, &to, &cursor, &[]);
    let run = tokio::spawn(async move { output(&mut command).await });
    peer.next(Outcome::Delivered).await;
    peer.next(Outcome::Rejected).await;
    let (code, _, error) = run.await.unwrap();
    assert!(code == Some(1) && error.contains("stopped after 64 profiles; the same"), "{error}");
    assert!(error.contains("HTTP status 413"), "{error}");
    let (code, _, error) = output(&mut export(&lake, &to, &cursor, &["-t", "cpu"])).await;
    assert!(code == Some(2) && error.contains("is of another export"), "{error}");
    // Nobody there: it gives up in time.
    let give_up = ["--give-up-after", "2s", "--service", "shop"];
    let other = dir.path().join("other");
    let (code, _, error) = output(&mut export(&lake, "http://127.0.0.1:1", &other, &give_up)).await;
    assert!(code == Some(1) && error.contains("tries again in 1s"), "{error}");
    let (code, _, error) = output(&mut export(&lake, "nowhere", &other, &[])).await;
    assert!(code == Some(2) && error.contains("must start with http://"), "{error}");
    peer.end().await;
}

/// Sums of each type of a profile, by time.
fn totals<'p>(profiles: impl IntoIterator<Item = &'p Profile>) -> BTreeMap<(i64, String), i64> {
    let mut totals = BTreeMap::new();
    for profile in profiles {
        let types = &profile.meta.sample_types;
        for (column, kind) in types.iter().enumerate() {
            let values = profile.samples().values.iter().skip(column).step_by(types.len());
            let key = (profile.meta.time_ns / 1_000, profile.text(kind.kind).to_owned());
            *totals.entry(key).or_default() += values.sum::<i64>();
        }
    }
    totals.retain(|_, total| *total != 0);
    totals
}

#[tokio::test]
async fn real_heap_profiles_keep_their_values_and_types() {
    let Some(files) = profiles::heap() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (lake, cursor) = (dir.path().join("lake"), dir.path().join("cursor"));
    cli::import(&lake, "shop", files).ok();
    let read = |file| pprof::decode(&std::fs::read(file).unwrap(), &Limits::default()).unwrap();
    let originals: Vec<Profile> = files.iter().map(read).collect();
    let mut peer = Peer::start(|_, _| {});
    let mut command = export(&lake, &peer.http(), &cursor, &["--all", "-t", "heap"]);
    let run = tokio::spawn(async move { output(&mut command).await });
    let (want, mut got) = (totals(&originals), Vec::new());
    while totals(&got).len() < want.len() && !run.is_finished() {
        got.extend(peer.next(Outcome::Delivered).await);
    }
    assert_eq!(totals(&got), want);
    assert!(got.iter().all(|profile| profile.meta.name == "heap"));
    let (code, _, error) = run.await.unwrap();
    assert_eq!(code, Some(0), "{error}");
    peer.end().await;
}
